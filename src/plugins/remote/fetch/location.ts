import { resolve } from "node:path";
import { quote } from "../../../config/json/values.ts";
import type { AppError } from "../../../errors/errors.ts";
import { fail } from "../../../errors/codes.ts";
import { isFilePath } from "../../snapshot/snapshot.ts";

/** Where a plugin can be fetched from. */
export type Location =
  /** A module, a plugin.json or a .tgz by HTTP. */
  | { readonly kind: "http"; readonly text: string; readonly url: URL }
  /** A package of the npm registry that the machine is set up with. */
  | { readonly kind: "npm"; readonly text: string; readonly name: string; readonly version: string }
  /** A folder, a module or a .tgz on this machine. */
  | { readonly kind: "path"; readonly text: string; readonly path: string };

const NPM = /^npm:((?:@[a-z0-9~][a-z0-9._~-]*\/)?[a-z0-9~][a-z0-9._~-]*)(?:@([\w.+~^<>=*-]+))?$/;
const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Reads where a plugin comes from, as users write it: "https://…", "npm:@scope/name@1.2.3", "../shared/crm".
 *
 * @param directory folder that paths are relative to: that of config.json
 * @throws AppError validation_error that says what is accepted
 */
export function parseLocation(text: string, directory: string): Location {
  if (/\p{Cc}/u.test(text) || !text.isWellFormed()) throw invalid(text, "it holds control characters");
  if (text.startsWith("npm:")) {
    const [, name, version = "latest"] = NPM.exec(text) ?? [];
    if (name === undefined) throw invalid(text, 'write it as "npm:@scope/name@1.2.3"');
    return { kind: "npm", text, name, version };
  }
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === "file") {
    const path = scheme === "file" ? toPath(text) : resolve(directory, text);
    if (text.trim() === "" || /\p{Cc}/u.test(path)) throw invalid(text, "it names no file");
    return { kind: "path", text, path };
  }
  const url = URL.parse(text);
  if (url === null) throw invalid(text, "it is no URL");
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw invalid(text, 'a plugin comes from "https:", "npm:" or a path');
  }
  if (url.username !== "" || url.password !== "") throw invalid(url.host, "a URL must hold no credentials");
  if (url.protocol === "http:" && !isLoopback(url)) {
    throw invalid(text, 'use "https:"; "http:" is for this machine only');
  }
  url.hash = "";
  return { kind: "http", text, url };
}

/** Whether a URL names this machine. */
export function isLoopback(url: URL): boolean {
  return LOOPBACK.test(url.hostname);
}

/** Returns the URL of a file, from that of the plugin's folder, which ends in a slash, and its path there. */
export function toFileUrl(root: URL, name: string): URL {
  return new URL(encodeURI(name).replaceAll(/[?#:]/g, encodeURIComponent), root);
}

/** Returns the path of a file below a plugin's folder; null for a URL that names none there. */
export function toRelativeName(root: URL, url: URL): string | null {
  if (url.origin !== root.origin || url.search !== "" || !url.pathname.startsWith(root.pathname)) return null;
  const parts = url.pathname.slice(root.pathname.length).split("/").map(decodePart);
  // "%2F" is another file than "/".
  if (parts.some((part) => part === null || part.includes("/"))) return null;
  const name = parts.join("/");
  return isFilePath(name) ? name : null;
}

/** Returns the last part of a URL's path, decoded; null when it can't name a file. */
export function toBasename(url: URL): string | null {
  return toRelativeName(new URL(".", url), new URL(url.pathname, url));
}

function toPath(text: string): string {
  try {
    return Bun.fileURLToPath(text);
  } catch {
    throw invalid(text, "it names no file on this machine");
  }
}

function invalid(text: string, reason: string): AppError {
  return fail("validation_error", `Cannot fetch a plugin from ${quote(text)}: ${reason}`);
}

function decodePart(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
