import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "bun:test";
import { type BackupProgress, backupDatabase } from "../../src/db/backup/backup.ts";
import { restoreDatabase } from "../../src/db/backup/restore.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { testWithServer } from "../database-servers.ts";
import { TestFolder } from "../setup.ts";
import { openLogged, SERVERS } from "./ledger.ts";
import { PrivateServer } from "./private-server.ts";

const TIMEOUT_MS = 2000;
const confirm = () => Promise.resolve(true);

for (const dialect of SERVERS) {
  testWithServer(
    dialect,
    `a backup and a restore of a frozen server are given up, and leave nothing (${dialect})`,
    120_000,
    async () => {
      await using server = await PrivateServer.start(dialect);
      await using folder = await TestFolder.create({ "plugins/.keep": "", "data/.keep": "" });
      const { driver } = await openLogged(server.url);
      await driver.migrate((connection) => connection.run("create table notes (id integer primary key)"));
      await driver.close();
      const progress: BackupProgress[] = [];
      const project = {
        url: parseDatabaseUrl(server.url, folder.path),
        configFile: null,
        pluginsDirectory: join(folder.path, "plugins"),
        dataDirectory: join(folder.path, "data"),
        backupsDirectory: join(folder.path, "data/backups"),
        version: "1.2.3",
        env: process.env,
        onProgress: (one: BackupProgress) => void progress.push(one),
      };
      const list = async () => (await readdir(folder.path, { recursive: true })).toSorted();
      const { file } = await backupDatabase(project);
      expect(new Set(progress.map(({ step }) => step))).toEqual(new Set(["dump", "pack"]));
      const before = await list();

      server.freeze();
      const startedAt = performance.now();
      const backup = backupDatabase({ ...project, timeoutMs: TIMEOUT_MS });
      expect(backup).rejects.toMatchObject({
        fault: "timeout",
        message: expect.stringContaining("longer than 2 s"),
      });
      await backup.catch(() => {});
      const restore = restoreDatabase({ ...project, file, confirm, timeoutMs: TIMEOUT_MS });
      expect(restore).rejects.toMatchObject({ fault: "timeout" });
      await restore.catch(() => {});
      expect(performance.now() - startedAt).toBeLessThan(TIMEOUT_MS * 2 + 8000);
      expect(await list()).toEqual(before);
      server.thaw();

      progress.length = 0;
      expect(await restoreDatabase({ ...project, file, confirm })).not.toBeNull();
      expect(progress.map(({ step }) => step)).toContain("replace");
    },
  );
}
