import type { LRUCache } from "lru-cache";
import { createEntries, type EntriesOptions } from "../contract/entries.ts";
import type { Entry } from "../contract/store.ts";

const MAX_MARKS = 100_000;

/**
 * What Redis has been asked for, in the memory of this process. Redis tells which of the keys change that were read; what it
 * can't tell any more, since the connection was lost, is at best old.
 */
export class NearCache {
  readonly #entries: LRUCache<string, Entry>;
  readonly #marks = new Map<string, string>();
  /** Keys that are being read; those that change meanwhile aren't kept. */
  readonly #reads = new Map<string, Set<NearRead>>();
  /** Whether Redis tells what changes. */
  #isTrusted = false;

  constructor(options: EntriesOptions) {
    this.#entries = createEntries(options);
  }

  get entries(): number {
    return this.#entries.size;
  }

  get size(): number {
    return this.#entries.calculatedSize;
  }

  /** Finds an entry all of whose marks are known to be those of now. */
  get(key: string): Entry | undefined {
    const entry = this.#isTrusted ? this.#entries.get(key) : undefined;
    if (entry === undefined) return undefined;
    const { tags, marks } = entry;
    for (let index = 0; index < tags.length; index++) {
      if (this.#marks.get(tags[index] ?? "") !== marks[index]) return undefined;
    }
    if (entry.staleUntil > performance.now()) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  /** Finds an entry that may be out of date by now, and is better than nothing for as long as it says. */
  getOld(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.staleUntil <= performance.now()) return undefined;
    return entry.staleUntil > entry.freshUntil ? { ...entry, freshUntil: 0, isUnconfirmed: true } : undefined;
  }

  markOf(tag: string): string | undefined {
    return this.#marks.get(tag);
  }

  /** Begins to read a key from Redis. */
  read(key: string): NearRead {
    const read: NearRead = { key, isOutdated: false };
    const reads = this.#reads.get(key) ?? new Set();
    this.#reads.set(key, reads.add(read));
    return read;
  }

  end(read: NearRead): void {
    const reads = this.#reads.get(read.key);
    reads?.delete(read);
    if (reads?.size === 0) this.#reads.delete(read.key);
  }

  keepEntry(read: NearRead, entry: Entry): void {
    if (!read.isOutdated) this.#entries.set(read.key, entry);
  }

  /** Keeps what Redis couldn't be given. */
  keepUnconfirmed(key: string, entry: Entry): void {
    if (!this.#isTrusted) this.#entries.set(key, entry);
  }

  keepMark(read: NearRead, tag: string, mark: string): void {
    if (read.isOutdated) return;
    if (this.#marks.size >= MAX_MARKS) this.#marks.clear();
    this.#marks.set(tag, mark);
  }

  /** Forgets a key that has changed. */
  forget(key: string): void {
    this.#entries.delete(key);
    this.#outdate(key);
  }

  /** Forgets a mark, kept under a tag and read from a key. */
  forgetMark(tag: string, key: string): void {
    this.#marks.delete(tag);
    this.#outdate(key);
  }

  /** Forgets the entries that have a tag, even as old ones. */
  forgetTagged(tag: string): void {
    for (const [key, { tags }] of this.#entries.entries()) if (tags.includes(tag)) this.#entries.delete(key);
  }

  forgetMatching(matches: (key: string, entry: Entry) => boolean): void {
    for (const [key, entry] of this.#entries.entries()) if (matches(key, entry)) this.#entries.delete(key);
    this.#outdateAll();
  }

  /** Nobody can say any more what has changed: what is left is old. */
  distrust(): void {
    this.#isTrusted = false;
    this.#marks.clear();
    this.#outdateAll();
  }

  /** Begins anew, on a connection that tells what changes. */
  trust(): void {
    this.clear();
    this.#isTrusted = true;
  }

  clear(): void {
    this.#entries.clear();
    this.#marks.clear();
    this.#outdateAll();
  }

  #outdateAll(): void {
    for (const key of this.#reads.keys()) this.#outdate(key);
  }

  #outdate(key: string): void {
    for (const read of this.#reads.get(key) ?? []) read.isOutdated = true;
  }
}

/** A key that is being read. */
export interface NearRead {
  readonly key: string;
  isOutdated: boolean;
}
