import { DatabaseClock } from "./clock.ts";
import { Ledger, type LedgerOptions } from "./ledger.ts";
import { Runs, type RunsOptions } from "./runs.ts";
import { Timetable } from "./timetable.ts";

/** What the scheduler works with. */
export interface Parts {
  readonly ledger: Ledger;
  readonly runs: Runs;
  readonly timetable: Timetable;
}

/** Builds it, once there is a task. */
export function createParts({ log, around, ...options }: LedgerOptions & Omit<RunsOptions, "ledger">): Parts {
  const ledger = new Ledger(options);
  const clock = new DatabaseClock(options.driver.dialect, () => ledger.now());
  const runs = new Runs({ ledger, leaseMs: options.leaseMs, log, around });
  return { ledger, runs, timetable: new Timetable({ ledger, runs, clock, log }) };
}
