import type { Page } from "../../templates/templates.ts";
import { ApiProblem } from "../shell/api.ts";
import { text } from "../shell/words.ts";
import { type Sent, sentTexts, sentValue, settableColumns, toFields, toValues } from "./fields.ts";
import type { Column, Records, Row } from "./records.ts";

/** Rows that something is done with at once. */
export interface Chosen {
  /** Keys, as forms have them. */
  readonly ids: readonly string[];
  /** The list to go back to. */
  readonly back: string;
}

/** What is wrong with a row: at one of its columns, or as a whole. */
interface Reason {
  readonly label: string | null;
  readonly message: string;
}

/** A row that can't be changed with the others, and why. */
export interface RefusedRow {
  readonly id: string;
  readonly reasons: readonly Reason[];
}

/** The columns that a form wants set; their fields alone count. */
const SET = "_set";
/** Asks for other choices of a relation, where no script does. */
const SEARCH = "search";
const PLACE = /^\/body\/(?:update|delete)\/(\d+)(?:\/(.*))?$/;
/** Rows that are called by their titles: as many as a page of the list has. */
const MAX_NAMED = 100;

/** Asks what to set in the rows that were chosen. */
export function showBulkForm(records: Records, chosen: Chosen, sent: Sent = {}): Promise<Page> {
  return showForm(records, chosen, { sent, errors: {}, problem: null });
}

/** Sets the same in all the rows that were chosen, or in none of them. */
export function changeChosen(records: Records, chosen: Chosen, sent: Sent): Promise<Page | Response> {
  const { ui, request, about } = records;
  const wanted = new Set([sent[SET]].flat());
  const columns = bulkColumns(records).filter(({ name }) => wanted.has(name));
  const { values, errors } = toValues(columns, sentTexts(columns, sent), { isNew: false });
  if (sentValue(sent, SEARCH) !== null) return showBulkForm(records, chosen, sent);
  const again = (problem: string | null): Promise<Page> =>
    showForm(records, chosen, { sent, errors, problem, status: 422 });
  if (Object.keys(errors).length > 0) return again(null);
  if (columns.length === 0) return again(text("Choose what to change first."));
  const { key } = about;
  return ui.act(request, {
    call: (api) =>
      api.post(`${about.path}/batch`, {
        update: chosen.ids.map((id) => ({ [key]: records.toKey(id), ...values })),
      }),
    done: {
      text: text("{count} rows are changed."),
      values: { count: String(chosen.ids.length) },
      color: "success",
    },
    to: chosen.back,
    again: (problem) => showRefused(records, chosen, { problem, sent, action: "~edit" }),
  });
}

interface Refusal {
  readonly problem: ApiProblem;
  readonly sent: Sent;
  /** Where the form goes that does it with the others. */
  readonly action: string;
}

/** Says of each row why it stands in the way, and offers to go on with the others. */
export async function showRefused(
  records: Records,
  { ids, back }: Chosen,
  { problem, sent, action }: Refusal,
): Promise<Page | Response> {
  const refused = toRefusedRows(records, problem, ids);
  if (refused.length === 0)
    return records.ui.redirect(records.request, back, { text: toWords(problem), color: "error" });
  const isRefused = new Set(refused.map(({ id }) => id));
  const others = ids.filter((id) => !isRefused.has(id));
  const kept = Object.entries(sent)
    .filter(([name]) => name !== "csrf_token" && name !== "id")
    .flatMap(([name, value]) => [value].flat().map((one) => ({ name, value: String(one) })));
  return showOutcome(records, refused, {
    back,
    status: problem.status,
    done: 0,
    form: others.length === 0 ? null : { action: `${records.path}/${action}`, kept, others },
  });
}

interface Outcome {
  readonly back: string;
  readonly status: number;
  /** Rows that it was done with. */
  readonly done: number;
  /** What does it with the others; null where there are none. */
  readonly form: {
    readonly action: string;
    readonly kept: readonly { readonly name: string; readonly value: string }[];
    readonly others: readonly string[];
  } | null;
}

/** The page that says of rows why something couldn't be done with them. */
export async function showOutcome(
  records: Records,
  refused: readonly RefusedRow[],
  { status, ...outcome }: Outcome,
): Promise<Page> {
  const { ui, request, about, path } = records;
  const titles = await titlesOf(
    records,
    refused.map(({ id }) => id),
  );
  const rows = refused.map(({ id, reasons }) => ({
    title: titles.get(id) ?? `${about.singular} ${id}`,
    href: records.pathOf(id),
    reasons,
  }));
  return ui.page(request, "records/outcome.html", { about, path, rows, ...outcome }, { status });
}

/** What an error says, with what it is about first. */
export function toWords({ message, errors = [] }: ApiProblem): string {
  return errors[0]?.message ?? message;
}

/** Which rows the API has refused in a batch, in the order in which they were asked for. */
function toRefusedRows(records: Records, { errors = [] }: ApiProblem, ids: readonly string[]): RefusedRow[] {
  const reasons = new Map<string, Reason[]>();
  for (const { path, message } of errors) {
    const [, at = "", name = ""] = PLACE.exec(path) ?? [];
    const id = ids[Number(at)];
    if (at === "" || id === undefined) continue;
    const label = records.column(name)?.label ?? null;
    const all = reasons.get(id) ?? [];
    reasons.set(id, [...all, { label, message }]);
  }
  return [...reasons].map(([id, all]) => ({ id, reasons: all }));
}

async function titlesOf(records: Records, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const { about, api } = records;
  const keys = ids.slice(0, MAX_NAMED).map((id) => JSON.stringify(records.toKey(id)));
  try {
    const { items } = await api.get<{ readonly items: readonly Row[] }>(about.path, {
      filter: `${about.key} in (${keys.join(", ")})`,
      per_page: MAX_NAMED,
      total: false,
    });
    return new Map(items.map((row) => [String(row[about.key]), records.titleOf(row)]));
  } catch (error) {
    // So many long keys are no filter: they are shown as they are.
    if (error instanceof ApiProblem && error.status === 422) return new Map();
    throw error;
  }
}

interface FormState {
  readonly sent: Sent;
  readonly errors: Readonly<Record<string, string>>;
  readonly problem: string | null;
  readonly status?: number;
}

async function showForm(
  records: Records,
  { ids, back }: Chosen,
  { sent, errors, problem, status = 200 }: FormState,
): Promise<Page> {
  const { ui, request, about, path } = records;
  const columns = bulkColumns(records);
  const wanted = new Set([sent[SET]].flat());
  const fields = await toFields(records, columns, {
    texts: sentTexts(columns, sent),
    errors,
    isNew: false,
    sent,
  });
  return ui.page(
    request,
    "records/bulk.html",
    {
      about,
      path,
      ids,
      back,
      problem,
      fields: fields.map((field) => ({ ...field, isRequired: false, isWanted: wanted.has(field.column) })),
    },
    { status },
  );
}

/** What can be the same in several rows. */
function bulkColumns(records: Records): readonly Column[] {
  return settableColumns(records, "update").filter(
    ({ kind, is_unique: isUnique }) => kind !== "file" && !isUnique,
  );
}
