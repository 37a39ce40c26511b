import { sql } from "drizzle-orm";
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { chmod, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "bun:test";
import { DatabaseError } from "../../../src/db/contract/database-error.ts";
import { restoreDatabase } from "../../../src/db/backup/restore.ts";
import { DIALECTS } from "../../../src/db/contract/driver.ts";
import { testWithServer } from "../../database-servers.ts";
import { BackupTest } from "./backup-project.ts";

for (const dialect of DIALECTS) {
  testWithServer(dialect, `a backup under writes is restored as it was (${dialect})`, 120_000, async () => {
    await using project = await BackupTest.create(dialect);
    let isDone = false;
    let last = 50;
    const writing = (async () => {
      // oxlint-disable-next-line no-await-in-loop, no-unmodified-loop-condition -- one after another
      while (!isDone) await project.addPair(++last);
    })();
    await project.addPair(1_000_000);
    const { file, size } = await project.backup();
    isDone = true;
    await writing;
    const written = await project.read();
    expect(file).toMatch(/data\/backups\/xcore-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z\.tar\.gz$/);
    expect((await stat(file)).size).toBe(size);
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    // What came later has to go: rows, and tables that refer to those of the backup.
    const db = await project.db();
    await db.delete(project.tables.payments);
    await db.execute(sql`create table later (id integer primary key, order_id integer)`);
    const plan = await project.restore(file);
    expect(plan?.database).not.toContain(":xcore@");

    const restored = await project.read();
    const count = restored.orders.length;
    expect(count).toBeGreaterThanOrEqual(51);
    expect(restored.payments).toHaveLength(count);
    const restoredIds = new Set(restored.orders.map(({ id }) => id));
    expect(restored.orders).toEqual(written.orders.filter(({ id }) => restoredIds.has(id)));
    expect(restored.payments).toEqual(written.payments.filter(({ id }) => restoredIds.has(id)));
    expect(restoredIds.has(1_000_000)).toBe(true);
    const present = await project.db();
    const gone = Promise.resolve(present.execute(sql`select * from later`));
    expect(gone).rejects.toMatchObject({ fault: "missing_table" });
    await project.addPair(2_000_000); // constraints and counters came along
    expect(project.addPair(1)).rejects.toThrow();
    expect(await project.listLeftovers()).toEqual([]);

    // And back: what the restore replaced was kept.
    const kept = plan?.keptAs ?? "";
    if (dialect === "sqlite") {
      using replaced = new Database(kept, { readonly: true });
      expect(replaced.query("select count(*) as n from later").get()).toEqual({ n: 0 });
      expect(replaced.query("select count(*) as n from payments").get()).toEqual({ n: 0 });
    } else {
      await project.restore(kept);
      expect((await project.read()).payments).toEqual([]);
      expect(await (await project.db()).execute(sql`select * from later`)).toEqual([]);
    }
  });

  testWithServer(dialect, `a restore into an empty database makes it (${dialect})`, 120_000, async () => {
    await using source = await BackupTest.create(dialect);
    const { file } = await source.backup();
    await using target = await BackupTest.create(dialect);
    await target.close();
    if (dialect === "sqlite") await rm(target.databaseFile);
    await target.restore(file);
    expect(await target.read()).toEqual(await source.read());
  });

  testWithServer(
    dialect,
    `restoreDatabase() changes nothing when the user says no (${dialect})`,
    120_000,
    async () => {
      await using project = await BackupTest.create(dialect);
      const { file } = await project.backup();
      await project.addPair(99);
      const before = await project.read();
      expect(await project.restore(file, { confirm: () => Promise.resolve(false) })).toBeNull();
      expect(await project.read()).toEqual(before);
      expect(await project.listLeftovers()).toEqual([]);
    },
  );
}

for (const [dialect, program, tool] of [
  ["postgres", '"pg_dump"', '"pg_restore"'],
  ["mysql", '"mariadb-dump" or "mysqldump"', '"mariadb" or "mysql"'],
] as const) {
  testWithServer(dialect, `a missing program is named with its package (${dialect})`, 120_000, async () => {
    await using project = await BackupTest.create(dialect);
    const env = { PATH: project.folder.path };
    expect(project.backup({ env })).rejects.toThrow(
      new RegExp(`: ${program} is not on the PATH; install the package`),
    );
    const { file } = await project.backup();
    expect(project.restore(file, { env })).rejects.toThrow(`${tool} is not on the PATH`);
    expect(await project.listLeftovers()).toEqual([]);
  });

  testWithServer(
    dialect,
    `wrong credentials are told without the password (${dialect})`,
    120_000,
    async () => {
      await using project = await BackupTest.create(dialect);
      const url = { ...project.serverUrl, user: "nobody", password: "hunter2-secret" };
      const error: unknown = await project.backup({ url }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(DatabaseError);
      expect(String(error)).toMatch(/denied|authentication failed|role "nobody" does not exist|no pg_hba/i);
      expect(Bun.inspect(error)).not.toContain("hunter2");
      expect(await project.listLeftovers()).toEqual([]);
    },
  );
}

test("backupDatabase() replaces a file only when told to", async () => {
  await using project = await BackupTest.create("sqlite");
  const file = join(project.folder.path, "mine.tar.gz");
  await writeFile(file, "precious");
  expect(project.backup({ file })).rejects.toThrow('Cannot back up to "mine.tar.gz": the file exists');
  expect(await readFile(file, "utf8")).toBe("precious");
  await project.backup({ file, replaces: true });
  await project.restore(file);
});

test("backupDatabase() replaces nothing but a file, and not what it backs up", async () => {
  await using project = await BackupTest.create("sqlite");
  const { folder, databaseFile: database } = project;
  await project.close();
  await folder.write({ "folder/x": "", "config.json": "{}" });
  await symlink(database, join(folder.path, "link.tar.gz"));
  expect(await Bun.spawn(["mkfifo", join(folder.path, "pipe")]).exited).toBe(0);
  const before = await readFile(database);
  for (const [name, reason] of [
    ["folder", "it is a folder; name a file in it"],
    ["pipe", "it is a pipe or a device; name a file"],
    ["link.tar.gz", "it is what would be backed up"],
    ["config.json", "it is what would be backed up"],
    ["config.json/x.tar.gz", "a file stands where a folder should"],
    [database, "it is what would be backed up"],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const refused = await project.backup({ file: resolve(folder.path, name), replaces: true }).catch(String);
    expect(refused).toContain(reason);
  }
  expect((await readFile(database)).equals(before)).toBe(true);
  expect(await project.listLeftovers()).toEqual([]);
});

for (const dialect of DIALECTS) {
  const name = `a backup that a later version has migrated is refused, and one of a later version is warned of (${dialect})`;
  testWithServer(dialect, name, 120_000, async () => {
    await using project = await BackupTest.create(dialect);
    const db = await project.db();
    // Columns as in src/db/migrations/ledger.ts, and what only looks like a row of them.
    await db.execute(
      sql`create table xcore_migrations (owner varchar(64), name varchar(80), hash varchar(64))`,
    );
    await db.execute(
      sql`insert into xcore_migrations values ('core', '0000_accounts', 'x'), ('shop', '9999_shop', 'x')`,
    );
    const note = "\nINSERT INTO `xcore_migrations` VALUES\n('core','9998_never','x');\ncore\t9998_never\tx";
    await db.insert(project.tables.orders).values({ id: 98, note, data: {} });
    const { file: known } = await project.backup({ version: "9.9.9" });
    await db.execute(sql`insert into xcore_migrations values ('core', '9999_later', 'x')`);
    const { file: later } = await project.backup();
    await project.close();
    const warned: string[] = [];
    const ask = (file: string) =>
      restoreDatabase({
        ...project.project,
        version: "0.1.0",
        file,
        confirm({ warnings }) {
          warned.push(...warnings);
          return Promise.resolve(false);
        },
      });
    await ask(known);
    expect(warned).toContainEqual(expect.stringContaining("this xcore, 0.1.0, is older"));
    expect(ask(later)).rejects.toThrow('a later xcore has migrated what it holds ("9999_later")');
  });
}

test("a SQLite database that a server has open is not replaced", async () => {
  await using project = await BackupTest.create("sqlite");
  const { file } = await project.backup();
  await project.open();
  const restoring = restoreDatabase({ ...project.project, file, confirm: () => Promise.resolve(true) });
  expect(restoring).rejects.toThrow("it is in use; stop the server");
  await restoring.catch(() => {});
  expect((await project.read()).orders).toHaveLength(50);
  expect(await project.listLeftovers()).toEqual([]);
});

test("what a killed server left in the log is kept with the replaced SQLite database", async () => {
  await using project = await BackupTest.create("sqlite");
  const { file } = await project.backup();
  await project.close();
  const killed = Bun.spawn({
    cmd: [
      process.execPath,
      "-e",
      `const { Database } = require("bun:sqlite");
       const database = new Database(process.argv[1]);
       database.run("pragma journal_mode = wal");
       database.run("delete from payments");
       process.kill(process.pid, "SIGKILL");`,
      project.databaseFile,
    ],
  });
  await killed.exited;
  expect(existsSync(`${project.databaseFile}-wal`)).toBe(true);
  const plan = await project.restore(file);
  expect(existsSync(`${project.databaseFile}-wal`)).toBe(false);
  using kept = new Database(plan?.keptAs ?? "", { readonly: true });
  expect(kept.query("select count(*) as n from payments").get()).toEqual({ n: 0 });
  expect((await project.read()).payments).toHaveLength(50);
});

test("a damaged SQLite database is replaced and kept as it is", async () => {
  await using project = await BackupTest.create("sqlite");
  const { file } = await project.backup();
  await project.close();
  const garbage = "no database ".repeat(1000);
  await writeFile(project.databaseFile, garbage);
  await chmod(project.databaseFile, 0o640);
  expect(project.backup()).rejects.toMatchObject({ fault: "corrupt" });
  const plan = await project.restore(file);
  expect(plan?.warnings.join()).toContain("can't be read");
  expect(await readFile(plan?.keptAs ?? "", "utf8")).toBe(garbage);
  expect((await stat(project.databaseFile)).mode & 0o777).toBe(0o640);
  expect((await project.read()).orders).toHaveLength(50);
});

test("a log without its SQLite database is not played into the restored one", async () => {
  await using project = await BackupTest.create("sqlite");
  const { file } = await project.backup();
  await project.close();
  await rm(project.databaseFile);
  await writeFile(`${project.databaseFile}-wal`, "log");
  const plan = await project.restore(file);
  expect(plan?.keptAs).toBeNull();
  expect(existsSync(`${project.databaseFile}-wal`)).toBe(false);
  expect((await readdir(project.databaseFolder)).some((name) => /before-restore-.*-wal$/.test(name))).toBe(
    true,
  );
  expect((await project.read()).orders).toHaveLength(50);
});

test("a SQLite database behind a link is replaced where it is", async () => {
  await using project = await BackupTest.create("sqlite");
  const { file } = await project.backup();
  await project.close();
  const link = join(project.folder.path, "link.db");
  await symlink(project.databaseFile, link);
  const url = { dialect: "sqlite", file: link, shown: "sqlite:link.db" } as const;
  await project.restore(file, { url });
  expect((await readdir(project.folder.path)).filter((name) => name.startsWith("link.db"))).toEqual([
    "link.db",
  ]);
  expect((await project.read()).orders).toHaveLength(50);
});

test("config.json and manifests are restored when asked for, and missing plugins are named", async () => {
  await using project = await BackupTest.create("sqlite");
  const { folder } = project;
  await folder.write({ "plugins/gone/plugin.json": { name: "gone", version: "2.0.0" } });
  const { file } = await project.backup();
  await folder.remove("plugins/gone");
  await folder.write({ "config.json": { app: { name: "changed" } }, "plugins/shop/plugin.json": {} });

  const plain = await project.restore(file);
  expect(plain?.files).toEqual([]);
  expect(plain?.leftOut).toEqual(["config.json", "plugins/shop/plugin.json"]);
  expect(plain?.warnings).toEqual(['the plugin "gone" of the backup is not in the plugins directory']);
  expect(await Bun.file(join(folder.path, "config.json")).json()).toEqual({ app: { name: "changed" } });

  await project.restore(file, { withConfig: true });
  expect(await Bun.file(join(folder.path, "config.json")).json()).toEqual({ app: { name: "shop" } });
  expect(await Bun.file(join(folder.path, "plugins/shop/plugin.json")).json()).toMatchObject({
    name: "shop",
  });
  expect(existsSync(join(folder.path, "plugins/gone"))).toBe(false);
  const kept = (await readdir(folder.path)).find((name) => name.startsWith("config.json.before-restore-"));
  expect(await Bun.file(join(folder.path, kept ?? "")).json()).toEqual({ app: { name: "changed" } });
});

test("a file of the project that can't be restored is told before anything is replaced", async () => {
  await using project = await BackupTest.create("sqlite");
  const { folder } = project;
  const { file } = await project.backup();
  await project.addPair(99);
  const before = await project.read();
  await folder.write({ "config.json": { app: { name: "changed" } } });
  // Neither is replaced: one stands where the other's copy belongs.
  await folder.remove("plugins/shop/plugin.json");
  await folder.write({ "plugins/shop/plugin.json/x": "" });
  expect(project.restore(file, { withConfig: true })).rejects.toThrow(
    /^Cannot restore ".*plugin\.json": .*; nothing was changed$/,
  );
  expect(await project.read()).toEqual(before);
  expect(await Bun.file(join(folder.path, "config.json")).json()).toEqual({ app: { name: "changed" } });
  expect((await readdir(folder.path)).filter((name) => name.includes(".before-restore-"))).toEqual([]);
  expect(await project.listLeftovers()).toEqual([]);

  // A link leads to where config.json is kept; it stays one.
  await folder.remove("plugins/shop/plugin.json");
  await rename(join(folder.path, "config.json"), join(folder.path, "kept.json"));
  await symlink("kept.json", join(folder.path, "config.json"));
  await project.restore(file, { withConfig: true });
  expect(await readlink(join(folder.path, "config.json"))).toBe("kept.json");
  expect(await Bun.file(join(folder.path, "kept.json")).json()).toEqual({ app: { name: "shop" } });
});

test("a backup without a database or a file says so", async () => {
  await using project = await BackupTest.create("sqlite");
  await project.close();
  await rm(project.databaseFile);
  expect(project.backup()).rejects.toThrow("there is no such file");
  expect(project.restore(join(project.folder.path, "no.tar.gz"))).rejects.toThrow("there is no such file");
  expect(await project.listLeftovers()).toEqual([]);
});
