import type { Logger } from "pino";
import type { Database } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../definition/error-codes.ts";
import type { Ground } from "../drivers/database/ground.ts";
import type { Parts } from "./parts.ts";
import type { AroundTask } from "./runs.ts";
import type { ScheduleMaker } from "./schedule.ts";
import type { Task } from "./task.ts";

export type { AroundTask } from "./runs.ts";
export type { Task } from "./task.ts";

export interface SchedulerOptions {
  readonly driver: Ground["driver"];
  /** The core's tables and the database that they are in. */
  readonly store: { readonly db: Database; readonly tables: CoreTables };
  readonly log: Logger;
  /** Whether tasks run here when they are due, and not only when somebody asks for it. */
  readonly isTimed: boolean;
  /** Has tasks be run. @default they run as they are */
  readonly around?: AroundTask | undefined;
}

/** How long a run is taken to go on without a word of it. */
const LEASE_MS = 30_000;

/**
 * Tasks that are run by a cron expression. Nothing is loaded, and no timer runs, before there is one.
 *
 * All instances have the same tasks; each moment that a task is due is one row with a unique key, which the instance
 * that inserts it runs. So it runs at most once: a process that is killed in the midst of it doesn't run it again.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  #maker: ScheduleMaker | null = null;
  #loading: Promise<Parts> | null = null;
  #isClosed = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Whether there has been a task. */
  get isLoaded(): boolean {
    return this.#loading !== null;
  }

  /** Loads what `schedule` needs. */
  async prepare(): Promise<void> {
    const { loadSchedules } = await import("./schedule.ts");
    this.#maker ??= await loadSchedules();
  }

  /**
   * Reads a cron expression; `prepare` has been called.
   *
   * @throws TypeError, RangeError for one that can't be read or never comes, and for an unknown time zone
   */
  readonly schedule: ScheduleMaker = (expression, timezone) => {
    if (this.#maker === null) throw new TypeError("Schedules aren't loaded yet");
    return this.#maker(expression, timezone);
  };

  /** Has a task run when it is due from now on, until the undo is called; a run that is under way by then ends as it has begun. */
  register(task: Task): () => void {
    let isOver = false;
    void this.#load().then(({ timetable }) => {
      if (!isOver) timetable.add(task);
    });
    return () => {
      isOver = true;
      void this.#load().then(({ timetable }) => timetable.remove(task));
    };
  }

  /** When a task is due next, in ms since the epoch; null for one that isn't here. */
  nextOf(name: string): number | null {
    return this.#parts?.timetable.nextOf(name) ?? null;
  }

  /** Whether a plugin that serves here has the task. */
  isHere(name: string): boolean {
    return this.#parts?.timetable.find(name) != null;
  }

  /**
   * Runs a task now.
   *
   * @returns what resolves once the run has ended, with its error or null
   * @throws AppError task_not_here; task_running for one that doesn't overlap
   */
  async run(name: string): Promise<{ readonly ended: Promise<string | null> }> {
    const { ledger, runs, timetable } = await this.#load();
    const task = timetable.find(name);
    if (task === null || this.#isClosed) {
      throw fail(
        "task_not_here",
        `Cannot run task "${name}": its plugin doesn't serve, or doesn't have it any more`,
      );
    }
    await ledger.enter(task);
    const runId = crypto.randomUUID();
    const claim = await ledger.take(task, runId);
    if (claim.as === "ours") return { ended: runs.start(task, { runId, dueAt: claim.now }) };
    throw fail("task_running", `Cannot run task "${name}": its earlier run goes on`);
  }

  /** Pauses a task or lets it go on, on all instances; false where there is none of that name. */
  async setPaused(name: string, isPaused: boolean): Promise<boolean> {
    const { ledger } = await this.#load();
    return ledger.setPaused(name, isPaused);
  }

  /** Begins no more runs, waits for those under way until `signal` is aborted, and notes that the others were cut off. */
  async close(signal: AbortSignal): Promise<void> {
    this.#isClosed = true;
    const parts = await this.#loading;
    await parts?.timetable.stop();
    await parts?.runs.close(signal);
  }

  #parts: Parts | null = null;

  #load(): Promise<Parts> {
    return (this.#loading ??= this.#create());
  }

  async #create(): Promise<Parts> {
    const { driver, store, log, isTimed } = this.#options;
    const { createParts } = await import("./parts.ts");
    this.#parts = createParts({ driver, ...store, log, leaseMs: LEASE_MS });
    const { timetable, ledger } = this.#parts;
    if (!isTimed || this.#isClosed) await timetable.stop();
    else
      void ledger.purge().catch((error: unknown) => log.warn({ err: error }, "old tasks can't be deleted"));
    return this.#parts;
  }
}
