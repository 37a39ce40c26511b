import { type Column, getTableColumns, inArray, type SQL, sql } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { Database } from "../../db/contract/database.ts";
import type { Dialect } from "../../db/contract/driver.ts";
import { columnsOf } from "../../db/schema/portable-sql.ts";
import { type ColumnKind, kindOf } from "../../db/schema/column-kind.ts";
import type { Resource } from "../definition/definition.ts";
import type { Row } from "../reading/expand.ts";
import type { Key } from "./notices.ts";

export interface Source {
  readonly db: Database;
  readonly dialect: Dialect;
  readonly resource: Resource;
}

/** A row that is there, and for which of several conditions it is. */
export interface Seen {
  readonly row: Row;
  readonly isSeen: readonly boolean[];
}

type Condition = SQL | undefined;

/** Columns that a condition looks at; null where it also looks at others' rows. */
export type Looked = ReadonlySet<string> | null;

const MARK = "xcore_sees_";
const NUMBER = "xcore_row";

/** Reads rows as they are, and which of the conditions each meets: all in one statement, so that they are of one moment. */
export async function readSight(
  { db, resource }: Source,
  keys: readonly Key[],
  conditions: readonly Condition[],
): Promise<Map<string, Seen>> {
  const marks = conditions.flatMap((condition, at) =>
    condition === undefined ? [] : [[`${MARK}${at}`, toMark(condition)] as const],
  );
  const table = resource.table as PgTable;
  const columns = getTableColumns(table) as Record<string, PgColumn>;
  const rows: Row[] = await db
    .select({ ...columns, ...(Object.fromEntries(marks) as Record<string, SQL<number>>) })
    .from(table)
    .where(inArray(resource.key, [...keys]));
  return new Map(
    rows.map((found) => {
      const row = Object.fromEntries(Object.keys(columns).map((name) => [name, found[name]]));
      const isSeen = conditions.map(
        (condition, at) => condition === undefined || Number(found[`${MARK}${at}`]) === 1,
      );
      return [String(row[resource.key.name]), { row, isSeen }];
    }),
  );
}

/** Which of the conditions rows met that aren't so any more: the database is asked as if they were its only ones. */
export async function readFormerSight(
  { db, dialect, resource }: Source,
  rows: readonly Row[],
  conditions: readonly SQL[],
): Promise<boolean[][]> {
  const given = rows.map((row, at) => {
    const values = [...resource.columns].map(
      ([name, column]) => sql`${toCast(column, row[name] ?? null, dialect)} as ${sql.identifier(name)}`,
    );
    return sql`select ${sql.raw(String(at))} as ${sql.identifier(NUMBER)}, ${sql.join(values, sql`, `)}`;
  });
  const marks = conditions.map(
    (condition, at) => sql`${toMark(condition)} as ${sql.identifier(`${MARK}${at}`)}`,
  );
  const found = await db.execute(
    sql`select ${sql.identifier(NUMBER)}, ${sql.join(marks, sql`, `)} from (${sql.join(given, sql` union all `)}) as ${sql.identifier(resource.tableName)}`,
  );
  const sights = rows.map(() => conditions.map(() => false));
  for (const row of found)
    sights[Number(row[NUMBER])] = conditions.map((_, at) => Number(row[`${MARK}${at}`]) === 1);
  return sights;
}

/** What a condition looks at: a row that hasn't changed there is as it was to it. */
export function lookedAt(condition: SQL, { table }: Resource): Looked {
  const columns = columnsOf(condition);
  if (columns === null || columns.some((column) => column.table !== table)) return null;
  return new Set(columns.map(({ name }) => name));
}

function toMark(condition: SQL): SQL<number> {
  return sql<number>`case when ${condition} then 1 else 0 end`;
}

const INTEGERS = new Set<ColumnKind["type"]>(["id", "bigint", "references", "integer"]);
const TEXTS = new Set<ColumnKind["type"]>(["uuid", "file", "text", "varchar", "enum", "json"]);

/** A value as its column would hold it, where there is no column that says so. */
function toCast(column: Column, value: unknown, dialect: Dialect): SQL {
  const type = sql.raw(toType(column, dialect));
  return value === null ? sql`cast(null as ${type})` : sql`cast(${sql.param(value, column)} as ${type})`;
}

function toType(column: Column, dialect: Dialect): string {
  const { type } = kindOf(column);
  const own = column.getSQLType();
  if (dialect === "postgres") return type === "id" ? "bigint" : own;
  if (INTEGERS.has(type) || type === "boolean") return dialect === "sqlite" ? "integer" : "signed";
  if (dialect === "mysql") return TEXTS.has(type) ? "char" : own;
  return type === "timestamp" || type === "decimal" ? own : "text";
}
