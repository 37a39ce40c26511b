import type { LRUCache } from "lru-cache";
import { type CacheStore, type Entry, isMine, type Lease, type StoreState } from "../contract/store.ts";
import { toCounterEntry } from "../contract/codec.ts";
import { createEntries, type EntriesOptions } from "../contract/entries.ts";
import { toMatcher } from "../contract/keys.ts";
import { keep } from "../contract/values.ts";

const MAX_MARKS = 100_000;
const OWN: Lease = { isTaken: false, release() {} };

/** Keeps what is cached in the memory of this process; what hasn't been used for the longest time goes first. */
export class MemoryStore implements CacheStore {
  readonly #entries: LRUCache<string, Entry>;
  /** By tag. One that isn't there any more is another one than before. */
  readonly #marks = new Map<string, string>();
  readonly #locks = new Map<string, { token: string; until: number }>();
  #lastMark = 0;

  constructor(options: EntriesOptions) {
    this.#entries = createEntries(options);
  }

  get(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const { tags, marks } = entry;
    for (let index = 0; index < tags.length; index++) {
      if (this.#marks.get(tags[index] ?? "") === marks[index]) continue;
      this.#entries.delete(key);
      return undefined;
    }
    if (entry.staleUntil > performance.now()) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
  }

  delete(key: string): boolean {
    const isThere = this.get(key) !== undefined;
    this.#entries.delete(key);
    return isThere;
  }

  deletePattern(scope: string, pattern: string): number {
    const matches = toMatcher(pattern, scope);
    let count = 0;
    for (const key of this.#entries.keys()) if (matches(key) && this.delete(key)) count += 1;
    return count;
  }

  marksOf(tags: readonly string[]): readonly string[] {
    return tags.map((tag) => this.#marks.get(tag) ?? this.#mark(tag));
  }

  touch(tags: readonly string[]): void {
    for (const tag of tags) this.#marks.delete(tag);
  }

  increment(key: string, by: number, ttlMs: number): number {
    const entry = this.get(key);
    const { value } = entry?.kept ?? { value: 0 };
    const count = (typeof value === "number" && Number.isSafeInteger(value) ? value : 0) + by;
    this.set(key, entry === undefined ? toCounterEntry(count, ttlMs) : { ...entry, kept: keep(count) });
    return count;
  }

  lease(): Lease {
    return OWN; // whoever else wants it is in this process, and waits already
  }

  tryLock(key: string, token: string, ttlMs: number): boolean {
    const held = this.#locks.get(key);
    if (held !== undefined && held.until > performance.now()) return false;
    this.#locks.set(key, { token, until: performance.now() + ttlMs });
    return true;
  }

  keepLock(key: string, token: string, ttlMs: number): boolean {
    const held = this.#locks.get(key);
    if (held?.token !== token || held.until <= performance.now()) return false;
    held.until = performance.now() + ttlMs;
    return true;
  }

  unlock(key: string, token: string): void {
    if (this.#locks.get(key)?.token === token) this.#locks.delete(key);
  }

  forgetVersions(scope: string, version: string): void {
    for (const [key, entry] of this.#entries.entries()) {
      if (key.startsWith(scope) && !isMine(entry, version)) this.#entries.delete(key);
    }
  }

  listen(): void {
    // Nobody else changes anything.
  }

  describe(): StoreState {
    const { size: entries, calculatedSize: size } = this.#entries;
    return { backend: "memory", available: true, entries, size };
  }

  close(): void {
    this.#entries.clear();
  }

  #mark(tag: string): string {
    if (this.#marks.size >= MAX_MARKS) this.#marks.clear();
    this.#lastMark += 1;
    const mark = String(this.#lastMark);
    this.#marks.set(tag, mark);
    return mark;
  }
}
