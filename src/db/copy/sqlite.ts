import { Database, type SQLQueryBindings, type Statement } from "bun:sqlite";
import { isUtf8 } from "node:buffer";
import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { describeOther } from "../../files/text.ts";
import { DatabaseError } from "../contract/database-error.ts";
import type { SqliteUrl } from "../contract/database-url.ts";
import { toSqliteFault } from "../sqlite/connection/faults.ts";
import { orphans, toKeyPart } from "./keys.ts";
import type { Cell, CopyColumn, CopyDatabase, CopyPage, CopyTable, Key, KeyPart, Raw } from "./contract.ts";

const BUSY_TIMEOUT_MS = 10_000;
/** What stands for bytes that are no UTF-8 where text is read; also a character like any other. */
const REPLACEMENT = String.fromCodePoint(0xff_fd);
/** What FTS and other virtual tables keep beside themselves has a name of theirs. */
const TABLES = `select name from pragma_table_list where schema = 'main' and type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name`;

/** Opens a database of SQLite to be copied from, or to. */
export function openSqliteCopy(url: SqliteUrl, { isNew }: { readonly isNew: boolean }): CopyDatabase {
  if (!isNew && !existsSync(url.file)) {
    throw new DatabaseError("unavailable", `Cannot copy "${url.shown}": there is no such file`);
  }
  if (isNew) makeFile(url);
  return attempt(() => {
    const database = new Database(url.file, { readwrite: true, create: isNew, safeIntegers: true });
    database.run(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
    database.run("pragma foreign_keys = off"); // rows come in any order
    return new SqliteCopy(database, url.shown);
  });
}

/** Its user's alone, as all of the data is in it. */
function makeFile({ file, shown }: SqliteUrl): void {
  const found = statSync(file, { throwIfNoEntry: false });
  const other = found === undefined ? null : describeOther(found);
  if (other !== null)
    throw new DatabaseError("unavailable", `Cannot copy to "${shown}": it is ${other}; name a file`);
  mkdirSync(dirname(file), { recursive: true });
  closeSync(openSync(file, "a", 0o600));
}

class SqliteCopy implements CopyDatabase {
  readonly dialect = "sqlite";
  readonly shown: string;
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();
  #unlock: () => void = () => {};

  constructor(database: Database, shown: string) {
    this.#database = database;
    this.shown = shown;
  }

  async beginReading(): Promise<void> {
    // The first read is what takes the snapshot.
    attempt(() => this.#database.run("begin"));
    await this.listTables();
  }

  async listTables(): Promise<string[]> {
    return (await this.all<{ name: string }>(TABLES)).map(({ name }) => name);
  }

  async describe(table: string): Promise<CopyTable> {
    const found = await this.all<{ name: string; type: string; pk: bigint; hidden: bigint }>(
      "select name, type, pk, hidden from pragma_table_xinfo(?) order by cid",
      [table],
    );
    const columns = found
      .filter(({ hidden }) => hidden === 0n)
      .map(({ name, type }): CopyColumn => ({ name, type: type.toLowerCase(), kind: "any" }));
    const primary = found.filter(({ pk }) => pk > 0n).toSorted((a, b) => Number(a.pk - b.pk));
    const [info] = await this.all<{ wr: bigint }>(
      "select wr from pragma_table_list where schema = 'main' and name = ?",
      [table],
    );
    const isNumbered = primary.length === 1 && /^integer$/i.test(primary[0]?.type ?? "");
    return {
      name: table,
      columns,
      key: info?.wr === 1n ? primary.map(({ name }) => name) : ["_rowid_"],
      counted: isNumbered ? (primary[0]?.name ?? null) : null,
    };
  }

  async readPage(table: CopyTable, from: Key | null, limit: number): Promise<CopyPage> {
    const key = table.key ?? [];
    const names = [
      ...table.columns.map(({ name }) => this.quote(name)),
      ...key.map((name) => this.#keyName(name)),
    ];
    const order = key.map((name) => this.#keyName(name)).join(", ");
    const after = from === null ? "" : `where (${order}) > (${key.map(() => "?").join(", ")})`;
    const tail = `from ${this.quote(table.name)} ${after} order by ${order} limit ${limit}`;
    const values = (from ?? []).map(fromKeyPart);
    const found = attempt(() =>
      this.#prepare(`select ${names.join(", ")} ${tail}`).values(...values),
    ) as Raw[][];
    for (const [index, { name }] of table.columns.entries()) {
      if (found.some((row) => hasReplacement(row[index])))
        this.#assertUtf8(table.name, name, { tail, values });
    }
    const last = found.length < limit ? undefined : found.at(-1);
    const width = table.columns.length;
    return {
      rows: found.map((row) => row.slice(0, width)),
      next: last === undefined ? null : last.slice(width).map(toKeyPart),
    };
  }

  async readNext({ name, counted }: CopyTable): Promise<bigint | null> {
    if (counted === null) return null;
    const [last] = await this.all<{ n: bigint | null }>(
      `select max(${this.quote(counted)}) as n from ${this.quote(name)}`,
    );
    const kept = (await this.#hasSequences())
      ? await this.all<{ n: bigint }>("select seq as n from sqlite_sequence where name = ?", [name])
      : [];
    return [last?.n ?? 0n, kept[0]?.n ?? 0n].reduce((a, b) => (a > b ? a : b)) + 1n;
  }

  async setNext({ name }: CopyTable, next: bigint): Promise<void> {
    const [{ sql } = { sql: "" }] = await this.all<{ sql: string }>(
      "select sql from sqlite_master where name = ?",
      [name],
    );
    if (!/\bautoincrement\b/i.test(sql)) return;
    await this.run("delete from sqlite_sequence where name = ?", [name]);
    await this.run("insert into sqlite_sequence (name, seq) values (?, cast(? as integer))", [
      name,
      String(next - 1n),
    ]);
  }

  async all<Row>(statement: string, parameters: readonly (string | null)[] = []): Promise<Row[]> {
    return attempt(() => this.#database.query(statement).all(...parameters) as Row[]);
  }

  async run(statement: string, parameters: readonly (string | null)[] = []): Promise<void> {
    attempt(() => this.#database.run(statement, [...parameters]));
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.run("begin immediate");
    try {
      const result = await work();
      await this.run("commit");
      return result;
    } catch (error) {
      if (this.#database.inTransaction) this.#database.run("rollback");
      throw error;
    }
  }

  async takeLock(): Promise<boolean> {
    const file = `${this.#database.filename}.copying`;
    const lock = attempt(() => new Database(file, { create: true, readwrite: true }));
    try {
      lock.run("begin exclusive");
    } catch {
      lock.close();
      return false;
    }
    this.#unlock = () => {
      rmSync(file, { force: true });
      lock.close();
    };
    return true;
  }

  loosen(): Promise<string[]> {
    return Promise.resolve([]);
  }

  async insert(table: CopyTable, rows: readonly (readonly Cell[])[]): Promise<void> {
    const names = table.columns.map(({ name }) => this.quote(name));
    const sql = `insert into ${this.quote(table.name)} (${names.join(", ")}) values (${names.map(() => "?").join(", ")})`;
    const statement = this.#prepare(sql);
    attempt(() => {
      for (const row of rows) statement.run(...(row as SQLQueryBindings[]));
    });
  }

  async tighten(): Promise<void> {
    const [wrong] = await this.all<{ table: string; parent: string }>("pragma foreign_key_check");
    if (wrong === undefined) return;
    throw orphans(wrong);
  }

  quote(name: string): string {
    return `\`${name.replaceAll("`", "``")}\``;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#database.close();
    this.#unlock();
  }

  #keyName(name: string): string {
    return name === "_rowid_" ? name : this.quote(name);
  }

  /** What isn't UTF-8 is read as another text, here and again in the copy: nobody would see that it was changed. */
  #assertUtf8(
    table: string,
    column: string,
    { tail, values }: { readonly tail: string; readonly values: readonly SQLQueryBindings[] },
  ): void {
    const read = `select cast(${this.quote(column)} as blob) ${tail}`;
    for (const [bytes] of attempt(() => this.#prepare(read).values(...values)) as Raw[][]) {
      if (!(bytes instanceof Uint8Array) || isUtf8(bytes)) continue;
      throw new DatabaseError(
        "value",
        `Cannot copy "${table}"."${column}": a text in it isn't UTF-8 (${this.shown}): put it right, or store it as bytes`,
      );
    }
  }

  async #hasSequences(): Promise<boolean> {
    return (await this.all("select 1 from sqlite_master where name = 'sqlite_sequence'")).length > 0;
  }

  #prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = attempt(() => this.#database.prepare(sql));
    this.#statements.set(sql, statement);
    return statement;
  }
}

function hasReplacement(value: Raw | undefined): boolean {
  return typeof value === "string" && value.includes(REPLACEMENT);
}

function fromKeyPart(part: KeyPart): SQLQueryBindings {
  if ("text" in part) return part.text;
  if ("bytes" in part) return Buffer.from(part.bytes, "base64");
  return /^-?\d+$/.test(part.number) ? BigInt(part.number) : Number(part.number);
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toSqliteFault(error);
  }
}
