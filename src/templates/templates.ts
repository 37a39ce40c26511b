import { existsSync } from "node:fs";
import type { Logger } from "pino";
import type { Template } from "./engine/template.ts";
import type { TemplateError } from "./engine/problems.ts";
import { fail } from "./error-codes.ts";
import type { Library } from "./library.ts";
import type { RenderedMail, renderMailParts } from "./mails.ts";
import { Page, type PageOptions } from "./page.ts";
import { createRequestNames, type GlobalsOf } from "./request-names.ts";
import type { Assets } from "./assets.ts";
import type { Owned, Stock } from "./stock.ts";
import { isTheme, THEMES } from "../config/schema.ts";
import { createUrls } from "./urls.ts";

export type { GlobalsOf, RequestGlobals } from "./request-names.ts";
export { chooseLanguage, ENGLISH } from "./languages/catalogues.ts";
export type { RenderedMail } from "./mails.ts";
export type { Page, PageOptions } from "./page.ts";

/** The frame of the pages of the administration. */
const FRAME = "ui/shell.html";

/** What a template is rendered with. */
export type TemplateData = Readonly<Record<string, unknown>>;

export interface TemplatesOptions {
  /** Absolute path of the folder whose templates override the others. */
  readonly directory: string;
  /** Path to show for a file. */
  readonly toDisplayPath: (file: string) => string;
  /** Whether the folder is watched. */
  readonly watches: boolean;
  readonly log: Logger;
  /** Of the application, for its pages. */
  readonly appName: () => string;
  /** The theme where nobody has chosen another one. */
  readonly theme: () => string;
  /** Whether names that aren't there are errors, and answers say what is wrong. */
  readonly isDebug: () => boolean;
  /** Path that clients reach the server below, such as "/erp"; "" for none. */
  readonly basePath: () => string;
  readonly globalsOf: GlobalsOf;
}

/** Templates of one owner: of the core, or of one generation of a plugin. */
export interface TemplateRenderer {
  /**
   * Returns a page, which is rendered for the request that is answered with it.
   *
   * @throws AppError template_not_found
   */
  render(name: string, data?: TemplateData, options?: PageOptions): Promise<Page>;
  /**
   * Renders a text that answers no request, such as a mail.
   *
   * @throws AppError template_not_found, template_failed
   */
  renderText(name: string, data?: TemplateData): Promise<string>;
  /**
   * Renders a mail: `mail/<name>.html`, which is made from the layout of mails.
   *
   * @param language what its recipient reads; English where there are no translations of it
   * @throws AppError template_not_found, template_failed
   */
  renderMail(name: string, data: TemplateData, language: string | null): Promise<RenderedMail>;
}

/** The templates of a plugin, before and while it serves. */
export interface PluginTemplates extends TemplateRenderer {
  readonly owned: Owned;
  /** Compiles all of them. @throws TemplateError for the first that can't be used */
  check(): Promise<void>;
  /** Names of all of them, those of the project's folder among them. */
  names(): Promise<string[]>;
  /** Lets the core's templates find them, and the stylesheet have their classes; returns its undo. */
  publish(): () => void;
}

/** What is loaded when the first template is asked for. */
interface Opened {
  readonly stock: Stock;
  readonly assets: Assets;
  readonly renderMailParts: typeof renderMailParts;
}

/** What a template is rendered for, beside the request. */
interface Circumstances {
  readonly nonce: string;
  readonly shell?: (() => unknown) | undefined;
  /** What whoever reads it has chosen, where that isn't who makes a request. */
  readonly language?: string | null;
}

/** Pages from templates; what makes them is loaded when the first is asked for. */
export class Templates implements TemplateRenderer {
  readonly #options: TemplatesOptions;
  readonly #themes: string[] = [];
  readonly #published = new Map<string, Owned>();
  /** Whether there is a plugin of this name, loaded or not. */
  isPlugin: (name: string) => boolean = () => false;
  /** Loads what tells what the frame of the administration shows to whoever makes a request. The app sets it. */
  loadShell: () => Promise<(request: Request) => unknown> = async () => () => undefined;
  /** Whether templates stand in that frame, found out once for each. */
  readonly #framed = new WeakMap<Template, boolean>();
  #opening: Promise<Opened> | null = null;
  #opened: Stock | null = null;

  constructor(options: TemplatesOptions) {
    this.#options = options;
  }

  render(name: string, data: TemplateData = {}, options: PageOptions = {}): Promise<Page> {
    return this.#page(name, data, options, ({ core }) => core);
  }

  renderText(name: string, data: TemplateData = {}): Promise<string> {
    return this.#text(name, data, ({ core }) => core);
  }

  renderMail(name: string, data: TemplateData, language: string | null): Promise<RenderedMail> {
    return this.#mail({ name, data, language }, ({ core }) => core);
  }

  /** Makes the templates of a generation of a plugin. @param prefix of its paths, such as "/blog" */
  forPlugin(owned: Owned, prefix: string): PluginTemplates {
    const globals = new Map(Object.entries(createUrls(this.#options.basePath, prefix)));
    const all: Owned = {
      ...owned,
      get globals() {
        return new Map([...globals, ...owned.globals]);
      },
    };
    const find = (stock: Stock): Library => stock.libraryOf(all);
    return {
      owned: all,
      render: (name, data = {}, options = {}) => this.#page(name, data, options, find),
      renderText: (name, data = {}) => this.#text(name, data, find),
      renderMail: (name, data, language) => this.#mail({ name, data, language }, find),
      check: async () => {
        if (all.texts.size > 0) find(await this.stock()).check();
      },
      names: async () => find(await this.stock()).names,
      publish: () => this.#publish(all),
    };
  }

  /**
   * Sets the theme of all who have chosen none; returns its undo.
   *
   * @throws TypeError for one that there isn't
   */
  setTheme(theme: string): () => void {
    if (!isTheme(theme))
      throw new TypeError(`Cannot set theme "${theme}": expected one of ${THEMES.join(", ")}`);
    this.#themes.push(theme);
    return () => {
      const index = this.#themes.lastIndexOf(theme);
      if (index !== -1) this.#themes.splice(index, 1);
    };
  }

  /** Answers with a stylesheet or script of pages. @throws AppError not_found */
  async answerAsset(name: string, request: Request): Promise<Response> {
    const { assets } = await (this.#opening ??= this.#load());
    return assets.answer(name, request);
  }

  /**
   * Says in the log what is wrong with the project's templates, before anybody asks for one. Nothing is loaded where there
   * are none, or where their folder isn't watched: only there somebody is at work on them.
   */
  async report(): Promise<void> {
    const { directory, watches, log } = this.#options;
    if (!watches || !existsSync(directory)) return;
    await this.stock().catch((error: unknown) => log.error({ err: error }, "templates can't be read"));
  }

  /** Resolves once what has changed on the disk so far is read. */
  async settled(): Promise<void> {
    await this.#opened?.settled();
  }

  close(): void {
    this.#opened?.close();
  }

  async #page(
    name: string,
    data: TemplateData,
    options: PageOptions,
    find: (stock: Stock) => Library,
  ): Promise<Page> {
    const stock = this.#opened ?? (await this.stock());
    const library = find(stock);
    const template = this.#find(library, name);
    const shellOf = this.#isFramed(template) ? await this.loadShell() : null;
    return new Page(
      name,
      (request, nonce) =>
        this.#attempt(name, () => {
          const shell = shellOf === null ? undefined : () => shellOf(request);
          return library.render(template, data, this.#circumstances(library, request, { nonce, shell }));
        }),
      options,
    );
  }

  async #text(name: string, data: TemplateData, find: (stock: Stock) => Library): Promise<string> {
    const library = find(this.#opened ?? (await this.stock()));
    const template = this.#find(library, name);
    return this.#attempt(name, () =>
      library.render(template, data, this.#circumstances(library, null, { nonce: "" })),
    );
  }

  async #mail(
    asked: { readonly name: string; readonly data: TemplateData; readonly language: string | null },
    find: (stock: Stock) => Library,
  ): Promise<RenderedMail> {
    const { stock, renderMailParts } = await (this.#opening ??= this.#load());
    const library = find(stock);
    const name = `mail/${asked.name}.html`;
    const template = this.#find(library, name);
    const circumstances = this.#circumstances(library, null, { nonce: "", language: asked.language });
    const language = String(circumstances.request("locale"));
    return this.#attempt(name, () => ({
      ...renderMailParts(template, (one, names) =>
        library.render(one, { ...asked.data, ...names }, circumstances),
      ),
      language,
    }));
  }

  #find(library: Library, name: string) {
    const found = this.#attempt(name, () => library.find(name));
    if (found !== null) return found;
    throw fail(
      "template_not_found",
      this.#options.isDebug()
        ? `Cannot render "${name}": there is no such template`
        : "Cannot render the page",
      { cause: new TypeError(`There is no template "${name}"`) },
    );
  }

  /** Whether it extends the frame of the administration, be it over others. */
  #isFramed(template: Template): boolean {
    const known = this.#framed.get(template);
    if (known !== undefined) return known;
    const extended = template.references.find(({ kind }) => kind === "extends");
    const parent = extended === undefined ? null : template.resolve(extended);
    const isFramed = template.source.name === FRAME || (parent !== null && this.#isFramed(parent));
    this.#framed.set(template, isFramed);
    return isFramed;
  }

  #circumstances(
    { owner }: Library,
    request: Request | null,
    { nonce, shell, language: chosen = null }: Circumstances,
  ) {
    const { isDebug, theme, appName } = this.#options;
    const globalsOf: GlobalsOf = chosen === null ? this.#options.globalsOf : () => ({ language: chosen });
    const languages = this.#opened?.languages;
    const words = languages && {
      names: languages.names,
      translate: (language: string, text: string, of = owner) => languages.translate(of, language, text),
      translateError: (language: string, said: string, of = owner) =>
        languages.translateError(of, language, said),
    };
    const names = createRequestNames(request, {
      globalsOf,
      appName: appName(),
      theme: this.#themes.at(-1) ?? theme(),
      nonce,
      shell,
      ...(words && { words }),
    });
    return { isStrict: isDebug(), request: names };
  }

  #attempt<T>(name: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      const { message } = error as TemplateError;
      const shown = this.#options.isDebug()
        ? message
        : "Cannot render the page: quote the request id to the administrator";
      throw fail("template_failed", shown, {
        cause: error,
        members: this.#options.isDebug() ? { template: name } : {},
      });
    }
  }

  #publish(owned: Owned): () => void {
    this.#published.set(owned.name, owned);
    this.#opened?.onChange();
    return () => {
      if (this.#published.get(owned.name) === owned) {
        this.#published.delete(owned.name);
        this.#opened?.languages.forget(owned.name);
      }
      this.#opened?.onChange();
    };
  }

  /** All templates there are now. */
  async stock(): Promise<Stock> {
    this.#opening ??= this.#load();
    return (await this.#opening).stock;
  }

  async #load(): Promise<Opened> {
    const [{ Stock: StockClass }, { Assets: AssetsClass }, { renderMailParts }] = await Promise.all([
      import("./stock.ts"),
      import("./assets.ts"),
      import("./mails.ts"),
    ]);
    const assets: Assets = new AssetsClass(() => stock.texts);
    const { basePath } = this.#options;
    const options = { ...this.#options, isPlugin: (name: string) => this.isPlugin(name) };
    const globals = new Map<string, unknown>(Object.entries(createUrls(basePath, "")));
    globals.set("stylesheet", () => `${basePath()}/static/${assets.stylesheet}`);
    globals.set("page_script", () => `${basePath()}/static/${assets.script}`);
    const additions = { globals, filters: new Map() };
    const stock: Stock = await StockClass.open(options, { additions, published: this.#published });
    stock.onChange = () => assets.forget();
    this.#opened = stock;
    return { stock, assets, renderMailParts };
  }
}
