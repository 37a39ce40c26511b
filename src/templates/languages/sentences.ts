import { fillPlaces } from "./phrases.ts";

const PLACE = /\{(\w+)\}/g;
/** The place of a value that is a sentence itself, and of another language then too. */
const REASON = "reason";
/** The place of a name, without spaces: what it stands in says little by itself, as "See {word}". */
const WORD = "word";
/** What stands between several things that are told. */
const NEXT = "; ";
/** One sentence has at most so many parts with that between them, and what is told at once has as many as an answer lists. */
const MAX_PARTS = 4;
const MAX_TOLD = 64;
/** What is longer is no sentence that anybody has written. */
const MAX_LENGTH = 4000;
/** How deep sentences stand in each other. */
const MAX_DEPTH = 4;
/** What is wrong with a field: "email: Required, but missing". */
const AT_PLACE = /^(\S+): ([^]+)$/;

/** A sentence with places, cut into what stands around these. */
interface Form {
  readonly pieces: readonly string[];
  readonly places: readonly string[];
  readonly translation: string;
}

/**
 * What errors say, in one language. They come with their values in them, as they go to every client: which sentence one is
 * shows in what stands around these, `Cannot find role "{name}": {reason}`.
 */
export class Sentences {
  readonly #translations = new Map<string, string>();
  #forms: readonly Form[] | null = null;

  /** Adds one with its translation; of two of a sentence the later one counts. */
  add(english: string, translation: string): void {
    this.#translations.set(english, translation);
    this.#forms = null;
  }

  /** Returns the translation of a sentence that has no places; undefined where there is none. */
  whole(sentence: string): string | undefined {
    return this.#translations.get(sentence);
  }

  /**
   * Returns the translation of a sentence with its values; undefined where there is none.
   *
   * @param translate what stands in the place of a reason
   */
  filled(sentence: string, translate: (reason: string) => string): string | undefined {
    this.#forms ??= toForms(this.#translations);
    for (const { pieces, places, translation } of this.#forms) {
      const values = findValues(sentence, pieces)?.map(
        (value, index) => [places[index] ?? "", value] as const,
      );
      if (values?.every(([name, value]) => isValue(name, value)) !== true) continue;
      const filled = values.map(([name, value]) => [
        name,
        name.startsWith(REASON) ? translate(value) : value,
      ]);
      return fillPlaces(translation, Object.fromEntries(filled));
    }
    return undefined;
  }
}

/**
 * Translates what an error says by the first sentences that have it; what none has stays as it is. Of several things that
 * are told one behind the other, "this; email: that", each is translated.
 *
 * @param all in the order in which they count
 */
export function translateError(all: readonly Sentences[], said: string, depth = 0): string {
  if (said.length > MAX_LENGTH || depth > MAX_DEPTH) return said;
  const translate = (part: string) => translateError(all, part, depth + 1);
  const find = (sentence: string): string | undefined =>
    findFirst(all, (sentences) => sentences.whole(sentence)) ??
    findFirst(all, (sentences) => sentences.filled(sentence, translate));
  const parts = said.split(NEXT);
  if (parts.length > MAX_TOLD) return said;
  const takeNext = (): string => {
    for (let count = Math.min(parts.length, MAX_PARTS); count > 0; count -= 1) {
      const translation = find(parts.slice(0, count).join(NEXT));
      if (translation === undefined) continue;
      parts.splice(0, count);
      return translation;
    }
    return toPlaced(parts.shift() ?? "", translate);
  };
  const translations: string[] = [];
  while (parts.length > 0) translations.push(takeNext());
  return translations.join(NEXT);
}

/** What is said of a field: "email: Required, but missing". */
function toPlaced(said: string, translate: (part: string) => string): string {
  const [, name, rest] = AT_PLACE.exec(said) ?? [];
  return name === undefined || rest === undefined ? said : `${name}: ${translate(rest)}`;
}

function findFirst<Item, Found>(
  all: readonly Item[],
  find: (item: Item) => Found | undefined,
): Found | undefined {
  for (const item of all) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Those that have places. What says more is looked at first, for "Expected one of {values}" is an "Expected {value}" as well;
 * and what begins with a place last, for that stands for the beginning of others.
 */
function toForms(translations: ReadonlyMap<string, string>): Form[] {
  const forms = [...translations].flatMap(([english, translation]) => {
    const places = [...english.matchAll(PLACE)].map(([, name = ""]) => name);
    const pieces = english.replaceAll(PLACE, "{}").split("{}");
    return places.length === 0 ? [] : [{ pieces, places, translation }];
  });
  const weigh = ({ pieces }: Form) => pieces.join("").length + (pieces[0] === "" ? 0 : MAX_LENGTH);
  return forms.toSorted((a, b) => weigh(b) - weigh(a));
}

/** Whether a value can stand in a place: where it has several parts, it is more than a value. */
function isValue(name: string, value: string): boolean {
  if (name.startsWith(REASON)) return true;
  return !value.includes(name.startsWith(WORD) ? " " : NEXT);
}

/** Returns what stands between the pieces of a sentence; null where it isn't made of these. */
function findValues(sentence: string, pieces: readonly string[]): string[] | null {
  const first = pieces[0] ?? "";
  const last = pieces.at(-1) ?? "";
  const end = sentence.length - last.length;
  if (!sentence.startsWith(first) || !sentence.endsWith(last)) return null;
  const values: string[] = [];
  let from = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const at = sentence.indexOf(piece, from);
    if (at === -1) return null;
    values.push(sentence.slice(from, at));
    from = at + piece.length;
  }
  if (from > end) return null;
  return [...values, sentence.slice(from, end)];
}
