/** The names of what the cache keeps in Redis. */
export class KeyNames {
  readonly #prefix: string;
  readonly #entries: string;
  readonly #marks: string;

  /** @param prefix what all of them begin with */
  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#entries = `${prefix}e:`;
    this.#marks = `${prefix}m:`;
  }

  entry(key: string): string {
    return this.#entries + key;
  }

  /** Of who makes a value. */
  lock(key: string): string {
    return `${this.#prefix}l:${key}`;
  }

  /** Of `cache.lock()`. */
  held(key: string): string {
    return `${this.#prefix}k:${key}`;
  }

  mark(tag: string): string {
    return this.#marks + tag;
  }

  /** Of what one process watches by whether changes are told. */
  beat(id: string): string {
    return `${this.#prefix}b:${id}`;
  }

  /** Returns the pattern, as Redis has them, of entries and their locks. @param pattern with `*` for anything */
  matching(scope: string, pattern: string): string {
    const rest = pattern.split("*").map(escapePattern).join("*");
    return `${escapePattern(this.#prefix)}[el]:${escapePattern(scope)}${rest}`;
  }

  isEntry(name: string): boolean {
    return name.startsWith(this.#entries);
  }

  /** Returns the key of an entry, null for a name of something else. */
  keyOf(name: string): string | null {
    return this.isEntry(name) ? name.slice(this.#entries.length) : null;
  }

  /** Returns the tag of a mark, null for a name of something else. */
  tagOf(name: string): string | null {
    return name.startsWith(this.#marks) ? name.slice(this.#marks.length) : null;
  }
}

/** `*` is left to the caller. */
function escapePattern(text: string): string {
  return text.replaceAll(/[*?[\]\\^-]/g, String.raw`\$&`);
}
