import { asc, avg, type Column, count, desc, eq, max, min, type SQL, sql, sum } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { Database } from "../../db/contract/database.ts";
import { datePart } from "../../db/schema/portable-sql.ts";
import type { Access } from "../access/access.ts";
import type { Step } from "../filter/conditions.ts";
import { toRowsCondition } from "../reading/conditions.ts";
import { findIndexed } from "../reading/search.ts";
import type { Row } from "../reading/expand.ts";
import type { ColumnParameter } from "../schemas/queries.ts";
import { type AggregateQuery, type Group, type Measure, type Plan, toMeasureName, toPlan } from "./plan.ts";
import type { Function } from "./query.ts";

/** Counts, sums and the like, of groups of rows. */
export interface Aggregation {
  readonly items: readonly Row[];
  /** Whether there are more groups than these. */
  readonly has_more: boolean;
}

/** A column, or an expression, of a query. */
type Selected = PgColumn | SQL.Aliased;

/** Rows of another table: their key, and what is grouped by. */
interface Related {
  readonly key: SQL.Aliased;
  readonly value: SQL.Aliased;
}

const COUNT = "count";
const MAKE: { readonly [Name in Function]: (column: Column) => SQL } = { sum, avg, min, max };

/**
 * Counts, sums and the like of the rows that a query asks for, among those that there are to whoever asks.
 *
 * @throws AppError validation_error that says what is wrong with which parameter
 */
export async function aggregateRows(
  db: Database,
  access: Access,
  {
    query,
    parameters,
  }: { readonly query: AggregateQuery; readonly parameters: ReadonlyMap<string, ColumnParameter> },
): Promise<Aggregation> {
  const plan = toPlan(access, query);
  const { groups, measures, isCounted, limit } = plan;
  const indexed = await findIndexed(db, access, query.q);
  const condition = toRowsCondition(access, query, { parameters, indexed });
  const picked = pick(db, access, { plan, condition });
  const groupedBy = groups.map((group, index) => picked[nameOf(group, index)] as SQL.Aliased);
  const made = measures.map(({ function: one, name }) => MAKE[one](picked[name] as PgColumn));
  const fields = {
    ...Object.fromEntries(groups.map((group, index) => [`g${index}`, toRead(group, groupedBy[index])])),
    ...Object.fromEntries(made.map((value, index) => [`m${index}`, value])),
    [COUNT]: count(),
  };
  const grouped = db
    .select(fields)
    .from(picked as never)
    .groupBy(...groupedBy)
    .orderBy(...toOrder(plan, { groupedBy, made }))
    .limit(limit + 1);
  const found: Row[] = await grouped;
  const items = found.slice(0, limit).map((row) => ({
    group: Object.fromEntries(groups.map(({ name }, index) => [name, row[`g${index}`]])),
    ...(isCounted && { count: row[COUNT] }),
    ...toResults(measures, row),
  }));
  return { items, has_more: found.length > limit };
}

/**
 * The rows, with what they are grouped by as columns of their own: the databases differ in which expressions they take for
 * the same one.
 */
function pick(
  db: Database,
  { resource: { table, key } }: Access,
  { plan: { groups, measures }, condition }: { readonly plan: Plan; readonly condition: SQL | undefined },
): Readonly<Record<string, Selected>> {
  const selected: Record<string, Selected> = { [key.name]: key as PgColumn };
  for (const { name, column } of measures) selected[name] = column as PgColumn;
  const joined: { readonly related: Related; readonly from: Column }[] = [];
  for (const [index, group] of groups.entries()) {
    const name = nameOf(group, index);
    const [step, ...others] = group.field.steps;
    if (step === undefined) {
      selected[name] = isColumn(group) ? (group.field.column as PgColumn) : toValue(group).as(name);
    } else {
      const related = relate(db, [step, ...others], { group, alias: `related ${index}` });
      joined.push({ related, from: step.from });
      selected[name] = sql`${related.value}`.as(name);
    }
  }
  let query = db
    .select(selected)
    .from(table as PgTable)
    .$dynamic();
  for (const { related, from } of joined)
    query = query.leftJoin(related as never, eq(from, related.key)) as never;
  return query.where(condition).as("picked") as never;
}

/** What is grouped by, of the rows behind some steps, by the key that the first of them leads to. */
function relate(
  db: Database,
  [{ to, rows }, ...others]: readonly [Step, ...Step[]],
  { group, alias }: { readonly group: Group; readonly alias: string },
): Related {
  // In conditions, drizzle writes these names without that of their query.
  const key = sql`${to}`.as(`${alias} key`);
  const [next, ...rest] = others;
  const inner = next === undefined ? null : relate(db, [next, ...rest], { group, alias: `${alias}.` });
  const value = (inner === null ? toValue(group) : sql`${inner.value}`).as(`${alias} value`);
  let query = db
    .select({ key, value })
    .from(to.table as PgTable)
    .$dynamic();
  if (next !== undefined && inner !== null)
    query = query.leftJoin(inner as never, eq(next.from, inner.key)) as never;
  return query.where(rows).as(alias) as never;
}

function toValue({ field: { column }, part }: Group): SQL {
  return part === null ? sql`${column}` : datePart(column, part);
}

/** Whether it is grouped by a column of the resource, as it is. */
function isColumn({ field, part }: Group): boolean {
  return part === null && field.steps.length === 0;
}

/** How it is called among the columns of the rows: their own names have no space. */
function nameOf(group: Group, index: number): string {
  return isColumn(group) ? group.field.column.name : `group ${index}`;
}

function toRead(group: Group, value: Selected | undefined): SQL {
  return sql`${value}`.mapWith(group.part === null ? group.field.column : String);
}

function toOrder(
  { groups, measures, order }: Plan,
  { groupedBy, made }: { readonly groupedBy: readonly Selected[]; readonly made: readonly SQL[] },
): SQL[] {
  const values = new Map<string, Selected | SQL>([
    ...measures.map((measure, index) => [toMeasureName(measure), made[index] as SQL] as const),
    [COUNT, count()],
    ...groups.map(({ name }, index) => [name, groupedBy[index] as Selected] as const),
  ]);
  const asked = order.map(({ by, isDown }) => {
    const value = values.get(by) as SQL;
    return isDown ? desc(value) : asc(value);
  });
  const rest = groups.filter(({ name }) => !order.some(({ by }) => by === name));
  return [...asked, ...rest.map(({ name }) => asc(values.get(name) as SQL))];
}

function toResults(measures: readonly Measure[], row: Row): Row {
  const results: Record<string, Row> = {};
  for (const [index, { function: one, name }] of measures.entries()) {
    (results[one] ??= {})[name] = row[`m${index}`];
  }
  return results;
}
