/** A heading of a document. */
export interface Heading {
  readonly level: number;
  /** What a link to it ends with, as GitHub makes it of the text: "#view-as-user". */
  readonly id: string;
  readonly text: string;
}

/** What a heading stands over, as text. */
export interface Section extends Heading {
  readonly body: string;
}

/** A document as a page shows it. */
export interface Rendered {
  readonly html: string;
  readonly headings: readonly Heading[];
  readonly sections: readonly Section[];
}

/** Returns the address of a document by the name of its file; null for one that isn't there. */
export type HrefOf = (file: string) => string | null;

/** Nothing of a document is taken for HTML. */
const OPTIONS = { noHtmlBlocks: true, noHtmlSpans: true } as const;
const HEADING = /<h([1-6])>([^]*?)<\/h\1>/g;
const LINK = /<a href="([^"]*)"[^>]*>([^]*?)<\/a>/g;
const IMAGE = /<img [^>]*?alt="([^"]*)"[^>]*>/g;
const DOCUMENT = /^(?:\.\/)?([\w.-]+\.md)?(#.+)?$/;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

/** Renders a document: headings get ids, links lead to other pages or other sites, and whatever else could act is text. */
export function renderDocument(markdown: string, hrefOf: HrefOf): Rendered {
  const headings: Heading[] = [];
  const used = new Map<string, number>();
  const plain = Bun.markdown.html(markdown, OPTIONS);
  const titled = plain.replace(HEADING, (_, digit: string, inner: string) => {
    const level = Number(digit);
    const text = toText(inner);
    const id = toUnique(toSlug(text), used);
    headings.push({ level, id, text });
    return `<h${level} id="${Bun.escapeHTML(id)}">${inner}</h${level}>`;
  });
  const html = titled
    .replace(LINK, (_, href: string, inner: string) => toLink(decode(href), inner, hrefOf))
    .replace(IMAGE, "$1")
    .replaceAll("<pre>", '<pre tabindex="0">')
    .replaceAll("<table>", '<div data-scroll tabindex="0"><table>')
    .replaceAll("</table>", "</table></div>");
  return { html, headings, sections: toSections(titled, headings) };
}

/** Returns what GitHub ends the address of a heading with. */
export function toSlug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-");
}

function toUnique(slug: string, used: Map<string, number>): string {
  const count = used.get(slug) ?? 0;
  used.set(slug, count + 1);
  return count === 0 ? slug : `${slug}-${count}`;
}

/** What is neither a document nor another site, such as a file of the sources, is its text. */
function toLink(href: string, inner: string, hrefOf: HrefOf): string {
  const [, file, fragment = ""] = DOCUMENT.exec(href) ?? [];
  const own = file === undefined && fragment === "" ? null : file === undefined ? "" : hrefOf(file);
  if (own !== null) return `<a href="${Bun.escapeHTML(own + fragment)}">${inner}</a>`;
  if (!/^https:\/\/[\w.-]+(?:\/|$)/.test(href)) return inner;
  return `<a href="${Bun.escapeHTML(href)}" rel="noreferrer">${inner}</a>`;
}

function toSections(html: string, headings: readonly Heading[]): Section[] {
  const parts = html.split(/<h[1-6] id="[^"]*">[^]*?<\/h[1-6]>/);
  return headings.map((heading, index) => ({ ...heading, body: toText(parts[index + 1] ?? "") }));
}

function toText(html: string): string {
  return decode(html.replaceAll(/<[^>]*>/g, " "))
    .replaceAll(/\s+/g, " ")
    .trim();
}

function decode(text: string): string {
  return text.replaceAll(/&(\w+|#39);/g, (entity, name: string) => ENTITIES[name] ?? entity);
}
