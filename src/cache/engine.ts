import { randomUUID } from "node:crypto";
import type { CacheCounts } from "../metrics/meter.ts";
import type { LockOptions } from "./api.ts";
import { type CacheStore, type Entry, isMine } from "./contract/store.ts";
import { fail, Flights, type FlightOptions, type Policy, toEntry } from "./flights.ts";
import { assertKey, toMatcher } from "./contract/keys.ts";
import { giveOut, keep } from "./contract/values.ts";

/** Whose keys they are, and which version of their code asks. */
export interface Scope {
  /** What all of their keys begin with. */
  readonly prefix: string;
  readonly version: string;
  readonly counts: CacheCounts;
}

const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 100;
const RETRY_AFTER = "1"; // seconds

/** What the cache does once somebody has used it, on one backend. Keys are those of a scope. */
export class Engine {
  readonly store: CacheStore;
  readonly flights: Flights;

  constructor(store: CacheStore, options: Omit<FlightOptions, "store">) {
    this.store = store;
    this.flights = new Flights({ store, ...options });
    store.listen(this.flights);
  }

  get(scope: Scope, key: string): Promise<unknown> {
    const found = this.store.get(scope.prefix + key);
    if (found instanceof Promise) return found.then((entry) => this.#toValue(entry, scope));
    return Promise.resolve(this.#toValue(found, scope));
  }

  async has(scope: Scope, key: string): Promise<boolean> {
    return this.#isFresh(await this.store.get(scope.prefix + key), scope);
  }

  async ttl(scope: Scope, key: string): Promise<number | null> {
    const entry = await this.store.get(scope.prefix + key);
    return this.#isFresh(entry, scope) ? (entry.freshUntil - performance.now()) / 1000 : null;
  }

  async set(scope: Scope, key: string, value: unknown, policy: Policy): Promise<void> {
    const kept = keep(value);
    const marks = await this.store.marksOf(policy.tags, scope.prefix + key);
    // What is being made for it would take its place.
    this.flights.onKeyChanged(scope.prefix + key);
    if (marks !== null) await this.store.set(scope.prefix + key, toEntry(kept, policy, marks));
  }

  async delete(scope: Scope, key: string): Promise<boolean> {
    this.flights.onKeyChanged(scope.prefix + key);
    return await this.store.delete(scope.prefix + key);
  }

  async deletePattern({ prefix }: Pick<Scope, "prefix">, pattern: string): Promise<number | null> {
    this.flights.onKeysChanged(toMatcher(pattern, prefix));
    return await this.store.deletePattern(prefix, pattern);
  }

  async touch(tags: readonly string[]): Promise<void> {
    for (const tag of tags) this.flights.onTagTouched(tag);
    await this.store.touch(tags);
  }

  async increment({ prefix }: Scope, key: string, by: number, ttlMs: number): Promise<number> {
    return await this.store.increment(prefix + key, by, ttlMs);
  }

  async lock<T>(
    { prefix }: Scope,
    name: string,
    work: (signal: AbortSignal) => T,
    { ttl = 30, wait = 10 }: LockOptions = {},
  ): Promise<Awaited<T>> {
    assertKey(name);
    const [key, token, ttlMs] = [prefix + name, randomUUID(), ttl * 1000];
    await this.#acquire(key, token, { ttlMs, waitMs: wait * 1000 });
    const lost = new AbortController();
    const timer = setInterval(() => void this.#keepLock(key, token, { ttlMs, lost }), ttlMs / 3);
    try {
      return await work(lost.signal);
    } finally {
      clearInterval(timer);
      await this.store.unlock(key, token);
    }
  }

  async #acquire(
    key: string,
    token: string,
    { ttlMs, waitMs }: { readonly ttlMs: number; readonly waitMs: number },
  ): Promise<void> {
    const askedAt = performance.now();
    /* oxlint-disable no-await-in-loop -- one try after another */
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      if (await this.store.tryLock(key, token, ttlMs)) return;
      const leftMs = askedAt + waitMs - performance.now();
      if (leftMs <= 0) {
        throw fail("lock_timeout", "Cannot get the lock: somebody else holds it", {
          headers: { "retry-after": RETRY_AFTER },
        });
      }
      // Random: those that wait together needn't ask together.
      await Bun.sleep(Math.min(leftMs, pauseMs * (0.5 + Math.random() / 2)));
    }
    /* oxlint-enable no-await-in-loop */
  }

  async #keepLock(
    key: string,
    token: string,
    { ttlMs, lost }: { readonly ttlMs: number; readonly lost: AbortController },
  ): Promise<void> {
    if (lost.signal.aborted || (await this.store.keepLock(key, token, ttlMs))) return;
    lost.abort(fail("lock_timeout", "Cannot go on with the lock: it was lost"));
  }

  #toValue(entry: Entry | undefined, scope: Scope): unknown {
    if (this.#isFresh(entry, scope)) {
      this.flights.hits += 1;
      scope.counts.hits += 1;
      return giveOut(entry.kept);
    }
    this.flights.misses += 1;
    scope.counts.misses += 1;
    return undefined;
  }

  #isFresh(entry: Entry | undefined, { version }: Scope): entry is Entry {
    return entry !== undefined && isMine(entry, version) && entry.freshUntil > performance.now();
  }
}
