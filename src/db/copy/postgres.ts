import { once } from "node:events";
import postgres from "postgres";
import type { DatabaseUrl } from "../contract/database-url.ts";
import { toPostgresFault } from "../postgres/faults.ts";
import { toSettings } from "../postgres/settings.ts";
import type { Cell, CopyColumn, CopyDatabase, CopyPage, CopyTable, Key, Kind, Raw } from "./contract.ts";
import type { ServerCopyOptions } from "./mysql.ts";

type PostgresUrl = Extract<DatabaseUrl, { host: string }>;

const KINDS: Readonly<Record<string, Kind>> = {
  bool: "boolean",
  int2: "integer",
  int4: "integer",
  int8: "integer",
  numeric: "decimal",
  float4: "float",
  float8: "float",
  timestamp: "timestamp",
  timestamptz: "timestamp",
  json: "json",
  jsonb: "json",
  bytea: "blob",
  uuid: "uuid",
};
const COLUMNS = `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, t.typname as base,
    pg_get_serial_sequence(quote_ident(c.relname), a.attname) is not null as counted,
    coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0) as place
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
  left join pg_index i on i.indrelid = c.oid and i.indisprimary
  where c.relname = $1 and c.relnamespace = current_schema()::regnamespace
  and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  order by a.attnum`;
const TABLES = `select c.relname as name from pg_class c
  where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = current_schema()::regnamespace
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  order by 1`;
const FOREIGN_KEYS = `select format('alter table %I add constraint %I %s', c.relname, k.conname, pg_get_constraintdef(k.oid)) as made,
    format('alter table %I drop constraint %I', c.relname, k.conname) as dropped
  from pg_constraint k join pg_class c on c.oid = k.conrelid
  where k.contype = 'f' and c.relnamespace = current_schema()::regnamespace and k.conparentid = 0`;
/** "copy" as a number. */
const LOCK = 0x636f7079;
const ESCAPED = /[\\\n\r\t]/g;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Opens a database of PostgreSQL to be copied from, or to. */
export async function openPostgresCopy(
  url: PostgresUrl,
  { log, connectTimeoutMs }: ServerCopyOptions,
): Promise<CopyDatabase> {
  const settings = toSettings({ url, log, connectTimeoutMs } as Parameters<typeof toSettings>[0]);
  const client = postgres({
    ...settings,
    types: AS_TEXT as never,
    max: 1,
    idle_timeout: 0,
    max_lifetime: null,
    connection: { ...settings.connection, statement_timeout: 0, extra_float_digits: 1 },
  });
  const copy = new PostgresCopy(client, url);
  try {
    await copy.all("select 1");
    return copy;
  } catch (error) {
    await client.end({ timeout: 0 });
    throw error;
  }
}

class PostgresCopy implements CopyDatabase {
  readonly dialect = "postgres";
  readonly shown: string;
  readonly #client: postgres.Sql;
  readonly #url: PostgresUrl;

  constructor(client: postgres.Sql, url: PostgresUrl) {
    this.#client = client;
    this.#url = url;
    this.shown = url.shown;
  }

  async beginReading(): Promise<void> {
    await this.run("begin isolation level repeatable read, read only");
  }

  async listTables(): Promise<string[]> {
    return (await this.all<{ name: string }>(TABLES)).map(({ name }) => name);
  }

  async describe(table: string): Promise<CopyTable> {
    const found = await this.all<{
      name: string;
      type: string;
      base: string;
      counted: string;
      place: string;
    }>(COLUMNS, [table]);
    const key = found
      .filter(({ place }) => Number(place) > 0)
      .toSorted((a, b) => Number(a.place) - Number(b.place));
    return {
      name: table,
      columns: found.map(({ name, type, base }): CopyColumn => ({ name, type, kind: KINDS[base] ?? "text" })),
      key: key.length === 0 ? ["ctid"] : key.map(({ name }) => name),
      counted: found.find(({ counted }) => counted === "t")?.name ?? null,
    };
  }

  async readPage(table: CopyTable, from: Key | null, limit: number): Promise<CopyPage> {
    const { columns, key } = table;
    // Qualified: an order by a name alone may be by one of the texts.
    const order = (key ?? []).map((name) => `t.${this.quote(name)}`).join(", ");
    const marks = (key ?? []).map((name, index) => `$${index + 1}::text::${this.#typeOf(table, name)}`);
    const after = from === null ? "" : `where (${order}) > (${marks.join(", ")})`;
    const names = [
      ...columns.map(({ name }) => `t.${this.quote(name)}`),
      ...(key ?? []).map((name) => `t.${this.quote(name)}::text`),
    ];
    const sql = `select ${names.join(", ")} from ${this.quote(table.name)} t ${after} order by ${order} limit ${limit}`;
    const parameters = (from ?? []).map((part) => ("text" in part ? part.text : ""));
    const found = (await this.#attempt(() => this.#client.unsafe(sql, parameters).values(), sql)) as Raw[][];
    const last = found.length < limit ? undefined : found.at(-1);
    const width = columns.length;
    return {
      rows: found.map((row) => row.slice(0, width)),
      next: last === undefined ? null : last.slice(width).map((part) => ({ text: String(part) })),
    };
  }

  async readNext({ name, counted }: CopyTable): Promise<bigint | null> {
    if (counted === null) return null;
    const [row] = await this.all<{ name: string }>(
      "select pg_get_serial_sequence(quote_ident($1), $2) as name",
      [name, counted],
    );
    const [state] = await this.all<{ next: string }>(
      `select (last_value + is_called::int)::text as next from ${row?.name ?? ""}`,
    );
    return state === undefined ? null : BigInt(state.next);
  }

  async setNext({ name, counted }: CopyTable, next: bigint): Promise<void> {
    if (counted === null) return;
    const sequence = "pg_get_serial_sequence(quote_ident($1), $2)";
    await this.all(`select setval(${sequence}, $3::text::bigint, false)`, [name, counted, String(next)]);
  }

  async all<Row>(statement: string, parameters: readonly (string | null)[] = []): Promise<Row[]> {
    const found = await this.#attempt(() => this.#client.unsafe(statement, [...parameters]), statement);
    return [...found] as Row[];
  }

  async run(statement: string, parameters: readonly (string | null)[] = []): Promise<void> {
    await this.all(statement, parameters);
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.run("begin");
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
    const [row] = await this.all<{ locked: string }>(`select pg_try_advisory_lock(${LOCK}) as locked`);
    return row?.locked === "t";
  }

  async loosen(): Promise<string[]> {
    const keys = await this.all<{ made: string; dropped: string }>(FOREIGN_KEYS);
    for (const { dropped } of keys) {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      await this.run(dropped);
    }
    const tables = await this.listTables();
    for (const table of tables) {
      // oxlint-disable-next-line no-await-in-loop
      await this.run(`alter table ${this.quote(table)} disable trigger user`);
    }
    return [
      ...keys.map(({ made }) => made),
      ...tables.map((table) => `alter table ${this.quote(table)} enable trigger user`),
    ];
  }

  async insert(table: CopyTable, rows: readonly (readonly Cell[])[]): Promise<void> {
    if (rows.length === 0) return;
    const names = table.columns.map(({ name }) => this.quote(name)).join(", ");
    const sql = `copy ${this.quote(table.name)} (${names}) from stdin`;
    const text = rows.map((row) => `${row.map(toCopyText).join("\t")}\n`).join("");
    await this.#attempt(async () => {
      const refused = Promise.withResolvers<never>();
      const query = this.#client.unsafe(sql) as postgres.PendingQuery<never> & { reject: unknown };
      const stream = await query.writable();
      // What the server refuses once it has all rows, the driver tells nobody but the query, which was answered before.
      query.reject = refused.reject;
      const done = Promise.race([
        refused.promise,
        once(stream, "finish"),
        once(stream, "error").then(([error]) => Promise.reject(error)),
      ]);
      stream.end(text);
      await done;
    }, sql);
  }

  async tighten(statements: readonly string[]): Promise<void> {
    for (const statement of statements) {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      await this.run(statement);
    }
  }

  quote(name: string): string {
    return `"${name.replaceAll('"', '""')}"`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end({ timeout: 5 });
  }

  #typeOf({ columns }: CopyTable, name: string): string {
    return name === "ctid" ? "tid" : (columns.find((column) => column.name === name)?.type ?? "text");
  }

  async #attempt<T>(work: () => PromiseLike<T>, sql: string): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toPostgresFault(error, this.#url, sql);
    }
  }
}

function toCopyText(value: Cell): string {
  if (value === null) return "\\N";
  if (value instanceof Uint8Array) return `\\\\x${Buffer.from(value).toString("hex")}`;
  const text = String(value);
  return text.replaceAll(ESCAPED, (found) => ESCAPES[found] ?? found);
}

/** All but bytes as PostgreSQL writes it: numbers of JavaScript would lose some. */
const AS_TEXT = {
  text: {
    to: 25,
    from: [
      16, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950, 3802,
    ],
    serialize: (value: unknown) => String(value),
    parse: (text: string) => text,
  },
};
