import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import pino from "pino";
import type { LoadedConfig } from "../src/config/load.ts";
import { parseDatabaseUrl } from "../src/db/contract/database-url.ts";
import { prepareCoreTables } from "../src/db/migrations/core.ts";
import { openDatabase } from "../src/db/open.ts";
import { runOnServer } from "./run-on-server.ts";
import { makeScratchFolder } from "./scratch.ts";

/**
 * Databases with the core's tables, as the migrations make them. Those run once for each process and kind of
 * database, and tests get copies: applying them takes half of an app's first start.
 */

let sqlite: Promise<Buffer> | null = null;
const onServers = new Map<string, Promise<string>>();

/**
 * Puts a database where an app is to find its own in SQLite. Does nothing where there is one, or where migrations
 * aren't to be applied.
 */
export async function provideCoreTables({ config: { database }, directory }: LoadedConfig): Promise<void> {
  if (!database.auto_migrate) return;
  const url = parseDatabaseUrl(database.url, directory);
  if (url.dialect === "sqlite") await writeMigratedFile(url.file);
}

/** Writes a database of SQLite, unless there is one. */
export async function writeMigratedFile(file: string): Promise<void> {
  const content = await (sqlite ??= migrateFile());
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content, { flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

/**
 * What creates a database of that name on a private server of this run.
 *
 * @param server the URL of the server
 */
export async function toMigratedDatabase(server: URL, name: string): Promise<string> {
  const write = server.protocol === "mysql:" ? migrateOnMysql : migrateOnPostgres;
  let made = onServers.get(server.href);
  if (made === undefined) onServers.set(server.href, (made = write(server)));
  return (await made).replaceAll(NAME, name);
}

/** Stands in statements for the name of the database that is made. */
const NAME = "xcore_test_copy";

async function migrateFile(): Promise<Buffer> {
  const folder = makeScratchFolder("migrated");
  try {
    const file = join(folder, "app.db");
    await migrate(`sqlite:${file}`);
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function migrateOnPostgres(server: URL): Promise<string> {
  return `create database ${NAME} template ${await createMigrated(server)}`;
}

/** MySQL copies no databases: what its tables are now is fewer statements than what they have become it by. */
async function migrateOnMysql(server: URL): Promise<string> {
  const name = await createMigrated(server);
  const connection = await createConnection({ uri: server.href, database: name });
  try {
    const statements = [`create database ${NAME}`, `use ${NAME}`, "set foreign_key_checks = 0"];
    const [tables] = await connection.query<RowDataPacket[]>("show tables");
    for (const table of tables.flatMap((row) => Object.values(row) as string[])) {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      const [[made]] = await connection.query<RowDataPacket[]>(`show create table ${table}`);
      statements.push(String(made?.["Create Table"]), `insert into ${table} select * from ${name}.${table}`);
    }
    return statements.join(";\n");
  } finally {
    await connection.end();
  }
}

/** @returns the name of a database that stays as it is while the server runs */
async function createMigrated(server: URL): Promise<string> {
  const name = `xcore_migrated_${randomBytes(8).toString("hex")}`;
  await runOnServer(server.href, `create database ${name}`);
  await migrate(new URL(`/${name}`, server).href);
  return name;
}

async function migrate(url: string): Promise<void> {
  const log = pino({ level: "silent" });
  const driver = await openDatabase({ url: parseDatabaseUrl(url, "/"), poolSize: 1, echo: false, log });
  await prepareCoreTables(driver, { migrates: true, log });
  await driver.close();
}
