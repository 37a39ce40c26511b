import pino from "pino";
import type { CoreStore } from "../../../src/accounts/people/store.ts";
import type { Driver } from "../../../src/db/contract/driver.ts";
import { fromNow } from "../../../src/jobs/drivers/database/ground.ts";
import { Ledger } from "../../../src/jobs/scheduler/ledger.ts";
import type { Parts } from "../../../src/jobs/scheduler/parts.ts";
import { Runs } from "../../../src/jobs/scheduler/runs.ts";
import { loadSchedules } from "../../../src/jobs/scheduler/schedule.ts";
import type { Task } from "../../../src/jobs/scheduler/task.ts";
import { Timetable } from "../../../src/jobs/scheduler/timetable.ts";
import { openStore, silent } from "../../accounts/factor-accounts.ts";

const makeSchedule = await loadSchedules();
const HOUR_MS = 3_600_000;

/** A clock that a test sets: that of the database, so much later. */
export class SetClock {
  shiftMs = 0;

  get now(): number {
    return Date.now() + this.shiftMs;
  }

  /** Sets it to a moment of its hour, in seconds, and so many hours later; returns the beginning of that hour. */
  toHour(later: number, seconds: number): number {
    const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS + later * HOUR_MS;
    this.shiftMs = hour + seconds * 1000 - Date.now();
    return hour;
  }
}

/** Processes that share a database and its clock. */
export class Instances implements AsyncDisposable {
  readonly clock = new SetClock();
  readonly store: CoreStore;
  readonly log: string[] = [];
  readonly #driver: Driver;
  readonly #all: Parts[] = [];
  readonly #runs: Promise<unknown>[] = [];

  private constructor(driver: Driver, store: CoreStore) {
    this.#driver = driver;
    this.store = store;
  }

  static async open(driver: Driver): Promise<Instances> {
    return new Instances(driver, await openStore(driver));
  }

  /** @param leaseMs how long a run is taken to go on without a word of it */
  add(leaseMs = 30_000): Parts {
    const driver = this.#driver;
    const now = (laterMs: number) => fromNow({ driver }, this.clock.shiftMs + laterMs);
    const ledger = new Ledger({ driver, ...this.store, leaseMs, now });
    const log = pino({ level: "warn" }, { write: (line: string) => void this.log.push(line) });
    const runs = new Runs({ ledger, leaseMs, log });
    const { clock } = this;
    const timetable = new Timetable({
      ledger,
      runs: {
        start: (task, run) => {
          const ended = runs.start(task, run);
          this.#runs.push(ended);
          return ended;
        },
      },
      clock: {
        get now() {
          return clock.now;
        },
        set() {},
        follow: () => Promise.resolve(),
      },
      log,
    });
    const instance = { ledger, runs, timetable };
    this.#all.push(instance);
    return instance;
  }

  /** Resolves once every run so far has ended, and that is noted. */
  async ended(): Promise<void> {
    await Promise.all(this.#runs);
  }

  /** What is kept of a task. */
  async row(name = "x:task") {
    const { scheduledTasks } = this.store.tables;
    const rows = await this.store.db.select().from(scheduledTasks);
    return rows.find((row) => row.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { timetable, runs } of this.#all) {
      // oxlint-disable-next-line no-await-in-loop -- few
      await timetable.stop();
      // oxlint-disable-next-line no-await-in-loop
      await runs.close(AbortSignal.abort());
    }
  }
}

/** A task that is due at the full hour, unless it says otherwise. */
export function toTask(
  handler: Task["handler"],
  options: Partial<Task> & { expression?: string } = {},
): Task {
  const { expression = "0 * * * *", ...others } = options;
  return {
    name: "x:task",
    plugin: "x",
    schedule: makeSchedule(expression, null),
    mayOverlap: false,
    catchesUp: false,
    handler,
    log: silent,
    hold() {},
    ...others,
  };
}

/** Has an instance begin what is due, and waits until that has ended. */
export async function look({ timetable }: Parts): Promise<void> {
  await timetable.look();
  await timetable.settled();
}
