import { createHash } from "node:crypto";

/** The longest that PostgreSQL keeps; MySQL's limit is 64. */
const MAX_LENGTH = 63;
const HASH_LENGTH = 8;
const NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Throws a TypeError unless the name is fit for every database: lower case, so that none folds it. */
export function assertName(what: string, name: string): void {
  if (NAME.test(name)) return;
  throw new TypeError(
    `Cannot declare ${what} "${name}": a name starts with a letter, consists of a-z, 0-9 and "_", and has at most ${MAX_LENGTH} characters`,
  );
}

/** The name of a constraint, from its parts; one that is too long is cut and ends in a hash of the whole. */
export function toConstraintName(...parts: string[]): string {
  const name = parts.join("_");
  if (name.length <= MAX_LENGTH) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH_LENGTH);
  return `${name.slice(0, MAX_LENGTH - HASH_LENGTH - 1)}_${hash}`;
}
