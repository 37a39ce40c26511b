import { type Column, getTableName } from "drizzle-orm";
import { kindOf } from "../../db/schema/column-kind.ts";
import { assertKnown, refuse } from "./names.ts";
import type { Workflow } from "./workflow.ts";

/** Numbers without gaps that rows get in the order in which they are committed. */
export interface Numbering {
  readonly column: Column;
  /** How numbers are written. */
  readonly pattern: string;
  /** The state by which a row gets its number; null for all new rows. */
  readonly state: string | null;
}

/** What is counted together, and how a number of it is written. */
export interface Series {
  /** A name of its own in the database. */
  readonly name: string;
  readonly write: (count: number) => string;
}

interface Declared {
  readonly tableName: string;
  readonly columns: ReadonlyMap<string, Column>;
  readonly workflow: Workflow | null;
}

interface AnyNumbering {
  readonly field: string;
  readonly series: string;
  readonly when?: string | undefined;
}

const TOKEN = /\{([^{}]*)\}/g;
const COUNTER = /\{0{1,12}\}/g;
const PERIODS = ["YYYY", "YY", "MM"];
const MAX_PATTERN = 64; // characters
const CREATED = "created";

/**
 * Reads what a resource says of its numbers.
 *
 * @throws TypeError for a pattern without a counter, and where a column can't have them
 */
export function toNumbering(
  { tableName, columns, workflow }: Declared,
  { field, series: pattern, when = CREATED }: AnyNumbering,
): Numbering {
  assertKnown(tableName, field, [...columns.keys()]);
  const column = columns.get(field) as Column;
  assertPattern(tableName, pattern);
  const state = when === CREATED ? null : when;
  if (state !== null) assertState(tableName, state, workflow);
  const kind = kindOf(column);
  const length = seriesOf({ column, pattern }, new Date()).write(1).length;
  if (kind.type !== "varchar" || kind.length < length)
    throw refuse(tableName, `the number "${field}" must be a varchar of at least ${length} characters`);
  if (state !== null && column.notNull)
    throw refuse(tableName, `the number "${field}" must be one that may be null until it is "${state}"`);
  return { column, pattern, state };
}

/** Whether a row gets its number by being written so; one that has a number keeps it. */
export function isNumberedBy(
  { numbering, workflow }: { readonly numbering: Numbering | null; readonly workflow: Workflow | null },
  values: Readonly<Record<string, unknown>>,
  before: Readonly<Record<string, unknown>> | null,
): boolean {
  if (numbering === null) return false;
  const { column, state } = numbering;
  if ((values[column.name] ?? before?.[column.name] ?? null) !== null) return false;
  if (state === null || workflow === null) return before === null;
  const { name, default: first } = workflow.column;
  return (values[name] ?? (before === null ? first : null)) === state;
}

/** The series that is counted at a moment: a period of the pattern has its own. */
export function seriesOf({ column, pattern }: Pick<Numbering, "column" | "pattern">, at: Date): Series {
  const day = at.toISOString();
  const parts: Readonly<Record<string, string>> = {
    YYYY: day.slice(0, 4),
    YY: day.slice(2, 4),
    MM: day.slice(5, 7),
  };
  const dated = pattern.replaceAll(TOKEN, (token, name: string) => parts[name] ?? token);
  return {
    name: `${getTableName(column.table)}.${column.name}:${dated}`,
    write: (count) =>
      dated.replace(COUNTER, (token) => String(count).padStart(token.length - "{}".length, "0")),
  };
}

function assertPattern(tableName: string, pattern: string): void {
  const say = (reason: string) => refuse(tableName, `the series "${pattern}" ${reason}`);
  if (pattern.length > MAX_PATTERN) throw say(`has more than ${MAX_PATTERN} characters`);
  if (pattern.match(COUNTER)?.length !== 1) throw say('needs one counter such as "{00000}"');
  for (const [token, name = ""] of pattern.replace(COUNTER, "").matchAll(TOKEN))
    if (!PERIODS.includes(name)) throw say(`has "${token}": expected {YYYY}, {YY}, {MM} or {00000}`);
  const isYearly = /\{YY(?:YY)?\}/.test(pattern);
  if (pattern.includes("{MM}") && !isYearly)
    throw say("has months without their year: numbers would come again");
}

function assertState(tableName: string, state: string, workflow: Workflow | null): void {
  if (workflow === null)
    throw refuse(tableName, `"numbered" waits for "${state}": it needs a "workflow", or "${CREATED}"`);
  const states = new Set([...workflow.transitions.map(({ to }) => to), String(workflow.column.default)]);
  assertKnown(tableName, state, [...states]);
}
