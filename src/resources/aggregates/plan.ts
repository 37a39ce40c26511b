import type { Column } from "drizzle-orm";
import { invalidRequest } from "../../errors/codes.ts";
import { toHint } from "../../errors/suggestion.ts";
import type { InputProblem } from "../../errors/errors.ts";
import { DATE_PARTS, type DatePart } from "../../db/schema/portable-sql.ts";
import type { Access } from "../access/access.ts";
import type { Field } from "../filter/conditions.ts";
import type { Wanted } from "../reading/conditions.ts";
import { canBe, canGroup, DEFAULT_GROUPS, type Function, FUNCTIONS, hasDates } from "./query.ts";

export type AggregateQuery = Wanted & {
  readonly count?: "" | "true" | "false" | undefined;
  readonly group?: string | undefined;
  readonly sort?: string | undefined;
  readonly limit?: number | undefined;
} & { readonly [Name in Function]?: string | undefined };

/** Something that the rows of a group have in common. */
export interface Group {
  /** As it was asked for: "stage", "closed_at.month", "company.name". */
  readonly name: string;
  readonly field: Field;
  readonly part: DatePart | null;
}

/** What is made of the values of a column. */
export interface Measure {
  readonly function: Function;
  /** Of the column. */
  readonly name: string;
  readonly column: Column;
}

export interface Order {
  /** A name of a group, "count", or a measure such as "sum.amount". */
  readonly by: string;
  readonly isDown: boolean;
}

/** What is asked for of the rows. */
export interface Plan {
  readonly groups: readonly Group[];
  readonly measures: readonly Measure[];
  readonly isCounted: boolean;
  readonly order: readonly Order[];
  readonly limit: number;
}

const MAX_GROUPED = 5;
const MAX_MEASURES = 20;

/**
 * Reads what is asked for.
 *
 * @throws AppError validation_error for names that aren't there to whoever asks, and for too many
 */
export function toPlan(access: Access, query: AggregateQuery): Plan {
  const problems: InputProblem[] = [];
  const groups = namesIn(query.group).flatMap((name) => toGroup(access, name, problems));
  const measures = FUNCTIONS.flatMap((one) =>
    namesIn(query[one]).flatMap((name) => toMeasure(access, { function: one, name }, problems)),
  );
  assertFew("group", groups.length, MAX_GROUPED, problems);
  const first = FUNCTIONS.find((one) => query[one] !== undefined) ?? "sum";
  assertFew(first, measures.length, MAX_MEASURES, problems);
  const isCounted = query.count === undefined ? measures.length === 0 : query.count !== "false";
  const known = [
    ...groups.map(({ name }) => name),
    ...(isCounted ? ["count"] : []),
    ...measures.map(toMeasureName),
  ];
  const order = namesIn(query.sort).flatMap((name) => toOrder(name, known, problems));
  if (problems.length > 0) throw invalidRequest(problems);
  return { groups, measures, isCounted, order, limit: query.limit ?? DEFAULT_GROUPS };
}

/** How a measure is called in `sort`. */
export function toMeasureName(measure: Measure): string {
  return `${measure.function}.${measure.name}`;
}

function namesIn(text: string | undefined): string[] {
  if (text === undefined) return [];
  return [...new Set(text.split(",").map((name) => name.trim()))];
}

function toGroup(access: Access, name: string, problems: InputProblem[]): Group[] {
  const whole = find(access, name);
  if (whole !== null && canGroup(whole.column)) return [{ name, field: whole, part: null }];
  const dot = name.lastIndexOf(".");
  const part = DATE_PARTS.find((one) => one === name.slice(dot + 1));
  const field = dot === -1 || part === undefined ? null : find(access, name.slice(0, dot));
  if (field !== null && part !== undefined && hasDates(field.column)) return [{ name, field, part }];
  problems.push(toUnknown("group", name, groupNamesOf(access)));
  return [];
}

/** What whoever asks may see: a column, or one of the rows that a row refers to. */
function find(access: Access, name: string): Field | null {
  const field = name.includes(".") ? access.find(name) : access.follow(name);
  return field?.steps.some(({ isMany }) => isMany) === true ? null : field;
}

function groupNamesOf(access: Access): string[] {
  const names = [...access.visible.keys(), ...access.names().filter((name) => name.includes("."))];
  return names.flatMap((name) => {
    const field = find(access, name);
    if (field === null || !canGroup(field.column)) return [];
    return [name, ...(hasDates(field.column) ? DATE_PARTS.map((part) => `${name}.${part}`) : [])];
  });
}

function toMeasure(
  { visible }: Access,
  { function: one, name }: Pick<Measure, "function" | "name">,
  problems: InputProblem[],
): Measure[] {
  const column = visible.get(name);
  if (column !== undefined && canBe(one, column)) return [{ function: one, name, column }];
  const known = [...visible].filter(([, other]) => canBe(one, other)).map(([other]) => other);
  problems.push(toUnknown(one, name, known));
  return [];
}

function toOrder(text: string, known: readonly string[], problems: InputProblem[]): Order[] {
  const isDown = text.startsWith("-");
  const by = isDown ? text.slice(1) : text;
  if (known.includes(by)) return [{ by, isDown }];
  problems.push(toUnknown("sort", by, known));
  return [];
}

function toUnknown(parameter: string, name: string, known: readonly string[]): InputProblem {
  const all = known.map((one) => `"${one}"`).join(", ");
  const expected = all === "" ? "nothing" : `some of ${all}`;
  const message = `Expected ${expected}, not ${JSON.stringify(name.slice(0, 40))}${toHint(name, known)}`;
  return { path: `/query/${parameter}`, code: "unknown_name", message };
}

function assertFew(parameter: string, found: number, most: number, problems: InputProblem[]): void {
  if (found <= most) return;
  problems.push({
    path: `/query/${parameter}`,
    code: "too_many",
    message: `Expected at most ${most} names, found ${found}`,
  });
}
