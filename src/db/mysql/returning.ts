import { and, eq, getTableName, inArray, or, type SQL, type Subquery } from "drizzle-orm";
import {
  type MySqlColumn,
  type MySqlDialect,
  MySqlSelectBuilder,
  type MySqlTable,
} from "drizzle-orm/mysql-core";
import type { MysqlSession } from "./session.ts";
import { primaryKeyOf } from "./unique-keys.ts";

/** What `returning()` was given, nested objects included. */
export type ReturnedFields = Record<string, unknown>;

/** The values of a key's columns, in their order. */
export type Key = readonly unknown[];

/** What is read of each row: what is returned, and the key to find it by. */
export interface FoundRow {
  readonly row: Record<string, unknown>;
  readonly key: Key;
}

export interface RowSource {
  readonly session: MysqlSession;
  readonly dialect: MySqlDialect;
  readonly table: MySqlTable;
  readonly fields: ReturnedFields;
}

/** So that a statement stays far below `max_allowed_packet`. */
const CHUNK = 1000;

/**
 * Returns the columns that rows are found again by.
 *
 * @throws TypeError where there is no primary key
 */
export function assertPrimaryKey(table: MySqlTable): readonly MySqlColumn[] {
  const columns = primaryKeyOf(table);
  if (columns.length > 0) return columns;
  throw new TypeError(
    `Cannot use returning() on "${getTableName(table)}": MySQL has no RETURNING, and without a primary key the rows can't be found`,
  );
}

/** Which rows `lockRows` reads. */
export interface Locked {
  readonly where: SQL | undefined;
  readonly withList: Subquery[] | undefined;
  readonly placeholderValues: Record<string, unknown>;
}

/** Reads and locks the rows that an update or a delete is about to touch. */
export async function lockRows(
  { session, dialect, table, fields }: RowSource,
  columns: readonly MySqlColumn[],
  { where, withList = [], placeholderValues }: Locked,
): Promise<FoundRow[]> {
  const selected = { row: fields, key: toFields(columns) } as never;
  const builder = new MySqlSelectBuilder({ fields: selected, session, dialect, withList });
  const query = builder.from(table).where(where).for("update").prepare();
  return toFoundRows(await query.execute(placeholderValues), columns);
}

/** Reads rows by their keys, in the order of the keys. A key whose row isn't there is left out. */
export async function readRows(
  { session, dialect, table, fields }: RowSource,
  columns: readonly MySqlColumn[],
  keys: readonly Key[],
): Promise<Record<string, unknown>[]> {
  const found = new Map<string, Record<string, unknown>>();
  for (const where of matchKeys(columns, keys)) {
    const builder = new MySqlSelectBuilder({
      fields: { row: fields, key: toFields(columns) } as never,
      session,
      dialect,
    });
    // oxlint-disable-next-line no-await-in-loop -- on one connection
    const rows = await builder.from(table).where(where);
    for (const { row, key } of toFoundRows(rows, columns)) found.set(toText(columns, key), row);
  }
  return keys.flatMap((key) => {
    const row = found.get(toText(columns, key));
    return row === undefined ? [] : [row];
  });
}

/** Conditions that together match all the keys. */
export function matchKeys(columns: readonly MySqlColumn[], keys: readonly Key[]): SQL[] {
  const conditions: SQL[] = [];
  for (let start = 0; start < keys.length; start += CHUNK) {
    const condition = matchSome(columns, keys.slice(start, start + CHUNK));
    if (condition !== undefined) conditions.push(condition);
  }
  return conditions;
}

function matchSome(columns: readonly MySqlColumn[], keys: readonly Key[]): SQL | undefined {
  const [first, ...others] = columns;
  if (first === undefined) return undefined;
  if (others.length === 0) {
    return inArray(
      first,
      keys.map(([value]) => value),
    );
  }
  return or(...keys.map((key) => and(...columns.map((column, index) => eq(column, key[index])))));
}

function toFields(columns: readonly MySqlColumn[]): Record<string, MySqlColumn> {
  return Object.fromEntries(columns.map((column, index) => [index, column]));
}

function toFoundRows(rows: unknown, columns: readonly MySqlColumn[]): FoundRow[] {
  return (rows as { row: Record<string, unknown>; key: Record<number, unknown> }[]).map(({ row, key }) => ({
    row,
    key: columns.map((_, index) => key[index]),
  }));
}

/** A key as the database is sent it: equal for equal values. */
function toText(columns: readonly MySqlColumn[], key: Key): string {
  return JSON.stringify(key.map((value, index) => String(columns[index]?.mapToDriverValue(value))));
}
