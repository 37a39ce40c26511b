import type { Dialect } from "../contract/driver.ts";
import { DatabaseError } from "../contract/database-error.ts";
import { CORE_OWNER, coreMigrations } from "../migrations/core.ts";
import { UNFINISHED_COPY } from "../migrations/upgrade.ts";

/** Table in which is noted what was applied, by its owner and name. */
export const MIGRATIONS_TABLE = "xcore_migrations";

/** A row of it in a dump, as far as is needed. */
export interface AppliedMigration {
  readonly owner: string;
  readonly name: string;
}

/** @throws DatabaseError where a later version has migrated what a backup holds: this one would start no server on it */
export function assertKnown(dialect: Dialect, applied: readonly AppliedMigration[]): void {
  const known = new Set([...coreMigrations(dialect).map(({ name }) => name), UNFINISHED_COPY]);
  const [later] = applied
    .flatMap(({ owner, name }) => (owner === CORE_OWNER && !known.has(name) ? name : []))
    .toSorted();
  if (later === undefined) return;
  throw new DatabaseError(
    "other",
    `Cannot restore the backup: a later xcore has migrated what it holds (${JSON.stringify(later)}), which this one doesn't know: restore it with that one; nothing was changed`,
  );
}
