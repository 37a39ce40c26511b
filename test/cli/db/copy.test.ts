import { Database } from "bun:sqlite";
import { existsSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { xcore, XcoreServer } from "../xcore-process.ts";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { TestFolder } from "../../setup.ts";

const PLUGIN = {
  "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
  "plugins/shop/run.ts": `import { createRouter, db } from "xcore"; import { items } from "./schema.ts"; export default createRouter().get("/count", () => db.$count(items));`,
  "plugins/shop/schema.ts": `import { id, table, text, timestamp } from "xcore/schema";
export const items = table("shop_items", { id: id(), name: text().notNull(), at: timestamp() });`,
};
const ROWS = 30_000;

/** A project whose plugin has rows in SQLite, and migrations for another database too. */
async function createProject(other: { dialect: string; url: string }): Promise<TestFolder> {
  const folder = await TestFolder.create({ "config.json": { server: { port: 0 } }, ...PLUGIN });
  for (const env of [{}, { DATABASE_URL: other.url }]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await xcore(folder, ["db", "generate", "shop"], { env })).toMatchObject({ code: 0 });
  }
  expect(await xcore(folder, ["db", "migrate"])).toMatchObject({ code: 0 });
  using database = new Database(join(folder.path, "data/app.db"));
  database.run(
    `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${ROWS}) insert into shop_items (id, name, at) select i, 'item ' || i, 1700000000123 + i from n`,
  );
  return folder;
}

testWithServer(
  "postgres",
  "xcore db copy goes on after kill -9, and a server runs on what was copied",
  120_000,
  async () => {
    await using database = await createTestDatabase("postgres");
    await using folder = await createProject(database);
    const env = { TARGET: database.url };
    const args = ["db", "copy", "sqlite:data/app.db", "${TARGET}", "--yes"];
    const secret = new URL(database.url).password;

    // Killed in the midst of the rows, wherever.
    await using killed = XcoreServer.spawn(folder, { args, env });
    const sql = new Bun.SQL(database.url);
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- until some of its rows are there
      const [row] =
        await sql`select 1 from xcore_copy where name = 'shop_items' and state like '%"isDone":false%'`.catch(
          () => [],
        );
      if (row !== undefined) break;
      // oxlint-disable-next-line no-await-in-loop
      await Promise.race([
        Bun.sleep(2),
        killed.exited.then((code) => Promise.reject(new Error(`it ended: ${code} ${killed.output}`))),
      ]);
    }
    killed.kill("SIGKILL");
    await killed.exited;

    // Nobody takes it for whole, nor goes on with another source.
    await using refused = XcoreServer.spawn(folder, { env: { DATABASE_URL: database.url } });
    expect(await refused.exited).toBe(1);
    expect(refused.output).toContain("a copy into it isn't finished");
    await xcore(folder, ["db", "backup", "copy.tar.gz"]);
    await mkdir(join(folder.path, "other"));
    await Bun.write(join(folder.path, "other/app.db"), Bun.file(join(folder.path, "data/app.db")));
    const another = await xcore(folder, ["db", "copy", "sqlite:other/app.db", "${TARGET}", "--yes"], { env });
    expect(another.stderr).toContain("the beginning of a copy of another database");

    const resumed = await xcore(folder, [...args, "--json"], { env });
    expect(resumed.code).toBe(0);
    const report = JSON.parse(resumed.stdout);
    expect(report).toMatchObject({ was_resumed: true, left_out: [] });
    expect(report.tables.find(({ name }: { name: string }) => name === "shop_items").rows).toBe(ROWS);
    const [counted] =
      await sql`select count(*)::int as n, sum(id)::int as sum, max(at)::text as at from shop_items`;
    expect(counted).toMatchObject({ n: ROWS, sum: (ROWS * (ROWS + 1)) / 2 });
    await sql.close();
    await using server = await XcoreServer.start(folder, { env: { DATABASE_URL: database.url } });
    expect(await (await server.fetch("/shop/count")).text()).toBe(String(ROWS));

    const again = await xcore(folder, args, { env });
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("it isn't empty");
    for (const { stdout, stderr } of [resumed, another, again])
      expect(stdout + stderr).not.toContain(`:${secret}@`);
  },
);

test("xcore db copy says what it can't copy, before it makes anything", async () => {
  await using folder = await TestFolder.create({ "config.json": { server: { port: 0 } }, ...PLUGIN });
  const copyTo = (from: string, to: string, env = {}) =>
    xcore(folder, ["db", "copy", from, to, "--yes"], { env });
  const [missing, same, scheme, unset, unasked] = await Promise.all([
    copyTo("sqlite:data/app.db", "sqlite:data/new.db"),
    copyTo("sqlite:data/app.db", "sqlite:./data/app.db"),
    copyTo("oracle://scott:tiger@db/x", "sqlite:data/new.db"),
    copyTo("${NOWHERE}", "sqlite:data/new.db"),
    xcore(folder, ["db", "copy", "sqlite:data/app.db", "sqlite:data/new.db"]),
  ]);
  expect(missing.stderr).toContain("there is no such file");
  expect(same.stderr).toContain("to itself");
  expect(scheme.stderr).toContain('a database of the scheme "oracle"');
  expect(scheme.stderr).not.toContain("tiger");
  expect(unset.stderr).toContain('"NOWHERE" is not set');
  expect(unasked.stderr).toContain("--yes");
  expect([missing, same, scheme, unset, unasked].map(({ code }) => code)).toEqual([1, 1, 1, 1, 1]);
  expect(existsSync(join(folder.path, "data/new.db"))).toBe(false);

  // Of a plugin without migrations for the other database nothing is left behind that can't be gone on with.
  expect((await xcore(folder, ["db", "generate", "shop"])).code).toBe(0);
  expect((await xcore(folder, ["db", "migrate"])).code).toBe(0);
  const copied = await copyTo("sqlite:data/app.db", "sqlite:data/new.db");
  expect(copied.stdout).toContain("counts and checksums agree");
  expect(statSync(join(folder.path, "data/new.db")).mode & 0o077).toBe(0);
  expect(await Bun.spawn(["mkfifo", join(folder.path, "pipe")]).exited).toBe(0);
  const [intoFolder, intoPipe] = await Promise.all([
    copyTo("sqlite:data/app.db", "sqlite:plugins"),
    copyTo("sqlite:data/app.db", "sqlite:pipe"),
  ]);
  expect(intoFolder.stderr).toContain('Cannot copy to "sqlite:plugins": it is a folder; name a file');
  expect(intoPipe.stderr).toContain('Cannot copy to "sqlite:pipe": it is a pipe or a device; name a file');
  await folder.remove("plugins/shop");
  const without = await copyTo("sqlite:data/app.db", "sqlite:data/other.db");
  expect(without.stderr).toContain("Cannot copy the tables of shop");
});
