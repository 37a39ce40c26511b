import { relative, sep } from "node:path";

/** Whether a file, with links resolved, is below `root`. */
export function isInside(root: string, file: string): boolean {
  return file.startsWith(root + sep);
}

/** Returns a function that shows paths as a person in `directory` would type them, with slashes everywhere. */
export function createDisplayPath(directory: string): (file: string) => string {
  return (file) => relative(directory, file).replaceAll("\\", "/");
}
