import type { Logger } from "pino";
import { DatabaseError, type DatabaseFault } from "../contract/database-error.ts";
import type { DatabaseUrl } from "../contract/database-url.ts";
import { UNFINISHED_COPY } from "../migrations/upgrade.ts";
import { CORE_OWNER, RESTORE_TABLE } from "../migrations/core.ts";
import type { CopyDatabase } from "./contract.ts";
import { type CopyPlan, planCopy, type TablePair } from "./plan.ts";
import { type CopyState, Progress, PROGRESS_TABLE, type TableProgress } from "./progress.ts";
import { NO_ROWS, readForCopy, type Tally, tallyTable } from "./rows.ts";

export interface CopyOptions {
  readonly from: DatabaseUrl;
  readonly to: DatabaseUrl;
  readonly log: Logger;
  /**
   * Makes the tables of the copy, by the migrations that the source has; told twice where a process was killed meanwhile.
   *
   * @throws where these aren't to be had for the other database
   */
  readonly makeTables: (applied: readonly AppliedMigration[]) => Promise<void>;
  /** Is told each second how far it has come, and at each step. */
  readonly onProgress?: (progress: CopyProgress) => void;
  /** How long a server that doesn't answer is waited for, in ms. @default 10_000 */
  readonly connectTimeoutMs?: number;
}

/** A migration that the source has. */
export interface AppliedMigration {
  readonly owner: string;
  readonly name: string;
}

export interface CopyProgress {
  readonly step: "prepare" | "copy" | "compare" | "finish";
  readonly table: string | null;
  /** In all tables so far. */
  readonly rows: number;
}

/** A copy that is finished. */
export interface CopyReport {
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly checksum: string }[];
  readonly rows: number;
  /** Tables that no migration has made. */
  readonly left_out: readonly string[];
  /** Whether it went on with one that was cut off. */
  readonly was_resumed: boolean;
}

const SAID_EVERY_MS = 1000;
const REFUSALS: ReadonlySet<DatabaseFault> = new Set(["check", "not_null", "value"]);
const FIRST_STATE = { isReady: false, runs: 0, undo: [] };

/**
 * Copies all rows of a database's tables into an empty one, on SQLite, PostgreSQL or MySQL, and compares both. How far it
 * has come is kept in the copy, in the transactions that write its rows: one that was cut off, however, goes on where it was.
 * Until its end a server refuses the copy.
 *
 * @throws DatabaseError
 */
export async function copyDatabase(options: CopyOptions): Promise<CopyReport> {
  await using source = await openSide(options.from, options, false);
  await using copy = await openSide(options.to, options, true);
  if (!(await copy.takeLock())) {
    throw new DatabaseError("busy", `Cannot copy to "${copy.shown}": another copy into it is under way`);
  }
  await source.beginReading();
  return await new Copying(source, copy, options).run(); // both are open until then
}

async function openSide(
  url: DatabaseUrl,
  { log, connectTimeoutMs = 10_000 }: CopyOptions,
  isNew: boolean,
): Promise<CopyDatabase> {
  if (url.dialect === "sqlite") return (await import("./sqlite.ts")).openSqliteCopy(url, { isNew });
  const options = { log, connectTimeoutMs };
  return url.dialect === "postgres"
    ? (await import("./postgres.ts")).openPostgresCopy(url, options)
    : (await import("./mysql.ts")).openMysqlCopy(url, options);
}

class Copying {
  readonly #source: CopyDatabase;
  readonly #copy: CopyDatabase;
  readonly #options: CopyOptions;
  readonly #progress: Progress;
  #rows = 0;
  #saidAt = 0;

  constructor(source: CopyDatabase, copy: CopyDatabase, options: CopyOptions) {
    this.#source = source;
    this.#copy = copy;
    this.#options = options;
    this.#progress = new Progress(copy);
  }

  async run(): Promise<CopyReport> {
    this.#tell("prepare", null);
    const applied = await this.#readApplied();
    const state = await this.#prepare(applied);
    const plan = await planCopy(this.#source, this.#copy);
    const tallies = new Map<TablePair, Tally>();
    for (const pair of plan.pairs) {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      tallies.set(pair, await this.#copyTable(pair));
    }
    await this.#compare(plan, tallies, state.runs > 1);
    this.#tell("finish", null);
    await this.#finish(plan, state);
    return {
      tables: plan.pairs.map((pair) => {
        const { rows, sum } = tallies.get(pair) ?? NO_ROWS;
        return { name: pair.from.name, rows, checksum: sum.toString(16).padStart(16, "0") };
      }),
      rows: [...tallies.values()].reduce((sum, { rows }) => sum + rows, 0),
      left_out: plan.leftOut,
      was_resumed: state.runs > 1,
    };
  }

  async #readApplied(): Promise<AppliedMigration[]> {
    const { shown } = this.#source;
    const tables = await this.#source.listTables();
    const entries = tables.includes("xcore_migrations")
      ? await this.#source.all<AppliedMigration & { readonly applied_at: string | null }>(
          "select owner, name, applied_at from xcore_migrations order by owner, name",
        )
      : [];
    if (entries.length === 0) {
      throw new DatabaseError(
        "other",
        `Cannot copy "${shown}": it has no tables of xcore; is it the right one?`,
      );
    }
    if (tables.includes(RESTORE_TABLE))
      throw new DatabaseError("other", `Cannot copy "${shown}": a restore into it was cut off`);
    const begun = entries.find(({ applied_at, name }) => applied_at === null || name === UNFINISHED_COPY);
    if (begun === undefined) return entries.map(({ owner, name }) => ({ owner, name }));
    throw new DatabaseError(
      "other",
      begun.name === UNFINISHED_COPY
        ? `Cannot copy "${shown}": it is a copy itself that isn't finished`
        : `Cannot copy "${shown}": the migration "${begun.name}" of "${begun.owner}" was applied in part; run "xcore db migrate" on it`,
    );
  }

  /** Makes the copy's tables, or finds them as a copy of before has left them. */
  async #prepare(applied: readonly AppliedMigration[]): Promise<CopyState> {
    const { shown } = this.#copy;
    const text = JSON.stringify([this.#source.shown, applied]);
    const source = Bun.hash.xxHash64(text).toString(16);
    const tables = await this.#copy.listTables();
    const isOurs = tables.includes(PROGRESS_TABLE);
    if (!isOurs && tables.length > 0) {
      throw new DatabaseError(
        "other",
        `Cannot copy to "${shown}": it isn't empty: it has ${tables.length} tables, such as "${tables[0] ?? ""}"; name an empty one`,
      );
    }
    await this.#progress.create();
    const before = (await this.#progress.readState()) ?? { ...FIRST_STATE, source };
    if (before.source !== source) {
      throw new DatabaseError(
        "other",
        `Cannot copy to "${shown}": it holds the beginning of a copy of another database, or of other tables; empty it, and copy again`,
      );
    }
    const state = { ...before, runs: before.runs + 1 };
    await this.#copy.transaction(() => this.#progress.writeState(state));
    if (state.isReady) return state;
    await this.#options.makeTables(applied);
    return this.#copy.transaction(() => this.#empty(state));
  }

  /** What migrations have written goes: the source has it. */
  async #empty(state: CopyState): Promise<CopyState> {
    const copy = this.#copy;
    const kept = new Set([PROGRESS_TABLE, "xcore_migrations", "xcore_tables"]);
    const undo = await copy.loosen();
    for (const table of await copy.listTables()) {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      if (!kept.has(table)) await copy.run(`delete from ${copy.quote(table)}`);
    }
    const now = new Date().toISOString();
    await copy.run(
      `insert into xcore_migrations (owner, name, hash, statements, applied_at) values ('${CORE_OWNER}', '${UNFINISHED_COPY}', '', 0, '${now}')`,
    );
    const ready = { ...state, isReady: true, undo };
    await this.#progress.writeState(ready);
    return ready;
  }

  async #copyTable(pair: TablePair): Promise<Tally> {
    const { from, to } = pair;
    const copy = this.#copy;
    const before = await this.#progress.readTable(from.name);
    // Without a key there is no telling where it was cut off.
    const isAnew = before === null || (from.key === null && !before.isDone);
    let tally: Tally = isAnew ? NO_ROWS : { rows: before.rows, sum: BigInt(before.sum) };
    this.#rows += tally.rows;
    if (before?.isDone === true) return tally;
    if (isAnew && before !== null) await copy.run(`delete from ${copy.quote(to.name)}`);
    for await (const page of readForCopy(this.#source, pair, { from: isAnew ? null : before.from, tally })) {
      this.#rows += page.rows.length;
      tally = page.tally;
      const done: TableProgress = {
        from: page.next,
        rows: tally.rows,
        sum: String(tally.sum),
        isDone: page.next === null,
      };
      await copy
        .transaction(async () => {
          await copy.insert(to, page.rows);
          await this.#progress.writeTable(from.name, done);
        })
        .catch((error: unknown) => Promise.reject(inTable(error, from.name)));
      this.#tell("copy", from.name);
    }
    return tally;
  }

  /** Reads the copy again; and the source, where it may have changed since a part of it was copied. */
  async #compare(
    { pairs }: CopyPlan,
    tallies: ReadonlyMap<TablePair, Tally>,
    wasResumed: boolean,
  ): Promise<void> {
    for (const pair of pairs) {
      this.#tell("compare", pair.from.name);
      // oxlint-disable-next-line no-await-in-loop -- one connection
      const found = await tallyTable(this.#copy, pair, "copy");
      // oxlint-disable-next-line no-await-in-loop
      const wanted = wasResumed
        ? await tallyTable(this.#source, pair, "source")
        : (tallies.get(pair) ?? NO_ROWS);
      if (found.rows === wanted.rows && found.sum === wanted.sum) continue;
      const counts = `${wanted.rows} rows, and ${found.rows} in the copy`;
      const what = found.rows === wanted.rows ? `the values of its ${counts} differ` : `it has ${counts}`;
      const why = wasResumed
        ? "the source was changed since the copy was begun: stop the servers on it, empty the copy, and begin again"
        : "a trigger of a plugin may have changed them, or the other database can't hold them";
      throw new DatabaseError("other", `Cannot finish the copy of "${pair.from.name}": ${what}; ${why}`);
    }
  }

  async #finish({ pairs }: CopyPlan, { undo }: CopyState): Promise<void> {
    const copy = this.#copy;
    for (const { from, to } of pairs) {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      const next = to.counted === null ? null : await this.#source.readNext(from);
      // oxlint-disable-next-line no-await-in-loop
      if (next !== null) await copy.setNext(to, next);
    }
    await copy.transaction(async () => {
      await copy.tighten(undo);
      await copy.run(
        `delete from xcore_migrations where owner = '${CORE_OWNER}' and name = '${UNFINISHED_COPY}'`,
      );
      await this.#progress.drop();
    });
  }

  #tell(step: CopyProgress["step"], table: string | null): void {
    const now = performance.now();
    if (step === "copy" && now - this.#saidAt < SAID_EVERY_MS) return;
    this.#saidAt = now;
    this.#options.onProgress?.({ step, table, rows: this.#rows });
  }
}

/** Says of what a database refuses in which table it is. */
function inTable(error: unknown, table: string): unknown {
  if (!(error instanceof DatabaseError) || !REFUSALS.has(error.fault)) return error;
  return new DatabaseError(error.fault, `Cannot copy "${table}": ${error.message}`, { cause: error });
}
