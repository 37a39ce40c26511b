import { createHash } from "node:crypto";

const MOST_LEVELS = 6;

/** The names of what the cache keeps in Memcached, which takes 250 bytes without spaces: hashes. */
export class KeyNames {
  readonly #prefix: string;

  /** @param prefix what tells this application's keys from those of others */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  entry(key: string): string {
    return this.#hash("e", key);
  }

  /** Of a number that counts: another one once something that deletes it was marked anew. */
  counter(key: string, marks: readonly string[]): string {
    return this.#hash("c", `${marks.join()} ${key}`);
  }

  /** Of `cache.lock()`. */
  held(key: string): string {
    return this.#hash("k", key);
  }

  mark(tag: string): string {
    return this.#hash("m", tag);
  }

  #hash(kind: string, text: string): string {
    return createHash("sha256").update(`${this.#prefix}${kind}:${text}`).digest("base64url");
  }
}

/**
 * Returns the tags that every key has: one for each of its beginnings up to a colon, by which patterns delete, and its own.
 */
export function impliedTags(key: string): string[] {
  const tags = [beginningTag("")];
  for (let at = key.indexOf(":"); at !== -1 && tags.length <= MOST_LEVELS; at = key.indexOf(":", at + 1)) {
    tags.push(beginningTag(key.slice(0, at + 1)));
  }
  return [...tags, keyTag(key)];
}

export function keyTag(key: string): string {
  return `=${key}`;
}

/**
 * Returns the tag of the keys that a pattern matches.
 *
 * @throws TypeError for a pattern that isn't a beginning
 */
export function patternTag(scope: string, pattern: string): string {
  const beginning = scope + pattern.slice(0, -1);
  const isBeginning = pattern.endsWith("*") && !beginning.includes("*");
  if (
    isBeginning &&
    (beginning === "" || beginning.endsWith(":")) &&
    beginning.split(":").length - 1 <= MOST_LEVELS
  ) {
    return beginningTag(beginning);
  }
  throw new TypeError(
    `Cannot delete "${pattern}" on Memcached, which can't list keys: only patterns such as "users:*" work there, with at most ${MOST_LEVELS - 1} colons`,
  );
}

function beginningTag(beginning: string): string {
  return `^${beginning}`;
}
