import type { MigrationConnection } from "../contract/driver.ts";

type Parameters = readonly (string | number | null)[];

/** Runs one statement on the connection that holds the lock; rows by column name. */
export type RunStatement = (
  statement: string,
  parameters?: Parameters,
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/** Makes the connection of migrations of what runs a statement on a server. */
export function toMigrationConnection(
  all: RunStatement,
  { isTransactional, begin }: { readonly isTransactional: boolean; readonly begin: string },
): MigrationConnection {
  return {
    isTransactional,
    async run(statement, parameters) {
      await all(statement, parameters);
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
