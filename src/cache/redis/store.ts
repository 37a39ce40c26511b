import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { RunOptions } from "../contract/guarded-connection.ts";
import { decodeEntry, encodeEntry, isCounter } from "../contract/codec.ts";
import {
  type CacheStore,
  type Entry,
  isMine,
  type Lease,
  type MaybePromise,
  type StoreEvents,
  type StoreState,
} from "../contract/store.ts";
import type { EntriesOptions } from "../contract/entries.ts";
import { toMatcher } from "../contract/keys.ts";
import type { Presence } from "../../log/presence.ts";
import { Tolerance } from "../contract/tolerance.ts";
import { type RedisClient, RedisConnection } from "./connection.ts";
import { RedisUnavailableError } from "./errors.ts";
import { KeyNames } from "./key-names.ts";
import { LEASE_MS, RedisLease } from "./lease.ts";
import { NearCache } from "./near.ts";
import { PendingInvalidations } from "./pending.ts";
import { COUNT, KEEP_WITH_LOCK, PROLONG, UNLOCK } from "./scripts.ts";
import { TrackingWatch } from "./tracking-watch.ts";

export interface RedisStoreOptions extends EntriesOptions {
  readonly url: string;
  /** What all keys begin with. */
  readonly prefix: string;
  readonly log: Logger;
  readonly presence?: Presence | undefined;
  /** How long Redis may be silent, in ms. */
  readonly timeoutMs: number;
}

const MARK_MS = 30 * 24 * 3600 * 1000;
const MOST_MS = 1e15;
const BATCH = 1000;
const CHARACTERS_PER_MS = 10_000; // that a slow network carries

/**
 * Keeps what is cached in Redis, with what was read lately in the memory of this process. While Redis is away there is
 * nothing, and what is invalidated meanwhile is invalidated when it is back, before anybody reads.
 */
export class RedisStore implements CacheStore {
  readonly #connection: RedisConnection;
  readonly #near: NearCache;
  readonly #watch: TrackingWatch;
  readonly #pending: PendingInvalidations;
  readonly #names: KeyNames;
  readonly #tolerance: Tolerance;
  readonly #timeoutMs: number;
  #events: StoreEvents | null = null;

  constructor({ url, prefix, log, presence, timeoutMs, ...near }: RedisStoreOptions) {
    this.#names = new KeyNames(prefix);
    this.#tolerance = new Tolerance({
      log,
      product: "Redis",
      isRefusal: (error) => !(error instanceof RedisUnavailableError),
    });
    this.#timeoutMs = timeoutMs;
    this.#near = new NearCache(near);
    this.#pending = new PendingInvalidations(this.#names.matching("", "*"));
    this.#connection = new RedisConnection({
      url,
      name: "cache",
      log,
      presence,
      tracksReads: true,
      timeoutMs,
    });
    this.#watch = new TrackingWatch(this.#connection, this.#names.beat(randomUUID()));
    this.#connection.onInvalidate((key) => this.#onInvalidate(key));
    this.#connection.onLoss(() => this.#near.distrust());
    this.#connection.onConnect(async (client) => {
      await this.#invalidatePending(client);
      this.#near.trust();
      this.#events?.onAnyChange();
    });
  }

  listen(events: StoreEvents): void {
    this.#events = events;
  }

  get(key: string): MaybePromise<Entry | undefined> {
    return this.#near.get(key) ?? this.#read(key);
  }

  async set(key: string, entry: Entry, lease?: Lease): Promise<void> {
    const text = encodeEntry(entry);
    const px = toPx(entry.staleUntil - performance.now());
    const [entryName, lockName] = [this.#names.entry(key), this.#names.lock(key)];
    const timeoutMs = this.#timeoutMs + Math.floor(text.length / CHARACTERS_PER_MS);
    const token = lease instanceof RedisLease ? lease.use() : undefined;
    // Redis tells that too, but maybe later than whoever has set it reads it.
    this.#near.forget(key);
    if (token === null) {
      this.#near.keepUnconfirmed(key, entry);
      return;
    }
    await this.#try(
      async (client) => {
        if (token !== undefined) {
          const keys = [entryName, lockName];
          return await client.eval(KEEP_WITH_LOCK, { keys, arguments: [token, text, px] });
        }
        const set = client.set(entryName, text, px === "" ? {} : { PX: Number(px) });
        // Whoever is making a value for it would put an older one in its place.
        return await Promise.all([set, client.del(lockName)]);
      },
      () => this.#near.keepUnconfirmed(key, entry),
      { timeoutMs },
    );
  }

  async delete(key: string): Promise<boolean> {
    this.#near.forget(key);
    return await this.#try(
      async (client) => {
        const [count] = await Promise.all([
          client.unlink(this.#names.entry(key)),
          client.del(this.#names.lock(key)),
        ]);
        return count > 0;
      },
      () => {
        this.#pending.addKey(key);
        return false;
      },
    );
  }

  async deletePattern(scope: string, pattern: string): Promise<number> {
    this.#near.forgetMatching(toMatcher(pattern, scope));
    const glob = this.#names.matching(scope, pattern);
    return await this.#tolerance.run(
      () => this.#unlinkMatching((command) => this.#connection.run(command), glob),
      () => {
        this.#pending.addPattern(glob);
        return 0;
      },
    );
  }

  marksOf(tags: readonly string[]): MaybePromise<readonly string[] | null> {
    const marks: string[] = [];
    for (const tag of tags) {
      const mark = this.#near.markOf(tag);
      if (mark === undefined) return this.#readMarks(tags);
      marks.push(mark);
    }
    return marks;
  }

  async touch(tags: readonly string[]): Promise<void> {
    for (const tag of tags) {
      this.#near.forgetMark(tag, this.#names.mark(tag));
      this.#near.forgetTagged(tag);
    }
    await this.#try(
      (client) => Promise.all(tags.map((tag) => this.#setMark(client, tag))),
      () => this.#pending.addTags(tags),
    );
  }

  async increment(key: string, by: number, ttlMs: number): Promise<number> {
    this.#near.forget(key);
    const keys = [this.#names.entry(key)];
    const args = [String(by), toPx(ttlMs)];
    const count = await this.#try(
      (client) => client.eval(COUNT, { keys, arguments: args }),
      () => by,
    );
    return Number(count);
  }

  async lease(key: string): Promise<Lease> {
    const token = randomUUID();
    const lock = this.#names.lock(key);
    const asked = await this.#try(
      (client) => this.#askForLock(client, key, token),
      () => null,
    );
    if (asked === null) return new RedisLease(null, undefined, null);
    const { isGot, found } = asked;
    if (!isGot) return { isTaken: true, found, release() {} };
    // Made here, for whoever waits for it: what is granted after they have given up isn't prolonged.
    return new RedisLease(token, found, {
      prolong: () => this.#tryQuietly(PROLONG, [lock], [token, String(LEASE_MS)]),
      end: () => this.#tryQuietly(UNLOCK, [lock], [token]),
    });
  }

  async #askForLock(
    client: RedisClient,
    key: string,
    token: string,
  ): Promise<{ readonly isGot: boolean; readonly found: Entry | undefined }> {
    const lock = this.#names.lock(key);
    const [got, text] = await Promise.all([
      client.set(lock, token, { condition: "NX", PX: LEASE_MS }),
      // Of another type it is none, and is replaced.
      client.get(this.#names.entry(key)).catch(() => null),
    ]);
    const found = text === null ? undefined : await this.#confirm(decodeEntry(text));
    if (got === null) await this.#endInTime(client, lock);
    return { isGot: got !== null, found };
  }

  /** A right to make a value that doesn't end was written by others. */
  async #endInTime(client: RedisClient, lock: string): Promise<void> {
    const leftMs = await client.pTTL(lock);
    if (leftMs === -1 || leftMs > LEASE_MS) await client.pExpire(lock, LEASE_MS);
  }

  async tryLock(key: string, token: string, ttlMs: number): Promise<boolean> {
    const got = await this.#connection.run((client) =>
      client.set(this.#names.held(key), token, { condition: "NX", PX: Math.round(ttlMs) }),
    );
    return got !== null;
  }

  async keepLock(key: string, token: string, ttlMs: number): Promise<boolean> {
    const keys = [this.#names.held(key)];
    const args = [token, String(Math.round(ttlMs))];
    return await this.#try(
      async (client) => (await client.eval(PROLONG, { keys, arguments: args })) === 1,
      () => false,
    );
  }

  async unlock(key: string, token: string): Promise<void> {
    await this.#tryQuietly(UNLOCK, [this.#names.held(key)], [token]);
  }

  forgetVersions(scope: string, version: string): void {
    this.#near.forgetMatching((key, entry) => key.startsWith(scope) && !isMine(entry, version));
  }

  async describe(): Promise<StoreState> {
    const available = await this.#try(
      async (client) => (await client.ping()) === "PONG",
      () => false,
    );
    const { entries, size } = this.#near;
    return { backend: "redis", available, entries, size };
  }

  close(): void {
    this.#watch.close();
    this.#connection.close();
    this.#near.clear();
  }

  async #read(key: string): Promise<Entry | undefined> {
    const read = this.#near.read(key);
    try {
      const text = await this.#try(
        (client) => client.get(this.#names.entry(key)),
        () => undefined,
      );
      if (text === undefined) return this.#near.getOld(key);
      if (text !== null && isCounter(text)) return await this.#readCounter(key, text);
      const entry = await this.#confirm(text === null ? undefined : decodeEntry(text));
      if (entry !== undefined) {
        this.#near.keepEntry(read, entry);
        this.#watch.start();
      }
      return entry;
    } finally {
      this.#near.end(read);
    }
  }

  /** It doesn't say how long it lasts, and isn't kept near: it changes all the time. */
  async #readCounter(key: string, text: string): Promise<Entry | undefined> {
    const entry = decodeEntry(text);
    const leftMs = await this.#try(
      (client) => client.pTTL(this.#names.entry(key)),
      () => -1,
    );
    if (entry === undefined || leftMs < 0) return entry;
    const until = performance.now() + leftMs;
    return { ...entry, freshUntil: until, staleUntil: until, ttlMs: leftMs };
  }

  /** Returns what has no tag that was touched since. */
  async #confirm(entry: Entry | undefined): Promise<Entry | undefined> {
    if (entry === undefined || entry.tags.length === 0) return entry;
    const marks = await this.marksOf(entry.tags);
    return marks?.every((mark, index) => mark === entry.marks[index]) === true ? entry : undefined;
  }

  async #readMarks(tags: readonly string[]): Promise<readonly string[] | null> {
    const reads = tags.map((tag) => this.#near.read(this.#names.mark(tag)));
    try {
      return await this.#try(
        async (client) => {
          const marks = await this.#getMarks(client, tags);
          for (const [index, read] of reads.entries()) {
            this.#near.keepMark(read, tags[index] ?? "", marks[index] ?? "");
          }
          return marks;
        },
        () => null,
      );
    } finally {
      for (const read of reads) this.#near.end(read);
    }
  }

  /** A tag without a mark gets one, before it is read: that it has changed since then means that it was touched. */
  async #getMarks(client: RedisClient, tags: readonly string[]): Promise<string[]> {
    if (tags.length === 0) return [];
    const keys = tags.map((tag) => this.#names.mark(tag));
    const made = keys.map((key) => client.set(key, randomUUID(), { condition: "NX", PX: MARK_MS }));
    const [marks] = await Promise.all([client.mGet(keys), ...made]);
    return marks.map((mark) => mark ?? randomUUID());
  }

  #setMark(client: RedisClient, tag: string): Promise<unknown> {
    return client.set(this.#names.mark(tag), randomUUID(), { PX: MARK_MS });
  }

  async #unlinkMatching(
    run: <T>(command: (client: RedisClient) => Promise<T>) => Promise<T>,
    glob: string,
  ): Promise<number> {
    let count = 0;
    let cursor = "0";
    do {
      // oxlint-disable-next-line no-await-in-loop -- where the last one ended
      const batch = await run((client) => client.scan(cursor, { MATCH: glob, COUNT: BATCH }));
      ({ cursor } = batch);
      const { keys } = batch;
      // oxlint-disable-next-line no-await-in-loop
      if (keys.length > 0) await run((client) => client.unlink(keys));
      count += keys.filter((key) => this.#names.isEntry(key)).length;
    } while (cursor !== "0");
    return count;
  }

  async #invalidatePending(client: RedisClient): Promise<void> {
    while (!this.#pending.isEmpty) {
      const list = this.#pending.list();
      const keys = list.keys.flatMap((key) => [this.#names.entry(key), this.#names.lock(key)]);
      // oxlint-disable-next-line no-await-in-loop -- more may come meanwhile
      await Promise.all([
        ...(keys.length > 0 ? [client.unlink(keys)] : []),
        ...list.tags.map((tag) => this.#setMark(client, tag)),
        ...list.patterns.map((glob) => this.#unlinkMatching((command) => command(client), glob)),
      ]);
      this.#pending.remove(list);
    }
  }

  #onInvalidate(key: string | null): void {
    if (key === null) {
      this.#near.clear();
      this.#events?.onAnyChange();
      return;
    }
    const changed = this.#names.keyOf(key);
    if (changed !== null) this.#near.forget(changed);
    const tag = this.#names.tagOf(key);
    if (tag === null) return;
    this.#near.forgetMark(tag, key);
    this.#events?.onTagTouched(tag);
  }

  #try<T, U>(
    command: (client: RedisClient) => Promise<T>,
    instead: () => U,
    options: RunOptions = {},
  ): Promise<T | U> {
    return this.#tolerance.run(() => this.#connection.run(command, options), instead);
  }

  async #tryQuietly(script: string, keys: string[], args: string[]): Promise<void> {
    await this.#connection.run((client) => client.eval(script, { keys, arguments: args })).catch(() => {});
  }
}

/** Whole milliseconds as scripts take them; "" is for ever, and for longer than Redis counts. */
function toPx(ms: number): string {
  return ms > MOST_MS ? "" : String(Math.max(1, Math.round(ms)));
}
