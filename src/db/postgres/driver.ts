import { PgDialect } from "drizzle-orm/pg-core";
import type postgres from "postgres";
import type { Database, SchemaTables } from "../contract/database.ts";
import type { Driver } from "../contract/driver.ts";
import { createQueryLog } from "../contract/query-log.ts";
import { toRelationalSchema } from "../drizzle/relational-schema.ts";
import { keepValuesInRelations } from "../schema/relational-json.ts";
import type { ServerDriverOptions } from "../server/driver-options.ts";
import { toTls } from "../contract/tls.ts";
import { TransactionScope } from "../server/transaction-state.ts";
import { PostgresChannel } from "./channel.ts";
import { migrateOnPostgres } from "./migration-connection.ts";
import { PostgresPool } from "./pool.ts";
import { PostgresDatabase, PostgresSession } from "./session.ts";

const MAX_BACKOFF_SECONDS = 1;
const CLOSE_MS = 30_000;

/** Makes a driver for a PostgreSQL server. It connects with the first query. */
export function createPostgresDriver(options: ServerDriverOptions): Driver {
  const { url, echo, log } = options;
  const settings = toSettings(options);
  const pool = new PostgresPool(settings, options.poolSize);
  const dialect = keepValuesInRelations(new PgDialect());
  const channel = new PostgresChannel({
    pool,
    server: url,
    scope: new TransactionScope(),
    prepare: url.options["prepare"] !== "false",
    onQuery: createQueryLog(echo, log),
  });
  return {
    dialect: "postgres",
    toDatabase<Schema extends SchemaTables>(schema: Schema): Database<Schema> {
      const relational = toRelationalSchema(schema);
      const session = new PostgresSession(dialect, channel, relational);
      // The same at run time; drizzle's types don't know the result of our session.
      return new PostgresDatabase(dialect, session, relational as never) as unknown as Database<Schema>;
    },
    migrate: (work) => migrateOnPostgres({ settings, server: url, log }, work),
    async ping() {
      await channel.run("select 1", []);
    },
    changeToken: () => null,
    close: () => pool.close(CLOSE_MS),
  };
}

function toSettings({ url, log, connectTimeoutMs }: ServerDriverOptions): postgres.Options<never> {
  const { host, port, user, password, database } = url;
  const tls = toTls(url.options);
  return {
    // In arrays, as postgres.js would split an IPv6 address at its colons.
    host: [host] as unknown as string,
    port: [port] as unknown as number,
    user,
    password,
    database,

    ssl: tls === null ? false : tls,
    connect_timeout: connectTimeoutMs / 1000,
    backoff: (tries) => Math.min(0.05 * 2 ** tries, MAX_BACKOFF_SECONDS),
    fetch_types: false,
    connection: { application_name: "xcore", TimeZone: "UTC" },
    // postgres.js types only the types that it reads by default.
    types: TYPES as never,
    onnotice: ({ severity, code, message }) => log.debug({ severity, code }, message ?? ""),
  };
}

const asIs = (value: string): string => value;

/** How values are written and read, by PostgreSQL's number of the type (`select oid, typname from pg_type`). */
const TYPES = {
  // timestamptz, date, time, timestamp and their arrays: drizzle's columns read the text.
  date: {
    to: 1184,
    from: [1082, 1083, 1114, 1115, 1182, 1184, 1185, 1231],
    serialize: (value: unknown) => (value instanceof Date ? value.toISOString() : value),
    parse: asIs,
  },
  // json, jsonb: drizzle's columns have written the text.
  json: {
    to: 114,
    from: [114, 3802],
    serialize: (value: unknown) => value,
    parse: (text: string) => JSON.parse(text),
  },
  // int8, such as count(*): a number where it is one exactly, as on the other databases.
  bigint: {
    to: 20,
    from: [20],
    serialize: String,
    parse: (text: string) => (Number.isSafeInteger(Number(text)) ? Number(text) : text),
  },
};
