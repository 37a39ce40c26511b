import { readDocuments } from "./documents.ts";
import { type Heading, type HrefOf, renderDocument } from "./rendering.ts";
import { type Found, type SearchedSection, searchSections, toSearched } from "./search.ts";

/** A group of documents, as the table of contents has it. */
export interface Part {
  readonly title: string;
  readonly chapters: readonly Chapter[];
}

/** A document of the table of contents. */
export interface Chapter {
  readonly title: string;
  readonly name: string;
}

/** A document as a page shows it. */
export interface Document {
  readonly title: string;
  readonly language: string;
  readonly html: string;
  /** What it is divided into: headings of the second and third level. */
  readonly headings: readonly Heading[];
}

/** The table of contents, which is a document too. */
const CONTENTS = "README.md";
const MANY_HEADINGS = 30;

/** Opens the documents that the executable holds. */
export async function openBook(): Promise<Book> {
  return new Book(await readDocuments());
}

/** The documents, with their table of contents and what is found in them. */
export class Book {
  readonly parts: readonly Part[];
  readonly #texts: ReadonlyMap<string, string>;
  /** By their names, and what their addresses begin with. */
  readonly #rendered = new Map<string, Document>();
  #sections: Promise<readonly SearchedSection[]> | null = null;

  /** @param texts Markdown, by the names of files */
  constructor(texts: ReadonlyMap<string, string>) {
    this.#texts = texts;
    this.parts = readContents(texts.get(CONTENTS) ?? "");
  }

  /** Names of all documents; "" is the table of contents. */
  get names(): string[] {
    return [...this.#texts.keys()].map(toName);
  }

  /**
   * Returns a document; null for a name that there is none of.
   *
   * @param base what the addresses of documents begin with, seen from where it is shown: "" or "guide/"
   */
  find(name: string, base: string): Document | null {
    const file = toFile(name);
    const markdown = this.#texts.get(file);
    if (markdown === undefined || toName(file) !== name) return null;
    const key = base + name;
    const document = this.#rendered.get(key) ?? this.#render(file, markdown, base);
    this.#rendered.set(key, document);
    return document;
  }

  #render(file: string, markdown: string, base: string): Document {
    const { html, headings } = renderDocument(markdown, this.#hrefOf(base));
    const below = headings.filter(({ level }) => level === 2 || level === 3);
    const chapters = below.filter(({ level }) => level === 2);
    return {
      title: titleOf(headings),
      language: languageOf(file),
      html,
      headings: below.length > MANY_HEADINGS ? chapters : below,
    };
  }

  /** Finds sections by words; those that fit best first. Addresses are as seen from another document. */
  async search(query: string): Promise<Found[]> {
    this.#sections ??= this.#readSections();
    return searchSections(await this.#sections, query);
  }

  /** All of them at once would hold up whoever else asks for something. */
  async #readSections(): Promise<SearchedSection[]> {
    const found: SearchedSection[] = [];
    for (const [file, markdown] of this.#texts) {
      if (file === CONTENTS) continue;
      const { sections, headings } = renderDocument(markdown, () => null);
      const title = titleOf(headings);
      for (const section of sections) {
        const fragment = section.level === 1 ? "" : `#${section.id}`;
        found.push(toSearched(section, title, toName(file) + fragment));
      }
      // oxlint-disable-next-line no-await-in-loop -- one document after another
      await new Promise((resolve) => setImmediate(resolve));
    }
    return found;
  }

  #hrefOf(base: string): HrefOf {
    return (file) => {
      if (!this.#texts.has(file)) return null;
      if (file === CONTENTS) return base === "" ? "../guide" : "";
      return base + toName(file);
    };
  }
}

/** Reads the table of contents: headings, and below each a list of links. */
function readContents(markdown: string): Part[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .map((text) => ({
      title: text.slice(0, text.indexOf("\n")).trim(),
      chapters: [...text.matchAll(/^- \[([^\]]+)\]\(([\w.-]+\.md)\)/gm)].map(([, title = "", file = ""]) => ({
        title,
        name: toName(file),
      })),
    }))
    .filter(({ chapters }) => chapters.length > 0);
}

function titleOf(headings: readonly Heading[]): string {
  return headings.find(({ level }) => level === 1)?.text ?? "";
}

/** A document in another language than English says so in its name: "faq.fr.md". */
function languageOf(file: string): string {
  return /\.([a-z]{2})\.md$/.exec(file)?.[1] ?? "en";
}

function toName(file: string): string {
  return file === CONTENTS ? "" : file.slice(0, -".md".length);
}

function toFile(name: string): string {
  return name === "" ? CONTENTS : `${name}.md`;
}
