import { randomUUID } from "node:crypto";
import type { MemcacheNode } from "memcache";
import type { Logger } from "pino";
import { decodeEntry, encodeEntry } from "../contract/codec.ts";
import type { CacheStore, Entry, Lease, StoreState } from "../contract/store.ts";
import { Tolerance } from "../contract/tolerance.ts";
import { MemcachedConnection, MemcachedReplyError } from "./connection.ts";
import { impliedTags, KeyNames, keyTag, patternTag } from "./key-names.ts";

export interface MemcachedStoreOptions {
  readonly url: string;
  /** What tells this application's keys from those of others. */
  readonly prefix: string;
  readonly log: Logger;
  /** How long Memcached may be silent, in ms. */
  readonly timeoutMs: number;
}

/** Values by the names under which they were found. */
type Found = ReadonlyMap<string, string>;

const MARK_SECONDS = 30 * 24 * 3600; // more would be taken for a time of the clock
const MOST_BYTES = 1_000_000; // of its 1 MB, which its own words are a part of
const MOST_PENDING = 10_000;
const LATEST_SECOND = 2 ** 31 - 1; // that it knows

/**
 * Keeps what is cached in Memcached. It can't list keys, so entries also have tags for each beginning of their keys. While it
 * is away there is nothing, and what is invalidated meanwhile is invalidated when it is back, before anybody reads.
 */
export class MemcachedStore implements CacheStore {
  readonly #connection: MemcachedConnection;
  readonly #names: KeyNames;
  readonly #tolerance: Tolerance;
  /** Names of marks that are to be deleted. */
  readonly #pending = new Set<string>();

  constructor({ url, prefix, log, timeoutMs }: MemcachedStoreOptions) {
    this.#names = new KeyNames(prefix);
    this.#tolerance = new Tolerance({
      log,
      product: "Memcached",
      isRefusal: (error) => error instanceof MemcachedReplyError,
    });
    this.#connection = new MemcachedConnection({ url, name: "cache", log, timeoutMs });
    this.#connection.onConnect((client) => this.#deletePending(client));
  }

  listen(): void {
    // It tells nothing.
  }

  async get(key: string): Promise<Entry | undefined> {
    const name = this.#names.entry(key);
    const implied = impliedTags(key);
    const found = await this.#find([name, ...implied.map((tag) => this.#names.mark(tag))]);
    const text = found.get(name);
    if (text === undefined) return this.#getCounter(key, this.#toMarks(implied, found));
    const entry = decodeEntry(text);
    if (entry === undefined || entry.staleUntil <= performance.now()) return undefined;
    const others = entry.tags.filter((tag) => !implied.includes(tag)).map((tag) => this.#names.mark(tag));
    const marks = others.length === 0 ? found : new Map([...found, ...(await this.#find(others))]);
    const isCurrent = entry.tags.every(
      (tag, index) => marks.get(this.#names.mark(tag)) === entry.marks[index],
    );
    return isCurrent ? entry : undefined;
  }

  async set(key: string, entry: Entry, lease?: Lease): Promise<void> {
    // Whoever is making a value for it would put an older one in its place.
    const marks =
      lease === undefined ? [...entry.marks.slice(0, -1), await this.#markAnew(keyTag(key))] : entry.marks;
    const text = encodeEntry({ ...entry, tags: [...entry.tags, ...impliedTags(key)], marks });
    const name = this.#names.entry(key);
    const seconds = toSeconds(entry.staleUntil - performance.now());
    const command =
      Buffer.byteLength(text) > MOST_BYTES ? `delete ${name}` : toStore("set", name, text, seconds);
    await this.#try((client) => client.command(command), undefined);
  }

  async delete(key: string): Promise<boolean> {
    const isThere = (await this.get(key)) !== undefined;
    await this.touch([keyTag(key)]);
    return isThere;
  }

  async deletePattern(scope: string, pattern: string): Promise<null> {
    await this.touch([patternTag(scope, pattern)]);
    return null;
  }

  async marksOf(tags: readonly string[], key: string): Promise<readonly string[] | null> {
    return await this.#try((client) => this.#getMarks(client, [...tags, ...impliedTags(key)]), null);
  }

  async touch(tags: readonly string[]): Promise<void> {
    const names = tags.map((tag) => this.#names.mark(tag));
    const isDone = await this.#try(async (client) => {
      await Promise.all(names.map((name) => client.command(`delete ${name}`)));
      return true;
    }, false);
    if (!isDone) this.#addPending(names);
  }

  async increment(key: string, by: number, ttlMs: number): Promise<number> {
    if (by < 0) throw new TypeError(`Cannot count by ${by}: Memcached counts upwards only`);
    const entry = await this.get(key);
    const value = entry?.kept.value;
    const start = typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 0;
    return await this.#try(async (client) => {
      const marks = await this.#getMarks(client, impliedTags(key));
      const name = this.#names.counter(key, marks);
      const seconds = toSeconds(ttlMs);
      if (entry !== undefined && entry.ttlMs !== Infinity) {
        // A value that was set: it counts from there.
        await client.command(`delete ${this.#names.entry(key)}`);
        await client.command(toStore("set", name, String(start), seconds));
      } else {
        await client.command(toStore("add", name, "0", seconds));
      }
      return Number(await client.command(`incr ${name} ${by}`));
    }, by);
  }

  /** Each process makes its own, unless it is there by now. */
  async lease(key: string): Promise<Lease> {
    return { isTaken: false, found: await this.get(key), release() {} };
  }

  async tryLock(key: string, token: string, ttlMs: number): Promise<boolean> {
    const command = toStore("add", this.#names.held(key), token, toSeconds(ttlMs));
    return (await this.#connection.run((client) => client.command(command) as Promise<unknown>)) === "STORED";
  }

  async keepLock(key: string, token: string, ttlMs: number): Promise<boolean> {
    const name = this.#names.held(key);
    return await this.#try(async (client) => {
      if ((await find(client, [name])).get(name) !== token) return false;
      return (await client.command(`touch ${name} ${toSeconds(ttlMs)}`)) === "TOUCHED";
    }, false);
  }

  async unlock(key: string, token: string): Promise<void> {
    const name = this.#names.held(key);
    await this.#try(async (client) => {
      if ((await find(client, [name])).get(name) === token) await client.command(`delete ${name}`);
    }, undefined);
  }

  forgetVersions(): void {
    // In the memory of this process there is nothing.
  }

  async describe(): Promise<StoreState> {
    const available = await this.#try(async (client) => {
      await client.command("version");
      return true;
    }, false);
    return { backend: "memcached", available, entries: 0, size: 0 };
  }

  close(): void {
    this.#connection.close();
  }

  /** Null marks are those of nothing. */
  async #getCounter(key: string, marks: readonly string[]): Promise<Entry | undefined> {
    if (marks.includes("")) return undefined;
    const name = this.#names.counter(key, marks);
    const text = (await this.#find([name])).get(name);
    return text === undefined ? undefined : decodeEntry(text);
  }

  #toMarks(tags: readonly string[], found: Found): string[] {
    return tags.map((tag) => found.get(this.#names.mark(tag)) ?? "");
  }

  /** A tag without a mark gets one: whatever has none, or another one, is out of date. */
  async #getMarks(client: MemcacheNode, tags: readonly string[]): Promise<string[]> {
    const names = tags.map((tag) => this.#names.mark(tag));
    const found = await find(client, names);
    const missing = names.filter((name) => !found.has(name));
    if (missing.length === 0) return this.#toMarks(tags, found);
    await Promise.all(
      missing.map((name) => client.command(toStore("add", name, randomUUID(), MARK_SECONDS))),
    );
    const again = await find(client, names);
    // One that is gone again matches nothing.
    return this.#toMarks(tags, again).map((mark) => (mark === "" ? randomUUID() : mark));
  }

  async #markAnew(tag: string): Promise<string> {
    const mark = randomUUID();
    await this.#try(
      (client) => client.command(toStore("set", this.#names.mark(tag), mark, MARK_SECONDS)),
      undefined,
    );
    return mark;
  }

  #find(names: readonly string[]): Promise<Found> {
    return this.#try((client) => find(client, names), new Map<string, string>());
  }

  #addPending(names: readonly string[]): void {
    for (const name of names) this.#pending.add(name);
    if (this.#pending.size <= MOST_PENDING) return;
    this.#pending.clear();
    this.#pending.add(this.#names.mark(patternTag("", "*")));
  }

  async #deletePending(client: MemcacheNode): Promise<void> {
    const names = [...this.#pending];
    await Promise.all(names.map((name) => client.command(`delete ${name}`)));
    for (const name of names) this.#pending.delete(name);
  }

  /** Where Memcached is away, or refuses, there is `instead`. */
  #try<T, U>(command: (client: MemcacheNode) => Promise<T>, instead: U): Promise<T | U> {
    return this.#tolerance.run(
      () => this.#connection.run(command),
      () => instead,
    );
  }
}

interface Multiple {
  readonly foundKeys?: readonly string[];
  readonly values?: readonly string[];
}

async function find(client: MemcacheNode, names: readonly string[]): Promise<Found> {
  const options = { isMultiline: true, requestedKeys: [...names] };
  const found = (await client.command(`get ${names.join(" ")}`, options)) as Multiple | undefined;
  return new Map(found?.foundKeys?.map((name, index) => [name, found.values?.[index] ?? ""]));
}

function toStore(verb: "set" | "add", name: string, text: string, seconds: number): string {
  return `${verb} ${name} 0 ${seconds} ${Buffer.byteLength(text)}\r\n${text}`;
}

/** 0 is for ever; what is longer than 30 days is told as a time of the clock. */
function toSeconds(ms: number): number {
  if (ms === Infinity) return 0;
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds <= MARK_SECONDS) return seconds;
  const until = Math.floor(Date.now() / 1000) + seconds;
  return until <= LATEST_SECOND ? until : 0;
}
