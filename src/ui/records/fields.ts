import type { AppError } from "../../errors/errors.ts";
import { text } from "../shell/words.ts";
import { type Cell, toCell, toText } from "./cells.ts";
import { type Choice, choicesOf, makingPathOf } from "./choices.ts";
import type { Column, Records, Row } from "./records.ts";

/** What a form has sent, by the names of its fields. */
export type Sent = Readonly<Record<string, unknown>>;

/** A field of a form, for one column. */
export interface Field {
  readonly column: string;
  /** Of the field. */
  readonly name: string;
  /** In its page. */
  readonly id: string;
  readonly label: string;
  readonly kind:
    | "line"
    | "long"
    | "number"
    | "day"
    | "moment"
    | "choice"
    | "flag"
    | "json"
    | "relation"
    | "file";
  readonly value: string;
  /** Of choices and relations; none to choose means that it may be empty. */
  readonly choices: readonly Choice[];
  readonly isRequired: boolean;
  readonly maxLength: number | null;
  /** What is wrong with it; null for nothing. */
  readonly error: string | null;
  /** Words that its choices were looked for by. */
  readonly words: string;
  /** Where a row is made for it to refer to; null for nowhere. */
  readonly make: string | null;
  /** Whether it stands in a dialog, which a script shows. */
  readonly isInDialog: boolean;
  /** The file that it has; null for none. */
  readonly file: FieldFile | null;
  /** When it is shown, for the script: by the names of fields, the values that they have then; null for always. */
  readonly when: string | null;
  /** The same for people. */
  readonly shownBy: readonly { readonly label: string; readonly values: readonly string[] }[];
  /** Media types of files that it takes, as browsers have them; null for any. */
  readonly types: string | null;
  /** Bytes of a file; null for as many as all files may have. */
  readonly maxSize: number | null;
}

/** A file as a field has it: it is kept when the form is sent without another one. */
export interface FieldFile {
  readonly name: string;
  /** Null for one that no row has yet. */
  readonly href: string | null;
  readonly thumb: string | null;
}

/** A column that can't be set, as it is. */
export interface Fact {
  readonly label: string;
  readonly cell: Cell;
}

/** Begins the name of the field of a column, and of what belongs to it. */
export const FIELD = "f-";
const WORDS = "w-";
const LINES = new Set(["varchar", "uuid", "decimal"]);
const WHOLE = new Set(["id", "integer", "bigint", "references"]);
const TEXTS = new Set(["varchar", "text"]);

/** The first value of a field that was sent; null where it wasn't. */
export function sentValue(sent: Sent, name: string): string | null {
  const [value] = [sent[name]].flat();
  return typeof value === "string" ? value : null;
}

/** A box that isn't checked sends nothing: "false" stands before it, in a field that nobody sees. */
function lastValue(sent: Sent, name: string): string | null {
  const value = [sent[name]].flat().at(-1);
  return typeof value === "string" ? value : null;
}

/** The columns that somebody may set in a new row, or in one that is there. */
export function settableColumns({ about }: Records, verb: "create" | "update"): readonly Column[] {
  return about.columns.filter(({ may_create, may_update }) => (verb === "create" ? may_create : may_update));
}

/** What the fields of a row are filled with. */
export function textsOf(columns: readonly Column[], row: Row): Record<string, string> {
  return Object.fromEntries(columns.map((column) => [column.name, toFieldText(column, row[column.name])]));
}

/** What the fields of a new row are filled with: it has this without them too. */
export function defaultTexts(columns: readonly Column[]): Record<string, string> {
  return Object.fromEntries(columns.map((column) => [column.name, toFieldText(column, column.default)]));
}

/** What a form has sent, by column: nothing of one that it has no field of. */
export function sentTexts(columns: readonly Column[], sent: Sent): Record<string, string> {
  return Object.fromEntries(
    columns.flatMap((column) => {
      const value = isFlag(column)
        ? lastValue(sent, FIELD + column.name)
        : sentValue(sent, FIELD + column.name);
      return value === null ? [] : [[column.name, toLines(value)]];
    }),
  );
}

/** Names what a form makes, so that it is made once. */
const ONCE = "once";
const MAX_ONCE = 64; // characters

/** What makes a form answered as before that is sent a second time: both have its key, and the same values. */
export function toOnce(sent: Sent, values: unknown): { readonly headers: Readonly<Record<string, string>> } {
  const once = sentValue(sent, ONCE) ?? "";
  const key = `${once.slice(0, MAX_ONCE)}-${Bun.hash(JSON.stringify(values)).toString(36)}`;
  return { headers: once === "" ? {} : { "idempotency-key": key } };
}

/** What a form is shown with for that: as it was sent, while what it makes is still being made. */
export function newOnce(sent: Sent, problem: AppError | null): string {
  const isUnderWay = problem?.code === "idempotency_key_in_use";
  return (isUnderWay ? sentValue(sent, ONCE) : null) ?? crypto.randomUUID();
}

interface FieldOptions {
  readonly texts: Readonly<Record<string, string>>;
  readonly errors: Readonly<Record<string, string>>;
  /** Whether empty fields of a new row have to be filled. */
  readonly isNew: boolean;
  /** What was sent beside. @default nothing */
  readonly sent?: Sent;
  /** The row as it is. @default none */
  readonly row?: Row;
  /** Names of files that the row doesn't have yet, by column. @default none */
  readonly names?: Readonly<Record<string, string>>;
  /** Whether rows can be made that it refers to. @default false */
  readonly makes?: boolean;
  /** @default false */
  readonly isInDialog?: boolean;
}

/** The fields of a form. */
export function toFields(
  records: Records,
  columns: readonly Column[],
  options: FieldOptions,
): Promise<Field[]> {
  const {
    texts,
    errors,
    isNew,
    sent = {},
    row = {},
    names = {},
    makes = false,
    isInDialog = false,
  } = options;
  return Promise.all(
    columns.map(async (column): Promise<Field> => {
      const { name, label, kind, length = null, types = null, max_size: maxSize = null } = column;
      const value = texts[name] ?? "";
      const words = sentValue(sent, WORDS + name) ?? "";
      const choices = await toChoices(records, column, { value, words });
      return {
        column: name,
        name: FIELD + name,
        id: `${isInDialog ? "related" : "field"}-${FIELD}${name}`,
        label,
        kind: choices === null || column.references === null ? kindOf(column) : "relation",
        value,
        choices: choices ?? [],
        isRequired: mustBeFilled(column, isNew),
        maxLength: length,
        error: errors[name] ?? null,
        words,
        make: makes && column.references !== null ? await makingPathOf(records, column.references) : null,
        isInDialog,
        file: kind === "file" && value !== "" ? toFieldFile(records, column, { value, row, names }) : null,
        ...toConditions(column, columns),
        types: types?.join(",") ?? null,
        maxSize,
      };
    }),
  );
}

function mustBeFilled(
  { kind, is_nullable: isNullable, is_required: isRequired, default: usual }: Column,
  isNew: boolean,
): boolean {
  if (isNew && usual === null) return isRequired;
  return !isNullable && kind !== "text";
}

/** The columns whose fields a form shows, by those of the row that it has no field for; a new row has none of these yet. */
export function fieldsShownBy(
  records: Records,
  columns: readonly Column[],
  row: Row | null,
): readonly Column[] {
  const names = new Set(columns.map(({ name }) => name));
  return columns.filter(({ shown_by: conditions }) =>
    conditions.every(({ column, values }) => {
      const other = records.column(column);
      if (names.has(column) || other === null) return true;
      return row !== null && values.includes(toFieldText(other, row[column]));
    }),
  );
}

function toConditions(
  { shown_by: all }: Column,
  columns: readonly Column[],
): Pick<Field, "when" | "shownBy"> {
  const conditions = all.flatMap(({ column, values }) => {
    const other = columns.find(({ name }) => name === column);
    return other === undefined ? [] : [{ name: FIELD + column, label: other.label, values }];
  });
  const when = Object.fromEntries(conditions.map(({ name, values }) => [name, values]));
  return { when: conditions.length === 0 ? null : JSON.stringify(when), shownBy: conditions };
}

/** The file that a field has: the row's own, or one that has been uploaded for it. */
function toFieldFile(
  records: Records,
  column: Column,
  { value, row, names }: { readonly value: string } & Pick<Required<FieldOptions>, "row" | "names">,
): FieldFile {
  const { name } = column;
  if (value !== toFieldText(column, row[name])) return { name: names[name] ?? "", href: null, thumb: null };
  const { text: shown, href, thumb } = toCell(records, column, row);
  return { name: shown, href, thumb };
}

/** What a row has beside those columns. */
export function toFacts(records: Records, columns: readonly Column[], row: Row): Fact[] {
  const set = new Set(columns.map(({ name }) => name));
  return records.about.columns
    .filter(({ name }) => !set.has(name))
    .map((column) => ({ label: column.label, cell: toCell(records, column, row) }));
}

/** Values as JSON has them of what was typed; and what can't be one. */
export function toValues(
  columns: readonly Column[],
  texts: Readonly<Record<string, string>>,
  { isNew }: { readonly isNew: boolean },
): { readonly values: Row; readonly errors: Readonly<Record<string, string>> } {
  const values: Record<string, unknown> = {};
  const errors: Record<string, string> = {};
  for (const column of columns) {
    const { name } = column;
    const typed = texts[name];
    // What nobody has filled in has its default, or is missed by the API.
    if (typed === undefined || (isNew && typed === "")) continue;
    try {
      values[name] = toValue(column, typed);
    } catch {
      errors[name] = text("Expected JSON");
    }
  }
  return { values, errors };
}

/** @throws SyntaxError for what is no JSON */
function toValue({ kind, is_nullable: isNullable }: Column, typed: string): unknown {
  const isText = TEXTS.has(kind);
  if (typed === "" && (isNullable || !isText)) return null;
  if (isText) return typed;
  const trimmed = typed.trim();
  if (WHOLE.has(kind)) return /^-?\d{1,16}$/.test(trimmed) ? Number(trimmed) : trimmed;
  if (kind === "boolean") return trimmed === "true";
  if (kind === "json") return JSON.parse(trimmed) as unknown;
  if (kind === "timestamp") return toMoment(trimmed);
  return trimmed;
}

/** The fields of browsers leave out the seconds, where there are none, and the zone. */
function toMoment(typed: string): string {
  const whole = /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(typed) ? `${typed}:00` : typed;
  return /^\d{4}-\d\d-\d\dT[\d:.]+$/.test(whole) ? `${whole}Z` : whole;
}

function toFieldText({ kind }: Column, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (kind === "json") return JSON.stringify(value, null, 2);
  if (kind === "file") return toText((value as Row)["id"]);
  if (kind === "timestamp") return toText(value).replace(/Z$/, "");
  return toText(value);
}

function isFlag({ kind, is_nullable: isNullable }: Column): boolean {
  return kind === "boolean" && !isNullable;
}

/** Forms send line breaks as CRLF. */
function toLines(typed: string): string {
  return typed.replaceAll("\r\n", "\n");
}

function kindOf(column: Column): Field["kind"] {
  const { kind } = column;
  if (kind === "enum") return "choice";
  if (kind === "boolean") return isFlag(column) ? "flag" : "choice";
  if (kind === "date") return "day";
  if (kind === "timestamp") return "moment";
  if (kind === "json") return "json";
  if (kind === "text") return "long";
  if (kind === "file") return "file";
  return LINES.has(kind) ? "line" : "number";
}

async function toChoices(
  records: Records,
  { kind, values, references }: Column,
  { value, words }: { readonly value: string; readonly words: string },
): Promise<readonly Choice[] | null> {
  if (references !== null) return choicesOf(records, references, { chosen: [value], words });
  const all =
    kind === "boolean"
      ? [
          { value: "true", label: text("yes") },
          { value: "false", label: text("no") },
        ]
      : (values ?? []).map((one) => ({ value: one, label: one }));
  return all.map((one) => ({ ...one, isChosen: one.value === value }));
}
