import { escapeHTML } from "bun";
import docsPage from "../../templates/pages/docs.html" with { type: "text" };

/** Nothing from another origin, and no script or style but in files. Text becomes no script by itself (Trusted Types). */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; " +
  "frame-ancestors 'self'; require-trusted-types-for 'script'";

// Bun's types take every .html import for a bundle; with type "text" it is a string.
export const DOCS_PAGE = docsPage as unknown as string;

/** Fills the `{{ name }}` places of a page with escaped text; a place without a value stays empty. */
export function fillPage(page: string, values: Readonly<Record<string, string>>): string {
  return page.replace(/\{\{ (\w+) \}\}/g, (_, name: string) => escapeHTML(values[name] ?? ""));
}

/** Of xcore's own pages, which may load nothing from another origin. */
export const PAGE_HEADERS = {
  "content-type": "text/html;charset=utf-8",
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "cache-control": "no-cache",
};
