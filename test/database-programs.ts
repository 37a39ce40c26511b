import { readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Dialect } from "../src/db/contract/driver.ts";

/** What a private server of each database is made with. */
export const SERVER_PROGRAMS: Readonly<Record<Dialect, readonly string[]>> = {
  sqlite: [],
  postgres: ["initdb", "postgres"],
  mysql: ["mariadb-install-db", "mariadbd"],
};

/** The absolute path of a server program; Debian keeps some of them off the PATH. */
export function findProgram(name: string): string | null {
  const places = [process.env["PATH"] ?? "", ...postgresFolders(), "/usr/sbin", "/usr/local/sbin"];
  return Bun.which(name, { PATH: places.join(delimiter) });
}

function postgresFolders(): string[] {
  try {
    return readdirSync("/usr/lib/postgresql")
      .toSorted((a, b) => Number(b) - Number(a))
      .map((version) => join("/usr/lib/postgresql", version, "bin"));
  } catch {
    return [];
  }
}
