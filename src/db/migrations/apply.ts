import type { Logger } from "pino";
import { DatabaseError, type DatabaseFault, namePlugin } from "../contract/database-error.ts";
import type { Dialect } from "../contract/dialect.ts";
import type { Driver, MigrationConnection } from "../contract/driver.ts";
import { assertNoDanglingReferences } from "./dangling-references.ts";
import { Ledger, readLedger } from "./ledger.ts";
import type { Migration } from "./migration-files.ts";
import { MigrationError } from "./migration-error.ts";
import {
  assertOneTransaction,
  assertOwnTables,
  countStatements,
  findMissing,
  findPending,
  hashStatements,
  type PendingContext,
  type PendingMigration,
} from "./pending.ts";
import { fingerprintTables } from "./table-fingerprint.ts";
import { findTableEffects } from "./table-effects.ts";

export interface ApplyOptions {
  /** The plugin that the migrations and their tables belong to, or "core". */
  readonly owner: string;
  readonly migrations: readonly Migration[];
  readonly log: Logger;
  /** Shows a file in messages. @default its path */
  readonly toDisplayPath?: (file: string) => string;
}

/**
 * Applies each migration that wasn't applied yet, once, whichever processes start at the same time. When none
 * is pending that is one query; else one process works and the others wait, and then find them applied.
 *
 * Each is one transaction with the note that it was applied: when it fails, nothing of it stays. MySQL can't
 * undo changes of tables: there, what took effect is noted statement by statement, and the next run goes on.
 *
 * @returns the names of those that this call has applied
 * @throws MigrationError
 */
export async function applyMigrations(driver: Driver, options: ApplyOptions): Promise<{ applied: string[] }> {
  const { owner, migrations, log, toDisplayPath = (file) => file } = options;
  const context = { owner, toDisplayPath };
  const entries = await readLedger(driver, owner);
  for (const { name } of findMissing(migrations, entries)) {
    log.warn(
      { owner, migration: name },
      `migration "${name}" of "${owner}" was applied, but its file is gone`,
    );
  }
  if (findPending(migrations, entries, context).length === 0) return { applied: [] };
  return driver.migrate(async (connection) => {
    const ledger = await Ledger.open(connection, driver.dialect);
    // Another process may have applied them while this one waited.
    const pending = findPending(migrations, await ledger.read(owner), context);
    assertOneTransaction(pending, context);
    assertOwnTables(pending, await ledger.readTables(), context);
    const applied: string[] = [];
    for (const one of pending) {
      const startedAt = performance.now();
      const run = new MigrationRun(connection, driver.dialect, ledger, one, context);
      // oxlint-disable-next-line no-await-in-loop -- each builds on those before it
      await (connection.isTransactional ? run.applyWhole() : run.applyByStatement());
      const ms = Math.round(performance.now() - startedAt);
      log.info({ owner, migration: one.migration.name, ms }, `applied migration "${one.migration.name}"`);
      applied.push(one.migration.name);
    }
    return { applied };
  });
}

/** One migration being applied. */
class MigrationRun {
  readonly #connection: MigrationConnection;
  readonly #dialect: Dialect;
  readonly #ledger: Ledger;
  readonly #pending: PendingMigration;
  readonly #context: PendingContext;

  constructor(
    connection: MigrationConnection,
    dialect: Dialect,
    ledger: Ledger,
    pending: PendingMigration,
    context: PendingContext,
  ) {
    this.#connection = connection;
    this.#dialect = dialect;
    this.#ledger = ledger;
    this.#pending = pending;
    this.#context = context;
  }

  async applyWhole(): Promise<void> {
    const { statements } = this.#pending.migration;
    let index: number | null = null;
    try {
      await this.#connection.transaction(async () => {
        for (const [number, statement] of statements.entries()) {
          index = number;
          // oxlint-disable-next-line no-await-in-loop -- each builds on those before it
          await this.#connection.run(statement);
          // oxlint-disable-next-line no-await-in-loop
          await this.#ledger.moveTables(this.#context.owner, findTableEffects(statement));
        }
        index = null;
        if (this.#dialect === "sqlite") await assertNoDanglingReferences(this.#connection);
        await this.#noteApplied();
      });
    } catch (error) {
      throw this.#fail(index, error, "nothing of it was kept");
    }
  }

  async applyByStatement(): Promise<void> {
    const { migration, done } = this.#pending;
    let next = done === null ? 0 : await this.#findNext(done.statements, done.before);
    try {
      for (; next < migration.statements.length; next++) {
        // oxlint-disable-next-line no-await-in-loop -- each builds on those before it
        await this.#runStatement(next, migration.statements[next] ?? "");
      }
      await this.#connection.transaction(() => this.#noteApplied());
    } catch (error) {
      const kept =
        next === 0
          ? "nothing of it took effect"
          : `its first ${countStatements(next)} took effect and can't be undone on this database: leave them as they are, correct the rest, and it goes on at statement ${next + 1}`;
      // A failing statement has had no effect, so nothing is in doubt any more.
      if (next < migration.statements.length) await this.#tryNoteProgress(next);
      throw this.#fail(next, error, kept);
    }
  }

  /** Runs a statement so that a process killed at any moment can be followed by one that knows where it stood. */
  async #runStatement(index: number, statement: string): Promise<void> {
    const effects = findTableEffects(statement);
    const note = async (): Promise<void> => {
      await this.#ledger.moveTables(this.#context.owner, effects);
      await this.#noteProgress(index + 1, null);
    };
    if (effects.length === 0) {
      await this.#connection.transaction(async () => {
        await this.#connection.run(statement);
        await note();
      });
      return;
    }
    const before = await fingerprintTables(this.#connection, effects);
    await this.#connection.transaction(() => this.#noteProgress(index, before));
    await this.#connection.run(statement);
    await this.#connection.transaction(note);
  }

  /** A statement was under way when its process ended: it took effect when its tables differ since. */
  async #findNext(done: number, before: string | null): Promise<number> {
    const statement = this.#pending.migration.statements[done];
    if (before === null || statement === undefined) return done;
    const effects = findTableEffects(statement);
    if ((await fingerprintTables(this.#connection, effects)) === before) return done;
    await this.#connection.transaction(async () => {
      await this.#ledger.moveTables(this.#context.owner, effects);
      await this.#noteProgress(done + 1, null);
    });
    return done + 1;
  }

  #noteProgress(count: number, before: string | null): Promise<void> {
    const { name, statements } = this.#pending.migration;
    const hash = hashStatements(statements.slice(0, count));
    return this.#ledger.write(this.#context.owner, {
      name,
      hash,
      statements: count,
      before,
      appliedAt: null,
    });
  }

  async #tryNoteProgress(count: number): Promise<void> {
    try {
      await this.#connection.transaction(() => this.#noteProgress(count, null));
    } catch {
      // The connection is gone: the next run finds out from the tables.
    }
  }

  #noteApplied(): Promise<void> {
    const { name, hash, statements } = this.#pending.migration;
    const entry = { name, hash, statements: statements.length, before: null, appliedAt: new Date() };
    return this.#ledger.write(this.#context.owner, entry);
  }

  #fail(index: number | null, error: unknown, kept: string): MigrationError {
    const { owner, toDisplayPath } = this.#context;
    namePlugin(error, owner);
    const { name, file, statements } = this.#pending.migration;
    const statement = index === null ? null : (statements[index] ?? null);
    const statementNumber = statement === null ? null : (index ?? 0) + 1;
    const at = statement === null ? "" : `statement ${statementNumber} (${shorten(statement)}): `;
    const shown = toDisplayPath(file);
    const reason = error instanceof Error ? error.message : String(error);
    return new MigrationError(`Cannot apply migration "${shown}" of "${owner}": ${at}${reason}; ${kept}`, {
      owner,
      migration: name,
      file: shown,
      statementNumber,
      statement,
      cause: error,
      fault: toFault(error),
    });
  }
}

function toFault(error: unknown): DatabaseFault {
  return error instanceof DatabaseError ? error.fault : "other";
}

function shorten(statement: string): string {
  const line = statement.replaceAll(/\s+/g, " ");
  return line.length <= 160 ? line : `${line.slice(0, 159)}…`;
}
