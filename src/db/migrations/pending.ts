import { type LedgerEntry, LEDGER_OWNER, LEDGER_TABLES } from "./ledger.ts";
import { sha256 } from "../../files/sha256.ts";
import type { Migration } from "./files.ts";
import { MigrationError } from "./error.ts";
import { findTableEffects, findTransactionControl } from "./statements.ts";

export interface PendingMigration {
  readonly migration: Migration;
  /** How much of it took effect in a run that failed. */
  readonly done: LedgerEntry | null;
}

export interface PendingContext {
  readonly owner: string;
  readonly toDisplayPath: (file: string) => string;
}

/** Hash of the first statements of a migration. */
export function hashStatements(statements: readonly string[]): string {
  return sha256(statements.join("\0"));
}

/**
 * Returns the migrations that are still to be applied, in order.
 *
 * @throws MigrationError where what was applied isn't what the file says now
 */
export function findPending(
  migrations: readonly Migration[],
  entries: readonly LedgerEntry[],
  context: PendingContext,
): PendingMigration[] {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const pending: PendingMigration[] = [];
  for (const migration of migrations) {
    const entry = byName.get(migration.name) ?? null;
    if (entry === null && migration.isDraft) break; // and so does what follows it
    if (entry !== null) assertUnchanged(migration, entry, context);
    if (entry === null || entry.appliedAt === null) pending.push({ migration, done: entry });
  }
  for (const entry of findMissing(migrations, entries)) {
    const { name, statements } = entry;
    if (!hasBegun(entry)) continue;
    throw new MigrationError(
      `Cannot apply the migrations of "${context.owner}": "${name}" took effect in part (${countStatements(statements)}) and its file is gone; restore it`,
      { owner: context.owner, migration: name, file: `${name}.sql` },
    );
  }
  return pending;
}

/** Whether some of it took effect, or may have, and the rest didn't. */
export function hasBegun({ appliedAt, statements, before }: LedgerEntry): boolean {
  return appliedAt === null && (statements > 0 || before !== null);
}

/** Returns what was applied and has no file any more. */
export function findMissing(
  migrations: readonly Migration[],
  entries: readonly LedgerEntry[],
): LedgerEntry[] {
  const names = new Set(migrations.map(({ name }) => name));
  return entries.filter((entry) => !names.has(entry.name) && (entry.appliedAt !== null || hasBegun(entry)));
}

/** Whether the file still holds what was applied. */
export function isUnchanged(migration: Migration, { hash, statements, appliedAt }: LedgerEntry): boolean {
  if (appliedAt !== null) return hash === migration.hash;
  return hash === hashStatements(migration.statements.slice(0, statements));
}

/** Throws where a pending migration creates, alters or drops a table of another owner. */
export function assertOwnTables(
  pending: readonly PendingMigration[],
  tables: ReadonlyMap<string, string>,
  context: PendingContext,
): void {
  const owners = new Map(tables);
  for (const name of LEDGER_TABLES) owners.set(name, LEDGER_OWNER);
  assertEach(pending, context, (statement) => {
    const touched = findTableEffects(statement).flatMap((effect) =>
      (effect.kind === "rename" ? [effect.table, effect.to] : [effect.table]).map((name) => ({
        kind: effect.kind,
        name,
        owner: owners.get(name) ?? context.owner,
      })),
    );
    const foreign = touched.find(({ owner }) => owner !== context.owner);
    if (foreign === undefined) return null;
    return `would ${foreign.kind} table "${foreign.name}", which belongs to "${foreign.owner}"`;
  });
}

/** Throws where a pending migration would end the transaction that it is applied in: part of it would stay. */
export function assertOneTransaction(pending: readonly PendingMigration[], context: PendingContext): void {
  assertEach(pending, context, (statement) => {
    const control = findTransactionControl(statement);
    if (control === null) return null;
    return `has "${control}", and xcore itself applies each migration in one transaction; remove it`;
  });
}

/** @param findFault says what a statement does that it may not; null when nothing */
function assertEach(
  pending: readonly PendingMigration[],
  { owner, toDisplayPath }: PendingContext,
  findFault: (statement: string) => string | null,
): void {
  for (const { migration } of pending) {
    for (const [index, statement] of migration.statements.entries()) {
      const fault = findFault(statement);
      if (fault === null) continue;
      const file = toDisplayPath(migration.file);
      const statementNumber = index + 1;
      throw new MigrationError(
        `Cannot apply migration "${file}" of "${owner}": statement ${statementNumber} ${fault}`,
        { owner, migration: migration.name, file, statementNumber, statement },
      );
    }
  }
}

export function countStatements(count: number): string {
  return count === 1 ? "1 statement" : `${count} statements`;
}

function assertUnchanged(
  migration: Migration,
  entry: LedgerEntry,
  { owner, toDisplayPath }: PendingContext,
): void {
  if (isUnchanged(migration, entry)) return;
  const file = toDisplayPath(migration.file);
  const failure = { owner, migration: migration.name, file };
  if (entry.appliedAt === null) {
    throw new MigrationError(
      `Cannot go on with migration "${file}" of "${owner}": its first ${countStatements(entry.statements)} took effect and differ from the file now; restore them and change only what follows`,
      failure,
    );
  }
  throw new MigrationError(
    `Cannot apply the migrations of "${owner}": "${file}" was edited after it had been applied; restore it and write a new migration`,
    failure,
  );
}
