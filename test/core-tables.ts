import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import pino from "pino";
import type { LoadedConfig } from "../src/config/load.ts";
import { parseDatabaseUrl } from "../src/db/contract/database-url.ts";
import { prepareCoreTables } from "../src/db/migrations/core.ts";
import { openDatabase } from "../src/db/open.ts";
import { makeScratchFolder } from "./scratch.ts";

let migrated: Promise<Buffer> | null = null;

/**
 * Puts where an app is to find its SQLite database one that its migrations have made before: applying them takes
 * half of a start. Does nothing where there is a database, or where migrations aren't to be applied.
 */
export async function provideCoreTables({ config: { database }, directory }: LoadedConfig): Promise<void> {
  if (!database.auto_migrate) return;
  const url = parseDatabaseUrl(database.url, directory);
  if (url.dialect !== "sqlite") return;
  const content = await (migrated ??= migrate());
  await mkdir(dirname(url.file), { recursive: true });
  await writeFile(url.file, content, { flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function migrate(): Promise<Buffer> {
  const folder = makeScratchFolder("migrated");
  try {
    const file = join(folder, "app.db");
    const log = pino({ level: "silent" });
    const url = parseDatabaseUrl(`sqlite:${file}`, folder);
    const driver = await openDatabase({ url, poolSize: 1, echo: false, log });
    await prepareCoreTables(driver, { migrates: true, log });
    await driver.close();
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}
