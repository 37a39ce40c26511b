/** What couldn't be invalidated while Redis was away. */
export interface Invalidations {
  readonly keys: readonly string[];
  readonly tags: readonly string[];
  /** Patterns of Redis. */
  readonly patterns: readonly string[];
}

const MOST = 10_000;

/**
 * Remembers what has to be invalidated once Redis is back: it still has the old values, which nobody may get then. What
 * becomes too much is everything.
 */
export class PendingInvalidations {
  readonly #everything: string;
  #keys = new Set<string>();
  #tags = new Set<string>();
  #patterns = new Set<string>();

  /** @param everything the pattern of all keys */
  constructor(everything: string) {
    this.#everything = everything;
  }

  addKey(key: string): void {
    this.#keys.add(key);
    this.#bound();
  }

  addTags(tags: readonly string[]): void {
    for (const tag of tags) this.#tags.add(tag);
    this.#bound();
  }

  addPattern(pattern: string): void {
    this.#patterns.add(pattern);
    this.#bound();
  }

  get isEmpty(): boolean {
    return this.#keys.size + this.#tags.size + this.#patterns.size === 0;
  }

  list(): Invalidations {
    return { keys: [...this.#keys], tags: [...this.#tags], patterns: [...this.#patterns] };
  }

  /** Forgets what has been done by now. */
  remove({ keys, tags, patterns }: Invalidations): void {
    for (const key of keys) this.#keys.delete(key);
    for (const tag of tags) this.#tags.delete(tag);
    for (const pattern of patterns) this.#patterns.delete(pattern);
  }

  #bound(): void {
    if (this.#keys.size + this.#tags.size + this.#patterns.size <= MOST) return;
    this.#keys = new Set();
    this.#tags = new Set();
    this.#patterns = new Set([this.#everything]);
  }
}
