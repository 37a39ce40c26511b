import postgres from "postgres";
import { isFault } from "../contract/database-error.ts";
import type { ServerDriverOptions } from "../contract/driver.ts";
import { toTls } from "../contract/tls.ts";
import { OpenWork } from "../server/open-work.ts";

/** postgres.js's pool, and what runs on it. */
interface Generation {
  readonly client: postgres.Sql;
  running: number;
  isRetired: boolean;
}

const END_SECONDS = 5;
const MAX_BACKOFF_SECONDS = 1;

/**
 * A pool that recovers. After a connection was lost, postgres.js 3.4.9 may keep its place in the pool and fail
 * every query that comes there: its unsent bytes stay in the way of the next start. So the pool is replaced, and
 * the old one ended once its queries are done.
 *
 * It hands out no more work than there are connections. postgres.js itself sends up to 100 queries ahead on one:
 * those queries wait for a slow one although other connections are free, and a transaction among them fails.
 *
 * @see https://github.com/porsager/postgres/issues/1066
 */
export class PostgresPool {
  readonly #settings: postgres.Options<never>;
  readonly #work = new OpenWork();
  readonly #waiting: (() => void)[] = [];
  #free: number;
  #current: Generation;
  #closed: Promise<void> | null = null;

  constructor(settings: postgres.Options<never>, size: number) {
    this.#settings = { ...settings, max: size };
    this.#free = size;
    this.#current = this.#create();
  }

  /** Runs `work` on the pool. What it throws says whether a connection was lost: DatabaseError "unavailable". */
  use<T>(work: (client: postgres.Sql) => Promise<T>): Promise<T> {
    return this.#work.run(async () => {
      await this.#take();
      const generation = this.#current;
      generation.running++;
      try {
        return await work(generation.client);
      } catch (error) {
        if (isFault(error, "unavailable")) this.#retire(generation);
        throw error;
      } finally {
        generation.running--;
        this.#endIfDone(generation);
        this.#giveBack();
      }
    });
  }

  /** Lets what is under way finish, for at most `timeoutMs`, and closes every connection. */
  close(timeoutMs: number): Promise<void> {
    this.#closed ??= this.#work
      .close(timeoutMs)
      .then(() => this.#current.client.end({ timeout: END_SECONDS }));
    return this.#closed;
  }

  async #take(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }

  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  #create(): Generation {
    return { client: postgres(this.#settings), running: 0, isRetired: false };
  }

  #retire(generation: Generation): void {
    generation.isRetired = true;
    if (this.#current === generation) this.#current = this.#create();
  }

  #endIfDone({ client, running, isRetired }: Generation): void {
    if (isRetired && running === 0) void client.end({ timeout: END_SECONDS }).catch(() => {});
  }
}

/** Returns what postgres.js is told of the server and of values, for a pool or a single connection. */
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
