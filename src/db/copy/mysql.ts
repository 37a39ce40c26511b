import type { TypeCast } from "mysql2";
import type { Logger } from "pino";
import type { DatabaseUrl } from "../contract/database-url.ts";
import { MysqlConnection } from "../mysql/connection.ts";
import { toSettings } from "../mysql/settings.ts";
import { orphans, toKeyPart } from "./keys.ts";
import type { Cell, CopyColumn, CopyDatabase, CopyPage, CopyTable, Key, Kind, Raw } from "./contract.ts";

/** What opens a server to be copied from, or to. */
export interface ServerCopyOptions {
  readonly log: Logger;
  readonly connectTimeoutMs: number;
}

type MysqlUrl = Extract<DatabaseUrl, { host: string }>;

const KINDS: Readonly<Record<string, Kind>> = {
  tinyint: "integer",
  smallint: "integer",
  mediumint: "integer",
  int: "integer",
  bigint: "integer",
  decimal: "decimal",
  float: "float",
  double: "float",
  datetime: "timestamp",
  timestamp: "timestamp",
  json: "json",
  binary: "blob",
  varbinary: "blob",
  tinyblob: "blob",
  blob: "blob",
  mediumblob: "blob",
  longblob: "blob",
  bit: "blob",
};
const TABLES =
  "select table_name as name from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE' order by 1";
const COLUMNS = `select column_name as name, data_type as base, column_type as type, extra,
    (select s.seq_in_index from information_schema.statistics s where s.table_schema = database()
      and s.table_name = ? and s.index_name = 'PRIMARY' and s.column_name = c.column_name) as place
  from information_schema.columns c where table_schema = database() and table_name = ? order by ordinal_position`;
/** Of a statement: servers take one of 16 MB at least. */
const MAX_BYTES = 2_000_000;
// oxlint-disable-next-line no-control-regex -- what MySQL wants escaped
const QUOTED = /[\0\n\r\\'\x1a]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\n": "\\n",
  "\r": "\\r",
  "\\": "\\\\",
  "'": "\\'",
  "\x1a": "\\Z",
};

/** Opens a database of MySQL or MariaDB to be copied from, or to. */
export async function openMysqlCopy(
  url: MysqlUrl,
  { log, connectTimeoutMs }: ServerCopyOptions,
): Promise<CopyDatabase> {
  const given = toSettings({ url, log, connectTimeoutMs } as Parameters<typeof toSettings>[0]);
  const settings = { ...given, bigNumberStrings: true, typeCast: withExactFloats };
  const connection = new MysqlConnection({ settings, server: url, onQuery: null, limits: null });
  try {
    await connection.connect();
    // Waits of hours are for people: the other side may take its time.
    await connection.control("set session wait_timeout = 86400, foreign_key_checks = 0");
    return new MysqlCopy(connection, url.shown);
  } catch (error) {
    await connection.end();
    throw error;
  }
}

/** What mysql2 reads of the digits of a double may be another one. */
const withExactFloats: TypeCast = (field, next) =>
  field.type === "DOUBLE" || field.type === "FLOAT" ? field.string("utf8") : next();

class MysqlCopy implements CopyDatabase {
  readonly dialect = "mysql";
  readonly shown: string;
  readonly #connection: MysqlConnection;

  constructor(connection: MysqlConnection, shown: string) {
    this.#connection = connection;
    this.shown = shown;
  }

  async beginReading(): Promise<void> {
    await this.run("set transaction isolation level repeatable read");
    await this.run("start transaction with consistent snapshot, read only");
  }

  async listTables(): Promise<string[]> {
    return (await this.all<{ name: string }>(TABLES)).map(({ name }) => name);
  }

  async describe(table: string): Promise<CopyTable> {
    const found = await this.all<{
      name: string;
      base: string;
      type: string;
      extra: string;
      place: number | null;
    }>(COLUMNS, [table, table]);
    const key = found
      .filter(({ place }) => place !== null)
      .toSorted((a, b) => Number(a.place) - Number(b.place))
      .map(({ name }) => name);
    return {
      name: table,
      columns: found
        .filter(({ extra }) => !/\b(?:VIRTUAL|STORED|PERSISTENT)\b/i.test(extra))
        .map(({ name, base, type }): CopyColumn => ({
          name,
          type,
          kind: KINDS[base.toLowerCase()] ?? "text",
        })),
      key: key.length === 0 ? null : key,
      counted: found.find(({ extra }) => /auto_increment/i.test(extra))?.name ?? null,
    };
  }

  async readPage(table: CopyTable, from: Key | null, limit: number): Promise<CopyPage> {
    const { columns, key } = table;
    const names = columns.map(({ name }) => this.quote(name)).join(", ");
    const select = `select ${names} from ${this.quote(table.name)}`;
    // Without a key, InnoDB gives rows in the order in which they came, which doesn't change within a snapshot.
    const passed = key === null && from !== null ? Number(textOf(from[0])) : 0;
    const sql =
      key === null
        ? `${select} limit ${limit} offset ${passed}`
        : `${select} ${from === null ? "" : `where ${this.#after(table, from)}`} order by ${key.map((name) => this.quote(name)).join(", ")} limit ${limit}`;
    const rows = (await this.#connection.values(sql, [])) as Raw[][];
    const last = rows.length < limit ? undefined : rows.at(-1);
    if (last === undefined) return { rows, next: null };
    if (key === null) return { rows, next: [{ number: String(passed + rows.length) }] };
    const places = key.map((name) => columns.findIndex((column) => column.name === name));
    return { rows, next: places.map((place) => toKeyPart(last[place] ?? null)) };
  }

  /** Its own row comparison isn't served by an index. */
  #after({ key }: CopyTable, from: Key): string {
    const names = (key ?? []).map((name) => this.quote(name));
    const values = from.map((part) =>
      "bytes" in part
        ? `x'${Buffer.from(part.bytes, "base64").toString("hex")}'`
        : toLiteral("text" in part ? part.text : part.number),
    );
    const alternatives = names.map((name, index) => {
      const same = names.slice(0, index).map((other, at) => `${other} = ${values[at] ?? ""}`);
      return `(${[...same, `${name} > ${values[index] ?? ""}`].join(" and ")})`;
    });
    // The first condition is what an index begins with.
    return [`${names[0] ?? ""} >= ${values[0] ?? ""}`, `(${alternatives.join(" or ")})`].join(" and ");
  }

  async readNext({ name, counted }: CopyTable): Promise<bigint | null> {
    if (counted === null) return null;
    const [row] = await this.all<Record<string, string>>(`show create table ${this.quote(name)}`);
    const kept = /\bAUTO_INCREMENT=(\d+)/.exec(row?.["Create Table"] ?? "")?.[1];
    return kept === undefined ? 1n : BigInt(kept);
  }

  async setNext({ name, counted }: CopyTable, next: bigint): Promise<void> {
    if (counted !== null) await this.run(`alter table ${this.quote(name)} auto_increment = ${next}`);
  }

  async all<Row>(statement: string, parameters: readonly (string | null)[] = []): Promise<Row[]> {
    return (await this.#connection.all(statement, parameters)) as Row[];
  }

  async run(statement: string, parameters: readonly (string | null)[] = []): Promise<void> {
    await this.all(statement, parameters);
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.run("start transaction");
    try {
      const result = await work();
      await this.run("commit");
      return result;
    } catch (error) {
      await this.run("rollback").catch(() => {});
      throw error;
    }
  }

  async takeLock(): Promise<boolean> {
    const [row] = await this.all<{ locked: number }>(
      "select get_lock(concat('xcore-copy-', md5(database())), 0) as locked",
    );
    return Number(row?.locked) === 1;
  }

  loosen(): Promise<string[]> {
    return Promise.resolve([]);
  }

  async insert(table: CopyTable, rows: readonly (readonly Cell[])[]): Promise<void> {
    const names = table.columns.map(({ name }) => this.quote(name)).join(", ");
    const head = `insert into ${this.quote(table.name)} (${names}) values `;
    let parts: string[] = [];
    let bytes = 0;
    const send = async (): Promise<void> => {
      if (parts.length > 0) await this.run(head + parts.join(","));
      [parts, bytes] = [[], 0];
    };
    for (const row of rows) {
      const text = `(${row.map(toLiteral).join(",")})`;
      // oxlint-disable-next-line no-await-in-loop -- one connection
      if (bytes + text.length > MAX_BYTES) await send();
      parts.push(text);
      bytes += text.length;
    }
    await send();
  }

  /** Keys that are off aren't looked at when they are on again: each is, by a query. */
  async tighten(): Promise<void> {
    const keys = await this.all<{
      table: string;
      name: string;
      parent: string;
      columns: string;
      targets: string;
    }>(
      `select table_name as \`table\`, constraint_name as name, referenced_table_name as parent,
        group_concat(column_name order by ordinal_position) as columns,
        group_concat(referenced_column_name order by ordinal_position) as targets
      from information_schema.key_column_usage where table_schema = database() and referenced_table_name is not null
      group by table_name, constraint_name, referenced_table_name`,
    );
    for (const { table, parent, columns, targets } of keys) {
      const [own, others] = [columns.split(","), targets.split(",")];
      const joined = own
        .map((name, at) => `p.${this.quote(others[at] ?? "")} = c.${this.quote(name)}`)
        .join(" and ");
      const given = own.map((name) => `c.${this.quote(name)} is not null`).join(" and ");
      // oxlint-disable-next-line no-await-in-loop -- one connection
      const [wrong] = await this.all(
        `select 1 from ${this.quote(table)} c where ${given} and not exists (select 1 from ${this.quote(parent)} p where ${joined}) limit 1`,
      );
      if (wrong === undefined) continue;
      throw orphans({ table, parent });
    }
  }

  quote(name: string): string {
    return `\`${name.replaceAll("`", "``")}\``;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.end();
  }
}

function textOf(part: Key[number] | undefined): string {
  return part === undefined || "bytes" in part ? "" : "text" in part ? part.text : part.number;
}

function toLiteral(value: Cell): string {
  if (value === null) return "null";
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString("hex")}'`;
  return `'${String(value).replaceAll(QUOTED, (found) => ESCAPES[found] ?? found)}'`;
}
