import { getTableColumns, is, Name, SQL, sql, StringChunk } from "drizzle-orm";
import { getTableName } from "drizzle-orm";
import type { MySqlColumn, MySqlTable } from "drizzle-orm/mysql-core";
import { assertChanges } from "../drizzle/guarded-writes.ts";
import { mapUpdateSet } from "../drizzle/session-parts.ts";
import { WRONG_CONFLICT } from "./faults.ts";
import { isSameKey, type UniqueKey, uniqueKeysOf } from "./unique-keys.ts";

/** `onConflictDoNothing()` and `onConflictDoUpdate()`, as they are given. */
export interface ConflictConfig {
  readonly target?: MySqlColumn | readonly MySqlColumn[];
  readonly set?: Record<string, unknown>;
  readonly where?: unknown;
  readonly targetWhere?: unknown;
  readonly setWhere?: unknown;
}

/** What an insert does when a row with the same unique value exists. */
export interface Conflict {
  /** Columns of the unique key that is meant; null for any. */
  readonly target: readonly MySqlColumn[] | null;
  /** Values for the row that exists; null leaves it. */
  readonly set: Readonly<Record<string, SQL>> | null;
}

/**
 * Reads what `onConflict…()` was given.
 *
 * @throws TypeError for what MySQL can't do
 */
export function toConflict(table: MySqlTable, { set, ...config }: ConflictConfig): Conflict {
  if ([config.where, config.targetWhere, config.setWhere].some((where) => where !== undefined)) {
    throw new TypeError('Cannot use "where" in an upsert: MySQL has no condition there; use a transaction');
  }
  const target = config.target === undefined ? null : [config.target].flat();
  if (target !== null && !uniqueKeysOf(table).some(({ columns }) => isSameKey(columns, target))) {
    const names = target.map(({ name }) => `"${name}"`).join(", ");
    throw new TypeError(
      `Cannot upsert by ${names}: "${getTableName(table)}" has no unique key of these columns`,
    );
  }
  if (set !== undefined) assertChanges(table, set);
  return { target, set: set === undefined ? null : mapUpdateSet(table, set) };
}

/**
 * Builds what stands behind `on duplicate key`. MySQL takes a conflict on any unique key for one on the target: where
 * it could be on another key, the statement fails as it does on the other databases.
 *
 * @param given names the columns that the inserted rows have values for
 */
export function buildConflict(
  table: MySqlTable,
  { target, set }: Conflict,
  given: (name: string) => boolean,
): SQL {
  const assignments = set === null ? keepRow(table) : toAssignments(table, set);
  const isMeant = target === null || !canMissTarget(table, target, given) ? undefined : matchTarget(target);
  const parts = assignments.map(([column, value], index) => {
    const guarded =
      isMeant === undefined || index > 0 ? value : sql`if(${isMeant}, ${value}, ${sql.raw(WRONG_CONFLICT)})`;
    return sql`${sql.identifier(column.name)} = ${guarded}`;
  });
  return sql`update ${sql.join(parts, sql`, `)}`;
}

function keepRow(table: MySqlTable): [MySqlColumn, SQL][] {
  const [column] = Object.values(getTableColumns(table));
  return column === undefined ? [] : [[column, sql`${sql.identifier(column.name)}`]];
}

/** As drizzle's: what `set` names, and columns with `$onUpdate`. */
function toAssignments(table: MySqlTable, set: Readonly<Record<string, SQL>>): [MySqlColumn, SQL][] {
  return Object.entries(getTableColumns(table)).flatMap(([name, column]): [MySqlColumn, SQL][] => {
    const given = set[name];
    if (given !== undefined) return [[column, is(given, SQL) ? toInserted(given) : sql`${given}`]];
    const updated: unknown = column.onUpdateFn?.();
    if (column.onUpdateFn === undefined) return [];
    return [[column, is(updated, SQL) ? updated : sql`${sql.param(updated, column)}`]];
  });
}

/** Whether a unique key besides the target could be the one in conflict. */
function canMissTarget(
  table: MySqlTable,
  target: readonly MySqlColumn[],
  given: (name: string) => boolean,
): boolean {
  const isGenerated = ({ columns }: UniqueKey): boolean =>
    columns.length === 1 && columns.every((column) => isAutoIncrement(column) && !given(column.name));
  return uniqueKeysOf(table).some((key) => !isSameKey(key.columns, target) && !isGenerated(key));
}

export function isAutoIncrement(column: MySqlColumn): boolean {
  return "autoIncrement" in column && column.autoIncrement === true;
}

function matchTarget(target: readonly MySqlColumn[]): SQL {
  const matches = target.map(({ name }) => sql`${sql.identifier(name)} <=> values(${sql.identifier(name)})`);
  return sql.join(matches, sql` and `);
}

/** `excluded.title`, the word of PostgreSQL and SQLite for the row that was to be inserted, is `values(title)` here. */
function toInserted(value: SQL): SQL {
  const chunks = value.queryChunks;
  const result: typeof chunks = [];
  for (let index = 0; index < chunks.length; index++) {
    const chunk = chunks[index];
    const next = chunks[index + 1];
    if (is(chunk, StringChunk)) {
      const text = chunk.value.join("");
      const isBeforeName = is(next, Name) && /\bexcluded\.$/i.test(text);
      const own = isBeforeName ? text.replace(/excluded\.$/i, "values(") : text;
      result.push(
        new StringChunk(own.replaceAll(/\bexcluded\.(?:"(\w+)"|`(\w+)`|(\w+))/gi, "values(`$1$2$3`)")),
      );
      if (!isBeforeName) continue;
      result.push(next, new StringChunk(")"));
      index++;
    } else if (chunk !== undefined) {
      result.push(is(chunk, SQL) ? toInserted(chunk) : chunk);
    }
  }
  return new SQL(result);
}
