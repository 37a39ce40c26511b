import { parseJsonDocument } from "../../../config/json/document.ts";
import { FetchError } from "./error.ts";
import { isFilePath, nameImport, signatureNameOf } from "../../snapshot/snapshot.ts";

const MANIFEST = "plugin.json";

/**
 * Returns the files that a plugin.json names: its entry, and what `files` lists. The rest of it is for whoever loads
 * the plugin.
 *
 * @param subject what errors call it
 */
export function readServedManifest(content: Uint8Array, subject: string): string[] {
  const { value, faults } = parseJsonDocument(new TextDecoder().decode(content));
  const [fault] = faults;
  if (fault !== undefined) {
    const { line, column } = fault.position;
    throw new FetchError(`Cannot read ${subject}: ${fault.message} (line ${line}, column ${column})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FetchError(`Cannot read ${subject}: expected a JSON object`);
  }
  const { entry = "run.ts", files = [] } = value as { entry?: unknown; files?: unknown };
  const main = typeof entry === "string" ? nameImport(MANIFEST, `./${entry}`) : null;
  if (main === null || !isFilePath(main)) {
    throw new FetchError(
      `Cannot use "entry" of ${subject}: it is no path of a file in its folder; name one such as "run.ts"`,
    );
  }
  if (!Array.isArray(files) || !files.every((file) => typeof file === "string" && isFilePath(file))) {
    throw new FetchError(
      `Cannot use "files" of ${subject}: expected paths of files in its folder; "xcore plugin pack --folder" writes them`,
    );
  }
  const names = [main, ...(files as string[])];
  return names.filter((name) => name !== MANIFEST && name !== signatureNameOf(MANIFEST));
}
