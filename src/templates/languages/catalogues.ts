import { parseJsonDocument } from "../../config/json/document.ts";
import { Sentences, translateError } from "./sentences.ts";

/**
 * A file of translations, an object of English texts and their French: `languages/fr.json` of what templates say,
 * `languages/fr.errors.json` of what errors do.
 */
export interface CatalogueFile {
  readonly name: string;
  readonly text: string;
}

/** What is wrong with a file of translations, and where in it; lines and columns count from 0. */
export interface CatalogueFault {
  readonly name: string;
  readonly message: string;
  readonly lineno: number;
  readonly colno: number;
}

/** The translations of one language. */
class Catalogue {
  readonly texts = new Map<string, string>();
  readonly errors = new Sentences();
}

/** The language that templates are written in. */
export const ENGLISH = "en";
const FILE = /^languages\/([a-z]{2,3}(?:-[A-Z]{2})?)(\.errors)?\.json$/;

/** Whether a file of a folder of templates is one of translations. */
export function isCatalogueName(name: string): boolean {
  return FILE.test(name);
}

/** What is wrong with a file of translations; null for nothing. */
export function findCatalogueFault(file: CatalogueFile): CatalogueFault | null {
  return readInto(file, () => {});
}

/** The translations of texts, by whose templates they are in. */
export class Languages {
  readonly #own = new Map<string, Map<string, Catalogue>>();
  readonly #core: string;
  #names: readonly string[] | null = null;

  /** @param core whose translations all others fall back to */
  constructor(core: string) {
    this.#core = core;
  }

  /** The languages that there are translations of, English first. */
  get names(): readonly string[] {
    const others = [...this.#own.values()].flatMap((catalogues) => [...catalogues.keys()]);
    return (this.#names ??= [ENGLISH, ...new Set(others.toSorted())]);
  }

  /**
   * Keeps the translations of an owner, in the place of those before; of two of a text the later one counts. Where one can't
   * be used, those before stay.
   *
   * @returns what can't be used of them
   */
  keep(owner: string, files: Iterable<CatalogueFile>): CatalogueFault[] {
    const catalogues = new Map<string, Catalogue>();
    const faults: CatalogueFault[] = [];
    for (const file of files) {
      const [, language = "", isOfErrors] = FILE.exec(file.name) ?? [];
      if (language === "") continue;
      const catalogue = catalogues.get(language) ?? new Catalogue();
      catalogues.set(language, catalogue);
      const fault = readInto(file, (english, translation) => {
        if (isOfErrors === undefined) catalogue.texts.set(english, translation);
        else catalogue.errors.add(english, translation);
      });
      if (fault !== null) faults.push(fault);
    }
    if (faults.length > 0) return faults;
    this.#own.set(owner, catalogues);
    this.#names = null;
    return [];
  }

  forget(owner: string): void {
    this.#own.delete(owner);
    this.#names = null;
  }

  /** Returns a text of an owner's templates in a language; the text itself where there is no translation. */
  translate(owner: string, language: string, text: string): string {
    if (language === ENGLISH) return text;
    return this.#find(owner, language, text) ?? text;
  }

  /**
   * Returns what an error says, in a language: its sentence with its values, as a page has it of the API. What is none is
   * looked for among the texts of templates, and stays as it is where it isn't there.
   */
  translateError(owner: string, language: string, said: string): string {
    if (language === ENGLISH) return said;
    const text = this.#find(owner, language, said);
    if (text !== undefined) return text;
    return translateError(
      this.#of(owner, language).map(({ errors }) => errors),
      said,
    );
  }

  #find(owner: string, language: string, text: string): string | undefined {
    for (const { texts } of this.#of(owner, language)) {
      const translation = texts.get(text);
      if (translation !== undefined) return translation;
    }
    return undefined;
  }

  /** The catalogues of a language, an owner's first. */
  #of(owner: string, language: string): Catalogue[] {
    const own = this.#own.get(owner)?.get(language);
    const core = owner === this.#core ? undefined : this.#own.get(this.#core)?.get(language);
    return [own, core].filter((catalogue) => catalogue !== undefined);
  }
}

/**
 * Returns which of these languages somebody wants: what they have chosen, else what their browser asks for (RFC 9110,
 * 12.5.4), else English.
 */
export function chooseLanguage(
  names: readonly string[],
  { chosen, accepted }: { readonly chosen: string | null; readonly accepted: string | null },
): string {
  if (chosen !== null && names.includes(chosen)) return chosen;
  for (const tag of toAcceptedTags(accepted ?? "")) {
    const found = names.find((name) => name === tag) ?? names.find((name) => name === tag.split("-")[0]);
    if (found !== undefined) return found;
  }
  return ENGLISH;
}

/** Returns what its speakers call a language: "Français". */
export function toLanguageName(code: string): string {
  const name = new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
}

/** The languages of an Accept-Language, the most wanted first. */
function toAcceptedTags(accepted: string): string[] {
  return accepted
    .slice(0, 200)
    .split(",")
    .map((part) => {
      const [tag = "", ...parameters] = part.trim().split(";");
      const [, quality = "1"] = /^\s*q=([\d.]+)\s*$/.exec(parameters.join(";")) ?? [];
      return { tag, quality: Number(quality) };
    })
    .filter(({ tag, quality }) => tag !== "" && quality > 0)
    .toSorted((a, b) => b.quality - a.quality)
    .map(({ tag }) => tag);
}

function readInto(
  { name, text }: CatalogueFile,
  add: (english: string, translation: string) => void,
): CatalogueFault | null {
  const document = parseJsonDocument(text);
  const [fault] = document.faults;
  if (fault !== undefined) {
    const { line, column } = fault.position;
    return { name, message: fault.message, lineno: line - 1, colno: column - 1 };
  }
  const { value } = document;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { name, message: "Expected an object of texts and their translations", lineno: 0, colno: 0 };
  }
  for (const [english, translation] of Object.entries(value)) {
    if (typeof translation === "string") {
      add(english, translation);
      continue;
    }
    const { line, column } = document.positionOf([english]);
    const message = `Expected a text as the translation of ${JSON.stringify(english)}`;
    return { name, message, lineno: line - 1, colno: column - 1 };
  }
  return null;
}
