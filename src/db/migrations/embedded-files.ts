import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A file of the core's migrations: its dialect, its name and its text. */
export type EmbeddedFile = readonly [dialect: string, name: string, text: string];

/**
 * Reads the core's migrations from this source tree. Bun calls it as a macro, while it reads `core.ts`: the
 * result stands in the executable, which has no source tree.
 */
export function readEmbeddedFiles(): EmbeddedFile[] {
  const folder = join(import.meta.dir, "../../../drizzle");
  return ["sqlite", "postgres", "mysql"].flatMap((dialect) =>
    readdirSync(join(folder, dialect))
      .filter((name) => name.endsWith(".sql"))
      .toSorted()
      .map((name): EmbeddedFile => [dialect, name, readFileSync(join(folder, dialect, name), "utf8")]),
  );
}
