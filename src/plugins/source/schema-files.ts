import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { isInside, type PluginSource } from "./sources.ts";

const SCHEMA_FILE = /^(?!.*\.(?:d|test)\.)[^._].*\.[jt]s$/;

/**
 * Returns the files that declare a plugin's tables: `schema.ts`, and every file of `schema/`, in order of name.
 * A single-file plugin has none.
 */
export async function findSchemaFiles(source: PluginSource): Promise<string[]> {
  if (source.kind === "file") return [];
  const names = ["schema.ts", "schema.js"];
  for (const name of await readNames(join(source.root, "schema"))) names.push(join("schema", name));
  const files = await Promise.all(names.map((name) => realpath(join(source.root, name)).catch(() => "")));
  // A link that leads out of the folder is no file of the plugin's.
  return files.filter((file) => isInside(source.root, file));
}

async function readNames(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.filter((name) => SCHEMA_FILE.test(name)).toSorted();
}
