import { sha256 } from "../../files/sha256.ts";
import { DatabaseError, type DatabaseFault, isFault, namePlugin } from "../contract/database-error.ts";
import { droppedReference } from "../contract/faults.ts";
import type { Dialect, MigrationConnection } from "../contract/driver.ts";
import { MigrationError } from "./error.ts";
import type { Ledger } from "./ledger.ts";
import { findGuardedColumn } from "./required-guard.ts";
import { countStatements, hashStatements, type PendingContext, type PendingMigration } from "./pending.ts";
import { toReversal } from "./reversal.ts";
import { findTableEffects, type TableEffect } from "./statements.ts";

const DANGLING = `select m.name as "from", f."table" as "to"
from sqlite_master m join pragma_foreign_key_list(m.name) f
where m.type = 'table' and lower(f."table") not in (select lower(name) from sqlite_master where type = 'table')`;

/** One migration being applied. */
export class MigrationRun {
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
        if (this.#dialect === "sqlite") await assertNoDanglingReferences(this.#connection, statements);
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
      const kept = next === 0 ? "nothing of it was kept" : this.#describeKept(next);
      // A failing statement has had no effect, so nothing is in doubt any more.
      if (next < migration.statements.length) await this.#tryNoteProgress(next);
      throw this.#fail(next, error, kept);
    }
  }

  #describeKept(count: number): string {
    const { owner } = this.#context;
    const isLost = toReversal(this.#pending.migration.statements.slice(0, count)).lost !== null;
    const reason = isLost ? " and can't be undone on this database" : "";
    const undo = isLost ? "" : `; or take them back with xcore db generate ${owner} --undo`;
    return `its first ${countStatements(count)} took effect${reason}: leave them as they are, correct the rest, and it goes on at statement ${count + 1}${undo}`;
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
    const reason = describeReason(error, owner, statement);
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
  if (!(error instanceof DatabaseError)) return "other";
  return findGuardedColumn(error.message) === null ? error.fault : "not_null";
}

/** Says what the database refused; of a column that is to be required, what to do about it. */
function describeReason(error: unknown, owner: string, statement: string | null): string {
  const message = error instanceof Error ? error.message : String(error);
  const column = findGuardedColumn(message) ?? (isAlteration(statement) ? findEmptyColumn(error) : null);
  if (column === null) return message;
  const undo = `xcore db generate ${owner} --undo`;
  return `rows that are there have no value for "${column}": withdraw it with ${undo}, and generate it again with --backfill '${column}=…'`;
}

/** Whether a statement changes what is asked of rows, rather than writing some. */
function isAlteration(statement: string | null): boolean {
  return statement !== null && /^\s*(?:alter\s+table|insert\s+into\s+`__xcore_new_)/i.test(statement);
}

function findEmptyColumn(error: unknown): string | null {
  if (!isFault(error, "not_null")) return null;
  return /"([^"]+)" (?:needs a|has no) value/.exec(error.message)?.[1] ?? null;
}

function shorten(statement: string): string {
  const line = statement.replaceAll(/\s+/g, " ");
  return line.length <= 160 ? line : `${line.slice(0, 159)}…`;
}

/**
 * Throws where a table of SQLite refers to one that isn't there: the other databases refuse to drop a table that
 * another one refers to, SQLite refuses each write to that other one ever after.
 */
async function assertNoDanglingReferences(
  connection: MigrationConnection,
  statements: readonly string[],
): Promise<void> {
  const [first] = await connection.all<{ from: string; to: string }>(DANGLING);
  if (first === undefined) return;
  const isDropped = statements
    .flatMap(findTableEffects)
    .some(({ kind, table }) => kind === "drop" && table === first.to.toLowerCase());
  if (isDropped) throw droppedReference(first.to, first.from, undefined);
  throw new DatabaseError(
    "other",
    `Table "${first.from}" refers to table "${first.to}", which would be missing`,
    { table: first.from },
  );
}

/** Hash of what MySQL says the tables of these effects look like; rows and counters don't count. */
async function fingerprintTables(
  connection: MigrationConnection,
  effects: readonly TableEffect[],
): Promise<string> {
  const names = effects.flatMap((effect) =>
    effect.kind === "rename" ? [effect.table, effect.to] : [effect.table],
  );
  const definitions: string[] = [];
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop -- one connection
    definitions.push(await readDefinition(connection, name));
  }
  return sha256(definitions.join("\0"));
}

async function readDefinition(connection: MigrationConnection, table: string): Promise<string> {
  try {
    const query = `show create table \`${table.replaceAll("`", "``")}\``;
    const [row] = await connection.all<Record<string, unknown>>(query);
    return String(row?.["Create Table"]).replace(/ AUTO_INCREMENT=\d+/, "");
  } catch (error) {
    if (isFault(error, "missing_table")) return "";
    throw error;
  }
}
