import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const FILE = "config.json";
/** What `xcore init` and `xcore types` put beside it: programs of all kinds have a config.json. */
const BESIDE = ["xcore.schema.json", ".xcore"];

/**
 * Says that a command is about to work without the project that it was probably meant for, which lies around the folder
 * that it runs in; null where there is none, or the folder has a config.json of its own.
 */
export function findOtherProject(cwd: string): string | null {
  if (existsSync(join(cwd, FILE))) return null;
  for (let folder = dirname(cwd), below = cwd; folder !== below; below = folder, folder = dirname(folder)) {
    const isProject = existsSync(join(folder, FILE)) && BESIDE.some((name) => existsSync(join(folder, name)));
    if (!isProject) continue;
    const path = relative(cwd, folder);
    return `There is no ${FILE} in this folder, but in ${path}: run it there, or with --config ${join(path, FILE)}`;
  }
  return null;
}
