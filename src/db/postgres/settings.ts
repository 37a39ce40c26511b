import type postgres from "postgres";
import type { ServerDriverOptions } from "../contract/driver.ts";
import { toTls } from "../contract/tls.ts";

/** Returns what postgres.js is told of the server and of values, for every connection. */
export function toSettings({ url, log, connectTimeoutMs }: ServerDriverOptions): postgres.Options<never> {
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
