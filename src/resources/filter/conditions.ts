import {
  and,
  type Column,
  eq,
  gt,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  ne,
  notInArray,
  or,
  type SQL,
  sql,
} from "drizzle-orm";
import { contains } from "../../db/schema/portable-sql.ts";
import { toHint } from "../../errors/suggestion.ts";
import { FilterError } from "./error.ts";
import type { Comparison, Expression, Operator } from "./grammar.ts";
import type { Asking } from "./moments.ts";
import { type FilterValue, readValues } from "./values.ts";

/** A way from a row to the rows of another table that belong to it. */
export interface Step {
  /** The column that it leaves from. */
  readonly from: Column;
  /** The column of the other table that has the same value. */
  readonly to: Column;
  /** Whether it leads to several rows. */
  readonly isMany: boolean;
  /** Which rows of the other table there are to whoever asks. @default all */
  readonly rows?: SQL | undefined;
}

/** What a name in a filter stands for. */
export interface Field {
  readonly column: Column;
  readonly steps: readonly Step[];
}

export interface ConditionOptions {
  /** Null for a name that can't be filtered by. */
  readonly find: (name: string) => Field | null;
  /** Names for messages. */
  readonly names: () => readonly string[];
  readonly asking: Asking;
}

/** A comparison without a negation. */
type Test = "=" | ">" | ">=" | "<" | "<=" | "~" | "in";

const NEGATIVE: Partial<Record<Operator, Test>> = { "!=": "=", "!~": "~" };
const ORDERING = { ">": [gt, lte], ">=": [gte, lt], "<": [lt, gte], "<=": [lte, gt] } as const;
/** The condition that no row meets. */
export const NOTHING = sql`1 = 0`;
const EVERYTHING = sql`1 = 1`;

/**
 * Makes the condition of a filter. It has the same meaning on every database, and either holds or doesn't, also where there is no
 * value: nothing equals, contains, or comes before or after it, so `stage != "won"` holds without a stage, and so does `!(amount > 5)`
 * without an amount.
 *
 * @throws FilterError for an unknown name, and for a value that isn't of its column
 */
export function toCondition(expression: Expression, options: ConditionOptions): SQL {
  return toSql(expression, { options, isNegated: false });
}

/** Negations are carried down to the comparisons: SQL's `not` of an unknown is unknown. */
function toSql(
  expression: Expression,
  way: { readonly options: ConditionOptions; readonly isNegated: boolean },
): SQL {
  const { options, isNegated } = way;
  if (expression.type === "not") return toSql(expression.part, { options, isNegated: !isNegated });
  if (expression.type === "comparison") return compare(expression, options, isNegated);
  const parts = expression.parts.map((part) => toSql(part, way));
  const isAll = (expression.type === "and") !== isNegated;
  return (isAll ? and(...parts) : or(...parts)) as SQL;
}

function compare(comparison: Comparison, options: ConditionOptions, isNegated: boolean): SQL {
  const { field: name, at, operator, isAny } = comparison;
  const field = options.find(name);
  if (field === null) {
    const names = options.names();
    const all = names.map((one) => `"${one}"`).join(", ");
    throw new FilterError(at, `one of ${all}`, `"${name}"`, toHint(name, names));
  }
  const { column, steps } = field;
  if (!isAny && steps.some(({ isMany }) => isMany)) {
    throw new FilterError(at, `?${operator}, as "${name}" is of several rows`, `"${operator}"`);
  }
  const values = readValues(column, comparison, options.asking);
  const isNegative = operator in NEGATIVE;
  const test = NEGATIVE[operator] ?? (operator as Test);
  // Of any of several rows, the comparison itself is negative.
  if (isAny && steps.length > 0)
    return follow(steps, toTest(column, { test, values, isNegated: isNegative }), isNegated);
  // "No value" is also that of a row that isn't there.
  const isAbsence = values === null;
  const inner = isAbsence ? isNotNull(column) : toTest(column, { test, values, isNegated: false });
  const isOutside = (isNegated !== isNegative) !== isAbsence;
  if (steps.length > 0) return follow(steps, inner, isOutside);
  if (isAbsence) return isOutside ? isNull(column) : isNotNull(column);
  return toTest(column, { test, values, isNegated: isOutside });
}

/** That a row has, or hasn't, one behind these steps for which the condition holds. */
function follow(steps: readonly Step[], condition: SQL, isNegated: boolean): SQL {
  const [step, ...others] = steps;
  if (step === undefined) throw new TypeError("Cannot follow no steps");
  const { from, to, rows } = step;
  const inner = others.length === 0 ? condition : follow(others, condition, false);
  const found = and(inner, rows, to.notNull ? undefined : isNotNull(to));
  const keys = sql`(select ${to} from ${to.table} where ${found})`;
  if (!isNegated) return sql`${from} in ${keys}`;
  const isOther = sql`${from} not in ${keys}`;
  return from.notNull ? isOther : (or(isNull(from), isOther) as SQL);
}

interface Tested {
  readonly test: Test;
  /** Null for "no value". */
  readonly values: readonly FilterValue[] | null;
  readonly isNegated: boolean;
}

function toTest(column: Column, { test, values, isNegated }: Tested): SQL {
  if (values === null) return isNegated ? isNotNull(column) : isNull(column);
  const [value] = values;
  if (value === undefined) return isNegated ? EVERYTHING : NOTHING;
  if (!isNegated) return toPositive(column, test, values);
  const negative = toNegative(column, test, values);
  return column.notNull ? negative : (or(isNull(column), negative) as SQL);
}

function toPositive(column: Column, test: Test, values: readonly FilterValue[]): SQL {
  const [value] = values;
  if (test === "in") return inArray(column, [...values]);
  if (test === "=") return eq(column, value);
  return test === "~" ? contains(column, String(value)) : ORDERING[test][0](column, value);
}

function toNegative(column: Column, test: Test, values: readonly FilterValue[]): SQL {
  const [value] = values;
  if (test === "in") return notInArray(column, [...values]);
  if (test === "=") return ne(column, value);
  return test === "~" ? sql`not (${contains(column, String(value))})` : ORDERING[test][1](column, value);
}
