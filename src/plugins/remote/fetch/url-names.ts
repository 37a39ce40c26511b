import { isFilePath } from "../../snapshot/snapshot.ts";

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

function decodePart(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
