import { Database } from "bun:sqlite";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, setDefaultTimeout, test } from "bun:test";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { TcpProxy } from "../../faults/tcp-proxy.ts";
import { testWithProgram } from "../../programs.ts";
import { TestFolder } from "../../setup.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

const EXAMPLES = join(import.meta.dir, "../../../plugins");
const ENTRY = join(import.meta.dir, "../../../src/index.ts");
const SERVERS = ["postgres", "mysql"] as const;

/** A project that serves plugins/todo of this repository. */
function createProject(): Promise<TestFolder> {
  return TestFolder.create({ "config.json": { plugins: { directory: EXAMPLES } } });
}

function add(server: XcoreServer, title: string): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return server.fetch("/todo", { method: "POST", body: JSON.stringify({ title }), headers });
}

async function countTodos(server: XcoreServer): Promise<number> {
  return ((await (await server.fetch("/todo")).json()) as { total: number }).total;
}

async function readLogs(folder: TestFolder): Promise<string> {
  const logs = ["app", "access", "manager"].map((name) =>
    readFile(join(folder.path, "logs", `${name}.log`), "utf8"),
  );
  return (await Promise.all(logs)).join("");
}

test("a database of another kind stops every command, which says what there is, and hides the password", async () => {
  await using folder = await createProject();
  for (const args of [["serve"], ["db", "migrate"], ["db", "backup"], ["config", "check"]]) {
    // oxlint-disable-next-line no-await-in-loop -- they would use the same folder at once
    const ended = await xcore(folder, args, { env: { DATABASE_URL: "oracle://scott:tiger@db/app" } });
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toMatch(/SQLite.+PostgreSQL.+MySQL/);
    expect(ended.stderr).not.toContain("tiger");
  }
});

for (const dialect of SERVERS) {
  testWithServer(
    dialect,
    `wrong credentials end the start, and show no password (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      await using folder = await createProject();
      const url = new URL(database.url);
      url.password = "t0psecret";
      for (const args of [
        ["serve", "--port", "0"],
        ["db", "status"],
      ]) {
        // oxlint-disable-next-line no-await-in-loop -- they would use the same folder at once
        const ended = await xcore(folder, args, { env: { DATABASE_URL: url.href } });
        expect(ended).toEqual({
          code: 1,
          stdout: "",
          stderr: `Cannot log in to the database at "${url.host}" as "xcore": wrong user or password; check "database.url"\n`,
        });
      }
      expect(await readLogs(folder)).not.toContain("t0psecret");
    },
  );

  testWithServer(
    dialect,
    `a server that can't be reached is tried again, each time in the log (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      await using folder = await createProject();
      await using proxy = await TcpProxy.before(database.url);
      await proxy.cut();
      await using server = XcoreServer.spawn(folder, { env: { DATABASE_URL: proxy.through(database.url) } });
      await server.waitFor(/"level":"warn"[^\n]+connection refused; trying again in 250 ms, for 30 s more/);
      await proxy.listen();
      [, server.url = ""] = await server.waitFor(/"msg":"listening on (http[^"]+)"/);
      expect((await add(server, "first")).status).toBe(201);
      expect(server.output + (await readLogs(folder))).not.toMatch(/s3cret/);
    },
  );
}

test("a damaged file ends the start, and is left as it is", async () => {
  await using folder = await createProject();
  const garbage = "no database ".repeat(1000);
  await folder.write({ "data/app.db": garbage });
  for (const args of [
    ["serve", "--port", "0"],
    ["db", "migrate"],
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- they would use the same file at once
    expect(await xcore(folder, args)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Cannot open the database ".+app\.db": it is damaged.+db restore/),
    });
  }
  expect(await Bun.file(join(folder.path, "data/app.db")).text()).toBe(garbage);
});

test("while another process locks the file, writes wait, and all else is answered", async () => {
  await using folder = await createProject();
  await using server = await XcoreServer.start(folder);
  using other = new Database(join(folder.path, "data/app.db"));
  other.run("begin immediate");
  const added = add(server, "waited for its turn");
  expect(await countTodos(server)).toBe(0);
  expect((await server.fetch("/health")).status).toBe(200);
  other.run("commit");
  expect((await added).status).toBe(201);
  expect(await countTodos(server)).toBe(1);
});

testWithProgram("sh", "where the disk is full writes fail, and what was answered is there", async (sh) => {
  await using folder = await createProject();
  // Makes the tables, with room.
  await xcore(folder, ["db", "migrate"]);
  // A limit on the size of files is met like a full disk. Without the signal, writing fails.
  const command = [sh, "-c", `trap '' XFSZ; ulimit -f 300; exec "$@"`, "sh", process.execPath, ENTRY];
  let written = 0;
  {
    await using server = await XcoreServer.start(folder, { command });
    let response = await add(server, "first");
    for (; response.status === 201 && written < 1000; written++) {
      // oxlint-disable-next-line no-await-in-loop -- until it is full
      response = await add(server, "x".repeat(200));
    }
    expect(await response.json()).toMatchObject({ status: 503, code: "database_unavailable" });
    expect(await countTodos(server)).toBe(written);
    await server.waitFor(/"msg":"request failed"/);
    expect(server.output).toMatch(/Cannot use the database: its disk is full, or fails/);
  }
  await using server = await XcoreServer.start(folder);
  expect(await countTodos(server)).toBe(written);
  expect((await add(server, "there is room again")).status).toBe(201);
});
