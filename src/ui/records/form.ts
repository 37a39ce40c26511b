import type { Page, TemplateData } from "../../templates/templates.ts";
import type { Query } from "../shell/api.ts";
import { ApiProblem } from "../shell/api.ts";
import type { Flash } from "../shell/flash.ts";
import { toChildren } from "./children.ts";
import type { Conflict } from "./conflicts.ts";
import {
  FIELD,
  type Field,
  fieldsShownBy,
  newOnce,
  type Sent,
  sentTexts,
  sentValue,
  settableColumns,
  textsOf,
  toFacts,
  toFields,
} from "./fields.ts";
import { type Refused, toDiscussion } from "./discussion.ts";
import type { Column, Records, Row } from "./records.ts";
import { receiveFiles } from "./uploads.ts";

/** The form that waits for the row of this one, as related.ts has it, where no script keeps it. */
export const OUTER = "outer";
/** The field that waits for the row, by its id, where the form stands in a dialog. */
export const DIALOG = "_dialog";

const MAX_TEXTS = 1_000_000; // characters of all values in a form

/** A row as it was read. */
export interface Found {
  readonly row: Row;
  /** Its ETag; "" for one that is deleted. */
  readonly version: string;
  readonly isDeleted: boolean;
}

/** What a form shows. */
export interface FormState {
  readonly texts: Readonly<Record<string, string>>;
  /** Of files that the row doesn't have yet. */
  readonly names?: Readonly<Record<string, string>>;
  readonly errors?: Readonly<Record<string, string>>;
  /** What is wrong with all of it. */
  readonly problem?: ApiProblem | null;
  readonly sent?: Sent;
  readonly conflicts?: readonly Conflict[];
  readonly status?: number;
  /** Whether it goes on from the row that it was filled with, whatever the row is by now. @default false */
  readonly isSame?: boolean;
  /** What was refused of what somebody has said or attached. */
  readonly said?: Refused;
  /** What has been done. */
  readonly notice?: Pick<Flash, "text" | "values"> | null;
}

/** Reads a row with those that it refers to; one that is deleted, for those who may put it back. */
export async function findRow(records: Records, id: string): Promise<Found> {
  const { api, about } = records;
  const expand = about.columns.flatMap(({ name }) => records.relationOf(name) ?? []);
  const query: Query = expand.length > 0 ? { expand: expand.join(",") } : {};
  try {
    const { body, headers } = await api.ask<Row>("GET", records.apiPathOf(id), { query });
    return { row: body, version: headers.get("etag") ?? "", isDeleted: false };
  } catch (error) {
    const mayBeDeleted = about.soft_delete && records.may("delete");
    if (!(error instanceof ApiProblem && error.status === 404 && mayBeDeleted)) throw error;
    const filter = `${about.key} = ${JSON.stringify(records.toKey(id))}`;
    const { items } = await api.get<{ items: Row[] }>(about.path, { ...query, deleted: "only", filter });
    if (items[0] === undefined) throw error;
    return { row: items[0], version: "", isDeleted: true };
  }
}

/** The page of a row: its form, what may be done with it, and what belongs to it. @param said what was refused of somebody's words */
export async function showRow(records: Records, id: string, said?: FormState["said"]): Promise<Page> {
  const found = await findRow(records, id);
  const texts = textsOf(settableColumns(records, "update"), found.row);
  return showForm(records, found, { texts, ...(said !== undefined && { said, status: 422 }) });
}

/** What somebody has typed into a form, and the files that they have chosen, which are kept. */
export async function readForm(records: Records, columns: readonly Column[], sent: Sent) {
  const { texts, names, errors } = await receiveFiles(records, columns, sent);
  return { texts: { ...sentTexts(columns, sent), ...texts }, names, errors };
}

/** The page of a form, as it has been filled in so far. @param found null for a new row */
export async function showForm(records: Records, found: Found | null, state: FormState): Promise<Page> {
  const { ui, request, about } = records;
  const isFixed = found !== null && (found.isDeleted || !records.may("update"));
  const all = isFixed ? [] : formColumns(records, found === null ? "create" : "update");
  const columns = fieldsShownBy(
    records,
    found === null ? all : fittingColumns(all, found.row),
    found?.row ?? null,
  );
  const { texts, names = {}, errors = {}, problem = null, sent = {}, conflicts = [], status = 200 } = state;
  const filledWith = (name: string): string | null => (state.isSame === true ? sentValue(sent, name) : null);
  const shown = new Set(columns.map(({ name }) => name));
  const isAtField = Object.keys(problem?.fields ?? {}).some((name) => shown.has(name));
  const row = found?.row ?? {};
  const outer = sentValue(sent, OUTER);
  const dialog = records.isHtmx ? sentValue(sent, DIALOG) : null;
  const isInDialog = dialog !== null;
  const options = { texts, errors, isNew: found === null, sent, row, names, isInDialog };
  const fields = await toFields(records, columns, { ...options, makes: outer === null && !isInDialog });
  const show = isInDialog
    ? (data: TemplateData) => ui.page(request, "records/related.html", data, { status })
    : (data: TemplateData) => records.screen("form", data, { status });
  return show({
    about,
    path: records.path,
    isNew: found === null,
    once: newOnce(sent, problem),
    title: found === null ? null : records.titleOf(row),
    here: found === null ? `${records.path}/~new` : records.pathOf(row[about.key]),
    fieldsets: toFieldsets(records, fields),
    facts: found === null ? [] : toFacts(records, columns, row),
    hasFiles: fields.some(({ kind }) => kind === "file"),
    original: filledWith("original") ?? JSON.stringify(textsOf(columns, row)),
    version: filledWith("version") ?? found?.version ?? "",
    isDeleted: found?.isDeleted ?? false,
    problem:
      problem === null || (isAtField && problem.code === "validation_error") ? null : toWords(problem, shown),
    conflicts: conflicts.map((one) => ({ ...one, name: `c-${one.column}`, field: FIELD + one.column })),
    steps: found === null ? [] : stepsOf(records, found),
    children: found === null || found.isDeleted ? [] : await toChildren(records, row),
    may: { delete: records.may("delete"), explain: ui.can(request, "resources:explain") },
    discussion:
      found === null
        ? null
        : await toDiscussion(records, row, { isDeleted: found.isDeleted, refused: state.said }),
    outer,
    dialog,
    notice: state.notice ?? null,
    isDirty: state.isSame === true,
  });
}

/** The columns that a form has, in order: those that the resource names, and what a new row must be given. */
export function formColumns(records: Records, verb: "create" | "update"): readonly Column[] {
  const columns = settableColumns(records, verb);
  const { form } = records.about;
  if (form === null) return columns;
  const named = form.flatMap(({ fields }) => fields);
  const chosen = named.flatMap((name) => columns.find((column) => column.name === name) ?? []);
  const needed = columns.filter((one) => verb === "create" && one.is_required && !named.includes(one.name));
  return [...chosen, ...needed];
}

/** Columns whose values a form has room for, which has them twice; the others are shown beside it, and cut. */
function fittingColumns(columns: readonly Column[], row: Row): readonly Column[] {
  const texts = textsOf(columns, row);
  let room = MAX_TEXTS;
  return columns.filter(({ name }) => {
    const { length } = texts[name] ?? "";
    if (length > room) return false;
    room -= length;
    return true;
  });
}

/** Fields as they stand together; without a word of the resource, all of them. */
function toFieldsets({ about: { form } }: Records, fields: readonly Field[]) {
  const sets = (form ?? []).map(({ title, fields: names }) => ({
    title,
    fields: fields.filter(({ column }) => names.includes(column)),
  }));
  const named = new Set(sets.flatMap((set) => set.fields));
  const others = fields.filter((field) => !named.has(field));
  return [...sets, { title: null, fields: others }].filter((set) => set.fields.length > 0);
}

/** What is wrong, with what is at no field that is shown. */
function toWords({ message, errors = [] }: ApiProblem, shown: ReadonlySet<string>): string {
  const others = errors.filter(({ path }) => !shown.has(path.replace("/body/", "")));
  return [message, ...others.map((one) => `${one.path.replace("/body/", "")}: ${one.message}`)].join("; ");
}

/** The steps of the workflow that may be taken now. */
function stepsOf({ about: { workflow } }: Records, { row, isDeleted }: Found) {
  const state = workflow === null ? null : row[workflow.field];
  return isDeleted
    ? []
    : (workflow?.transitions ?? []).filter(
        ({ from, may_use: mayUse }) => mayUse && typeof state === "string" && from.includes(state),
      );
}
