import type { LimitStore, Requests, RequestWindow } from "../../cluster/limit-store.ts";
import { outside } from "../../db/transactions/ambient.ts";
import { Counter, type SharedCount, type Sharing } from "./counters.ts";

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
const MAX_BATCH = 100; // keys: Redis answers nobody else meanwhile
const MAX_QUEUED = 10_000; // keys

/**
 * Shares with the other instances what is counted here. No request waits for that: what was let in is told together with what
 * others were asked since, up to a hundred times a second, and the answer has what all have let in by then. So all instances
 * together let in no more than the limit, and beyond it, each, a thirty-second of it and what comes within one exchange.
 * Who asks for little isn't told of at all. Where very many ask for much, they wait for their turn, up to a second.
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

  /** Returns what counts keys, which are users by their number, or anybody else. @param policy tells them from others */
  of(policy: string): Sharing {
    const enqueue = this.#enqueue;
    return (key, counter, max) =>
      counter.count * PARTS < max ? null : new KeyCount({ policy, key, enqueue }, counter, max);
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

interface KeyOptions {
  readonly policy: string;
  readonly key: string | number;
  readonly enqueue: (count: KeyCount) => boolean;
}

class KeyCount implements SharedCount {
  readonly total: Counter;
  readonly #options: KeyOptions;
  /** What the others weren't told of yet, of the window that began then. */
  #untold = 0;
  #startedAt: number;
  #max: number;
  #isQueued = false;

  /** @param here what was counted here until now, of which nobody was told */
  constructor(options: KeyOptions, { startedAt, windowMs, before, count }: Counter, max: number) {
    this.#options = options;
    this.total = new Counter(startedAt, windowMs);
    this.total.before = before;
    this.#startedAt = startedAt;
    this.#max = max;
    this.add(count, max);
  }

  add(weight: number, max: number): void {
    this.#keepUp();
    this.total.count += weight;
    this.#untold += weight;
    this.#max = max;
    if (!this.#isQueued && this.#untold * PARTS >= max) this.#isQueued = this.#options.enqueue(this);
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
    const { policy, key } = this.#options;
    // Instances may have different limits for a while, and no address looks like a user.
    const name = nameOf(`${windowMs} ${policy} ${typeof key === "number" ? "user " : ""}${key}`);
    return { name, windowMs, count, most: this.#max * MOST_INSTANCES };
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
