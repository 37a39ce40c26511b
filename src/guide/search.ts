import type { Section } from "./rendering.ts";

/** A section of a document. */
export interface SearchedSection extends Section {
  /** Title of its document. */
  readonly document: string;
  readonly href: string;
  /** Its own words, those of its titles among them, without accents and capitals. */
  readonly folded: { readonly title: string; readonly document: string; readonly body: string };
}

/** A piece of a text, and whether it is what was looked for. */
export interface Piece {
  readonly text: string;
  readonly isMatch: boolean;
}

/** A section in which all words were found. */
export interface Found {
  readonly document: string;
  readonly title: string;
  readonly href: string;
  readonly excerpt: readonly Piece[];
}

const MAX_FOUND = 30;
const MAX_WORDS = 8;
const MAX_COUNTED = 5;
const BEFORE = 60; // characters of an excerpt before what was found
const EXCERPT = 220;

/** Returns a section with what it is found by. */
export function toSearched(section: Section, document: string, href: string): SearchedSection {
  const folded = { title: fold(section.text), document: fold(document), body: fold(section.body) };
  return { ...section, document, href, folded };
}

/** Finds the sections that have all words of a query, or words that begin so; those that have them in their titles first. */
export function searchSections(sections: readonly SearchedSection[], query: string): Found[] {
  const words = wordsOf(query);
  if (words.length === 0) return [];
  const patterns = words.map((word) => new RegExp(String.raw`(?<![\p{L}\p{N}])${word}`, "gu"));
  const ranked = sections.flatMap((section) => {
    const rank = rankOf(section, patterns);
    return rank === 0 ? [] : [{ section, rank }];
  });
  return ranked
    .toSorted((a, b) => b.rank - a.rank)
    .slice(0, MAX_FOUND)
    .map(({ section }) => ({
      document: section.document,
      title: section.text,
      href: section.href,
      excerpt: toExcerpt(section, patterns),
    }));
}

/** Without what a word of a query has no part of: nothing of it is a pattern. */
function wordsOf(query: string): string[] {
  return fold(query)
    .split(/[^\p{L}\p{N}_]+/u)
    .filter((word) => word !== "")
    .slice(0, MAX_WORDS);
}

function rankOf({ folded, level }: SearchedSection, patterns: readonly RegExp[]): number {
  let rank = 0;
  for (const pattern of patterns) {
    const inTitle = countIn(folded.title, pattern);
    const inDocument = countIn(folded.document, pattern);
    const inBody = countIn(folded.body, pattern);
    if (inTitle + inDocument + inBody === 0) return 0;
    rank += (inTitle > 0 ? 20 : 0) + (inDocument > 0 ? 6 : 0) + inBody;
  }
  return rank + 1 / level;
}

/** Counts no further than to what makes a difference. */
function countIn(text: string, pattern: RegExp): number {
  pattern.lastIndex = 0;
  let count = 0;
  while (count < MAX_COUNTED && pattern.test(text)) count += 1;
  return count;
}

function toExcerpt({ body, folded }: SearchedSection, patterns: readonly RegExp[]): Piece[] {
  // Where folding has made it longer or shorter, the marks would stand beside the words.
  const searched = folded.body.length === body.length ? folded.body : body.toLowerCase();
  const matches = patterns.flatMap((pattern) =>
    [...searched.matchAll(pattern)].map(({ index, 0: { length } }) => ({
      start: index,
      end: index + length,
    })),
  );
  matches.sort((a, b) => a.start - b.start);
  const from = Math.max(0, (matches[0]?.start ?? 0) - BEFORE);
  const start = from === 0 ? 0 : body.indexOf(" ", from) + 1;
  const end = Math.min(body.length, start + EXCERPT);
  const pieces: Piece[] = start === 0 ? [] : [{ text: "... ", isMatch: false }];
  let at = start;
  for (const match of matches) {
    if (match.start < at || match.end > end) continue;
    pieces.push({ text: body.slice(at, match.start), isMatch: false });
    pieces.push({ text: body.slice(match.start, match.end), isMatch: true });
    at = match.end;
  }
  pieces.push({ text: body.slice(at, end) + (end < body.length ? " ..." : ""), isMatch: false });
  return pieces.filter(({ text }) => text !== "");
}

function fold(text: string): string {
  return text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();
}
