import { and, eq, gt, lt, or, type SQL, sql } from "drizzle-orm";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fromNow, type Ground } from "../drivers/database/ground.ts";
import type { Task } from "./task.ts";

export interface LedgerOptions {
  readonly driver: Ground["driver"];
  readonly db: Database;
  readonly tables: Pick<CoreTables, "scheduledTasks" | "taskTicks">;
  /** How long a run is taken to go on without a word of it, in ms. */
  readonly leaseMs: number;
  /** Tells the time, and so much later. @default by the clock of the database */
  readonly now?: (laterMs: number) => SQL;
}

/** What is known of a task when it is entered. */
export interface Entered {
  /** By the clock of the database. */
  readonly now: number;
  readonly isPaused: boolean;
  /** What was due up to then isn't caught up with. */
  readonly settledUntil: number;
}

/** What has come of a moment that a task is due: its run is ours, or why there is none. */
export type Claim =
  | { readonly as: "ours"; readonly now: number }
  /** Another instance has it, or had it before a clock was set back. */
  | { readonly as: "taken" }
  | { readonly as: "paused" }
  /** An earlier run goes on. */
  | { readonly as: "overlapping" }
  /** By the clock of the database it isn't due yet. */
  | { readonly as: "early"; readonly now: number };

/** One run of a task at a moment that it is due. */
export interface DueRun {
  /** In ms since the epoch. */
  readonly dueAt: number;
  readonly runId: string;
}

/** What has come of a run. */
export interface Ended {
  readonly name: string;
  readonly runId: string;
  readonly durationMs: number;
  /** Null for one that has done what it should. */
  readonly error: string | null;
}

/** A task that no other instance claims meanwhile. */
interface Locked {
  readonly now: number;
  readonly isPaused: boolean;
  readonly runId: string | null;
  /** Whether a run goes on. */
  readonly isHeld: boolean;
}

/** How far ahead of the database's clock ours may be. */
const TOLERANCE_MS = 500;
/** How long it is remembered which moments are done with: that far may a clock be set back. */
const MEMORY_MS = 86_400_000;
const MAX_ERROR = 2000; // characters

/** What is kept of tasks in the database, and shared by all instances. */
export class Ledger {
  readonly #options: LedgerOptions;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Enters a task, as it is now. */
  async enter({ name, plugin, schedule: { expression, timezone } }: Task): Promise<Entered> {
    const { db, tables } = this.#options;
    const { scheduledTasks: tasks } = tables;
    const now = this.#now();
    await db
      .insert(tasks)
      .values({ name, plugin, expression, timezone, since_at: now, seen_at: now })
      .onConflictDoNothing({ target: tasks.name });
    const isOther = or(
      sql`${tasks.expression} <> ${expression}`,
      timezone === null
        ? sql`${tasks.timezone} is not null`
        : sql`coalesce(${tasks.timezone}, '') <> ${timezone}`,
    );
    await db
      .update(tasks)
      .set({ expression, timezone, since_at: now })
      .where(and(eq(tasks.name, name), isOther));
    await db.update(tasks).set({ seen_at: now }).where(eq(tasks.name, name));
    const [row] = await db
      .select({ now, isPaused: tasks.is_paused, since: tasks.since_at, lastDue: tasks.last_due_at })
      .from(tasks)
      .where(eq(tasks.name, name));
    if (row === undefined) throw new Error(`Cannot enter the task "${name}": it was deleted meanwhile`);
    return {
      now: Number(row.now),
      isPaused: row.isPaused,
      settledUntil: Math.max(row.since, row.lastDue ?? 0),
    };
  }

  /** Returns the present moment by the clock of the database; null while there are no tasks. */
  async now(): Promise<number | null> {
    const { db, tables } = this.#options;
    const [row] = await db.select({ now: this.#now() }).from(tables.scheduledTasks).limit(1);
    return row === undefined ? null : Number(row.now);
  }

  /** Claims a moment that a task is due: it is one instance's. The same run may be claimed again. */
  claim({ name, mayOverlap }: Task, { dueAt, runId }: DueRun): Promise<Claim> {
    const { scheduledTasks: tasks, taskTicks: ticks } = this.#options.tables;
    return this.#options.db.transaction(async (tx): Promise<Claim> => {
      const row = await this.#lock(tx, name);
      if (row === null || row.isPaused) return { as: "paused" };
      if (dueAt > row.now + TOLERANCE_MS) return { as: "early", now: row.now };
      const { rowsAffected } = await tx
        .insert(ticks)
        .values({ name, due_at: dueAt })
        .onConflictDoNothing({ target: [ticks.name, ticks.due_at] });
      if (rowsAffected === 0) return row.runId === runId ? { as: "ours", now: row.now } : { as: "taken" };
      const [past, future] = [dueAt - MEMORY_MS, row.now + MEMORY_MS];
      await tx
        .delete(ticks)
        .where(and(eq(ticks.name, name), or(lt(ticks.due_at, past), gt(ticks.due_at, future))));
      if (!mayOverlap && row.isHeld) {
        const skips = sql`${tasks.skips} + 1`;
        await tx.update(tasks).set({ last_due_at: dueAt, skips }).where(eq(tasks.name, name));
        return { as: "overlapping" };
      }
      await this.#begin(tx, name, { runId, dueAt });
      return { as: "ours", now: row.now };
    });
  }

  /** Claims a run that somebody has asked for. */
  take({ name, mayOverlap }: Task, runId: string): Promise<Claim> {
    return this.#options.db.transaction(async (tx): Promise<Claim> => {
      const row = await this.#lock(tx, name);
      if (row === null) return { as: "taken" };
      if (!mayOverlap && row.isHeld) return { as: "overlapping" };
      await this.#begin(tx, name, { runId });
      return { as: "ours", now: row.now };
    });
  }

  /** Says that a run goes on; false once it isn't the one that others wait for. */
  async renew(name: string, runId: string): Promise<boolean> {
    const { db, tables, leaseMs } = this.#options;
    const { rowsAffected } = await db
      .update(tables.scheduledTasks)
      .set({ lease_at: this.#now(leaseMs) })
      .where(this.#isHeldBy(name, runId));
    return rowsAffected > 0;
  }

  /** Notes what has come of a run, and lets others begin. */
  async end({ name, runId, durationMs, error }: Ended): Promise<void> {
    const { db, tables } = this.#options;
    const { scheduledTasks: tasks } = tables;
    const now = this.#now();
    const failure =
      error === null
        ? {}
        : {
            failures: sql`${tasks.failures} + 1`,
            last_failed_at: now,
            last_error: error.slice(0, MAX_ERROR),
          };
    await db.transaction(async (tx) => {
      await tx
        .update(tasks)
        .set({
          runs: sql`${tasks.runs} + 1`,
          last_ended_at: now,
          last_duration_ms: Math.round(durationMs),
          ...failure,
        })
        .where(eq(tasks.name, name));
      await this.#letGo(tx, name, runId);
    });
  }

  /** Takes a claim back whose run doesn't begin: its plugin is gone, or the process stops. */
  async release(name: string, { runId, dueAt }: DueRun): Promise<void> {
    const { db, tables } = this.#options;
    const { scheduledTasks: tasks, taskTicks: ticks } = tables;
    await db.transaction(async (tx) => {
      await tx
        .update(tasks)
        .set({ last_due_at: dueAt - 1 })
        .where(and(eq(tasks.name, name), eq(tasks.last_due_at, dueAt)));
      await tx.delete(ticks).where(and(eq(ticks.name, name), eq(ticks.due_at, dueAt)));
      await this.#letGo(tx, name, runId);
    });
  }

  /** Pauses a task or lets it go on; what was due meanwhile isn't caught up with. False for one that isn't there. */
  async setPaused(name: string, isPaused: boolean): Promise<boolean> {
    const { db, tables } = this.#options;
    const since = isPaused ? {} : { since_at: this.#now() };
    const { rowsAffected } = await db
      .update(tables.scheduledTasks)
      .set({ is_paused: isPaused, ...since })
      .where(eq(tables.scheduledTasks.name, name));
    return rowsAffected > 0;
  }

  /** Deletes tasks that no plugin has had for a month. */
  async purge(): Promise<void> {
    const { db, tables } = this.#options;
    const { scheduledTasks: tasks, taskTicks: ticks } = tables;
    const month = 30 * MEMORY_MS;
    const old = await db
      .select({ name: tasks.name })
      .from(tasks)
      .where(lt(tasks.seen_at, this.#now(-month)));
    for (const { name } of old) {
      // oxlint-disable-next-line no-await-in-loop -- few, if any
      await db.transaction(async (tx) => {
        await tx.delete(ticks).where(eq(ticks.name, name));
        await tx.delete(tasks).where(eq(tasks.name, name));
      });
    }
  }

  async #lock(tx: Transaction, name: string): Promise<Locked | null> {
    const { scheduledTasks: tasks } = this.#options.tables;
    const [row] = await tx
      .select({ now: this.#now(), isPaused: tasks.is_paused, runId: tasks.run_id, leaseAt: tasks.lease_at })
      .from(tasks)
      .where(eq(tasks.name, name))
      .for("update");
    if (row === undefined) return null;
    const now = Number(row.now);
    const leftMs = (row.leaseAt ?? now) - now;
    // One that lasts longer than any is of a clock that was set back since: whoever is at work renews it soon.
    const isHeld = leftMs > 0 && leftMs <= this.#options.leaseMs + TOLERANCE_MS;
    return { now, isPaused: row.isPaused, runId: row.runId, isHeld };
  }

  async #begin(
    tx: Transaction,
    name: string,
    { runId, dueAt }: { readonly runId: string; readonly dueAt?: number },
  ): Promise<void> {
    const { tables, leaseMs } = this.#options;
    const due = dueAt === undefined ? {} : { last_due_at: dueAt };
    await tx
      .update(tables.scheduledTasks)
      .set({ last_started_at: this.#now(), run_id: runId, lease_at: this.#now(leaseMs), ...due })
      .where(eq(tables.scheduledTasks.name, name));
  }

  async #letGo(db: Pick<Database, "update">, name: string, runId: string): Promise<void> {
    await db
      .update(this.#options.tables.scheduledTasks)
      .set({ run_id: null, lease_at: null })
      .where(this.#isHeldBy(name, runId));
  }

  #isHeldBy(name: string, runId: string) {
    const { scheduledTasks: tasks } = this.#options.tables;
    return and(eq(tasks.name, name), eq(tasks.run_id, runId));
  }

  #now(laterMs = 0): SQL {
    const { now } = this.#options;
    return now === undefined ? fromNow(this.#options, laterMs) : now(laterMs);
  }
}
