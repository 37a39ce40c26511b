import { Column, is, SQL, type SQLChunk, sql, StringChunk } from "drizzle-orm";
import type { MySqlDialect } from "drizzle-orm/mysql-core";
import type { PgDialect } from "drizzle-orm/pg-core";
import { declarationOf } from "./column-kind.ts";
import { EXACT_DOUBLE_DIGITS } from "./column-values.ts";

/** A relational query as drizzle 0.45.4 plans it, or the part for one relation of it. */
interface Plan {
  readonly sql: unknown;
  readonly selection: readonly { readonly field: unknown }[];
}

type MakePlan = (config: { readonly nestedQueryRelation?: unknown }) => Plan;

/** The methods that plan a query and, through `this`, its relations. */
type Planner = Partial<Record<(typeof PLANNERS)[number], MakePlan>>;

const PLANNERS = [
  "buildRelationalQueryWithoutPK", // of PostgreSQL
  "buildRelationalQuery", // of MySQL
  "buildRelationalQueryWithoutLateralSubqueries",
] as const;

/**
 * Makes the rows of relations (`with:`) the same as selected ones. Drizzle has the database put them into JSON,
 * where a decimal of more than 15 digits would lose some in JavaScript, and a JSON column of MySQL couldn't be
 * told from a string: both are cast to text. SQLite needs none of it, as it keeps them as text.
 *
 * @returns the same dialect, changed
 */
export function keepValuesInRelations<Dialect extends PgDialect | MySqlDialect>(dialect: Dialect): Dialect {
  const planner = dialect as unknown as Planner;
  const isPostgres = planner.buildRelationalQueryWithoutPK !== undefined;
  for (const name of PLANNERS) {
    const plan = planner[name];
    if (plan === undefined) continue;
    planner[name] = (config) => {
      const made = plan.call(dialect, config);
      if (config.nestedQueryRelation !== undefined) castValues(made, isPostgres);
      return made;
    };
  }
  return dialect;
}

function castValues({ sql: query, selection }: Plan, isPostgres: boolean): void {
  const positions = selection.flatMap(({ field }, position) =>
    is(field, Column) && needsText(field, isPostgres) ? [position] : [],
  );
  if (positions.length === 0) return;
  const values = findJsonValues(query);
  // The values and the commas between them.
  if (values?.queryChunks.length !== selection.length * 2 - 1) {
    throw new Error("Cannot plan the relational query: this version of drizzle-orm plans it otherwise");
  }
  const type = sql.raw(isPostgres ? "text" : "char");
  for (const position of positions) {
    const value = values.queryChunks[position * 2];
    values.queryChunks[position * 2] = sql`cast(${value} as ${type})`;
  }
}

function needsText(column: Column, isPostgres: boolean): boolean {
  const kind = declarationOf(column)?.kind;
  return kind?.type === "decimal"
    ? kind.precision > EXACT_DOUBLE_DIGITS
    : kind?.type === "json" && !isPostgres;
}

/** The list inside `json_array(…)`, which stands before the lists of deeper relations. */
function findJsonValues(query: unknown): SQL | undefined {
  const chunks = is(query, SQL) ? query.queryChunks : toInnerChunks(query);
  const [start, values] = chunks;
  if (is(start, StringChunk) && /^json_(build_)?array\($/.test(start.value.join("")) && is(values, SQL)) {
    return values;
  }
  for (const chunk of chunks) {
    const found = findJsonValues(chunk);
    if (found !== undefined) return found;
  }
  return undefined;
}

function toInnerChunks(query: unknown): readonly SQLChunk[] {
  if (Array.isArray(query)) return query;
  return is(query, SQL.Aliased) ? [query.sql] : [];
}
