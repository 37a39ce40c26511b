import type { Kept } from "./values.ts";

export type MaybePromise<T> = T | Promise<T>;

/** A value that is cached, with what decides whether it may still be given out. Times are those of `performance.now()`. */
export interface Entry {
  readonly kept: Kept;
  /** Until when it is as good as new. */
  readonly freshUntil: number;
  /** Until when it is better than nothing. */
  readonly staleUntil: number;
  readonly ttlMs: number;
  /** The version of the code that made it, which alone may use it; null for all. */
  readonly version: string | null;
  readonly tags: readonly string[];
  /** The marks that its tags had before it was made: once one is another, it is out of date. */
  readonly marks: readonly string[];
  /** Whether its backend is away: nobody can say whether it is out of date. @default false */
  readonly isUnconfirmed?: boolean;
}

/** Whether this version of the code may use an entry. */
export function isMine(entry: Entry, version: string): boolean {
  return entry.version === null || entry.version === version;
}

/** The right to make the value of a key while others wait for it. */
export interface Lease {
  /** Whether somebody else has it: their value is to be waited for. */
  readonly isTaken: boolean;
  /** What somebody else has kept before it was got. */
  readonly found?: Entry | undefined;
  /** Gives it back, where no value came of it. */
  release(): void;
}

/** What a backend of the cache is asked for. None of it throws: a backend that is away is one that has nothing. */
export interface CacheStore {
  /** Finds what is cached and not out of date; a `Promise` only where somebody else has to be asked. */
  get(key: string): MaybePromise<Entry | undefined>;
  /** @param lease with which the value was made: it isn't kept where that was lost, as by an invalidation meanwhile */
  set(key: string, entry: Entry, lease?: Lease): MaybePromise<void>;
  /** @returns whether there was something */
  delete(key: string): MaybePromise<boolean>;
  /**
   * Deletes the keys that begin with `scope` and whose rest matches the pattern.
   *
   * @returns how many they were; null where that can't be told
   * @throws TypeError for a pattern that the backend can't find keys by
   */
  deletePattern(scope: string, pattern: string): MaybePromise<number | null>;
  /** Returns the marks that tags have now, for an entry with this key; null where nobody can say, and nothing may be kept. */
  marksOf(tags: readonly string[], key: string): MaybePromise<readonly string[] | null>;
  /** Gives tags new marks: whatever has one of them is out of date. */
  touch(tags: readonly string[]): MaybePromise<void>;
  /** Adds to a whole number, which begins with 0 and is kept for `ttlMs` from then on. */
  increment(key: string, by: number, ttlMs: number): MaybePromise<number>;
  /** Asks for the right to make a value. */
  lease(key: string): MaybePromise<Lease>;
  /** @throws AppError `redis_unavailable` where it can't be known who has the lock */
  tryLock(key: string, token: string, ttlMs: number): MaybePromise<boolean>;
  /** Prolongs a lock that is still held with the token. */
  keepLock(key: string, token: string, ttlMs: number): MaybePromise<boolean>;
  unlock(key: string, token: string): MaybePromise<void>;
  /** Forgets what this process keeps of other versions of a scope's code, to make room. */
  forgetVersions(scope: string, version: string): void;
  /** Tells what is changed elsewhere. */
  listen(events: StoreEvents): void;
  describe(): MaybePromise<StoreState>;
  close(): void;
}

/** What a backend says of itself. */
export interface StoreState {
  readonly backend: "memory" | "redis" | "memcached";
  readonly available: boolean;
  /** In the memory of this process. */
  readonly entries: number;
  /** In bytes, about; of this process. */
  readonly size: number;
}

/** Told by a backend what has changed elsewhere: computations that began before are no longer what is asked for. */
export interface StoreEvents {
  onKeyChanged(key: string): void;
  onTagTouched(tag: string): void;
  /** Anything may have changed. */
  onAnyChange(): void;
}
