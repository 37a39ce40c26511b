import { fail } from "../errors/codes.ts";
import { Content } from "../web/content/content.ts";
import { findClasses } from "./styles/classes.ts";

/** How many stylesheets of before are kept, for pages that are open still. */
const KEPT = 8;
const IMMUTABLE = "public, max-age=31536000, immutable";
/** What remembers a theme: the browser, and for somebody who is signed in their account. */
const SCRIPT = `document.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLSelectElement) || !("themeChoice" in target.dataset)) return;
  document.documentElement.dataset.theme = target.value;
  document.cookie = "theme=" + target.value + "; path=/; max-age=31536000; samesite=lax";
  const { themeSave } = target.dataset;
  const body = JSON.stringify({ theme: target.value });
  if (themeSave) fetch(themeSave, { method: "PATCH", headers: { "content-type": "application/json" }, body });
});
`;

/** The stylesheet and the script of pages, named for what is in them, so that browsers keep them. */
export class Assets {
  readonly script: string;
  readonly #texts: () => string[];
  readonly #made = new Map<string, Promise<Content>>();
  #classes: readonly string[] = [];
  #stylesheet: string | null = null;

  /** @param texts of all templates, as they are when it is asked */
  constructor(texts: () => string[]) {
    this.#texts = texts;
    this.script = `xcore-${digest(SCRIPT)}.js`;
  }

  /** The name of the stylesheet for the templates that there are now. */
  get stylesheet(): string {
    if (this.#stylesheet === null) {
      this.#classes = findClasses(this.#texts());
      this.#stylesheet = `xcore-${digest(this.#classes.join(" "))}.css`;
      // A page that names it is about to be sent, and its browser to ask.
      this.#asset(this.#stylesheet).catch(() => {});
    }
    return this.#stylesheet;
  }

  /** Tells that the texts of templates have changed. */
  forget(): void {
    this.#stylesheet = null;
  }

  /**
   * Answers with one of them. The stylesheet is compiled when it is first asked for; for one of before, when it isn't
   * kept any more, with that of now.
   *
   * @throws AppError not_found
   */
  async answer(name: string, request: Request): Promise<Response> {
    const current = name.endsWith(".css") ? this.stylesheet : this.script;
    const isKnown = name === current || this.#made.has(name);
    if (!isKnown && !/^xcore-[0-9a-z]+\.css$/.test(name))
      throw fail("not_found", "Nothing is served at this path");
    const content = await this.#asset(isKnown ? name : current);
    return content.answer(request, { "cache-control": isKnown ? IMMUTABLE : "no-cache" });
  }

  #asset(name: string): Promise<Content> {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const made = name.endsWith(".css")
      ? this.#compile(this.#classes).then(
          (text) => new Content(text, { "content-type": "text/css;charset=utf-8" }),
        )
      : Promise.resolve(new Content(SCRIPT, { "content-type": "text/javascript;charset=utf-8" }));
    this.#made.set(name, made);
    made.catch(() => this.#made.delete(name));
    const [oldest] = this.#made.keys();
    if (this.#made.size > KEPT && oldest !== undefined) this.#made.delete(oldest);
    return made;
  }

  async #compile(classes: readonly string[]): Promise<string> {
    const { compileStylesheet } = await import("./styles/stylesheet.ts");
    return compileStylesheet(classes);
  }
}

function digest(text: string): string {
  return Bun.hash(text).toString(36);
}
