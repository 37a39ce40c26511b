import { neutralise } from "../../resources/export/formula-text.ts";
import { readImportFile } from "../../resources/import/request.ts";
import { openSource } from "../../resources/import/source.ts";
import type { Page } from "../../templates/templates.ts";
import { AppError } from "../../errors/errors.ts";
import type { Query } from "../shell/api.ts";
import { text } from "../shell/words.ts";
import { toText } from "./cells.ts";
import { type Sent, sentValue } from "./fields.ts";
import type { Records } from "./records.ts";

/** What the API says has become of a file. */
interface Report {
  readonly total: number;
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly failed: number;
  readonly errors: readonly RowProblem[];
}

interface RowProblem {
  readonly line?: number;
  readonly column?: string | null;
  readonly code: string;
  readonly message: string;
}

/** An import that a job does. */
interface Job {
  readonly id: string | number;
  readonly state: string;
  readonly progress: number | null;
  readonly progress_text?: string | null;
  readonly report: Report | null;
  readonly error: { readonly detail?: string; readonly errors?: readonly RowProblem[] } | null;
}

interface State {
  readonly file?: File | null;
  readonly header?: readonly string[];
  readonly sent?: Sent;
  readonly report?: Report | null;
  readonly problem?: AppError | null;
}

/** The largest file that the page keeps while its columns are chosen: beyond, it is imported by a job as it is. */
const MAX_KEPT = 3 * 1024 * 1024; // bytes
const MAX_SHOWN = 200; // mistakes; all that the API tells are in the file of them
/** Begins what the API says of a row. */
const WHERE = /^Line \d+(?:, column "(?:[^"\\]|\\.)*")?: /;

/** The page of an import: which file. */
export function showImport(records: Records): Promise<Page> {
  return showState(records, {});
}

/** Goes on with a file: to its columns, to a trial, to a file of mistakes, or to the import itself. */
export async function goOnWithImport(records: Records, sent: Sent): Promise<Page | Response> {
  const file = toFile(sent);
  if (file === null) return showState(records, { sent });
  try {
    const step = sentValue(sent, "step") ?? "";
    if (file.size > MAX_KEPT) return await runImport(records, file, { sent, header: [] });
    const header = await readHeader(records, file);
    const state = { file, header, sent };
    if (step === "run") return await runImport(records, file, { sent, header });
    if (step === "") return await showState(records, state);
    const report = await send<Report>(records, file, {
      ...toQuery(sent, header),
      dry_run: true,
      on_error: "skip",
    });
    return step === "errors" ? toErrorFile(report) : await showState(records, { ...state, report });
  } catch (error) {
    if (!(error instanceof AppError) || error.status === 401 || error.status >= 500) throw error;
    const header = await readHeader(records, file).catch(() => []);
    return showState(records, { ...(file.size > MAX_KEPT ? {} : { file, header }), sent, problem: error });
  }
}

/** The page of an import that a job does, which asks for itself until it has ended. */
export async function showImportJob(records: Records, id: string): Promise<Page> {
  const job = await records.api.get<Job>(`${records.about.path}/import/${encodeURIComponent(id)}`);
  const isOver = ["completed", "failed", "cancelled"].includes(job.state);
  return records.ui.page(records.request, "records/import-job.html", {
    about: records.about,
    path: records.path,
    here: `${records.path}/~import/${encodeURIComponent(id)}`,
    job: { ...job, percent: Math.round((job.progress ?? 0) * 100), text: job.progress_text ?? "" },
    isOver,
    report: job.report,
    problems: (job.report?.errors ?? job.error?.errors ?? []).slice(0, MAX_SHOWN).map(toLine),
    failure: job.error?.detail ?? null,
  });
}

/** Imports a file: at once, or by a job that its own page follows. */
async function runImport(
  records: Records,
  file: File,
  { sent, header }: { readonly sent: Sent; readonly header: readonly string[] },
): Promise<Response> {
  const skips = sentValue(sent, "on_error") === "skip";
  const query = { ...toQuery(sent, header), ...(skips && { on_error: "skip" }) };
  const done = await send<Report | Job>(records, file, query);
  if ("id" in done) return records.ui.redirect(records.request, `${records.path}/~import/${done.id}`);
  const { created, updated, failed } = done;
  return records.ui.redirect(records.request, records.path, {
    text: text("Imported: {created} made, {updated} changed, {failed} left out."),
    values: { created: String(created), updated: String(updated), failed: String(failed) },
    color: failed > 0 ? "warning" : "success",
  });
}

async function send<Body>({ api, about }: Records, file: File, query: Query): Promise<Body> {
  const form = new FormData();
  form.append("file", file, file.name);
  return (await api.ask<Body>("POST", `${about.path}/import`, { query, body: form })).body;
}

/** What each column of the file is for, as it was chosen; and by what rows that are there are found. */
function toQuery(sent: Sent, header: readonly string[]): Query {
  const map = header.flatMap((name, at) => {
    const column = sentValue(sent, `m-${at}`);
    return column === null || column === name ? [] : [`${name}:${column}`];
  });
  const key = sentValue(sent, "key") ?? "";
  return { map, ...(key !== "" && { key }) };
}

async function readHeader({ request }: Records, file: File): Promise<readonly string[]> {
  const body = new FormData();
  body.append("file", file, file.name);
  const given = new Request(request.url, { method: "POST", body });
  return (await openSource(await readImportFile(given))).header;
}

/** The file that was chosen, or the one that the page has kept. */
function toFile(sent: Sent): File | null {
  const chosen = sent["file"];
  if (chosen instanceof File && chosen.size > 0) return chosen;
  const kept = sentValue(sent, "kept");
  if (kept === null || kept === "") return null;
  const name = sentValue(sent, "name") ?? "";
  return new File([Buffer.from(kept, "base64")], name, { type: sentValue(sent, "type") ?? "" });
}

async function showState(
  records: Records,
  { file = null, header = [], sent = {}, report = null, problem = null }: State,
): Promise<Page> {
  const { about, ui, request } = records;
  const columns = about.columns.filter(
    ({ may_create, may_update, name }) => may_create || may_update || name === about.key,
  );
  const targets = columns.flatMap(({ name, label, references }) => {
    const relation = records.relationOf(name);
    const title = references?.title ?? null;
    const by = relation === null || title === null ? null : `${relation}.${title}`;
    return [{ name, label }, ...(by === null ? [] : [{ name: by, label: `${label}: ${title}` }])];
  });
  return ui.page(
    request,
    "records/import.html",
    {
      about,
      path: records.path,
      targets,
      kept:
        file === null
          ? null
          : {
              name: file.name,
              type: file.type,
              data: Buffer.from(await file.arrayBuffer()).toString("base64"),
            },
      header: header.map((name, at) => ({
        name,
        field: `m-${at}`,
        chosen: sentValue(sent, `m-${at}`) ?? guess(name, targets),
      })),
      keys: about.unique.filter((names) => names.length === 1).map(([name]) => name),
      key: sentValue(sent, "key") ?? "",
      skips: sentValue(sent, "on_error") === "skip",
      report,
      problem: problem?.message ?? null,
      problems: (report?.errors ?? (problem?.errors as RowProblem[] | undefined) ?? [])
        .slice(0, MAX_SHOWN)
        .map(toLine),
    },
    problem === null ? {} : { status: problem.status },
  );
}

/** What a column of the file is probably for; "" for nothing. */
function guess(header: string, targets: readonly { name: string; label: string }[]): string {
  const wanted = header.trim().toLowerCase();
  const found = targets.find(({ name, label }) => [name, label].some((one) => one.toLowerCase() === wanted));
  return found?.name ?? "";
}

/** A row of a table that has columns for where it is: the message needn't say it. */
function toLine({ line, column, message }: RowProblem) {
  return { line: line ?? null, column: column ?? null, message: message.replace(WHERE, "") };
}

/** The mistakes of a file as another one, to be opened with a spreadsheet beside it. */
function toErrorFile({ errors }: Report): Response {
  const rows = errors.map(({ line, column, code, message }) => [line, column, code, message]);
  const lines = [["line", "column", "code", "message"], ...rows].map((row) => row.map(toCsv).join(","));
  return new Response(`\uFEFF${lines.join("\r\n")}\r\n`, {
    headers: {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": 'attachment; filename="errors.csv"',
    },
  });
}

function toCsv(value: unknown): string {
  const safe = neutralise(toText(value));
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
