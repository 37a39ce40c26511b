import { type Column, Param, Placeholder, is } from "drizzle-orm";
import { DatabaseError } from "../../contract/database-error.ts";

/** What SQLite can bind. */
export type Parameter = string | number | bigint | boolean | null | Uint8Array;

const maxInteger = 2n ** 63n;

/**
 * Checks that each value can be bound as it is: bun:sqlite would turn `undefined` and NaN into NULL, and cut
 * a bigint that is too long, without a word.
 *
 * @throws DatabaseError "parameter" with the parameter's number, never its value
 */
export function assertBindable(values: unknown[], sql: string): asserts values is Parameter[] {
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (typeof value === "string" || value === null || Number.isFinite(value)) continue;
    const problem = problemOf(value);
    if (problem === null) continue;
    throw new DatabaseError("parameter", `Cannot bind parameter ${index + 1} of a query: ${problem}`, {
      sql,
    });
  }
}

function problemOf(value: unknown): string | null {
  switch (typeof value) {
    case "undefined":
      return "it is undefined; for no value use null, or isNull() in a condition";
    case "number":
      return Number.isNaN(value) ? "it is not a number (NaN), or an invalid date" : null;
    case "bigint":
      return value >= -maxInteger && value < maxInteger ? null : "it doesn't fit into 64 bits";
    case "boolean":
      return null;
    case "object":
      if (ArrayBuffer.isView(value)) return null;
      return `it is an object (${nameOf(value)}); compare it with a column, whose type turns it into what SQLite stores`;
    default:
      return `it is a ${typeof value}`;
  }
}

function nameOf(value: object | null): string {
  const { constructor }: { constructor?: unknown } = value ?? {};
  return typeof constructor === "function" ? constructor.name : "Object";
}

/** Values of placeholders by name. */
export type PlaceholderValues = Readonly<Record<string, unknown>>;

/** Gives the parameters of one run of a query. */
export type ParameterFiller = (values: PlaceholderValues | undefined) => unknown[];

/** Prepares the filling of placeholders; what it returns throws DatabaseError "parameter" when one has no value. */
export function createParameterFiller(parameters: readonly unknown[], sql: string): ParameterFiller | null {
  // Most queries are run once, with values: numbers and text need not be looked into.
  if (!parameters.some((parameter) => typeof parameter === "object" && parameter !== null)) return null;
  const slots = parameters.flatMap((parameter, index) => toSlot(parameter, index));
  if (slots.length === 0) return null;
  return (values) => {
    const filled = parameters.slice();
    for (const { index, name, encoder } of slots) {
      const value = values?.[name];
      if (value === undefined) {
        throw new DatabaseError(
          "parameter",
          `Cannot run a prepared query: placeholder "${name}" has no value`,
          {
            sql,
          },
        );
      }
      filled[index] = encoder === null || value === null ? value : encoder.mapToDriverValue(value);
    }
    return filled;
  };
}

interface Slot {
  readonly index: number;
  readonly name: string;
  readonly encoder: Pick<Column, "mapToDriverValue"> | null;
}

function toSlot(parameter: unknown, index: number): Slot[] {
  if (is(parameter, Placeholder)) return [{ index, name: parameter.name, encoder: null }];
  if (is(parameter, Param) && is(parameter.value, Placeholder)) {
    return [{ index, name: parameter.value.name, encoder: parameter.encoder }];
  }
  return [];
}
