/**
 * A plugin as it was fetched: every file that it is made of, by name. The name of a file below the plugin's own
 * folder is its path there, "lib/tax.ts"; that of a module from elsewhere is its URL.
 */
export interface Snapshot {
  /** Name of the file that it begins with: "plugin.json", or the module of a single-file plugin, "hello.ts". */
  readonly entry: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  /**
   * Where an import leads that doesn't lead to a file of its own name: because its host redirects, or because it
   * leaves the plugin's folder, "../lib/tax.ts". Always a file of the snapshot.
   */
  readonly redirects: ReadonlyMap<string, string>;
  /** Content of the signature file beside the entry, which is no part of the plugin; null when there is none. */
  readonly signatures: Uint8Array | null;
}

const MAX_NAME = 1024; // characters
/** What is served or applied; modules in it are code for browsers. */
const NOT_FOLLOWED = /^(public|drizzle)\//;

/** Name of the file that holds the signatures of a plugin that begins with `entry`. */
export function signatureNameOf(entry: string): string {
  return `${entry}.sig`;
}

/** Whether a file of a snapshot is a module from elsewhere, named by its URL. */
export function isUrlName(name: string): boolean {
  return /^https?:\/\//.test(name);
}

/**
 * Whether a text may name anything in a snapshot: nothing in it could pass for the end of a line, or be one text here
 * and another once it is written in UTF-8.
 */
export function isName(text: string): boolean {
  return text !== "" && text.length <= MAX_NAME && !/\p{Cc}/u.test(text) && text.isWellFormed();
}

/** Whether a text may name a file below a plugin's folder: a relative path with nothing odd in it. */
export function isFilePath(name: string): boolean {
  return (
    isName(name) &&
    !name.includes("\\") &&
    !/^[A-Za-z]:/.test(name) &&
    name.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}

/** Whether what a file of a snapshot imports belongs to the plugin too. */
export function isFollowed(name: string): boolean {
  return !NOT_FOLLOWED.test(name);
}

/**
 * Returns the name that an import means, before redirects: "lib/tax.ts", "../tax.ts" for one that leaves the
 * plugin's folder, or a URL. Null for a package, a module of the host or of Bun, and for what can't be named.
 *
 * @param importer name of the importing file
 */
export function nameImport(importer: string, specifier: string): string | null {
  if (isUrlName(specifier) || (isUrlName(importer) && /^\.{0,2}\//.test(specifier))) {
    const url = URL.parse(specifier, isUrlName(importer) ? importer : undefined);
    if (url === null) return null;
    url.hash = "";
    return isUrlName(url.href) && isName(url.href) ? url.href : null;
  }
  if (!/^\.{1,2}\//.test(specifier)) return null;
  const parts: string[] = importer.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "." || part === "") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  const name = parts.join("/");
  return isName(name) ? name : null;
}

/**
 * Finds two names of files that can't stand beside each other everywhere: those that differ in nothing but case or
 * in how their accents are encoded, which are one file on macOS and Windows, and a file that is the folder of another.
 *
 * @param names paths with slashes, each once
 */
export function findNameClash(names: Iterable<string>): readonly [string, string] | null {
  const places = new Map<string, { path: string; isFile: boolean; name: string }>();
  for (const name of names) {
    for (let end = name.indexOf("/"); ; end = name.indexOf("/", end + 1)) {
      const isFile = end === -1;
      const path = isFile ? name : name.slice(0, end);
      const folded = path.normalize("NFC").toLowerCase();
      const other = places.get(folded);
      if (other === undefined) places.set(folded, { path, isFile, name });
      else if (other.path !== path || other.isFile || isFile) return [other.name, name];
      if (isFile) break;
    }
  }
  return null;
}
