import { distance } from "fastest-levenshtein";

const MAX_LENGTH = 64; // characters; nothing longer is a mistyped name

/** The word of `words` that was most likely meant by `typed`, or `undefined` when none is close. */
export function closestWord(typed: string, words: readonly string[]): string | undefined {
  if (typed.length > MAX_LENGTH) return undefined;
  const plain = toPlain(typed);
  const ranked = words
    .map((word) => ({ word, edits: countEdits(plain, toPlain(word)) }))
    .filter(({ word, edits }) => edits <= maxEdits(Math.min(plain.length, word.length)))
    .toSorted(
      (a, b) => a.edits - b.edits || distance(plain, toPlain(a.word)) - distance(plain, toPlain(b.word)),
    );
  return ranked[0]?.word;
}

/** What a message about a name that isn't there ends in: `, did you mean "stage"?`, or nothing where no name is close. */
export function toHint(typed: string, names: Iterable<string>): string {
  const meant = closestWord(typed, [...names]);
  return meant === undefined ? "" : `, did you mean "${meant}"?`;
}

/**
 * Holds options to those that there are: a misspelt one would have no effect.
 *
 * @param doing such as `Cannot schedule the task "recount"`
 * @throws TypeError for an option that there isn't, with the one that was meant
 */
export function assertKnownOptions(options: object, known: readonly string[], doing: string): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key))
      throw new TypeError(`${doing}: there is no option "${key}"${toHint(key, known)}`);
  }
}

/** "allowOrigins", "allow-origins" and "ALLOW_ORIGINS" are all "allow_origins" to whoever typed them. */
export function toPlain(word: string): string {
  return word.toLowerCase().replace(/[^a-z0-9$]/g, "");
}

/** How many characters differ between two plain words. */
export function countEdits(typed: string, word: string): number {
  // "warning" was meant to be "warn", and "dir" to be "directory", however many letters they differ by.
  const isCut = typed.length >= 3 && (word.startsWith(typed) || typed.startsWith(word));
  return Math.min(distance(typed, word), isCut ? 1 : Number.MAX_SAFE_INTEGER);
}

function maxEdits(length: number): number {
  // Of one character, every other one is an edit away.
  if (length <= 1) return 0;
  return length <= 3 ? 1 : length <= 6 ? 2 : 3;
}
