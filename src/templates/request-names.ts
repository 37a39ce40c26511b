import type { RequestLookup } from "./engine/context.ts";
import { chooseLanguage, ENGLISH, toLanguageName } from "./languages/catalogues.ts";
import { fillPlaces, ownerOf } from "./languages/phrases.ts";
import { isTheme, type Theme, THEMES } from "../config/schema.ts";

/** What an app tells templates of a request: who makes it, and in which language. */
export interface RequestGlobals {
  /** Who makes it; null for nobody known. @default null */
  readonly user?: unknown;
  /** Whether whoever makes it may do this. @default nothing */
  readonly can?: (permission: string) => boolean;
  /** What proves that a form comes from a page of the server. @default "" */
  readonly csrf_token?: string;
  /** The theme that whoever makes it has chosen. @default what the browser remembers */
  readonly theme?: string | null;
  /** The language that whoever makes it has chosen. @default what the browser asks for */
  readonly language?: string | null;
}

/** Tells what holds for a request; for null, of what is rendered without one, such as mail. */
export type GlobalsOf = (request: Request | null) => RequestGlobals;

export interface RequestNamesOptions {
  readonly globalsOf: GlobalsOf;
  /** Of the application. */
  readonly appName: string;
  /** The theme where nobody has chosen one. */
  readonly theme: string;
  /** Translates the texts of templates. @default there is English alone */
  readonly words?: Words;
  /** What the frame of the administration shows. @default nothing has that frame */
  readonly shell?: (() => unknown) | undefined;
  readonly nonce: string;
}

/** What the texts of one owner's templates are in other languages. */
export interface Words {
  /** The languages that there are. */
  readonly names: readonly string[];
  /** @param of the plugin whose text it is, where that isn't whose template shows it */
  translate(language: string, text: string, of?: string): string;
  /** The same of what an error says, with its values in it. */
  translateError(language: string, said: string, of?: string): string;
}

const ONLY_ENGLISH: Words = {
  names: [ENGLISH],
  translate: (_language, text) => text,
  translateError: (_language, said) => said,
};
const COOKIE = /(?:^|;\s*)theme=([a-z]{1,20})(?:;|$)/;

/** Names that each request brings, whoever's template asks for them. */
export const REQUEST_NAMES = [
  "app_name",
  "user",
  "can",
  "csrf_token",
  "t",
  "t_error",
  "locale",
  "languages",
  "shell",
  "theme",
  "themes",
  "csp_nonce",
  "path",
  "paginate",
] as const;

/** Returns what the names of a request stand for, each found out when a template first asks. */
export function createRequestNames(request: Request | null, options: RequestNamesOptions): RequestLookup {
  let globals: RequestGlobals | null = null;
  const own = (): RequestGlobals => (globals ??= options.globalsOf(request));
  const { words = ONLY_ENGLISH } = options;
  let language: string | null = null;
  const toLanguage = (): string =>
    (language ??= chooseLanguage(words.names, {
      chosen: own().language ?? null,
      accepted: request?.headers.get("accept-language") ?? null,
    }));
  const translate = (text: unknown, values: unknown): string =>
    fillPlaces(words.translate(toLanguage(), String(text), ownerOf(values)), values);
  const translateError = (said: unknown, values: unknown): string =>
    fillPlaces(words.translateError(toLanguage(), String(said), ownerOf(values)), values);
  return (name) => {
    switch (name) {
      case "app_name":
        return options.appName;
      case "user":
        return own().user ?? null;
      case "can":
        return own().can ?? (() => false);
      case "csrf_token":
        return own().csrf_token ?? "";
      case "t":
        return translate;
      case "t_error":
        return translateError;
      case "locale":
        return toLanguage();
      case "shell":
        return options.shell?.();
      case "languages":
        return words.names.map((code) => ({ code, name: toLanguageName(code) }));
      case "theme":
        return toTheme(own().theme ?? rememberedTheme(request), options.theme);
      case "themes":
        return THEMES;
      case "csp_nonce":
        return options.nonce;
      case "path":
        return request === null ? "/" : new URL(request.url).pathname;
      case "paginate":
        return (page: Paged) => toPageLinks(page, request);
      default:
        return undefined;
    }
  };
}

/** The theme that a browser was told to remember; null for none. */
function rememberedTheme(request: Request | null): Theme | null {
  const [, name = ""] = COOKIE.exec(request?.headers.get("cookie") ?? "") ?? [];
  return isTheme(name) ? name : null;
}

function toTheme(chosen: string | null, fallback: string): string {
  return chosen !== null && isTheme(chosen) ? chosen : fallback;
}

/** A page of a list, as `paginate()` of "xcore" answers it. */
interface Paged {
  readonly page: number;
  readonly per_page: number;
  readonly total?: number | null;
  readonly items?: readonly unknown[];
}

interface PageLink {
  /** Null for a gap between pages that are shown. */
  readonly number: number | null;
  readonly url: string | null;
  readonly current: boolean;
}

/** Returns links to the pages of a list, as they are asked for by this request: first, last, and those around. */
function toPageLinks({ page, per_page: perPage, total, items = [] }: Paged, request: Request | null) {
  const last = total === undefined || total === null ? null : Math.max(1, Math.ceil(total / perPage));
  const urlOf = (number: number): string => {
    const url = new URL(request?.url ?? "http://localhost/");
    url.searchParams.set("page", String(number));
    return `?${url.searchParams.toString()}`;
  };
  const pages: PageLink[] = [];
  const numbers = [1, page - 1, page, page + 1, last ?? page].filter(
    (number) => number >= 1 && number <= (last ?? page),
  );
  for (const number of new Set(numbers.toSorted((a, b) => a - b))) {
    const before = pages.at(-1)?.number ?? 0;
    if (number > before + 1) pages.push({ number: null, url: null, current: false });
    pages.push({ number, url: urlOf(number), current: number === page });
  }
  const hasNext = last === null ? items.length === perPage : page < last;
  return {
    pages,
    previous: page > 1 ? urlOf(page - 1) : null,
    next: hasNext ? urlOf(page + 1) : null,
    total: total ?? null,
  };
}
