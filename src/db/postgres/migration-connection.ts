import type { Logger } from "pino";
import postgres from "postgres";
import type { DatabaseError } from "../contract/database-error.ts";
import type { MigrationConnection } from "../contract/driver.ts";
import { migratedElsewhere } from "../contract/faults.ts";
import { type ServerPlace, unreachable } from "../server/faults.ts";
import { type RunStatement, toMigrationConnection, withinTime } from "../server/migration-connection.ts";
import { toPostgresFault } from "./faults.ts";

export interface PostgresMigrationOptions {
  readonly settings: postgres.Options<never>;
  readonly server: ServerPlace;
  readonly log: Logger;
  /** How long a statement may take, in ms. */
  readonly timeoutMs: number;
}

const QUOTED_OR_MARK = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\?/g;

/** Strings, and where a column is given a type of text as generated migrations do it. */
const STRING_OR_TEXT_COLUMN =
  /'(?:[^']|'')*'|(?:"[^"]+"|\bset data type) (?:text|varchar\(\d+\))(?![\w([:]|\s+collate\b)/gi;

/** "xcore" as a number: the lock that every xcore takes in a database. */
const LOCK = 0x78636f7265;

const END_SECONDS = 5;

/** Runs `work` on a connection of its own, which holds the advisory lock of migrations. */
export async function migrateOnPostgres<T>(
  { settings, server, log, timeoutMs }: PostgresMigrationOptions,
  work: (connection: MigrationConnection) => Promise<T>,
): Promise<T> {
  let isLocked = false;
  let isLost = false;
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => {});
  // Of its own: with the pool's last connection taken, what `work` asks of the pool would wait for ever.
  const client = postgres({
    ...settings,
    max: 1,
    idle_timeout: 0,
    max_lifetime: null,
    onclose: () => {
      isLost = isLocked;
    },
  });
  const lose = (reason: DatabaseError): void => {
    isLost = true;
    late.reject(reason);
    void client.end({ timeout: 0 });
  };
  const send: RunStatement = async (statement, parameters = []) => {
    // postgres.js would connect again, without the lock and outside of the transaction.
    if (isLost) throw unreachable(server, "connection lost while migrating");
    try {
      const sent = client.unsafe(toNumbered(statement, parameters.length), [...parameters]);
      return await Promise.race([sent, late.promise]);
    } catch (error) {
      throw toPostgresFault(error, server, statement);
    }
  };
  const all = withinTime(send, timeoutMs, lose);
  try {
    const [row] = await all("select pg_try_advisory_lock(?) as locked", [LOCK]);
    if (row?.["locked"] !== true) {
      log.info("waiting for another process that migrates the database");
      const wait = withinTime(send, timeoutMs, () => lose(migratedElsewhere(timeoutMs)));
      await wait("select pg_advisory_lock(?)", [LOCK]);
    }
    isLocked = true;
    return await work(toMigrationConnection(all, { isTransactional: true, begin: "begin", collate }));
  } finally {
    // The lock ends with its connection.
    await client.end({ timeout: isLost ? 0 : END_SECONDS });
  }
}

/** The locale of a database sorts text by its own rules, and a database of ICU's has others than one of the system's. */
function collate(statement: string): string {
  if (!/^\s*(?:create|alter)\s+table\b/i.test(statement)) return statement;
  return statement.replaceAll(STRING_OR_TEXT_COLUMN, (found) =>
    found.startsWith("'") ? found : `${found} COLLATE "C"`,
  );
}

function toNumbered(statement: string, count: number): string {
  if (count === 0) return statement;
  let number = 0;
  return statement.replaceAll(QUOTED_OR_MARK, (found) => (found === "?" ? `$${++number}` : found));
}
