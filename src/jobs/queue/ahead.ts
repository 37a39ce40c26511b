import type { ClaimedJob } from "../contract/records.ts";

/** How many a process has with those that run, at most: so many may be run again where it is killed before it notes their end. */
const MOST = 16;
/** How many times as many as may run at once. */
const MOST_TIMES = 4;
/** How long the last one is to wait for its place, by how long those before it took. */
const WORK_MS = 20;
const WEIGHT = 1 / 8;

/**
 * Jobs that a process has claimed before there is a place for them: where handlers take less time than a claim, the next ones
 * are there, and a claim is for more of them. Where handlers take long, there are none.
 */
export class Ahead {
  /** The next comes last. */
  #jobs: { readonly job: ClaimedJob; readonly since: number }[] = [];
  /** How long handlers take, of late. */
  #meanMs = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#jobs.length;
  }

  get ids(): string[] {
    return this.#jobs.map(({ job }) => job.id);
  }

  /** How long the next one has waited, in ms; 0 where there is none. */
  get waitedMs(): number {
    const next = this.#jobs.at(-1);
    return next === undefined ? 0 : performance.now() - next.since;
  }

  /** How many there may be beside as many as run at once. */
  most(concurrency: number): number {
    const most = Math.max(0, Math.min(MOST, MOST_TIMES * concurrency) - concurrency);
    return this.#meanMs === 0 ? most : Math.min(most, Math.floor((concurrency * WORK_MS) / this.#meanMs));
  }

  add(jobs: readonly ClaimedJob[]): void {
    const since = performance.now();
    this.#jobs = [...jobs.map((job) => ({ job, since })).toReversed(), ...this.#jobs];
  }

  next(): ClaimedJob | undefined {
    return this.#jobs.pop()?.job;
  }

  /** Forgets one that doesn't belong to the process any more. */
  drop(id: string): void {
    this.#jobs = this.#jobs.filter(({ job }) => job.id !== id);
  }

  /** Takes out all that are there: handlers take longer than it seemed. */
  takeAll(): ClaimedJob[] {
    this.#meanMs = Number.POSITIVE_INFINITY;
    return this.#jobs.splice(0).map(({ job }) => job);
  }

  /** A handler has taken so long. */
  learn(ms: number): void {
    const known = Number.isFinite(this.#meanMs);
    this.#meanMs = known ? this.#meanMs + (ms - this.#meanMs) * WEIGHT : ms;
  }
}
