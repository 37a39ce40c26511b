/**
 * What a word is, and which letters are the same, to a search by words: alike on every database, so that none of them is
 * asked for it. What an index of a database takes for a word, or for the same letter, is at least what this does.
 */

type Range = readonly [first: number, last: number];

/** Beyond ASCII, what stands between words: punctuation, symbols and emoji. */
const BETWEEN: readonly Range[] = [
  [0x80, 0xa9],
  [0xab, 0xb1],
  [0xb4, 0xb4],
  [0xb6, 0xb8],
  [0xbb, 0xbb],
  [0xbf, 0xbf],
  [0xd7, 0xd7],
  [0xf7, 0xf7],
  [0x2000, 0x2064],
  [0x20a0, 0x20bf],
  [0x20e3, 0x20e3], // what makes keys of digits
  [0x2190, 0x23ff],
  [0x2500, 0x26ff],
  [0x2701, 0x2775],
  [0x2794, 0x2b59],
  [0x2e00, 0x2e2e],
  [0x2e30, 0x2e3b],
  [0x3001, 0x3003],
  [0x3008, 0x3020],
  [0xfe00, 0xfe0f], // which look of a symbol is meant
  [0xff01, 0xff0f],
  [0xff5b, 0xff65],
  [0x1f1e6, 0x1f1ff], // flags, and emoji from here on
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x1fa70, 0x1faff],
];
/** Those of them that SQLite's tokenizer has to be told of: they are younger than it. */
const BETWEEN_UNKNOWN_TO_SQLITE: readonly Range[] = [
  [0x20ba, 0x20bf],
  [0x23f4, 0x23ff],
  [0x2b4d, 0x2b4f],
  [0x1f321, 0x1f32f],
  [0x1f336, 0x1f336],
  [0x1f37d, 0x1f37f],
  [0x1f394, 0x1f39f],
  [0x1f3c5, 0x1f3c5],
  [0x1f3cb, 0x1f3df],
  [0x1f3f1, 0x1f3ff],
  [0x1f43f, 0x1f43f],
  [0x1f441, 0x1f441],
  [0x1f4f8, 0x1f4f8],
  [0x1f4fd, 0x1f4ff],
  [0x1f53e, 0x1f53f],
  [0x1f544, 0x1f54f],
  [0x1f568, 0x1f5fa],
  [0x1f641, 0x1f644],
  [0x1f6c6, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x1fa70, 0x1faff],
];
const SURROGATES: Range = [0xd800, 0xdfff];
const LAST = 0x10ffff;
/** Of a word, an index keeps as many characters as this. */
export const MAX_INDEXED = 40;

/** Letters that have small and capital ones or accents: Latin, Greek, Cyrillic. */
const FOLDED: readonly Range[] = [
  [0xc0, 0x17f],
  [0x1a0, 0x1a1],
  [0x1af, 0x1b0],
  [0x218, 0x21b],
  [0x386, 0x3ce],
  [0x400, 0x45f],
  [0x490, 0x491],
  [0x1ea0, 0x1ef9],
];
/** Letters and digits that indexes of every database keep as they are. */
const INDEXED =
  /^[\da-z\u00df-\u00f6\u00f8-\u017f\u0218-\u021b\u03ac-\u03ce\u0430-\u045f\u0491\u05d0-\u05ea\u1ea0-\u1ef9\uac00-\ud7a3]+/;
/** Of scripts that write no spaces between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const MARKED = /^([a-z])\p{M}+$/u;

/** What a word consists of, for within the brackets of a pattern on any database. */
export const WORD_CHARACTERS = toClass();

const BEGINNING = /^[\p{L}\p{N}]/u;
const OTHERS = new RegExp(`[^${WORD_CHARACTERS}]+`, "u");

let folded: ReadonlyMap<string, string> | null = null;
let classes: ReadonlyMap<string, string> | null = null;

/** What stands between words and isn't taken for such by SQLite unless it is told. */
export function betweenUnknownToSqlite(): string {
  return BETWEEN_UNKNOWN_TO_SQLITE.flatMap(toCharacters).join("");
}

/** Letters beyond ASCII that aren't the same as they are folded, by what they become. */
export function foldedLetters(): ReadonlyMap<string, string> {
  return (folded ??= new Map(
    FOLDED.flatMap((range) =>
      toCharacters(range)
        .map((letter) => [letter, toFolded(letter)] as const)
        .filter(([letter, same]) => letter !== same),
    ),
  ));
}

/** A text in small letters, without the accents of Latin ones. */
export function fold(text: string): string {
  const letters = foldedLetters();
  return text
    .normalize("NFC")
    .replaceAll(/[A-Z]|[^\0-\u007f]/gu, (letter) =>
      letter <= "Z" ? letter.toLowerCase() : (letters.get(letter) ?? letter),
    );
}

/** All letters that are the same as a folded one, itself first. */
export function sameLetters(letter: string): string {
  return (classes ??= toClasses()).get(letter) ?? letter;
}

/**
 * Whether a word is looked for anywhere, not only where a word begins: one that begins with something else, or is of a
 * script that writes no spaces.
 */
export function isFoundAnywhere(word: string): boolean {
  return !BEGINNING.test(word) || UNSPACED.test(word);
}

/**
 * The beginnings of words that a text has, which has this folded word in it where a word begins; not those of one letter,
 * which are in most texts: an index would only be in the way.
 */
export function indexedParts(word: string): string[] {
  if (UNSPACED.test(word)) return [];
  return word
    .split(OTHERS)
    .map((part) => INDEXED.exec(part)?.[0].slice(0, MAX_INDEXED) ?? "")
    .filter((part) => part.length > 1);
}

function toCharacters([first, last]: Range): string[] {
  return Array.from({ length: last - first + 1 }, (_, at) => String.fromCodePoint(first + at));
}

function toFolded(letter: string): string {
  const [, base] = MARKED.exec(letter.normalize("NFD").toLowerCase()) ?? [];
  if (base !== undefined) return base;
  const small = letter.toLowerCase();
  return small.length === letter.length ? small : letter;
}

function toClasses(): Map<string, string> {
  const found = new Map(
    Array.from("abcdefghijklmnopqrstuvwxyz", (letter) => [letter, letter + letter.toUpperCase()]),
  );
  for (const [letter, same] of foldedLetters()) found.set(same, (found.get(same) ?? same) + letter);
  return found;
}

function toClass(): string {
  const ranges: string[] = [];
  let next = 0x80;
  for (const [first, last] of [...BETWEEN, SURROGATES].toSorted(([a], [b]) => a - b)) {
    if (first > next) ranges.push(`${String.fromCodePoint(next)}-${String.fromCodePoint(first - 1)}`);
    next = last + 1;
  }
  return `0-9A-Za-z${ranges.join("")}${String.fromCodePoint(next)}-${String.fromCodePoint(LAST)}`;
}
