import type { Dialect } from "../contract/dialect.ts";
import { readEmbeddedFiles } from "./embedded-files.ts" with { type: "macro" };
import { assertNumbered, type Migration, parseMigration } from "./migration-files.ts";

/** Owner of the tables and permissions that belong to xcore itself; no plugin may have the name. */
export const CORE_OWNER = "core";

const FILES = readEmbeddedFiles();

/** The migrations of xcore's own tables; the executable carries them. */
export function coreMigrations(dialect: Dialect): Migration[] {
  const files = FILES.filter(([one]) => one === dialect);
  const directory = `drizzle/${dialect}`;
  assertNumbered(
    directory,
    files.map(([, name]) => name),
  );
  return files.map(([, name, text]) =>
    parseMigration(`${directory}/${name}`, name, new TextEncoder().encode(text)),
  );
}
