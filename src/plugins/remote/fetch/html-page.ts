import { FetchError } from "./error.ts";
import { type HttpFile, type HttpRequest, toSubject } from "./http-answer.ts";

// Hosts of applications with one page answer with it whatever is asked for, and sign-in pages come with status 200.
const NEVER_HTML = /\.([cm]?[jt]sx?|jsonc?|sql|css|lock|tgz|gz|toml|ya?ml|csv)$/i;
const START_OF_HTML = /^\s*(<!doctype html|<html)\b/i;
const LOOKED_AT = 256; // bytes

/** @throws FetchError when a host has answered with a page where the file's ending promises something else */
export function assertNoPage(file: HttpFile, request: Pick<HttpRequest, "url" | "reason">): void {
  if (!NEVER_HTML.test(request.url.pathname)) return;
  const start = new TextDecoder().decode(file.content.subarray(0, LOOKED_AT));
  if (file.type !== "text/html" && !START_OF_HTML.test(start)) return;
  const advice = "see in a browser what is there";
  throw new FetchError(`Cannot fetch ${toSubject(request)}: its host answered with an HTML page; ${advice}`);
}
