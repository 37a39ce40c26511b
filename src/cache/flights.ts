import type { Logger } from "pino";
import { outside } from "../db/transactions/ambient.ts";
import { createFail, type ErrorCode } from "../errors/codes.ts";
import { type CacheStore, type Entry, isMine, type Lease, type StoreEvents } from "./contract/store.ts";
import { giveOut, keep, type Kept } from "./contract/values.ts";
import { LATE, within } from "./contract/within.ts";
import type { CacheCounts } from "../metrics/meter.ts";

export const CACHE_ERROR_CODES = {
  cache_timeout: {
    status: 503,
    meaning: "What was asked for took longer to make than its hardTimeout; try again, as retry-after says",
  },
  cache_unavailable: {
    status: 503,
    meaning: "The server of the cache can't answer now; try again",
  },
  lock_timeout: {
    status: 409,
    meaning: "Somebody else holds the lock that this needs; try again, as retry-after says",
  },
} as const satisfies Record<string, ErrorCode>;

export const fail = createFail(CACHE_ERROR_CODES);

/** How a value is made and kept. Times are in ms. */
export interface Policy {
  readonly ttlMs: number;
  /** How long it is better than nothing, after that. */
  readonly graceMs: number;
  /** How long an old value holds back, where there is one. */
  readonly softMs: number | null;
  readonly hardMs: number | null;
  /** How much of its time may be left for it to be made anew ahead. */
  readonly eagerMs: number | null;
  readonly tags: readonly string[];
  /** Of the code that makes it; null for what other versions may use too. */
  readonly version: string | null;
}

export interface Load {
  readonly key: string;
  /** Of the code that asks. */
  readonly version: string;
  /** Of whoever asks. */
  readonly counts: CacheCounts;
  readonly work: () => unknown;
  readonly policy: Policy;
  /** Gives up waiting. What others wait for goes on. */
  readonly signal?: AbortSignal | undefined;
}

export interface FlightOptions {
  readonly store: CacheStore;
  readonly log: Logger;
}

/** A value on its way, for all who ask meanwhile. */
interface Flight {
  readonly key: string;
  readonly version: string;
  readonly tags: readonly string[];
  readonly value: Promise<Kept>;
  /** Whether it began before an invalidation: who asks from then on doesn't get it, and it isn't kept. */
  isOutdated: boolean;
  /** Whether the log has been told that it failed. */
  isTold: boolean;
}

const FIRST_PAUSE_MS = 2;
const MAX_PAUSE_MS = 50;
const RETRY_AFTER = "1"; // seconds

/** Makes what isn't cached, once for all who ask at the same time, and gives out what is. */
export class Flights implements StoreEvents {
  readonly #store: CacheStore;
  readonly #log: Logger;
  readonly #flights = new Map<string, Flight>();
  hits = 0;
  misses = 0;
  /** Of the hits, those that were past their time. */
  stale = 0;

  constructor({ store, log }: FlightOptions) {
    this.#store = store;
    this.#log = log;
  }

  /** @throws whatever `work` throws, where there is no old value to give out instead */
  load(load: Load): Promise<unknown> {
    const found = this.#store.get(load.key);
    return found instanceof Promise
      ? found.then((entry) => this.#giveOut(entry, load))
      : this.#giveOut(found, load);
  }

  onKeyChanged(key: string): void {
    this.onKeysChanged((other) => other === key);
  }

  onAnyChange(): void {
    this.onKeysChanged(() => true);
  }

  onTagTouched(tag: string): void {
    for (const flight of this.#flights.values()) if (flight.tags.includes(tag)) this.#outdate(flight);
  }

  onKeysChanged(matches: (key: string) => boolean): void {
    for (const flight of this.#flights.values()) if (matches(flight.key)) this.#outdate(flight);
  }

  #outdate(flight: Flight): void {
    flight.isOutdated = true;
    this.#end(flight);
  }

  #giveOut(entry: Entry | undefined, load: Load): Promise<unknown> {
    const mine = entry !== undefined && isMine(entry, load.version) ? entry : null;
    if (mine !== null) {
      const leftMs = mine.freshUntil - performance.now();
      if (leftMs > 0) {
        this.hits += 1;
        load.counts.hits += 1;
        const { eagerMs } = load.policy;
        if (eagerMs !== null && leftMs < eagerMs) this.#refresh(load);
        return Promise.resolve(giveOut(mine.kept));
      }
    }
    const old = mine !== null && mine.staleUntil > performance.now() ? mine : null;
    if (old?.isUnconfirmed === true) {
      this.#refresh(load);
      return Promise.resolve(this.#giveOld(old.kept, load));
    }
    const answer = this.#await(this.#join(load), old?.kept ?? null, load);
    return load.signal === undefined ? answer : abortable(answer, load.signal);
  }

  #refresh(load: Load): void {
    if (!this.#flights.has(toFlightKey(load))) this.#watch(this.#join(load));
  }

  /** Where nobody waits for it any more, its error would end the process. */
  #watch(flight: Flight): void {
    flight.value.catch((error: unknown) => this.#tell(flight, error));
  }

  #tell(flight: Flight, error: unknown): void {
    if (flight.isTold) return;
    flight.isTold = true;
    this.#log.warn({ err: error, key: flight.key }, "a cached value can't be made anew: the old one is used");
  }

  #join(load: Load): Flight {
    return this.#flights.get(toFlightKey(load)) ?? this.#start(load);
  }

  #start(load: Load): Flight {
    const { key, version, policy } = load;
    const { promise: value, resolve } = Promise.withResolvers<Kept>();
    const flight: Flight = { key, version, tags: policy.tags, value, isOutdated: false, isTold: false };
    this.#flights.set(toFlightKey(flight), flight);
    resolve(outside(() => this.#make(flight, load)));
    return flight;
  }

  #end(flight: Flight): void {
    const key = toFlightKey(flight);
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }

  async #await(flight: Flight, old: Kept | null, load: Load): Promise<unknown> {
    const { softMs, hardMs } = load.policy;
    const limits = [old === null ? null : softMs, hardMs].filter((ms) => ms !== null);
    try {
      const made = limits.length === 0 ? await flight.value : await within(flight.value, Math.min(...limits));
      if (made !== LATE) {
        this.misses += 1;
        load.counts.misses += 1;
        return giveOut(made);
      }
    } catch (error) {
      if (old === null) throw error;
      this.#tell(flight, error);
      return this.#giveOld(old, load);
    }
    this.#watch(flight);
    if (old !== null) return this.#giveOld(old, load);
    throw fail("cache_timeout", `Cannot wait for "${flight.key}": it took longer than ${hardMs} ms`, {
      headers: { "retry-after": RETRY_AFTER },
    });
  }

  #giveOld(old: Kept, { counts }: Load): unknown {
    this.hits += 1;
    this.stale += 1;
    counts.hits += 1;
    counts.stale += 1;
    return giveOut(old);
  }

  async #make(flight: Flight, load: Load): Promise<Kept> {
    const { key, work, policy } = load;
    let lease: Lease | null = null;
    try {
      const asked = this.#store.lease(key);
      lease = asked instanceof Promise ? await asked : asked;
      for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
        if (lease.found !== undefined && isWanted(lease.found, load)) return lease.found.kept;
        if (!lease.isTaken) break;
        // oxlint-disable-next-line no-await-in-loop -- somebody else in the cluster makes it
        lease = await this.#askAgain(key, pauseMs);
      }
      // Before the work begins: what is invalidated from now on makes it out of date.
      const known = this.#store.marksOf(policy.tags, key);
      const marks = known instanceof Promise ? await known : known;
      const kept = this.#keep(key, await work());
      if (!flight.isOutdated && marks !== null && kept.isKept) {
        const stored = this.#store.set(key, toEntry(kept, policy, marks), lease);
        if (stored instanceof Promise) await stored;
        lease = null;
      }
      return kept;
    } finally {
      lease?.release();
      this.#end(flight);
    }
  }

  async #askAgain(key: string, pauseMs: number): Promise<Lease> {
    await Bun.sleep(pauseMs);
    return await this.#store.lease(key);
  }

  #keep(key: string, value: unknown): Kept & { readonly isKept: boolean } {
    try {
      return { ...keep(value), isKept: true };
    } catch (error) {
      this.#log.warn({ err: error, key }, "a value can't be cached: it is made each time");
      return { value, isShared: true, isPlain: false, size: 0, isKept: false };
    }
  }
}

/** An entry as of now. */
export function toEntry(
  kept: Kept,
  { ttlMs, graceMs, tags, version }: Pick<Policy, "ttlMs" | "graceMs" | "tags" | "version">,
  marks: readonly string[],
): Entry {
  const freshUntil = performance.now() + ttlMs;
  return { kept, freshUntil, staleUntil: freshUntil + graceMs, ttlMs, version, tags, marks };
}

function toFlightKey({ key, version }: { readonly key: string; readonly version: string }): string {
  return `${version} ${key}`;
}

/** Whether what somebody else has kept saves making it. */
function isWanted(entry: Entry, load: Load): boolean {
  return isMine(entry, load.version) && entry.freshUntil - performance.now() > (load.policy.eagerMs ?? 0);
}

function abortable<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
