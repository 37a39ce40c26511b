import { type Column, SQL, is, sql } from "drizzle-orm";
import { type ColumnKind, declarationOf } from "../schema/column-kind.ts";
import { EXACT_DOUBLE_DIGITS } from "../schema/column-values.ts";

/** The numbers that a column takes, and how one is brought to it. */
interface Fit {
  readonly least: string;
  readonly most: string;
  readonly fitted: string;
}

// The name that the computed value has below.
const VALUE = "xcore_value";

/**
 * Has SQLite hold what SQL computes for a column to the column's type, as the other databases do: rounded to its digits,
 * and refused where it is out of range. SQLite itself keeps any number in any column.
 */
export function toFittingValue(value: unknown, column: Column): unknown {
  const kind = is(value, SQL) ? declarationOf(column)?.kind : undefined;
  const fit = kind === undefined ? null : toFit(kind);
  if (fit === null) return value;
  const { least, most, fitted } = fit;
  const isFine = `typeof(${VALUE}) not in ('integer', 'real') or ${fitted} between ${least} and ${most}`;
  const result = `iif(typeof(${VALUE}) in ('integer', 'real'), ${toStored(kind, fitted)}, ${VALUE})`;
  // An expression that fails with "integer overflow"; a constant would be computed beforehand, and fail always.
  const failure = `abs(iif(${VALUE} is null, 0, -9223372036854775807 - 1))`;
  return sql`(select ${sql.raw(`iif(${isFine}, ${result}, ${failure})`)} from (select ${value} as ${sql.raw(VALUE)}))`;
}

function toFit(kind: ColumnKind): Fit | null {
  switch (kind.type) {
    case "integer":
      return { least: "-2147483648", most: "2147483647", fitted: `round(${VALUE})` };
    case "bigint":
    case "references":
      // What SQLite can't count as an integer any more.
      return { least: "-9223372036854774784.0", most: "9223372036854774784.0", fitted: VALUE };
    case "decimal": {
      const { precision, scale } = kind;
      const most = `1e${precision - scale} - 1e-${scale}`;
      return { least: `-(${most})`, most, fitted: `round(${VALUE}, ${scale})` };
    }
    default:
      return null;
  }
}

function toStored(kind: ColumnKind | undefined, fitted: string): string {
  if (kind?.type !== "decimal") {
    return `iif(typeof(${VALUE}) = 'real', cast(round(${VALUE}) as integer), ${VALUE})`;
  }
  return kind.precision > EXACT_DOUBLE_DIGITS ? `printf('%.${kind.scale}f', ${VALUE})` : fitted;
}
