import { escapeHTML } from "bun";
import accountPage from "../../templates/pages/account.html" with { type: "text" };
import docsPage from "../../templates/pages/docs.html" with { type: "text" };

/** Nothing from another origin. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; " +
  "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

// Bun's types take every .html import for a bundle; with type "text" it is a string.
export const DOCS_PAGE = docsPage as unknown as string;
const ACCOUNT_PAGE = accountPage as unknown as string;

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

/** What a page that makes an account is made of. */
export interface AccountPage {
  readonly app_name: string;
  readonly title: string;
  /** What stands below the title: the text of a file, and what its places are filled with. */
  readonly body: string;
  readonly values?: Readonly<Record<string, string>>;
  /** @default 200 */
  readonly status?: number;
}

/** Answers with a page that makes an account: without any script or other file, and kept nowhere. */
export function toAccountPage(page: AccountPage): Response {
  const { app_name, title, body, values, status = 200 } = page;
  const [, style = ""] = /<style>([^]*?)<\/style>/.exec(ACCOUNT_PAGE) ?? [];
  const hash = new Bun.CryptoHasher("sha256").update(style).digest("base64");
  const filled = new Markup(fillPage(body, { app_name, ...values }));
  return new Response(fillPage(ACCOUNT_PAGE, { app_name, title, body: filled }), {
    status,
    headers: {
      "content-type": "text/html;charset=utf-8",
      // No script at all, no other origin, and in no frame.
      "content-security-policy":
        `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; form-action 'self'; ` +
        "base-uri 'none'; frame-ancestors 'none'",
      "x-frame-options": "DENY",
      // The token that lets somebody make it is in the address.
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    },
  });
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
