import { Database } from "bun:sqlite";
import { chmod, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, setDefaultTimeout, test } from "bun:test";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { testWithProgram } from "../../programs.ts";
import { TestFolder } from "../../setup.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

/** A project whose database has rows of about 2 MB. */
async function createProject(): Promise<TestFolder> {
  const folder = await TestFolder.create({ "data/.keep": "", "plugins/.keep": "", "config.json": {} });
  using database = new Database(join(folder.path, "data/app.db"));
  database.run("create table notes (id integer primary key, text text not null)");
  const insert = database.query("insert into notes (text) values (?)");
  database.transaction(() => {
    for (let row = 0; row < 500; row++)
      insert.run(Buffer.from(crypto.getRandomValues(new Uint8Array(2000))).toString("hex"));
  })();
  return folder;
}

async function listFiles(folder: TestFolder): Promise<string[]> {
  return (await readdir(folder.path, { recursive: true })).toSorted();
}

function countNotes(folder: TestFolder): number {
  using database = new Database(join(folder.path, "data/app.db"));
  return database.query<{ n: number }, []>("select count(*) as n from notes").get()?.n ?? 0;
}

test("db backup and db restore take a database back to what it was", async () => {
  await using folder = await createProject();
  const backup = await xcore(folder, ["db", "backup", "mine.tar.gz"]);
  expect(backup).toMatchObject({ code: 0, stderr: "" });
  expect(backup.stdout).toMatch(
    /^Backed up "sqlite:data\/app.db" to .*mine\.tar\.gz \(\d+ bytes\)\nKeep \.env/,
  );
  const again = await xcore(folder, ["db", "backup", "mine.tar.gz"]);
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("the file exists") });
  const json = await xcore(folder, ["db", "backup", "mine.tar.gz", "--force", "--json"]);
  expect(JSON.parse(json.stdout)).toEqual({
    file: join(folder.path, "mine.tar.gz"),
    size: expect.any(Number),
  });

  {
    using database = new Database(join(folder.path, "data/app.db"));
    database.run("delete from notes");
  }
  const asked = await xcore(folder, ["db", "restore", "mine.tar.gz"]);
  expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining("add --yes") });
  expect(countNotes(folder)).toBe(0);
  const restored = await xcore(folder, ["db", "restore", "mine.tar.gz", "--yes"]);
  expect(restored.stderr).toContain("These stay in the backup without --with-config: config.json");
  expect(restored).toMatchObject({ code: 0, stdout: expect.stringContaining("What was there is kept as") });
  expect(countNotes(folder)).toBe(500);
  expect(await xcore(folder, ["db", "restore"])).toMatchObject({ code: 2 });
  for (const timeout of ["0", "soon", "1.5", "-1", "99999999"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const wrong = await xcore(folder, ["db", "backup", `--timeout=${timeout}`]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("number of seconds") });
  }
  expect((await xcore(folder, ["db", "backup", "--timeout", "600"])).code).toBe(0);
});

test("db backup works while the server runs, and db restore asks to stop it", async () => {
  await using folder = await createProject();
  {
    await using server = await XcoreServer.start(folder);
    expect((await xcore(folder, ["db", "backup", "mine.tar.gz"])).code).toBe(0);
    const refused = await xcore(folder, ["db", "restore", "mine.tar.gz", "--yes"]);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("it is in use; stop the server"),
    });
    expect((await server.fetch("/health")).status).toBe(200);
  }
  expect((await xcore(folder, ["db", "restore", "mine.tar.gz", "--yes"])).code).toBe(0);
  expect(countNotes(folder)).toBe(500);
});

testWithProgram("sh", "a backup or a restore that finds no space leaves everything as it was", async (sh) => {
  await using folder = await createProject();
  // A limit on the size of files is met like a full disk. Without the signal, writing fails.
  const limited = (...args: string[]) =>
    xcore(folder, args, {
      command: [sh, "-c", `trap '' XFSZ; ulimit -f 300; exec "$@"`, "sh", ...FROM_SOURCES],
    });
  const before = await listFiles(folder);
  const backup = await limited("db", "backup", "mine.tar.gz");
  expect(backup).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Cannot back up "sqlite:data/app.db"'),
  });
  expect(await listFiles(folder)).toEqual(before);

  expect((await xcore(folder, ["db", "backup", "mine.tar.gz"])).code).toBe(0);
  const after = await listFiles(folder);
  const restore = await limited("db", "restore", "mine.tar.gz", "--yes");
  expect(restore).toMatchObject({ code: 1, stderr: expect.stringContaining("no space is left") });
  expect(await listFiles(folder)).toEqual(after);
  expect(countNotes(folder)).toBe(500);
});

const FROM_SOURCES = [process.execPath, join(import.meta.dir, "../../../src/index.ts")];

testWithServer(
  "mysql",
  "no server starts on tables of MySQL that a killed restore has left",
  120_000,
  async () => {
    await using database = await createTestDatabase("mysql", { hasCoreTables: true });
    await using folder = await TestFolder.create({ "plugins/.keep": "" });
    const bin = join(folder.path, "bin");
    const program = Bun.which("mariadb") ?? Bun.which("mysql") ?? "";
    const env = { DATABASE_URL: database.url };
    const run = (args: string[], path = "") =>
      xcore(folder, args, { env: { ...env, PATH: `${path}${process.env["PATH"]}` } });
    expect((await run(["db", "backup", "mine.tar.gz"])).code).toBe(0);
    // The real program, which gets the beginning of what it is to run; then xcore is killed.
    const killed = `*--binary-mode*) head -c 9000 | ${program} "$@"; kill -9 $PPID;;`;
    await folder.write({
      "bin/mariadb": `#!/bin/sh\ncase "$*" in\n${killed}\n*) exec ${program} "$@";;\nesac\n`,
    });
    await chmod(join(bin, "mariadb"), 0o755);
    const cut = await run(["db", "restore", "mine.tar.gz", "--yes"], `${bin}:`);
    expect(cut.code).not.toBe(0);

    const kept =
      (await readdir(join(folder.path, "data/backups"))).find((one) => one.startsWith("before-")) ?? "";
    const advice = `go back to what was there before: \`xcore db restore ${join(folder.path, "data/backups", kept)}\``;
    for (const args of [
      ["serve", "--port", "0"],
      ["db", "migrate"],
      ["user", "list"],
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const refused = await run(args);
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(advice) });
    }
    expect((await run(["doctor"])).stdout).toContain("a restore into this database was cut off");
    expect((await run(["db", "restore", join("data/backups", kept), "--yes"])).code).toBe(0);
    expect(await run(["user", "list"])).toMatchObject({ code: 0, stderr: "" });
  },
);
