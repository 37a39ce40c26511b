import { DatabaseError } from "../contract/database-error.ts";
import type { MigrationConnection } from "../contract/driver.ts";

type Parameters = readonly (string | number | null)[];

/** Runs one statement on the connection that holds the lock; rows by column name. */
export type RunStatement = (
  statement: string,
  parameters?: Parameters,
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

interface MigrationOptions {
  readonly isTransactional: boolean;
  readonly begin: string;
  /** Has the text columns that a statement makes compare as SQLite's do: character by character, spaces too. */
  readonly collate: (statement: string) => string;
}

/** Makes the connection of migrations of what runs a statement on a server. */
export function toMigrationConnection(
  all: RunStatement,
  { isTransactional, begin, collate }: MigrationOptions,
): MigrationConnection {
  return {
    isTransactional,
    async run(statement, parameters) {
      await all(collate(statement), parameters);
    },
    async all<Row>(statement: string, parameters?: Parameters) {
      return [...(await all(statement, parameters))] as Row[];
    },
    async transaction(work) {
      await all(begin);
      try {
        const result = await work();
        await all("commit");
        return result;
      } catch (error) {
        // The reason is what counts: where even this fails, the connection is gone and all of it undone.
        await all("rollback").catch(() => {});
        throw error;
      }
    },
  };
}

/**
 * Has each statement end in time.
 *
 * @param lose closes the connection, and rejects what waits for it with a reason
 */
export function withinTime(
  all: RunStatement,
  timeoutMs: number,
  lose: (reason: DatabaseError) => void,
): RunStatement {
  return async (statement, parameters) => {
    const timer = setTimeout(() => lose(toLate(statement, timeoutMs)), timeoutMs);
    try {
      return await all(statement, parameters);
    } finally {
      clearTimeout(timer);
    }
  };
}

function toLate(sql: string, timeoutMs: number): DatabaseError {
  return new DatabaseError(
    "timeout",
    `Cannot migrate the database: a statement took longer than ${timeoutMs / 1000} s; the server may be running it still`,
    { sql },
  );
}
