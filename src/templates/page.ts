import { LateAnswer } from "../web/answers.ts";
import { compressPage } from "../web/content/codings.ts";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html;charset=utf-8",
  txt: "text/plain;charset=utf-8",
  xml: "application/xml;charset=utf-8",
};

/** Nonces that pages have asked for, by their requests. */
const nonces = new WeakMap<Request, string>();

/** Returns what lets a script run in the page that a request is answered with. */
export function nonceOf(request: Request): string {
  const known = nonces.get(request);
  if (known !== undefined) return known;
  const nonce = crypto.randomUUID();
  nonces.set(request, nonce);
  return nonce;
}

/** What a page may be answered with beside its text. */
export interface PageOptions {
  /** @default 200 */
  readonly status?: number;
  /** Headers to add, over those that every page has. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Changes its text before it is sent. */
  readonly change?: ((text: string) => string) | undefined;
}

/** A page that is rendered for the request that it answers. */
export class Page extends LateAnswer {
  readonly #name: string;
  readonly #render: (request: Request, nonce: string) => string;
  readonly #options: PageOptions;

  constructor(name: string, render: (request: Request, nonce: string) => string, options: PageOptions) {
    super();
    this.#name = name;
    this.#render = render;
    this.#options = options;
  }

  /** @throws AppError template_failed */
  override toResponse(request: Request): Response {
    const nonce = nonceOf(request);
    const type = TYPES[this.#name.slice(this.#name.lastIndexOf(".") + 1)] ?? "text/html;charset=utf-8";
    const { status = 200, headers, change } = this.#options;
    const rendered = this.#render(request, nonce);
    const text = change === undefined ? rendered : change(rendered);
    const compressed = status === 200 && !isEncoded(headers) ? compressPage(text, request) : null;
    return new Response(compressed?.bytes ?? text, {
      status,
      headers: {
        "content-type": type,
        "content-security-policy": toSecurityPolicy(nonce),
        // It is made for who asks: another time it has another nonce, so that there is no tag to ask for it by.
        "cache-control": "private, no-cache",
        ...(compressed !== null && {
          "content-encoding": compressed.coding,
          vary: "accept-encoding, cookie",
        }),
        ...headers,
      },
    });
  }
}

/** Whether a route has compressed its page itself. */
function isEncoded(headers: Readonly<Record<string, string>> = {}): boolean {
  return Object.keys(headers).some((name) => /^content-(?:encoding|range)$/i.test(name));
}

/**
 * Returns what a page may load and run (CSP level 3): scripts that carry its nonce, and nothing of another origin. Text
 * becomes no script or markup by itself (Trusted Types). daisyUI's styles have images in them.
 */
export function toSecurityPolicy(nonce: string): string {
  return (
    `default-src 'self'; script-src 'nonce-${nonce}'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; ` +
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; " +
    "require-trusted-types-for 'script'"
  );
}
