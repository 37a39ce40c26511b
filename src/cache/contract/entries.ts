import { LRUCache } from "lru-cache";
import type { Entry } from "./store.ts";

export interface EntriesOptions {
  readonly maxEntries: number;
  /** In bytes, about. */
  readonly maxSize: number;
}

const ENTRY_BYTES = 200; // of an entry, beside its value

/** Makes what keeps entries in the memory of this process; what hasn't been used for the longest time goes first. */
export function createEntries({ maxEntries: max, maxSize }: EntriesOptions): LRUCache<string, Entry> {
  return new LRUCache({
    max,
    maxSize,
    maxEntrySize: maxSize,
    sizeCalculation: ({ kept }, key) => ENTRY_BYTES + key.length + kept.size,
  });
}
