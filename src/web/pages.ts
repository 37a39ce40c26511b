import { escapeHTML } from "bun";
import docsPage from "../../templates/pages/docs.html" with { type: "text" };
import homePage from "../../templates/pages/home.html" with { type: "text" };

/** Nothing from another origin. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; " +
  "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

// Bun's types take every .html import for a bundle; with type "text" it is a string.
export const DOCS_PAGE = docsPage as unknown as string;
export const HOME_PAGE = homePage as unknown as string;

/** HTML that is put into a page as it is. */
class Markup {
  readonly html: string;

  constructor(html: string) {
    this.html = html;
  }
}

/** Fills the `{{ name }}` places of a page with escaped text; a place without a value stays empty. */
export function fillPage(page: string, values: Readonly<Record<string, string | Markup>>): string {
  return page.replace(/\{\{ (\w+) \}\}/g, (_, name: string) => {
    const value = values[name] ?? "";
    return value instanceof Markup ? value.html : escapeHTML(value);
  });
}

/** Lays out links, or says that there are none. */
export function toLinks(
  links: readonly { readonly text: string; readonly href: string }[],
  none: string,
): Markup {
  const items = links.map(
    ({ text, href }) =>
      `<li><a href="${escapeHTML(href)}">${escapeHTML(text)}</a> <code>/${escapeHTML(href)}</code></li>`,
  );
  return new Markup(links.length === 0 ? `<p>${escapeHTML(none)}</p>` : `<ul>${items.join("")}</ul>`);
}

/** Answers with one of xcore's own pages, which may load nothing from another origin. */
export function toPageResponse(page: string): Response {
  return new Response(page, {
    headers: {
      "content-type": "text/html;charset=utf-8",
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "cache-control": "no-cache",
    },
  });
}
