/** What is counted of an answered request. */
export interface Answered {
  /** When it was answered, in milliseconds since the epoch. */
  readonly at: number;
  readonly status: number;
  readonly duration_ms: number;
}

/** The requests of some seconds. */
export interface TrafficPoint {
  /** When they begin, in milliseconds since the epoch. */
  readonly at: number;
  readonly requests: number;
  /** Those answered with 500 or more. */
  readonly failures: number;
  /** Those answered with 400 to 499. */
  readonly refusals: number;
  /** Time until the answer that half of them had at most, in milliseconds and within 13 %; null without requests. */
  readonly p50_ms: number | null;
  /** The same of 99 in 100. */
  readonly p99_ms: number | null;
}

const SLOT_MS = 2000;
const SLOTS = 150; // five minutes
const FAILURES = 50;

// Each power of two of microseconds has four buckets, up to 2^26 (67 s).
const STEPS = 4;
const BUCKETS = 27 * STEPS;

/** Counts the requests of the last five minutes, and keeps the last failures. */
export class Traffic<Entry extends Answered = Answered> {
  readonly #stamps = new Float64Array(SLOTS);
  readonly #requests = new Uint32Array(SLOTS);
  readonly #failed = new Uint32Array(SLOTS);
  readonly #refused = new Uint32Array(SLOTS);
  readonly #durations = new Uint32Array(SLOTS * BUCKETS);
  readonly #failures: Entry[] = [];

  /** Counts one: each request pays for it. */
  record(entry: Entry): void {
    const { at, status } = entry;
    const stamp = Math.floor(at / SLOT_MS);
    const slot = stamp % SLOTS;
    if (this.#stamps[slot] !== stamp) this.#begin(slot, stamp);
    this.#requests[slot]! += 1;
    this.#durations[slot * BUCKETS + toBucket(entry.duration_ms)]! += 1;
    if (status < 400) return;
    if (status < 500) this.#refused[slot]! += 1;
    else {
      this.#failed[slot]! += 1;
      if (this.#failures.push(entry) > FAILURES) this.#failures.shift();
    }
  }

  /** The requests that were answered with 500 or more lately, the last one first. */
  failures(): readonly Entry[] {
    return this.#failures.toReversed();
  }

  /**
   * The last five minutes until `now`, in milliseconds since the epoch: one point for every two seconds, the oldest first.
   *
   * @param count how many of the last points. @default all
   */
  points(now: number, count = SLOTS): TrafficPoint[] {
    const last = Math.floor(now / SLOT_MS);
    return Array.from({ length: count }, (_, index) => this.#pointOf(last - count + 1 + index));
  }

  #begin(slot: number, stamp: number): void {
    this.#stamps[slot] = stamp;
    this.#requests[slot] = 0;
    this.#failed[slot] = 0;
    this.#refused[slot] = 0;
    this.#durations.fill(0, slot * BUCKETS, (slot + 1) * BUCKETS);
  }

  #pointOf(stamp: number): TrafficPoint {
    const at = stamp * SLOT_MS;
    const slot = stamp % SLOTS;
    if (this.#stamps[slot] !== stamp) {
      return { at, requests: 0, failures: 0, refusals: 0, p50_ms: null, p99_ms: null };
    }
    const requests = this.#requests[slot]!;
    const durations = this.#durations.subarray(slot * BUCKETS, (slot + 1) * BUCKETS);
    return {
      at,
      requests,
      failures: this.#failed[slot]!,
      refusals: this.#refused[slot]!,
      p50_ms: toQuantile(durations, requests * 0.5),
      p99_ms: toQuantile(durations, requests * 0.99),
    };
  }
}

function toBucket(durationMs: number): number {
  const micros = Math.max(STEPS, Math.round(durationMs * 1000));
  if (!(micros < 2 ** 27)) return BUCKETS - 1;
  const power = 31 - Math.clz32(micros);
  return power * STEPS + ((micros >> (power - 2)) & (STEPS - 1));
}

/** The middle of the bucket in which the `rank`-th duration is, in milliseconds. */
function toQuantile(durations: Uint32Array, rank: number): number | null {
  let passed = 0;
  for (const [bucket, count] of durations.entries()) {
    passed += count;
    if (count > 0 && passed >= rank) {
      const width = 2 ** Math.floor(bucket / STEPS) / STEPS;
      return ((STEPS + (bucket % STEPS) + 0.5) * width) / 1000;
    }
  }
  return null;
}
