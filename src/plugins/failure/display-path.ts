import { relative } from "node:path";

/** Returns a function that shows paths as a person in `directory` would type them, with slashes everywhere. */
export function createDisplayPath(directory: string): (file: string) => string {
  return (file) => relative(directory, file).replaceAll("\\", "/");
}
