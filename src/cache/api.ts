import type { Table } from "drizzle-orm";

/** How a value is kept. Times are in seconds. */
export interface KeepOptions {
  /** How long it is kept; `Infinity` until there is no room for it any more. @default `cache.default_ttl` of config.json */
  readonly ttl?: number;
  /** Names to invalidate it by: `cache.invalidateTags(["prices"])`. */
  readonly tags?: readonly string[];
  /** Tables that it is made from: a commit that has written to one of them invalidates it. */
  readonly tables?: readonly Table[];
  /** Whether it stays when the plugin is swapped for another version of itself. @default false */
  readonly survivesReload?: boolean;
}

/** How a value is made when it isn't cached. Times are in seconds. */
export interface LoadOptions extends KeepOptions {
  /** How long after its `ttl` an old value is used where no new one can be made. @default 0 */
  readonly grace?: number;
  /** How long a new value is waited for while there is an old one within its `grace`. @default as long as it takes */
  readonly softTimeout?: number;
  /** How long a new value is waited for at all: then 503 `cache_timeout`. @default as long as it takes */
  readonly hardTimeout?: number;
  /** The part of its `ttl`, from 0 to 1, after which it is made anew in the background when it is used. @default never */
  readonly eagerRefresh?: number;
}

export interface GetOrSetOptions extends LoadOptions {
  /** Gives up waiting; the value is made all the same, for whoever else waits for it. */
  readonly signal?: AbortSignal;
}

export interface CachedOptions<Arguments extends readonly unknown[]> extends Omit<LoadOptions, "tags"> {
  /**
   * What the value is kept under: a name, to which the arguments are added, or a function that makes the whole key of
   * them. @default a name of its own for each function of a version of the plugin
   */
  readonly key?: string | ((...args: Arguments) => string);
  /** Names to invalidate it by, or a function that makes them of the arguments. */
  readonly tags?: readonly string[] | ((...args: Arguments) => readonly string[]);
}

export interface LockOptions {
  /** How long it is held when its process has died, in seconds, up to a day; who lives holds it for longer. @default 30 */
  readonly ttl?: number;
  /** How long somebody else is waited for, in seconds. @default 10 */
  readonly wait?: number;
}

/** A function whose results are cached. */
export interface CachedFunction<Arguments extends readonly unknown[], Result> {
  (...args: Arguments): Promise<Awaited<Result>>;
  /** Forgets the result of a call with these arguments; one that is being made isn't kept. */
  invalidate(...args: Arguments): Promise<void>;
}

/**
 * The cache of a plugin: it shares its keys and tags with nobody. Whatever it gives out is frozen or a copy. A backend that
 * is away is a cache without anything in it.
 */
export interface Cache {
  /** Returns what is kept under a key, undefined for nothing. */
  get<T = unknown>(key: string): Promise<T | undefined>;
  /** @throws TypeError for a value that can't be cached, such as a function */
  set(key: string, value: unknown, options?: KeepOptions): Promise<void>;
  has(key: string): Promise<boolean>;
  /** @returns whether there was something */
  delete(key: string): Promise<boolean>;
  /**
   * Deletes all keys that match a pattern: `users:*`, `*:draft`. On Memcached it must end with `:*`.
   *
   * @returns how many they were; null on Memcached, which doesn't say
   * @throws TypeError for a pattern that Memcached can't find keys by
   */
  deletePattern(pattern: string): Promise<number | null>;
  /** Returns what is kept under a key, or makes and keeps it: once for all who ask meanwhile. */
  getOrSet<T>(key: string, make: () => T, options?: GetOrSetOptions): Promise<Awaited<T>>;
  /** Deletes everything that this plugin has cached. */
  clear(): Promise<void>;
  /** Returns the seconds that a key is kept for: null for nothing, `Infinity` for no end. */
  ttl(key: string): Promise<number | null>;
  /** Adds to the whole number under a key, which begins with 0, and returns it. Its time runs from then on. */
  increment(key: string, by?: number, options?: { readonly ttl?: number }): Promise<number>;
  /**
   * Runs `work` while nobody else runs one under the same name: in this process, with Redis and Memcached in all of them.
   * `signal` is aborted when the lock is lost, as by an outage.
   *
   * @throws AppError `lock_timeout` when somebody else holds it for too long, `redis_unavailable` when nobody can say
   */
  lock<T>(name: string, work: (signal: AbortSignal) => T, options?: LockOptions): Promise<Awaited<T>>;
  /** Makes everything with one of these tags out of date, on every instance. */
  invalidateTags(tags: readonly string[]): Promise<void>;
}

/** Makes a function remember its results. */
export type Cached = <Arguments extends readonly unknown[], Result>(
  work: (...args: Arguments) => Result,
  options?: CachedOptions<Arguments>,
) => CachedFunction<Arguments, Result>;
