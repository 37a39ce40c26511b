import type { SchemaDifference } from "./difference.ts";

/** A column whose type changed, in PostgreSQL's words, which alone tell every type from every other. */
export interface Conversion {
  readonly table: string;
  readonly column: string;
  readonly from: ColumnType;
  readonly to: ColumnType;
  /** Whether each value fits into the new type as it is. */
  readonly isWidening: boolean;
  /** Whether values can be kept at all; else the column is dropped and made anew. */
  readonly isPossible: boolean;
}

export interface ColumnType {
  readonly kind: "text" | "integer" | "decimal" | "other";
  /** As PostgreSQL writes it. */
  readonly name: string;
  readonly base: string;
  /** Length, or precision and scale. */
  readonly sizes: readonly number[];
}

const KINDS: Readonly<Record<string, ColumnType["kind"]>> = {
  text: "text",
  varchar: "text",
  char: "text",
  smallint: "integer",
  integer: "integer",
  bigint: "integer",
  numeric: "decimal",
};
const INTEGERS = ["smallint", "integer", "bigint"];
const INTEGER_DIGITS: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 };

/** Lists the columns of PostgreSQL's difference whose type changed. */
export function findConversions(difference: SchemaDifference): Conversion[] {
  return difference.altered.flatMap(({ name: table, changedColumns }) =>
    changedColumns.flatMap(({ before, after }) => {
      if (before.type === after.type) return [];
      const [from, to] = [parseType(before.type), parseType(after.type)];
      const isPossible = canConvert(from, to);
      return [
        { table, column: after.name, from, to, isPossible, isWidening: isPossible && isWider(from, to) },
      ];
    }),
  );
}

function parseType(name: string): ColumnType {
  const [, base = name, sizes = ""] = /^(\w+)\s*(?:\(([\d, ]+)\))?$/.exec(name) ?? [];
  const numbers = sizes === "" ? [] : sizes.split(",").map(Number);
  return { kind: KINDS[base] ?? "other", name, base, sizes: numbers };
}

function canConvert(from: ColumnType, to: ColumnType): boolean {
  if (from.kind !== "other" && to.kind !== "other") return true;
  return from.base === "uuid" && to.kind === "text";
}

function isWider(from: ColumnType, to: ColumnType): boolean {
  const [size = Number.POSITIVE_INFINITY, scale = 0] = to.sizes;
  if (to.kind === "text") return size >= longest(from);
  if (from.kind === "integer" && to.kind === "integer") {
    return INTEGERS.indexOf(to.base) >= INTEGERS.indexOf(from.base);
  }
  if (from.kind === "integer" && to.kind === "decimal")
    return size - scale >= (INTEGER_DIGITS[from.base] ?? 0);
  if (from.kind !== "decimal" || to.kind !== "decimal") return false;
  const [fromSize = Number.POSITIVE_INFINITY, fromScale = 0] = from.sizes;
  return scale >= fromScale && size - scale >= fromSize - fromScale;
}

/** How long a value can be as text. */
function longest({ kind, base, sizes: [size = Number.POSITIVE_INFINITY] }: ColumnType): number {
  if (kind === "integer") return (INTEGER_DIGITS[base] ?? 19) + 1;
  if (kind === "decimal") return size + 3; // sign, point and a zero before it
  return base === "uuid" ? 36 : size;
}
