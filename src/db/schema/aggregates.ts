import { Column, type DriverValueDecoder, is, noopDecoder, SQL, StringChunk } from "drizzle-orm";
import { declarationOf } from "./column-kind.ts";

/** `sum()`, `avg()`, `min()` or `max()` of one column that holds numbers. */
export interface Aggregate {
  readonly kind: "sum" | "avg" | "min" | "max";
  readonly isDistinct: boolean;
  readonly column: Column;
  /** Digits of a value in all and after the point; the first is null where the type has no such bound. */
  readonly precision: number | null;
  readonly scale: number;
  /** Digits of the result after the point. */
  readonly resultScale: number;
}

/** How many digits more an average has than its values: as many as MySQL gives it. */
const MORE_DIGITS = 4;
const START = /^(sum|avg|min|max)\((distinct )?$/;

/** Reads drizzle's `sum(column)` and its sisters; null for anything else. */
export function toAggregate(field: unknown): Aggregate | null {
  // First, as most fields are columns, and drizzle's is() takes long to say no.
  if (is(field, Column)) return null;
  const parts = is(field, SQL.Aliased) ? field.sql : field;
  return is(parts, SQL) ? readAggregate(parts.queryChunks) : null;
}

/** As `toAggregate`, of the parts of a piece of SQL. */
export function readAggregate(parts: SQL["queryChunks"]): Aggregate | null {
  const [start, column] = parts;
  if (parts.length !== 3 || !is(start, StringChunk) || !is(column, Column)) return null;
  const [, kind, distinct] = START.exec(start.value[0] ?? "") ?? [];
  const numbers = kind === undefined ? null : readNumbers(column);
  if (numbers === null) return null;
  const resultScale = kind === "avg" ? numbers.scale + MORE_DIGITS : numbers.scale;
  return {
    kind: kind as Aggregate["kind"],
    isDistinct: distinct !== undefined,
    column,
    ...numbers,
    resultScale,
  };
}

/** How a value of the field is read; null where SQL of the caller's own says nothing of it. */
export function decoderOf(field: unknown): DriverValueDecoder<unknown, unknown> | null {
  const parts = is(field, SQL.Aliased) ? field.sql : field;
  // Drizzle hides `decoder` from its types; its own drivers read it here too.
  const { decoder } = parts as { readonly decoder: DriverValueDecoder<unknown, unknown> };
  return decoder === noopDecoder ? null : decoder;
}

function readNumbers(column: Column): Pick<Aggregate, "precision" | "scale"> | null {
  const kind = declarationOf(column)?.kind;
  switch (kind?.type) {
    case "decimal":
      return { precision: kind.precision, scale: kind.scale };
    case "integer":
    case "bigint":
    case "id":
    case "references":
      return { precision: null, scale: 0 };
    default:
      return null;
  }
}
