import { realpathSync } from "node:fs";
import { basename, relative } from "node:path";

const PLAIN = /^[\w./\\:-]+$/;

export interface OwnCommandOptions {
  /** Of the executable, absolute; null where xcore runs from its sources. */
  readonly executable: string | null;
  /** What the shell finds by a name; null for nothing. */
  readonly which: (name: string) => string | null;
}

/** Returns what whoever is in a folder types to run xcore: its name, or where the shell doesn't find it, its path. */
export function toOwnCommand(
  folder: string,
  {
    executable = Bun.isStandaloneExecutable ? process.execPath : null,
    which = Bun.which,
  }: Partial<OwnCommandOptions> = {},
): string {
  if (executable === null) return "xcore";
  const name = basename(executable);
  const found = which(name);
  if (found !== null && toRealPath(found) === toRealPath(executable)) return name;
  const fromHere = relative(folder, executable);
  const here = fromHere === name ? `./${name}` : fromHere;
  const path = here.length < executable.length ? here : executable;
  return PLAIN.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

function toRealPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // it was replaced meanwhile
  }
}
