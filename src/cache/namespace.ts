import type {
  Cache,
  CachedFunction,
  CachedOptions,
  GetOrSetOptions,
  KeepOptions,
  LoadOptions,
  LockOptions,
} from "./api.ts";
import type { Engine, Scope } from "./engine.ts";
import type { Policy } from "./flights.ts";
import type { CacheCounts } from "../metrics/meter.ts";
import { assertKnownOptions } from "../errors/suggestion.ts";
import { assertKey, toArgumentText } from "./contract/keys.ts";
import type { TableTags } from "./table-tags.ts";

export interface NamespaceOptions {
  /** Of the plugin. */
  readonly name: string;
  /** Of its code and all that it depends on. */
  readonly version: string;
  /** Of what is asked for. */
  readonly counts: CacheCounts;
  readonly defaultTtl: number; // seconds
  readonly tableTags: TableTags;
  /** Null until somebody uses the cache. */
  readonly engine: () => Engine | null;
  readonly open: () => Promise<Engine>;
}

const KEEPING = ["ttl", "tags", "tables", "survivesReload"];
const LOADING = [...KEEPING, "grace", "softTimeout", "hardTimeout", "eagerRefresh"];
const GETTING = [...LOADING, "signal"];
const REMEMBERING = [...LOADING, "key"];
const COUNTING = ["ttl"];
const LOCKING = ["ttl", "wait"];
const MOST_WAIT_MS = 2 ** 31 - 1;
const LONGEST_LOCK = 86_400; // seconds

/** The cache as one owner sees it: keys and tags of others are out of reach. */
export class Namespace implements Cache {
  readonly #options: NamespaceOptions;
  readonly #scope: Scope;
  #definitions = 0;
  #isNew = true;

  constructor(options: NamespaceOptions) {
    this.#options = options;
    const { name, version, counts } = options;
    this.#scope = { prefix: `${name}:`, version, counts };
  }

  /** Null until somebody uses the cache. */
  get #engine(): Engine | null {
    const engine = this.#options.engine();
    if (engine !== null && this.#isNew) {
      this.#isNew = false;
      // What others of this plugin have cached is of no use any more.
      engine.store.forgetVersions(this.#scope.prefix, this.#scope.version);
    }
    return engine;
  }

  get<T = unknown>(key: string): Promise<T | undefined> {
    assertKey(key);
    const engine = this.#engine;
    const found =
      engine === null ? this.#use((opened) => opened.get(this.#scope, key)) : engine.get(this.#scope, key);
    return found as Promise<T | undefined>;
  }

  async set(key: string, value: unknown, options: KeepOptions = {}): Promise<void> {
    assertKey(key);
    assertKnownOptions(options, KEEPING, "Cannot keep a value in the cache");
    const policy = this.#toPolicy(options, options.tags);
    await this.#use((engine) => engine.set(this.#scope, key, value, policy));
  }

  async has(key: string): Promise<boolean> {
    assertKey(key);
    return await this.#use((engine) => engine.has(this.#scope, key));
  }

  async ttl(key: string): Promise<number | null> {
    assertKey(key);
    return await this.#use((engine) => engine.ttl(this.#scope, key));
  }

  async delete(key: string): Promise<boolean> {
    assertKey(key);
    return await this.#use((engine) => engine.delete(this.#scope, key));
  }

  async deletePattern(pattern: string): Promise<number | null> {
    assertKey(pattern);
    return await this.#use((engine) => engine.deletePattern(this.#scope, pattern));
  }

  async clear(): Promise<void> {
    await this.deletePattern("*");
  }

  async getOrSet<T>(key: string, make: () => T, options: GetOrSetOptions = {}): Promise<Awaited<T>> {
    assertKey(key);
    assertKnownOptions(options, GETTING, "Cannot keep a value in the cache");
    const policy = this.#toPolicy(options, options.tags);
    return (await this.#load(key, make, policy, options.signal)) as Awaited<T>;
  }

  async increment(key: string, by = 1, options: { readonly ttl?: number } = {}): Promise<number> {
    assertKey(key);
    assertKnownOptions(options, COUNTING, "Cannot count in the cache");
    const { ttl } = options;
    if (!Number.isSafeInteger(by))
      throw new TypeError(`Cannot count "${key}" by ${by}: expected a whole number`);
    const ttlMs = toMs("ttl", ttl ?? this.#options.defaultTtl);
    return await this.#use((engine) => engine.increment(this.#scope, key, by, ttlMs));
  }

  async lock<T>(
    name: string,
    work: (signal: AbortSignal) => T,
    options: LockOptions = {},
  ): Promise<Awaited<T>> {
    assertKnownOptions(options, LOCKING, "Cannot lock");
    assertLock(options);
    return await this.#use((engine) => engine.lock(this.#scope, name, work, options));
  }

  async invalidateTags(tags: readonly string[]): Promise<void> {
    const own = this.#toTags(tags);
    await this.#use((engine) => engine.touch(own));
  }

  /** Makes a function remember its results. */
  cached<Arguments extends readonly unknown[], Result>(
    work: (...args: Arguments) => Result,
    options: CachedOptions<Arguments> = {},
  ): CachedFunction<Arguments, Result> {
    if (typeof work !== "function")
      throw new TypeError("Cannot cache a function: the first argument isn't one");
    assertKnownOptions(options, REMEMBERING, "Cannot cache a function");
    const { key, tags, survivesReload = false } = options;
    if (survivesReload && key === undefined) {
      throw new TypeError(
        'Cannot keep results across reloads without a key: give it a name, such as { key: "prices" }',
      );
    }
    this.#definitions += 1;
    const toKey = createKeyMaker(key ?? `cached-${this.#definitions}`);
    const policy = this.#toPolicy(options, typeof tags === "function" ? [] : tags);
    const policyFor =
      typeof tags === "function"
        ? (args: Arguments): Policy => ({ ...policy, tags: [...this.#toTags(tags(...args)), ...policy.tags] })
        : () => policy;
    const call = (...args: Arguments): Promise<unknown> => {
      try {
        return this.#load(toKey(args), () => work(...args), policyFor(args));
      } catch (error) {
        return Promise.reject(error); // it returns a promise, whatever happens
      }
    };
    const invalidate = async (...args: Arguments): Promise<void> => void (await this.delete(toKey(args)));
    return Object.assign(call, { invalidate }) as CachedFunction<Arguments, Result>;
  }

  #load(key: string, work: () => unknown, policy: Policy, signal?: AbortSignal): Promise<unknown> {
    const { prefix, version, counts } = this.#scope;
    const load = { key: prefix + key, version, counts, work, policy, signal };
    const engine = this.#engine;
    return engine === null ? this.#use(({ flights }) => flights.load(load)) : engine.flights.load(load);
  }

  async #use<T>(run: (engine: Engine) => Promise<T>): Promise<T> {
    if (this.#engine === null) await this.#options.open();
    return await run(this.#engine as Engine); // which is open now
  }

  #toPolicy(options: Omit<LoadOptions, "tags">, tags: readonly string[] = []): Policy {
    const { ttl = this.#options.defaultTtl, grace = 0, softTimeout, hardTimeout, eagerRefresh } = options;
    const { tables = [], survivesReload = false } = options;
    if (eagerRefresh !== undefined && !(eagerRefresh > 0 && eagerRefresh < 1)) {
      throw new RangeError(`Cannot refresh at ${eagerRefresh} of the ttl: expected a number between 0 and 1`);
    }
    const ttlMs = toMs("ttl", ttl);
    return {
      ttlMs,
      graceMs: grace === 0 ? 0 : toMs("grace", grace),
      softMs: softTimeout === undefined ? null : toWait("softTimeout", softTimeout),
      hardMs: hardTimeout === undefined ? null : toWait("hardTimeout", hardTimeout),
      eagerMs: eagerRefresh === undefined ? null : ttlMs * (1 - eagerRefresh),
      tags: [...this.#toTags(tags), ...this.#options.tableTags.watch(tables)],
      version: survivesReload ? null : this.#scope.version,
    };
  }

  #toTags(tags: readonly string[]): string[] {
    return tags.map((tag) => {
      assertKey(tag);
      return this.#scope.prefix + tag;
    });
  }
}

function createKeyMaker<Arguments extends readonly unknown[]>(
  key: string | ((...args: Arguments) => string),
): (args: Arguments) => string {
  if (typeof key === "string") {
    assertKey(key);
    return (args) => (args.length === 0 ? key : `${key}:${toArgumentText(args)}`);
  }
  return (args) => {
    const made = key(...args);
    assertKey(made);
    return made;
  };
}

function toMs(name: string, seconds: number): number {
  if (typeof seconds === "number" && seconds > 0) return seconds * 1000;
  throw new RangeError(`Cannot cache with ${name} ${String(seconds)}: expected seconds, more than 0`);
}

/** Null for more than a timer can wait, which would be over at once. */
function toWait(name: string, seconds: number): number | null {
  const ms = toMs(name, seconds);
  return ms <= MOST_WAIT_MS ? ms : null;
}

/** Whoever dies with a lock holds others up for that long, and it is prolonged by timers. */
function assertLock({ ttl = 1, wait = 0 }: LockOptions): void {
  if (!(typeof ttl === "number" && ttl >= 0.001 && ttl <= LONGEST_LOCK)) {
    throw new RangeError(
      `Cannot lock with ttl ${String(ttl)}: expected seconds, from 0.001 to ${LONGEST_LOCK}`,
    );
  }
  if (!(typeof wait === "number" && wait >= 0)) {
    throw new RangeError(`Cannot wait ${String(wait)} for a lock: expected seconds, from 0 on`);
  }
}
