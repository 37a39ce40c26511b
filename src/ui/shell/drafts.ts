import { isSecretName } from "../../log/secret-names.ts";
import { SealedCookie } from "./sealed-cookie.ts";

/** What was typed into a form that asks who it is first. */
interface Draft {
  /** Path of the page that has the form. */
  readonly page: string;
  /** Path that the form is sent to. */
  readonly action: string;
  readonly fields: Readonly<Record<string, readonly string[]>>;
}

const MAX_SECONDS = 600;
/** Fields that say nothing of what was typed. */
const OWN = new Set(["csrf_token", "confirmed"]);
/** Kinds of fields that are left as the page has them: what is secret isn't kept, and what is hidden is the page's. */
const LEFT = new Set(["password", "hidden", "file", "submit", "button"]);
const TICKED = new Set(["checkbox", "radio"]);

/**
 * Keeps what somebody has typed while they show again that it is them, but for secrets and files; the page of the form has
 * it then. What is larger than a cookie is typed again.
 */
export class Drafts {
  readonly #cookie: SealedCookie<Draft>;
  readonly #personOf: (request: Request) => number | null;
  readonly #bodies = new WeakMap<Request, unknown>();

  /** @param personOf id of who sits before the browser that makes a request: what is typed fills no form of anybody else */
  constructor(key: Uint8Array, personOf: (request: Request) => number | null) {
    this.#personOf = personOf;
    this.#cookie = new SealedCookie("xcore_draft", key, MAX_SECONDS);
  }

  /** Notes what a form has sent. */
  note(request: Request, body: unknown): void {
    if (typeof body === "object" && body !== null) this.#bodies.set(request, body);
  }

  /** Returns the header `Set-Cookie` that keeps what a request has sent, for the page at a path; null for nothing. */
  keep(request: Request, page: string): string | null {
    const all = Object.entries(this.#bodies.get(request) ?? {})
      .filter(([name]) => !OWN.has(name) && !isSecretName(name))
      .map(([name, value]) => [name, [value].flat().filter((one) => typeof one === "string")] as const)
      .filter(([, values]) => values.length > 0);
    if (all.length === 0) return null;
    const [path = page] = page.split("?");
    const action = new URL(request.url).pathname;
    return this.#cookie.keep(
      { page: path, action, fields: Object.fromEntries(all) },
      this.#personOf(request),
    );
  }

  /** Returns what fills the form of the page that a request asks for; null where nothing was kept for it. */
  take(request: Request): { readonly fill: (html: string) => string; readonly clear: string } | null {
    const draft = request.method === "GET" ? this.#cookie.read(request, this.#personOf(request)) : null;
    if (draft === null || draft.page !== new URL(request.url).pathname) return null;
    return { fill: (html) => fillForm(html, draft), clear: this.#cookie.clear };
  }
}

function fillForm(html: string, { action, fields }: Draft): string {
  let isInside = false;
  let chosen: readonly string[] | undefined;
  const valuesOf = (name: string | null): readonly string[] | undefined =>
    isInside && name !== null && Object.hasOwn(fields, name) ? fields[name] : undefined;
  return new HTMLRewriter()
    .on("form", {
      element(form) {
        // The server may stand below a path of a proxy.
        isInside = form.getAttribute("action")?.endsWith(action) === true;
        form.onEndTag(() => void (isInside = false));
      },
    })
    .on("input", {
      element(input) {
        const type = input.getAttribute("type") ?? "text";
        const name = input.getAttribute("name");
        if (!isInside || name === null || LEFT.has(type) || isSecretName(name)) return;
        const values = valuesOf(name);
        const [value] = values ?? [];
        if (TICKED.has(type)) {
          input.removeAttribute("checked");
          if (isAmong(values, input.getAttribute("value") ?? "on")) input.setAttribute("checked", "");
        } else if (value !== undefined) input.setAttribute("value", Bun.escapeHTML(value));
      },
    })
    .on("textarea", {
      element(area) {
        const [value] = valuesOf(area.getAttribute("name")) ?? [];
        // A browser leaves out the first new line.
        if (value !== undefined) area.setInnerContent(`\n${value}`);
      },
    })
    .on("select", { element: (select) => void (chosen = valuesOf(select.getAttribute("name"))) })
    .on("option", {
      element(option) {
        if (chosen === undefined || !isInside) return;
        option.removeAttribute("selected");
        if (isAmong(chosen, option.getAttribute("value") ?? "")) option.setAttribute("selected", "");
      },
    })
    .transform(html);
}

/** @param written as it stands in the page: the rewriter leaves it so */
function isAmong(values: readonly string[] | undefined, written: string): boolean {
  return values?.some((value) => value === written || Bun.escapeHTML(value) === written) === true;
}
