import type { Page } from "../../templates/templates.ts";
import { text } from "../shell/words.ts";
import { toText } from "./cells.ts";
import { FIELD, type Sent, sentValue } from "./fields.ts";
import { DIALOG, findRow, formColumns, OUTER, readForm, showForm } from "./form.ts";
import { type Column, Records, type Row } from "./records.ts";
import { NAME, REMOVAL, UPLOAD } from "./uploads.ts";

/** A form that waits for a row that one of its fields is to refer to. */
interface Outer {
  /** Such as "crm.deals". */
  readonly resource: string;
  /** Key of its row; null for a new one. */
  readonly id: string | null;
  readonly column: string;
  /** What has been typed so far. */
  readonly sent: Sent;
}

/** A form as it was sent, with the files that it has brought. */
interface SentForm extends Awaited<ReturnType<typeof readForm>> {
  readonly columns: readonly Column[];
  readonly sent: Sent;
  /** Key of its row; null for a new one. */
  readonly id: string | null;
}

/** Asks for a row that a field is to refer to: it names the column. */
const MAKE = "make";
/** Leads back to the form that waits, without such a row. */
const BACK = "back";
const DROPPED = new Set([MAKE, OUTER, DIALOG, "csrf_token"]);

/**
 * The form of a row that a field of a form is to refer to, where that has been asked for without a script: it holds what has been typed
 * into the first one, which comes back once the row is made.
 *
 * @returns null where nothing of that kind was asked for
 */
export async function showRelated(records: Records, form: SentForm): Promise<Page | null> {
  const name = sentValue(form.sent, MAKE);
  const resource = name === null ? null : (records.column(name)?.references?.resource ?? null);
  if (name === null || resource === null) return null;
  const related = await Records.openNamed(records, resource);
  const outer: Outer = { resource: records.about.name, id: form.id, column: name, sent: toKept(form) };
  return showForm(related, null, { texts: {}, sent: { [OUTER]: JSON.stringify(outer) } });
}

/** The form that waits, where somebody goes back to it; null for none. */
export async function goBack(records: Records, sent: Sent): Promise<Page | null> {
  return sentValue(sent, BACK) === null ? null : showOuter(records, sent, null);
}

/** What waits for a row that has been made: a form, or a field beside a dialog; null for nothing. */
export async function showWaiting(records: Records, sent: Sent, made: Row): Promise<Page | null> {
  const field = sentValue(sent, DIALOG);
  if (field === null || !records.isHtmx) return showOuter(records, sent, made);
  const value = toText(made[records.about.key]);
  return records.ui.page(records.request, "records/made.html", {
    field,
    value,
    label: records.titleOf(made),
  });
}

/** Whether a form or a field waits for the row that a form makes. */
export function isAwaited(sent: Sent): boolean {
  return sentValue(sent, OUTER) !== null || sentValue(sent, DIALOG) !== null;
}

async function showOuter(related: Records, sent: Sent, made: Row | null): Promise<Page | null> {
  const outer = toOuter(sentValue(sent, OUTER));
  if (outer === null) return null;
  const records = await Records.openNamed(related, outer.resource);
  const found = outer.id === null ? null : await findRow(records, outer.id);
  const columns = formColumns(records, found === null ? "create" : "update");
  const { texts, names, errors } = await readForm(records, columns, outer.sent);
  const chosen = made === null ? {} : { [outer.column]: toText(made[related.about.key]) };
  return showForm(records, found, {
    texts: { ...texts, ...chosen },
    names,
    errors,
    sent: outer.sent,
    isSame: true,
    notice: made === null ? null : { text: text("{row} is made."), values: { row: related.titleOf(made) } },
  });
}

/** What of a form can be sent once more: files by their ids. */
function toKept({ columns, sent, texts, names }: SentForm): Sent {
  const typed = Object.entries(sent).filter(
    ([name, value]) =>
      !DROPPED.has(name) && !isOfFile(name) && [value].flat().every((one) => typeof one === "string"),
  );
  const files = columns
    .filter(({ kind }) => kind === "file")
    .flatMap(({ name }) => [
      [FIELD + name, texts[name] ?? ""],
      [NAME + name, names[name] ?? ""],
    ]);
  return Object.fromEntries([...typed, ...files]) as Sent;
}

/** Null for what no form of ours has sent. */
function toOuter(sent: string | null): Outer | null {
  try {
    const outer = JSON.parse(sent ?? "null") as Partial<Outer> | null;
    const isOne =
      typeof outer?.resource === "string" &&
      outer.resource.isWellFormed() &&
      (outer.id === null || (typeof outer.id === "string" && outer.id.isWellFormed())) &&
      typeof outer.column === "string" &&
      typeof outer.sent === "object";
    return isOne ? { ...(outer as Outer), sent: { ...outer.sent } } : null;
  } catch {
    return null;
  }
}

function isOfFile(name: string): boolean {
  return name.startsWith(UPLOAD) || name.startsWith(REMOVAL);
}
