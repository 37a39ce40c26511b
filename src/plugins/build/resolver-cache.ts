import { readdirSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

/**
 * Makes Bun look again for the packages that a build didn't find. It remembers for as long as it runs what a
 * folder holds, so it would never see what `npm install` has put there since.
 *
 * @param root the plugin's folder
 * @param seen folders that have been forgotten already; gets the others
 * @returns whether there were others, so that another build may find more
 */
export function forgetFolders(
  root: string,
  logs: readonly (BuildMessage | ResolveMessage)[],
  seen: Set<string>,
): boolean {
  const folders = new Set<string>();
  for (const log of logs) {
    if (!(log instanceof ResolveMessage) || log.specifier.startsWith(".")) continue;
    const importer = log.position?.file ?? log.referrer; // the latter is empty for `export … from`
    for (const folder of foldersBetween(root, dirname(importer))) {
      folders.add(folder);
      for (const inner of packageFolders(join(folder, "node_modules"), log.specifier)) folders.add(inner);
    }
  }
  const others = [...folders.difference(seen)];
  // The innermost first: what Bun reads anew of a folder takes over what it still remembers of the folders inside.
  for (const folder of others.toSorted((a, b) => b.length - a.length)) {
    forgetFolder(folder);
    seen.add(folder);
  }
  return others.length > 0;
}

function foldersBetween(root: string, folder: string): string[] {
  const inside = relative(root, folder);
  if (inside === ".." || inside.startsWith(`..${sep}`)) return [];
  const parts = inside === "" ? [] : inside.split(sep);
  return [root, ...parts.map((_, index) => join(root, ...parts.slice(0, index + 1)))];
}

/** The folders of a package, down to the last: Bun may have looked while it was being written. */
function packageFolders(modules: string, specifier: string): string[] {
  const parts = specifier.split("/", specifier.startsWith("@") ? 2 : 1);
  const folders = parts.map((_, index) => join(modules, ...parts.slice(0, index + 1)));
  try {
    const inside = readdirSync(join(modules, ...parts), { recursive: true, withFileTypes: true });
    const below = inside.filter((entry) => entry.isDirectory());
    return [modules, ...folders, ...below.map(({ parentPath, name }) => join(parentPath, name))];
  } catch {
    return []; // It isn't there.
  }
}

/** A relative import that isn't found is the one thing that makes Bun drop what it knows of a folder. */
function forgetFolder(folder: string): void {
  try {
    Bun.resolveSync("./no-such-file", folder);
  } catch {
    // As intended.
  }
}
