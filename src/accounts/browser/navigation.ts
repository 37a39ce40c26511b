import type { AppError } from "../../errors/errors.ts";
import { isNavigation } from "../../web/clients/site.ts";

export { isNavigation };

export const LOGIN_PATH = "/auth/login";
export const LOGOUT_PATH = "/auth/logout";
export const FORGOT_PATH = "/auth/password/forgot";
export const VERIFY_PATH = "/auth/verify";
/** Sends the link again by which an email is verified. */
export const RESEND_PATH = "/auth/email/verification";

const MAX_LENGTH = 2048; // characters
/** Nothing that browsers leave out, such as tabs and new lines, or take for a slash. */
const PLAIN_PATH = /^\/(?:[!-[\]-~][!-[\]-~]*)?$/;

/**
 * Returns where to go on to, as a path of this server with its query: "/" for anything else. What could lead a browser
 * elsewhere is no such path: "//evil.example", "/\evil.example", "javascript:…".
 */
export function toOwnPath(text: string | null | undefined): string {
  if (text === null || text === undefined || text.length > MAX_LENGTH || !PLAIN_PATH.test(text)) return "/";
  const base = "http://own.invalid";
  const url = URL.parse(text, base);
  if (url === null || url.origin !== base || url.pathname.startsWith("//")) return "/";
  // Back to the way in or out is no way on.
  return [LOGIN_PATH, LOGOUT_PATH].includes(url.pathname) ? "/" : url.pathname + url.search;
}

/** Returns how a page of this server is called from the page of a request: it may stand below any path of a proxy. */
export function toRelative(request: Request, path: string): string {
  const depth = (URL.parse(request.url)?.pathname ?? "/").split("/").length - 2;
  return (depth === 0 ? "./" : "../".repeat(depth)) + path.slice(1);
}

/** Leads a browser on to a path of this server. */
export function redirectTo(request: Request, path: string): Response {
  return new Response(null, {
    status: 303,
    headers: { location: toRelative(request, path), "cache-control": "no-store" },
  });
}

/** Adds where to go on to, to the path of a page that asks for something first. */
export function withNext(path: string, next: string): string {
  return next === "/" ? path : `${path}?next=${encodeURIComponent(next)}`;
}

/**
 * Returns what leads a browser that is refused a page to where it can show who it is: the login, or the password or
 * code again. Null for all that isn't a browser's page, and for other errors.
 */
export function redirectRefused({ code }: AppError, request: Request): Response | null {
  const page =
    code === "authentication_error"
      ? LOGIN_PATH
      : code === "identification_expired" || code === "otp_expired"
        ? VERIFY_PATH
        : null;
  if (page === null || !isNavigation(request)) return null;
  return redirectTo(request, withNext(page, nextOf(request)));
}

/** What was asked for; for a form that was sent, the page that has it. */
function nextOf(request: Request): string {
  const { url, method, headers } = request;
  const asked = method === "GET" ? url : headers.get("referer");
  const parsed = asked === null ? null : URL.parse(asked, "http://own.invalid");
  return parsed === null ? "/" : toOwnPath(parsed.pathname + parsed.search);
}
