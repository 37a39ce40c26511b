import type { Database, SQLQueryBindings } from "bun:sqlite";
import { MAX_COUNTED, type RefusedReference } from "../../contract/database-error.ts";
import { parseWrite, quote, type Write } from "./written-statement.ts";

type Values = SQLQueryBindings[];
type Row = Record<string, SQLQueryBindings>;

/** A foreign key, as `pragma foreign_key_list` tells of it. */
interface ForeignKey {
  readonly table: string;
  readonly columns: readonly string[];
  readonly target: string;
  readonly targetColumns: readonly string[];
  readonly onUpdate: string;
  readonly onDelete: string;
}

interface KeyPart {
  readonly child: string;
  readonly id: number;
  readonly table: string;
  readonly from: string;
  /** Null for the primary key. */
  readonly to: string | null;
  readonly on_update: string;
  readonly on_delete: string;
}

const KEY_PARTS = `select m.name as child, f.id, f."table", f."from", f."to", f.on_update, f.on_delete
from sqlite_schema m join pragma_foreign_key_list(m.name) f where m.type = 'table'`;
const ORDER = `order by m.name, f.id, f.seq`;
/** More rows than these aren't looked through: a statement that touches so many comes from no request. */
const MAX_ROWS = 1000;
const MAX_CASCADES = 16;

/**
 * Finds out which foreign key has refused a statement, as SQLite doesn't say. It looks each value up by the parent's
 * key, and each parent by the column that refers to it, as SQLite has just done itself; the statement's rows it learns
 * by running it once more, with foreign keys deferred, in a savepoint that is undone.
 *
 * @returns null where it can't be found out
 */
export function findReference(database: Database, sql: string, parameters: Values): RefusedReference | null {
  try {
    if (/^\s*(?:commit|end|release)\b/i.test(sql)) return findDangling(database);
    const write = parseWrite(sql, parameters);
    if (write === null) return null;
    return (write.verb === "delete" ? null : findMissing(database, write)) ?? findReferring(database, write);
  } catch {
    // Another process has the file locked, or the statement is of a kind that isn't understood.
    return null;
  }
}

/** Which plugin's a table is, as the ledger of migrations has it. */
export function readTableOwner(database: Database, query: string): string | null {
  try {
    const [row] = database.query<{ owner: string }, []>(query).all();
    return row?.owner ?? null;
  } catch {
    return null;
  }
}

/** What deferred constraints find at a commit. */
function findDangling(database: Database): RefusedReference | null {
  const [violation] = run(database, "pragma foreign_key_check", []);
  const table = violation?.["table"];
  if (typeof table !== "string") return null;
  const key = readKeys(database, `lower(m.name) = lower(?) and f.id = ?`, [
    table,
    violation?.["fkid"] ?? 0,
  ])[0];
  return key === undefined ? null : toReference("missing", key);
}

function findMissing(database: Database, write: Write): RefusedReference | null {
  const keys = readKeys(database, "lower(m.name) = lower(?)", [write.table]);
  if (keys.length === 0) return null;
  const columns = [...new Set(keys.flatMap((key) => key.columns))];
  const isDeferred = Number(run(database, "pragma defer_foreign_keys", [])[0]?.["defer_foreign_keys"]);
  database.run("savepoint xcore_reference");
  try {
    database.run("pragma defer_foreign_keys = on");
    const returning = `${write.text} returning ${columns.map(quote).join(", ")}`;
    const rows = run(database, returning, [...write.parameters]);
    const missing = keys.find((key) => rows.some((row) => leadsNowhere(database, key, row)));
    return missing === undefined ? null : toReference("missing", missing);
  } finally {
    // Before the rollback, which gives back what this forgets: that rows of this transaction lack what they refer to.
    database.run(`pragma defer_foreign_keys = ${isDeferred}`);
    database.run("rollback to xcore_reference");
    database.run("release xcore_reference");
  }
}

function leadsNowhere(database: Database, { columns, target, targetColumns }: ForeignKey, row: Row): boolean {
  const values = columns.map((column) => row[column] ?? null);
  return !values.includes(null) && !hasRow(database, target, targetColumns, values);
}

function findReferring(database: Database, write: Write): RefusedReference | null {
  const { table, matched } = write;
  if (matched === null) return null;
  const keys = readReferring(database, table);
  if (keys.length === 0) return null;
  const columns = listTargets(keys);
  const rows = run(database, `select * from (${matched.toSelect(columns)}) limit ${MAX_ROWS}`, [
    ...matched.parameters,
  ]);
  const action = write.verb === "delete" ? "onDelete" : "onUpdate";
  return findReferringTo(database, { keys, rows, action, depth: 0 });
}

interface Search {
  readonly keys: readonly ForeignKey[];
  readonly rows: readonly Row[];
  readonly action: "onDelete" | "onUpdate";
  readonly depth: number;
}

/** Looks through the tables that refer to these rows, and to the rows that would go with them. */
function findReferringTo(database: Database, { keys, rows, action, depth }: Search): RefusedReference | null {
  for (const key of keys) {
    for (const row of rows) {
      const values = key.targetColumns.map((column) => row[column] ?? null);
      if (values.includes(null)) continue;
      if (key[action] === "NO ACTION" || key[action] === "RESTRICT") {
        if (!hasRow(database, key.table, key.columns, values)) continue;
        const count = depth === 0 && action === "onDelete" ? countReferring(database, key, rows) : undefined;
        return { ...toReference("referred", key), count };
      } else if (key[action] === "CASCADE" && action === "onDelete" && depth < MAX_CASCADES) {
        const found = findBehind(database, key, { values, depth });
        if (found !== null) return found;
      }
    }
  }
  return null;
}

/** Counts the rows that refer to these; undefined where they may be among them, or there are more than were looked at. */
function countReferring(database: Database, key: ForeignKey, rows: readonly Row[]): number | undefined {
  const { table, columns, target, targetColumns } = key;
  if (table.toLowerCase() === target.toLowerCase() || rows.length === MAX_ROWS) return undefined;
  const query = `select count(*) as n from (select 1 from ${quote(table)} where ${toMatch(columns)} limit ?)`;
  let count = 0;
  for (const row of rows) {
    const values = targetColumns.map((column) => row[column] ?? null);
    const [counted] = run(database, query, [...values, MAX_COUNTED + 1 - count]);
    count += Number(counted?.["n"]);
    if (count > MAX_COUNTED) return count;
  }
  return count;
}

function findBehind(
  database: Database,
  { table, columns }: ForeignKey,
  { values, depth }: { readonly values: Values; readonly depth: number },
): RefusedReference | null {
  const keys = readReferring(database, table);
  if (keys.length === 0) return null;
  const select = `select ${listTargets(keys).map(quote).join(", ")} from ${quote(table)} where ${toMatch(columns)} limit ${MAX_ROWS}`;
  const rows = run(database, select, values);
  return findReferringTo(database, { keys, rows, action: "onDelete", depth: depth + 1 });
}

/** Keys of other tables first: rows of the table itself may be about to go too. */
function readReferring(database: Database, table: string): ForeignKey[] {
  const keys = readKeys(database, `lower(f."table") = lower(?)`, [table]);
  const isOwn = (key: ForeignKey): boolean => key.table.toLowerCase() === table.toLowerCase();
  return [...keys.filter((key) => !isOwn(key)), ...keys.filter(isOwn)];
}

function listTargets(keys: readonly ForeignKey[]): string[] {
  return [...new Set(keys.flatMap((key) => key.targetColumns))];
}

function readKeys(database: Database, condition: string, parameters: Values): ForeignKey[] {
  const parts = run(database, `${KEY_PARTS} and ${condition} ${ORDER}`, parameters) as unknown as KeyPart[];
  const keys = Map.groupBy(parts, ({ child, id }) => JSON.stringify([child, id]));
  return [...keys.values()].flatMap((columns) => {
    const [first] = columns;
    if (first === undefined) return [];
    const named = columns.flatMap(({ to }) => (to === null ? [] : [to]));
    return {
      table: first.child,
      columns: columns.map(({ from }) => from),
      target: first.table,
      targetColumns: named.length === columns.length ? named : readPrimaryKey(database, first.table),
      onUpdate: first.on_update,
      onDelete: first.on_delete,
    };
  });
}

function readPrimaryKey(database: Database, table: string): string[] {
  const query = "select name from pragma_table_info(?) where pk > 0 order by pk";
  return run(database, query, [table]).flatMap(({ name }) => (typeof name === "string" ? [name] : []));
}

function hasRow(database: Database, table: string, columns: readonly string[], values: Values): boolean {
  const query = `select 1 from ${quote(table)} where ${toMatch(columns)} limit 1`;
  return run(database, query, values).length > 0;
}

function toMatch(columns: readonly string[]): string {
  return columns.map((column) => `${quote(column)} = ?`).join(" and ");
}

function run(database: Database, sql: string, parameters: Values): Row[] {
  const statement = database.prepare<Row, Values>(sql);
  try {
    return statement.all(...parameters);
  } finally {
    statement.finalize();
  }
}

function toReference(
  side: RefusedReference["side"],
  { table, columns, target }: ForeignKey,
): RefusedReference {
  return { side, table, columns, target };
}
