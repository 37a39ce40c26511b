import type { Logger } from "pino";
import { fail } from "../errors/codes.ts";
import type { Driver } from "../db/contract/driver.ts";
import { outside } from "../db/transactions/ambient.ts";
import type { Presence } from "../log/presence.ts";
import type { CacheCounts } from "../metrics/meter.ts";
import type { CacheStore, StoreState } from "./contract/store.ts";
import type { Engine } from "./engine.ts";
import { Namespace } from "./namespace.ts";
import { TableTags } from "./table-tags.ts";

/** As config.json has them. */
export interface CacheSettings {
  readonly backend: "memory" | "redis" | "memcached";
  /** Of Redis or Memcached; null: that of `redis.url`. */
  readonly url: string | null;
  readonly default_ttl: number;
  readonly max_entries: number;
  /** In bytes. */
  readonly maxSize: number;
}

export interface CacheOptions {
  readonly settings: CacheSettings;
  /** What the keys of this application begin with, where it shares a server. */
  readonly appName: string;
  readonly redisUrl: string | null;
  readonly log: Logger;
  /** What all connections of the process share. @default one of its own */
  readonly presence?: Presence | undefined;
  /** How long a server of the cache may be silent, in ms. @default 250 */
  readonly timeoutMs?: number;
  /** Null where nobody caches by tables. */
  readonly database: Pick<Driver, "onTablesWritten" | "tableMakers"> | null;
  /** Tells processes that have caches of their own which tables, by their tags, this one has written to. @default there are none */
  readonly tellOthers?: (tags: readonly string[]) => void;
  /** Tells them which keys are to be deleted. @default there are none */
  readonly tellCleared?: (pattern: string) => void;
}

/** What the cache has done since the process started. */
export interface CacheStats extends StoreState {
  readonly hits: number;
  /** Of the hits, those that were past their time. */
  readonly stale_hits: number;
  readonly misses: number;
}

const TIMEOUT_MS = 250;
const EVERYTHING = { prefix: "" };
const CORE = "$core"; // no plugin has such a name

/** The cache of an application. Nothing of it is loaded, and no server asked, before it is used. */
export class AppCache {
  readonly #options: CacheOptions;
  /** "" for none. */
  readonly #server: string;
  readonly #tableTags: TableTags;
  #engine: Engine | null = null;
  #opening: Promise<Engine> | null = null;
  #isClosed = false;

  /** @throws AppError `config_invalid` for a backend without its server */
  constructor(options: CacheOptions) {
    this.#options = options;
    this.#server = findServer(options);
    this.#tableTags = new TableTags(options.database, (tags) => {
      this.#touch(tags);
      options.tellOthers?.(tags);
    });
  }

  /**
   * The part of a plugin.
   *
   * @param version of its code and all that it depends on, the same in every process
   * @param counts where it is counted what is asked for. @default for nobody
   */
  namespace(
    name: string,
    version: string,
    counts: CacheCounts = { hits: 0, stale: 0, misses: 0 },
  ): Namespace {
    return new Namespace({
      name,
      version,
      counts,
      defaultTtl: this.#options.settings.default_ttl,
      tableTags: this.#tableTags,
      engine: () => this.#engine,
      open: () => this.#open(),
    });
  }

  /** The part of the core. */
  get core(): Namespace {
    return this.namespace(CORE, "");
  }

  /** Whether somebody has used it. */
  get isOpen(): boolean {
    return this.#opening !== null;
  }

  async stats(): Promise<CacheStats> {
    const { store, flights } = await this.#open();
    const { hits, misses, stale } = flights;
    return { ...(await store.describe()), hits, stale_hits: stale, misses };
  }

  /** Forgets what was made from tables that others have written to: their tags, as `tellOthers` had them; null for all. */
  touchTables(tags: readonly string[] | null): void {
    const watched = this.#tableTags.among(tags);
    if (watched.length > 0) this.#touch(watched);
  }

  /**
   * Deletes the keys of all plugins that match, written with the name of the plugin: `blog:users:*`; also in other
   * processes. Returns how many there were in what this one sees; null where that isn't known.
   *
   * @throws TypeError for a pattern that the backend can't find keys by
   */
  async clear(pattern = "*"): Promise<number | null> {
    const engine = await this.#open();
    const deleted = await engine.deletePattern(EVERYTHING, pattern);
    this.#options.tellCleared?.(pattern);
    return deleted;
  }

  /** Deletes what others have cleared, as `tellCleared` had it, in the memory of this process. */
  forget(pattern: string): void {
    // What is being made is not kept either.
    if (this.isOpen) void this.#open().then((engine) => engine.deletePattern(EVERYTHING, pattern));
  }

  close(): void {
    this.#isClosed = true;
    this.#tableTags.close();
    this.#engine?.store.close();
  }

  /** Before whoever has written goes on, where that is possible. */
  #touch(tags: readonly string[]): void {
    if (this.#engine !== null) void this.#engine.touch(tags);
    // In memory there is nothing yet; elsewhere there may be what others have cached.
    else if (this.#options.settings.backend !== "memory")
      void this.#open().then((engine) => engine.touch(tags));
  }

  #open(): Promise<Engine> {
    return (this.#opening ??= outside(() => this.#create()));
  }

  async #create(): Promise<Engine> {
    const [{ Engine: CreatedEngine }, store] = await Promise.all([
      import("./engine.ts"),
      createStore(this.#options, this.#server),
    ]);
    const engine = new CreatedEngine(store, { log: this.#options.log });
    if (this.#isClosed) store.close();
    return (this.#engine = engine);
  }
}

/**
 * Finds the server of a backend: at the start, for who uses the cache later can do nothing about it.
 *
 * @throws AppError `config_invalid` where it isn't set, or is another one
 */
function findServer({ settings: { backend, url }, redisUrl }: CacheOptions): string {
  if (backend === "memory") return "";
  const found = url ?? (backend === "redis" ? redisUrl : null);
  const scheme = backend === "redis" ? /^(?:rediss?|unix):/ : /^memcached:/;
  if (found !== null && scheme.test(found)) return found;
  const key =
    backend === "redis" ? '"redis.url" (REDIS_URL)' : '"cache.url", such as "memcached://localhost:11211"';
  throw fail("config_invalid", `Cannot use ${backend} for "cache.backend": set ${key}`);
}

async function createStore(options: CacheOptions, url: string): Promise<CacheStore> {
  const { settings, appName, log, presence, timeoutMs = TIMEOUT_MS } = options;
  const { backend, max_entries: maxEntries, maxSize } = settings;
  const shared = { url, prefix: `${appName}:cache:`, log, presence, timeoutMs };
  if (backend === "redis") {
    const { RedisStore } = await import("./redis/store.ts");
    return new RedisStore({ ...shared, maxEntries, maxSize });
  }
  if (backend === "memcached") {
    const { MemcachedStore } = await import("./memcached/store.ts");
    return new MemcachedStore(shared);
  }
  const { MemoryStore } = await import("./memory/store.ts");
  return new MemoryStore({ maxEntries, maxSize });
}
