import type { LimitStore, Requests, RequestWindow } from "../../cluster/limit-store.ts";
import { outside } from "../../db/transactions/ambient.ts";
import { Counter, type SharedCount } from "./counters.ts";

export interface SharedCountsOptions {
  readonly store: Pick<LimitStore, "nameOf" | "count" | "whenConnected" | "isClosed">;
  /** The clock that requests are counted by, in ms. @default performance.now */
  readonly now?: () => number;
}

/** The others are told of a key once this part of its limit was let in here since. */
const PARTS = 32;
/** The count of all instances is believed up to so many times the limit: each lets in no more than it. */
const MOST_INSTANCES = 1000;
const PAUSE_MS = 10;
const RETRY_MS = 1000;
const MAX_BATCH = 500; // keys
const MAX_QUEUED = 10_000; // keys

/**
 * Shares with the other instances what is counted here. No request waits for that: what was let in is told together with what
 * others were asked since, up to a hundred times a second, and the answer has what all have let in by then. So all instances
 * together let in no more than the limit, and beyond it, each, a thirty-second of it and what comes within one exchange.
 * Who asks for little isn't told of at all.
 *
 * While Redis is away each instance counts for itself; what it has counted in a window that lasts is told once Redis is back.
 */
export class SharedCounts {
  readonly #store: SharedCountsOptions["store"];
  readonly #now: () => number;
  readonly #queue: KeyCount[] = [];
  readonly #enqueue = (count: KeyCount): boolean => this.#tellOf(count);
  #isAtWork = false;

  constructor({ store, now = () => performance.now() }: SharedCountsOptions) {
    this.#store = store;
    this.#now = now;
  }

  /** Makes what counts a key on all instances. */
  of(key: string, windowMs: number, now: number): SharedCount {
    return new KeyCount(key, new Counter(now, windowMs), this.#enqueue);
  }

  /** Returns false where there are too many: then it is tried again with the next request. */
  #tellOf(count: KeyCount): boolean {
    if (this.#store.isClosed || this.#queue.length >= MAX_QUEUED) return false;
    this.#queue.push(count);
    if (!this.#isAtWork) {
      this.#isAtWork = true;
      // Not now: a request is being answered.
      outside(() => setTimeout(() => void this.#exchangeAll(), 0));
    }
    return true;
  }

  async #exchangeAll(): Promise<void> {
    while (this.#queue.length > 0 && !this.#store.isClosed) {
      // oxlint-disable-next-line no-await-in-loop -- one exchange after another
      const isDone = await this.#exchange();
      // oxlint-disable-next-line no-await-in-loop
      if (!isDone) await this.#store.whenConnected();
      // oxlint-disable-next-line no-await-in-loop
      await Bun.sleep(isDone ? PAUSE_MS : RETRY_MS);
    }
    this.#isAtWork = false;
  }

  async #exchange(): Promise<boolean> {
    const batch = this.#queue.splice(0, MAX_BATCH);
    const startedAt = this.#now();
    const windows = await this.#store.count(
      batch.map((count) => count.take(startedAt, (key) => this.#store.nameOf(key))),
    );
    if (windows === null) return false;
    const now = this.#now();
    for (const [index, window] of windows.entries()) if (window !== null) batch[index]?.adopt(window, now);
    return true;
  }
}

class KeyCount implements SharedCount {
  readonly total: Counter;
  readonly #key: string;
  readonly #enqueue: (count: KeyCount) => boolean;
  #name: string | null = null;
  /** What the others weren't told of yet, of the window that began then. */
  #untold = 0;
  #startedAt: number;
  #max = 0;
  #isQueued = false;

  constructor(key: string, total: Counter, enqueue: (count: KeyCount) => boolean) {
    this.#key = key;
    this.total = total;
    this.#startedAt = total.startedAt;
    this.#enqueue = enqueue;
  }

  add(weight: number, max: number): void {
    this.#keepUp();
    this.total.count += weight;
    this.#untold += weight;
    this.#max = max;
    if (!this.#isQueued && this.#untold * PARTS >= max) this.#isQueued = this.#enqueue(this);
  }

  takeBack(weight: number): void {
    if (this.#startedAt !== this.total.startedAt) return;
    this.total.count = Math.max(0, this.total.count - weight);
    this.#untold -= weight;
  }

  /** Returns what the others are to be told. */
  take(now: number, nameOf: (key: string) => string): Requests {
    const { windowMs } = this.total;
    this.total.used(now);
    this.#keepUp();
    const count = this.#untold;
    this.#untold = 0;
    this.#isQueued = false;
    // Instances may have different limits for a while.
    this.#name ??= nameOf(`${windowMs} ${this.#key}`);
    return { name: this.#name, windowMs, count, most: this.#max * MOST_INSTANCES };
  }

  adopt({ ageMs, count, before }: RequestWindow, now: number): void {
    this.#keepUp();
    this.total.startedAt = now - ageMs;
    this.total.count = Math.max(0, count + this.#untold);
    this.total.before = before;
    this.#startedAt = this.total.startedAt;
  }

  /** What is untold of a window that has ended isn't told in the next: little, or Redis was away for long. */
  #keepUp(): void {
    if (this.#startedAt === this.total.startedAt) return;
    this.#startedAt = this.total.startedAt;
    this.#untold = 0;
  }
}
