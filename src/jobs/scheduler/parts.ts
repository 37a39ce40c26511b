import { DatabaseClock } from "./clock.ts";
import { Ledger, type LedgerOptions } from "./ledger.ts";
import { Runs, type RunsOptions } from "./runs.ts";
import { Timetable } from "./timetable.ts";

/** Builds what the scheduler works with, once there is a task. */
export function createParts({ log, ...options }: LedgerOptions & Omit<RunsOptions, "ledger">) {
  const ledger = new Ledger(options);
  const clock = new DatabaseClock(options.driver.dialect, () => ledger.now());
  const runs = new Runs({ ledger, leaseMs: options.leaseMs, log });
  return { ledger, runs, timetable: new Timetable({ ledger, runs, clock, log }) };
}
