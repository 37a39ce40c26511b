import type { JobLookout, LookoutOptions } from "../../contract/backend.ts";
import type { Ground } from "./ground.ts";
import { lookForDue, mendLeases, promote, purge, recover } from "./upkeep.ts";

/** What another process enqueues is found within this. SQLite says for next to nothing whether anybody has written. */
const EVERY_MS = { sqlite: 500, postgres: 1000, mysql: 1000 };
const JITTER = 0.2;
const LEAST_MS = 5;
const PURGE_MS = 60_000;
/** A clock that has gone so much further than ours was set. */
const JUMP_MS = 5000;

/** Looks, now and then, for what nobody of this process tells of: delayed jobs, lost ones, and those of other processes. */
export class Lookout implements JobLookout {
  readonly #options: LookoutOptions & { readonly ground: Ground };
  #timer: NodeJS.Timeout | null = null;
  #at = Number.POSITIVE_INFINITY;
  #token: number | null = null;
  #dueAt = Number.POSITIVE_INFINITY;
  #purgeAt = performance.now() + PURGE_MS;
  #isLooking = false;
  /** Where the clock of the database was last, beside ours. */
  #clock: { readonly theirs: number; readonly ours: number } | null = null;
  /** Until when leases aren't taken for over: their holders have yet to renew them by a clock that was set. */
  #trustAt = 0;
  #isStopped = false;
  #isFailing = false;

  constructor(options: LookoutOptions & { readonly ground: Ground }) {
    this.#options = options;
  }

  start(): void {
    this.#plan(0);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer ?? undefined);
  }

  /** Something is due at a moment of its own. */
  expect(inMs: number): void {
    const at = performance.now() + inMs;
    if (at < this.#dueAt) this.#dueAt = at;
    if (at < this.#at) this.#plan(inMs);
  }

  #plan(inMs: number): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer ?? undefined);
    const ms = Math.max(inMs, LEAST_MS);
    this.#at = performance.now() + ms;
    this.#timer = setTimeout(() => this.#tick(), ms).unref();
  }

  #tick(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#look().finally(() => {
      this.#isLooking = false;
      const { dialect } = this.#options.ground.driver;
      const everyMs = EVERY_MS[dialect] * (1 - JITTER / 2 + Math.random() * JITTER);
      this.#plan(Math.min(everyMs, this.#dueAt - performance.now()));
    });
  }

  async #look(): Promise<void> {
    const { ground, log, wake } = this.#options;
    try {
      const token = ground.driver.changeToken();
      const now = performance.now();
      if (token !== null && token === this.#token && now < this.#dueAt && now < this.#purgeAt) return;
      this.#token = token;
      await this.#work();
      wake();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) log.warn({ err: error }, "it can't be looked for jobs now; tried again");
      this.#isFailing = true;
      this.#token = null;
      this.#dueAt = Number.POSITIVE_INFINITY;
    }
  }

  async #work(): Promise<void> {
    const { ground } = this.#options;
    const due = await lookForDue(ground);
    await this.#follow(due.now);
    if (due.delayedMs === 0) await promote(ground);
    const isTrusted = performance.now() >= this.#trustAt;
    if (due.leaseMs === 0 && isTrusted) await this.#recover();
    const next = due.delayedMs === 0 || due.leaseMs === 0 ? await lookForDue(ground) : due;
    // A lease that is over and can't be taken yet is looked at with the next turn.
    const leaseMs = next.leaseMs === 0 ? Number.POSITIVE_INFINITY : next.leaseMs;
    this.#dueAt = performance.now() + Math.min(next.delayedMs, leaseMs);
    if (performance.now() < this.#purgeAt) return;
    this.#purgeAt = performance.now() + PURGE_MS;
    await purge(ground);
  }

  /** Notices where the clock of the database was set. */
  async #follow(theirs: number): Promise<void> {
    const { ground, log } = this.#options;
    const ours = performance.now();
    const before = this.#clock;
    this.#clock = { theirs, ours };
    if (before === null) {
      await mendLeases(ground);
      return;
    }
    const jumpedMs = theirs - before.theirs - (ours - before.ours);
    if (Math.abs(jumpedMs) < JUMP_MS) return;
    log.warn(
      { jumped_ms: Math.round(jumpedMs) },
      "the clock of the database was set: jobs keep to the new one",
    );
    if (jumpedMs > 0) this.#trustAt = ours + ground.leaseMs;
    else await mendLeases(ground);
  }

  async #recover(): Promise<void> {
    const { ground, worker, held, log } = this.#options;
    for (const { id, name, isDead } of await recover(ground, { worker, held: held() })) {
      const fields = { job: name, job_id: id };
      if (isDead) log.error(fields, "a job is dead: the process that ran it has ended too often");
      else log.warn(fields, "the process that ran a job has ended without a word: it is run again");
    }
  }
}
