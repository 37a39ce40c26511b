import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Dialect } from "../contract/driver.ts";
import { type Migration, parseMigrations } from "./files.ts";

/**
 * Reads the core's migrations from this source tree, by dialect. Bun calls it as a macro, while it reads `core.ts`: the
 * result stands in the executable, which has no source tree.
 */
export function readEmbeddedMigrations(): Record<Dialect, readonly Migration[]> {
  const folder = join(import.meta.dir, "../../../drizzle");
  const read = (dialect: Dialect): Migration[] => {
    const names = readdirSync(join(folder, dialect)).filter((name) => name.endsWith(".sql"));
    const contents = names.map((name) => [name, readFileSync(join(folder, dialect, name))] as const);
    return parseMigrations(`drizzle/${dialect}`, new Map(contents));
  };
  return { sqlite: read("sqlite"), postgres: read("postgres"), mysql: read("mysql") };
}
