import { Database } from "bun:sqlite";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import pino from "pino";
import { createUpgrade } from "../../src/backups/upgrade.ts";
import { loadConfig } from "../../src/config/load.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { applyMigrations } from "../../src/db/migrations/apply.ts";
import { CORE_OWNER, coreMigrations, prepareCoreTables } from "../../src/db/migrations/core.ts";
import { parseMigration } from "../../src/db/migrations/files.ts";
import { openDatabase } from "../../src/db/open.ts";
import { sql } from "drizzle-orm";
import { xcore, XcoreServer } from "../cli/xcore-process.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { TestFolder } from "../setup.ts";

const log = pino({ level: "silent" });
const OLDER = 12; // migrations that a version before had
const CONFIG = { server: { port: 0 }, backups: { keep: 1 } };
const version = (name: string) => ({ version: name, backUp: async () => {}, findBackup: async () => null });

async function withDatabase<T>(url: string, work: (driver: Driver) => Promise<T>): Promise<T> {
  const driver = await openDatabase({ url: parseDatabaseUrl(url, "/"), poolSize: 2, echo: false, log });
  try {
    return await work(driver);
  } finally {
    await driver.close();
  }
}

/** Applies the core's first migrations, as an older version has. */
async function migrateAsOlder(driver: Driver, writer = "0.0.9"): Promise<void> {
  const migrations = coreMigrations(driver.dialect).slice(0, OLDER);
  await applyMigrations(driver, { owner: CORE_OWNER, migrations, log, upgrade: version(writer) });
}

/** Applies one more migration of the core than this version knows. */
async function migrateAsNewer(driver: Driver): Promise<void> {
  const next = parseMigration(
    "0099_later.sql",
    "0099_later.sql",
    Buffer.from("create table later (id integer)"),
  );
  const migrations = [...coreMigrations(driver.dialect), next];
  await applyMigrations(driver, { owner: CORE_OWNER, migrations, log, upgrade: version("9.9.9") });
}

async function listBackups(folder: TestFolder): Promise<string[]> {
  return (await readdir(join(folder.path, "data/backups")).catch(() => [])).toSorted((a, b) =>
    a < b ? -1 : 1,
  );
}

const PLUGIN = {
  "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
  "plugins/shop/run.ts": `import { createRouter } from "xcore"; export default createRouter().get("/", () => "shop");`,
  "plugins/shop/drizzle/sqlite/0000_start.sql": "CREATE TABLE `shop_items` (`id` integer PRIMARY KEY);",
};

test("a start backs up what an older version has written before it migrates: the core's tables, and plugins'", async () => {
  await using folder = await TestFolder.create({ "config.json": CONFIG, ...PLUGIN });
  const file = join(folder.path, "data/app.db");
  await mkdir(join(folder.path, "data/backups"), { recursive: true });
  await writeFile(join(folder.path, "data/backups/mine.tar.gz"), "somebody's own");
  await withDatabase(`sqlite:${file}`, (driver) => migrateAsOlder(driver));
  {
    await using server = await XcoreServer.start(folder);
    expect((await server.fetch("/shop")).status).toBe(200);
  }
  const [first = "", ...others] = await listBackups(folder);
  expect(first).toMatch(/^before-migration-\d{4}-.+Z-0\.0\.9-to-\d+\.\d+\.\d+\.tar\.gz$/);
  expect(others).toEqual(["mine.tar.gz"]);
  expect((await stat(join(folder.path, "data/backups", first))).mode & 0o777).toBe(0o600);

  // A plugin's alone, of which the older backup goes: one is kept.
  await folder.write({
    "plugins/shop/drizzle/sqlite/0001_more.sql": "ALTER TABLE `shop_items` ADD `name` text;",
  });
  {
    await using server = await XcoreServer.start(folder);
    expect((await server.fetch("/shop")).status).toBe(200);
    await server.after(
      () =>
        folder.write({
          "plugins/shop/drizzle/sqlite/0002_again.sql": "ALTER TABLE `shop_items` ADD `note` text;",
        }),
      /applied migration \\?"0002_again/,
    );
  }
  const [second = "", ...rest] = await listBackups(folder);
  expect(second > first && second.startsWith("before-migration-")).toBe(true);
  expect(rest).toEqual(["mine.tar.gz"]);
  await rm(join(folder.path, "data/backups", "mine.tar.gz"));

  // It holds what was there before the plugin was migrated, and an older version may take it.
  const restored = await xcore(folder, ["db", "restore", join("data/backups", second), "--yes"]);
  expect(restored.stderr).toContain("The backup is of");
  expect(restored.code).toBe(0);
  using db = new Database(file);
  expect(db.query("select name from pragma_table_info('shop_items')").values()).toEqual([["id"]]);
  expect(db.query("select count(*) from xcore_migrations where owner = 'core'").values()).toEqual([
    [coreMigrations("sqlite").length],
  ]);
});

test("an executable that is older than the data refuses it, and says what has written it", async () => {
  await using folder = await TestFolder.create({
    "config.json": CONFIG,
    "data/backups/before-migration-2026-01-31T08-30-00-123Z-0.1.0-to-9.9.9.tar.gz": "",
  });
  const file = join(folder.path, "data/app.db");
  await withDatabase(`sqlite:${file}`, migrateAsNewer);
  const before = await readFile(file);
  await using server = XcoreServer.spawn(folder);
  const [code, users, migrated] = await Promise.all([
    server.exited,
    xcore(folder, ["user", "list"]),
    xcore(folder, ["db", "migrate"]),
  ]);
  expect(code).toBe(1);
  expect(server.output).toMatch(/xcore 9\.9\.9 has migrated it \(\\?"0099_later/);
  expect(server.output).toContain(
    "xcore db restore data/backups/before-migration-2026-01-31T08-30-00-123Z-0.1.0",
  );
  expect(users.code).toBe(1);
  expect(users.stderr).toContain("Start xcore 9.9.9 or a newer one");
  expect(migrated.code).toBe(1);
  expect(migrated.stderr).toContain("nothing was changed");
  expect((await readFile(file)).equals(before)).toBe(true);
  const doctor = await xcore(folder, ["doctor", "--json"]);
  expect(doctor.stdout).toContain("a newer xcore has applied 0099_later");
});

test("what can't be backed up isn't migrated, unless nobody wants a backup", async () => {
  await using folder = await TestFolder.create({ "config.json": CONFIG, "data/backups": "in the way" });
  const url = `sqlite:${join(folder.path, "data/app.db")}`;
  await withDatabase(url, (driver) => migrateAsOlder(driver));
  const failed = await xcore(folder, ["db", "migrate"]);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain("backups.before_migration");
  const count = () =>
    withDatabase(url, async (driver) => {
      const [row] = await driver
        .toDatabase({})
        .execute<{ n: number }>(sql`select count(*) as n from xcore_migrations`);
      return row?.n;
    });
  expect(await count()).toBe(OLDER);
  const env = { XCORE_BACKUPS__BEFORE_MIGRATION: "false" };
  expect((await xcore(folder, ["db", "migrate"], { env })).code).toBe(0);
  expect(await count()).toBe(coreMigrations("sqlite").length);
});

for (const dialect of ["postgres", "mysql"] as const) {
  testWithServer(
    dialect,
    `instances that start together make one backup before they migrate (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      await using folder = await TestFolder.create({ "config.json": { database: { url: database.url } } });
      await withDatabase(database.url, (driver) => migrateAsOlder(driver, "0.0.8"));
      const loaded = loadConfig({ cwd: folder.path, env: {} });
      const start = () =>
        withDatabase(database.url, (driver) =>
          prepareCoreTables(driver, {
            migrates: true,
            log,
            upgrade: createUpgrade({ loaded: () => loaded, version: "0.1.0", log }),
          }),
        );
      await Promise.all([start(), start()]);
      expect(await listBackups(folder)).toEqual([expect.stringMatching(/Z-0\.0\.8-to-0\.1\.0\.tar\.gz$/)]);
      await withDatabase(database.url, migrateAsNewer);
      expect(await start().catch((error: unknown) => error)).toMatchObject({ code: "database_newer" });
    },
  );
}
