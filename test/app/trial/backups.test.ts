import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import pino from "pino";
import { tryBackup } from "../../../src/app/trial/backups.ts";
import { toBackupProject } from "../../../src/backups/project.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { backupDatabase } from "../../../src/db/backup/backup.ts";
import { parseDatabaseUrl } from "../../../src/db/contract/database-url.ts";
import { openDatabase } from "../../../src/db/open.ts";
import { xcore } from "../../cli/xcore-process.ts";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { TestFolder } from "../../setup.ts";

const log = pino({ level: "silent" });
const PLUGIN = {
  "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
  "plugins/shop/run.ts": `import { createRouter } from "xcore";
import { writeFileSync } from "node:fs";
export const setup = () => writeFileSync("sent", "");
export default createRouter().get("/", () => "shop");`,
};

test("xcore db backup --verify runs a server on what it has backed up, and says when none does", async () => {
  await using folder = await TestFolder.create({ "config.json": { server: { port: 0 } }, ...PLUGIN });
  expect((await xcore(folder, ["db", "migrate"])).code).toBe(0);
  const made = await xcore(folder, ["db", "backup", "good.tar.gz", "--verify", "--json"]);
  expect(made.code).toBe(0);
  expect(JSON.parse(made.stdout)).toMatchObject({
    verified: true,
    dialect: "sqlite",
    warnings: [],
    users: 0,
  });
  // Nothing of a plugin was run, and nothing is left behind.
  expect(existsSync(join(folder.path, "sent"))).toBe(false);
  expect((await readdir(folder.path)).filter((name) => name.startsWith("."))).toEqual([]);
  const before = await readFile(join(folder.path, "good.tar.gz"));
  const again = await xcore(folder, ["db", "backup", "good.tar.gz", "--verify"]);
  expect(again.stdout).toMatch(
    /^Verified .*good\.tar\.gz: of .*; a server ran on it, with 0 users, and 0 rows in/,
  );
  expect((await readFile(join(folder.path, "good.tar.gz"))).equals(before)).toBe(true);

  before[before.length - 20] = (before[before.length - 20] ?? 0) ^ 1;
  await writeFile(join(folder.path, "changed.tar.gz"), before);
  const changed = await xcore(folder, ["db", "backup", "changed.tar.gz", "--verify", "--json"]);
  expect(changed.code).toBe(1);
  expect(JSON.parse(changed.stdout)).toMatchObject({
    verified: false,
    error: expect.stringContaining("damaged"),
  });

  // Whole as a file, and no server can work with it.
  {
    using database = new Database(join(folder.path, "data/app.db"));
    database.run("alter table users drop column last_login_at");
  }
  const broken = await xcore(folder, ["db", "backup", "broken.tar.gz", "--verify"]);
  expect(broken.code).toBe(1);
  expect(broken.stderr).toContain("Cannot run a server on the backup");
});

for (const dialect of ["postgres", "mysql"] as const) {
  testWithServer(
    dialect,
    `a backup is tried in a database of its own, which goes (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect, { hasCoreTables: true });
      await using folder = await TestFolder.create({
        "config.json": { database: { url: database.url } },
        ...PLUGIN,
      });
      const loaded = loadConfig({ cwd: folder.path, env: {} });
      const { file } = await backupDatabase(toBackupProject(loaded, { version: "0.1.0" }));
      const report = await tryBackup({ loaded, version: "0.1.0", file });
      expect(report).toMatchObject({ dialect, users: 0 });
      expect(report.tables).toBeGreaterThan(20);
      const catalogue =
        dialect === "postgres"
          ? "datname as name from pg_database"
          : "schema_name as name from information_schema.schemata";
      const driver = await openDatabase({
        url: parseDatabaseUrl(database.url, "/"),
        poolSize: 1,
        echo: false,
        log,
      });
      const names = await driver.toDatabase({}).execute<{ name: string }>(sql.raw(`select ${catalogue}`));
      await driver.close();
      expect(names.filter(({ name }) => name.startsWith("xcore_trial_"))).toEqual([]);
    },
  );
}
