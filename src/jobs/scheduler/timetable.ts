import type { Logger } from "pino";
import type { DatabaseClock } from "./clock.ts";
import type { DueRun, Ledger } from "./ledger.ts";
import type { Runs } from "./runs.ts";
import type { Task } from "./task.ts";

export interface TimetableOptions {
  readonly ledger: Ledger;
  readonly runs: Pick<Runs, "start">;
  readonly clock: Pick<DatabaseClock, "now" | "set" | "follow">;
  readonly log: Logger;
}

/** A task, with when it is to be looked at next. */
interface Entry {
  readonly task: Task;
  /** Whether the database knows it. */
  isEntered: boolean;
  /** In ms since the epoch. */
  next: number;
  /** What was claimed last. */
  claimed: DueRun | null;
}

/** A tick that comes later than that is missed: the process slept, was held up, or the clock was set. */
const LATE_MS = 60_000;
/** A clock that is set, and a machine that slept, are noticed within this. */
const LONGEST_SLEEP_MS = 30_000;
const SHORTEST_SLEEP_MS = 1;
const RETRY_MS = 1000;

/** Has tasks run when they are due: one timer for all of them. */
export class Timetable {
  readonly #options: TimetableOptions;
  readonly #entries = new Map<string, Entry>();
  /** What the database is asked for. */
  readonly #pending = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | null = null;
  /** Where the clock was last. */
  #seen = Number.NEGATIVE_INFINITY;
  #isStopped = false;
  #isFailing = false;

  constructor(options: TimetableOptions) {
    this.#options = options;
  }

  /** When a task is due next, null for one that isn't here. */
  nextOf(name: string): number | null {
    const entry = this.#entries.get(name);
    return entry?.isEntered === true ? entry.next : null;
  }

  find(name: string): Task | null {
    return this.#entries.get(name)?.task ?? null;
  }

  /** Has a task run from now on, in the place of one of its name. */
  add(task: Task): void {
    const entry = { task, isEntered: false, next: this.#options.clock.now, claimed: null };
    this.#entries.set(task.name, entry);
    if (!this.#isStopped) this.#follow(this.#enter(entry));
  }

  /** Has it run no more, unless another has taken its place. */
  remove(task: Task): void {
    if (this.#entries.get(task.name)?.task === task) this.#entries.delete(task.name);
  }

  /** Begins what is due by now; a timer does. */
  async look(): Promise<void> {
    const { clock } = this.#options;
    await clock.follow().catch((error: unknown) => this.#noteFailure(error));
    if (this.#isStopped) return;
    const { now } = clock;
    const isSetBack = now < this.#seen - RETRY_MS;
    this.#seen = now;
    for (const entry of this.#entries.values()) {
      // What was due in the time that comes again is done with; what wasn't is due as it comes.
      if (isSetBack && entry.isEntered) entry.next = entry.task.schedule.next(now);
      if (entry.next <= now) this.#begin(entry, now);
    }
    this.#plan();
  }

  /** Begins no more runs; resolves once no claim is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer ?? undefined);
    await this.settled();
  }

  /** Resolves once the database has answered. */
  async settled(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- what has ended may have begun more
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  /** Of several moments that have passed, the last one counts. */
  #begin(entry: Entry, now: number): void {
    const { name, plugin, schedule, catchesUp } = entry.task;
    if (!entry.isEntered) {
      entry.next = now + RETRY_MS;
      this.#follow(this.#enter(entry));
      return;
    }
    const dueAt = schedule.previous(now) ?? entry.next;
    entry.next = schedule.next(now);
    if (now - dueAt <= LATE_MS || catchesUp) this.#follow(this.#claim(entry, dueAt));
    else this.#options.log.warn({ plugin, task: name, due_at: new Date(dueAt) }, "a task was missed");
  }

  /** Makes a task known, and runs what it has missed, if that is caught up with or was just now: its plugin may have been swapped. */
  async #enter(entry: Entry): Promise<void> {
    const { ledger, clock } = this.#options;
    const { task } = entry;
    try {
      const { now, isPaused, settledUntil } = await ledger.enter(task);
      this.#isFailing = false;
      clock.set(now);
      if (entry.isEntered) return;
      entry.isEntered = true;
      entry.next = task.schedule.next(now);
      const last = task.schedule.previous(now);
      const isMissed = last !== null && last > settledUntil && !isPaused;
      if (isMissed && (task.catchesUp || now - last <= LATE_MS)) await this.#claim(entry, last);
    } catch (error) {
      this.#noteFailure(error);
      entry.next = clock.now + RETRY_MS;
    }
    this.#plan();
  }

  async #claim(entry: Entry, dueAt: number): Promise<void> {
    const { ledger, runs, clock, log } = this.#options;
    const { name, plugin } = entry.task;
    // Tried again, it is the same run: the database may have taken the claim, and not have said so.
    const run = entry.claimed?.dueAt === dueAt ? entry.claimed : { dueAt, runId: crypto.randomUUID() };
    entry.claimed = run;
    try {
      const claim = await ledger.claim(entry.task, run);
      this.#isFailing = false;
      if (claim.as === "overlapping") {
        log.warn({ plugin, task: name }, "a task wasn't run: its earlier run goes on");
      } else if (claim.as === "early") {
        clock.set(claim.now);
        this.#retry(entry, dueAt);
      } else if (claim.as === "ours") {
        // A new generation may have taken over meanwhile, or the plugin be gone.
        const task = this.#isStopped ? null : this.find(name);
        if (task === null) await ledger.release(name, run);
        else void runs.start(task, run);
      }
    } catch (error) {
      this.#noteFailure(error);
      this.#retry(entry, clock.now + RETRY_MS);
    }
  }

  /** Looks again at that moment for what is due by then. */
  #retry(entry: Entry, at: number): void {
    entry.next = Math.min(entry.next, at);
    this.#plan();
  }

  #plan(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    if (this.#entries.size === 0) return;
    const next = Math.min(...[...this.#entries.values()].map((entry) => entry.next));
    const ms = Math.min(next - this.#options.clock.now, LONGEST_SLEEP_MS);
    this.#timer = setTimeout(() => void this.look(), Math.max(ms, SHORTEST_SLEEP_MS)).unref();
  }

  #follow(work: Promise<void>): void {
    const followed = work.finally(() => void this.#pending.delete(followed));
    this.#pending.add(followed);
  }

  #noteFailure(error: unknown): void {
    if (!this.#isFailing) this.#options.log.warn({ err: error }, "tasks can't be run now; tried again");
    this.#isFailing = true;
  }
}
