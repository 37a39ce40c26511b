import { t } from "elysia";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { MailArrival } from "../../accounts/people/send-mail.ts";
import { THEMES } from "../../config/schema.ts";
import { redirectTo, VERIFY_PATH, withNext } from "../../accounts/browser/navigation.ts";
import type { Page, PageOptions, TemplateData } from "../../templates/templates.ts";
import { Api, ApiProblem, type ApiOptions } from "./api.ts";
import { Drafts } from "./drafts.ts";
import { type Flash, Flashes } from "./flash.ts";
import { type Area, type MenuSection, toShownMenu } from "./menu.ts";
import type { Scripts } from "./scripts.ts";
import { text } from "./words.ts";

export interface UiOptions extends ApiOptions {
  readonly guards: Guards;
  readonly render: (name: string, data: TemplateData, options: PageOptions) => Promise<Page>;
  /** Seals the messages and what was typed that pages leave for each other. */
  readonly flashKey: Uint8Array;
  readonly scripts: Scripts;
  readonly version: string;
  /** Who makes a request; null for nobody known. */
  readonly userOf: (request: Request) => { readonly id: number; readonly email: string } | null;
  /** Id of who sits before the browser that makes a request, also while they view as somebody else; null for nobody known. */
  readonly personOf: (request: Request) => number | null;
  /** Whether who makes a request may do this. */
  readonly can: (request: Request, permission: string) => boolean;
  /** Where mail of this server arrives: pages promise none that nobody gets. */
  readonly mailArrival: () => MailArrival;
}

/** What a form does, and what comes then. */
export interface Act {
  /** Asks the API for it. */
  readonly call: (api: Api) => Promise<unknown>;
  /** Says what has been done, on the page that it leads to; null where that shows no messages. */
  readonly done: Flash | (() => Flash) | null;
  /** Path to go on to, such as "/ui/plugins"; a function where that is known only then. */
  readonly to: string | (() => string);
  /** Path of the page that has the form: who has to show first that it is them still comes back to it. @default to, where it is no function */
  readonly form?: string;
  /** Shows the form again, with what is wrong. @default the page of `to` says it */
  readonly again?: (problem: ApiProblem) => Promise<Page | Response>;
}

/** What somebody is asked before something is done that can't be undone. */
export interface Question {
  /** English, marked by `text()`. */
  readonly title: string;
  /** What will be so then. English, marked by `text()`. */
  readonly detail?: string;
  /** Fill the `{places}` of title and detail. */
  readonly values?: Readonly<Record<string, string>>;
  /** What the button says. */
  readonly button: string;
  /** Path of the page to go back to. */
  readonly back: string;
}

/** The body of a form that only has buttons, beside what proves where it comes from. */
export const Form = t.Object({
  csrf_token: t.Optional(t.String({ maxLength: 512 })),
  confirmed: t.Optional(t.Literal("yes")),
});

const THEME_NAMES = THEMES.map((code) => ({ code, name: code }));

/** The query of a list: which of its pages. */
export const Paged = t.Object({
  page: t.Optional(t.Integer({ minimum: 1 })),
  after: t.Optional(t.String({ maxLength: 4000 })),
});

/** What wants somebody to show again that it is them: they are led to where they can. */
const ASKS_AGAIN = new Set(["identification_expired", "otp_expired"]);

/** What each area of the interface makes its pages with. */
export class Ui {
  readonly guards: Guards;
  readonly #options: UiOptions;
  readonly #flashes: Flashes;
  readonly #drafts: Drafts;
  /** What the menu leads to now. Set once all areas are known. */
  menu: () => readonly MenuSection[] = () => [];
  /** What the command palette asks beside the menu. Set once all areas are known. */
  finders: readonly NonNullable<Area["find"]>[] = [];

  constructor(options: UiOptions) {
    this.guards = options.guards;
    this.#options = options;
    this.#flashes = new Flashes(options.flashKey);
    this.#drafts = new Drafts(options.flashKey, options.personOf);
  }

  /** Notes what a form has sent, for who has to show first that it is them. */
  note(request: Request, body: unknown): void {
    this.#drafts.note(request, body);
  }

  /** The JSON API, asked in the name of who makes a request. */
  api(request: Request): Api {
    return new Api(request, this.#options);
  }

  /** Whether who makes a request may do this; the API decides, this is for what a page shows. */
  can(request: Request, permission: string): boolean {
    return this.#options.can(request, permission);
  }

  /** Where mail of this server arrives. */
  get mailArrival(): MailArrival {
    return this.#options.mailArrival();
  }

  /** What the frame of a page shows, of the pages of plugins too: see templates/ui/shell.html. */
  shell(request: Request) {
    const { scripts, version, can, userOf } = this.#options;
    const user = userOf(request);
    const { pathname: path, search } = new URL(request.url);
    const menu =
      user !== null ? toShownMenu(this.menu(), { path, can: (permission) => can(request, permission) }) : [];
    const area = menu.flatMap(({ items }) => items).find(({ active }) => active)?.path ?? "/ui";
    return {
      // Neither `user` nor `path` of templates: data of a page may have these names.
      user,
      menu,
      // What was posted can't be gone back to.
      here: request.method === "GET" ? path + search : area,
      flash: null,
      finds: this.finders.length > 0,
      version,
      themes: THEME_NAMES,
      script: (file: string) => scripts.pathOf(file),
    };
  }

  /**
   * Returns a page of templates/ui/, within the shell: with the menu of who asks, and with the message of what they have
   * done before.
   */
  page(request: Request, name: string, data: TemplateData = {}, options: PageOptions = {}): Promise<Page> {
    return this.pageOf(request, `ui/${name}`, data, options);
  }

  /** The same of any template, such as one that a plugin has in the place of ours: "crm/deals.html". */
  pageOf(request: Request, name: string, data: TemplateData, options: PageOptions = {}): Promise<Page> {
    const flash = this.#flashes.read(request, this.#options.personOf(request));
    const draft = this.#drafts.take(request);
    const shell = { ...this.shell(request), flash };
    // A page has one header of it: the message is shown first.
    const taken =
      flash !== null ? { "set-cookie": this.#flashes.clear } : draft && { "set-cookie": draft.clear };
    return this.#options.render(
      name,
      { shell, ...data },
      { change: draft?.fill, ...options, headers: { ...taken, ...options.headers } },
    );
  }

  /** Leads on to a page, with a message for it. */
  redirect(request: Request, path: string, flash: Flash | null = null): Response {
    const response = redirectTo(request, path);
    const kept = flash === null ? null : this.#flashes.keep(flash, this.#options.personOf(request));
    if (kept !== null) response.headers.append("set-cookie", kept);
    return response;
  }

  /** Does what a form asks for and leads on; where the API refuses it, says why. */
  async act(request: Request, { call, done, to, form, again }: Act): Promise<Response | Page> {
    const from = form ?? (typeof to === "string" ? to : new URL(request.url).pathname);
    try {
      await call(this.api(request));
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status === 500) throw error;
      if (ASKS_AGAIN.has(error.code)) return this.#askAgain(request, from);
      if (error.code === "authentication_error") throw error;
      if (again !== undefined) return again(error);
      return this.redirect(request, from, { text: error.message, color: "error" });
    }
    return this.redirect(
      request,
      typeof to === "function" ? to() : to,
      typeof done === "function" ? done() : done,
    );
  }

  /**
   * Asks first whether something is really meant that a form wants done. With scripts a form with `data-confirm` has
   * asked already, and sends `confirmed`.
   *
   * @returns the page that asks; null where it is confirmed
   */
  confirm(
    request: Request,
    body: Readonly<Record<string, unknown>>,
    question: Question,
  ): Promise<Page> | null {
    if (body["confirmed"] === "yes") return null;
    const fields = Object.entries(body)
      .filter(([name]) => name !== "csrf_token")
      .flatMap(([name, value]) => [value].flat().map((one) => ({ name, value: String(one) })));
    const { pathname, search } = new URL(request.url);
    return this.page(request, "confirm.html", { question, fields, action: pathname + search });
  }

  /** Leads to where somebody shows again that it is them, and back to a form with what they have typed. */
  #askAgain(request: Request, form: string): Response {
    const response = redirectTo(request, withNext(VERIFY_PATH, form));
    const kept = this.#drafts.keep(request, form);
    if (kept !== null) response.headers.append("set-cookie", kept);
    return response;
  }

  /**
   * Shows a form again that the API has refused; who has to show again that it is them comes back to `form`.
   *
   * @throws what is no fault of the form
   */
  async refused(
    request: Request,
    error: unknown,
    { form, again }: { readonly form: string; readonly again: (problem: ApiProblem) => Promise<Page> },
  ): Promise<Page | Response> {
    const isFault =
      error instanceof ApiProblem && error.status !== 500 && error.code !== "authentication_error";
    if (!isFault) throw error;
    return ASKS_AGAIN.has(error.code) ? this.#askAgain(request, form) : again(error);
  }

  /**
   * Shows the page of a form, and where it was refused, why: the template has `problem`, null for none, and `errors` by the
   * names of fields.
   */
  form(request: Request, name: string, data: TemplateData, problem: ApiProblem | null = null): Promise<Page> {
    const said = { problem: problem?.message ?? null, errors: problem?.fields ?? {} };
    return this.page(request, name, { ...said, ...data }, problem === null ? {} : { status: problem.status });
  }

  /** Returns a page that says why there isn't the one that was asked for. */
  problem(request: Request, problem: PageProblem, options: PageOptions): Promise<Page> {
    return this.page(request, "problem.html", { problem, headline: toHeadline(problem.status) }, options);
  }
}

/** What a page says of an error. */
export interface PageProblem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly request_id: string;
}

function toHeadline(status: number): string {
  if (status === 404) return text("There is nothing here");
  if (status === 403) return text("You may not see this");
  if (status === 405) return text("This can't be done here");
  return status >= 500 ? text("Something went wrong") : text("This can't be done");
}
