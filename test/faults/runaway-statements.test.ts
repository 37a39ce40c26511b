import { expect } from "bun:test";
import { type Dialect, DIALECTS } from "../../src/db/contract/driver.ts";
import { XcoreServer } from "../cli/xcore-process.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { TestFolder } from "../setup.ts";
import { openLogged } from "./ledger.ts";

const TIMEOUT_S = 2;
const ENDLESS =
  "with recursive numbers(n) as (select 1 union all select n + 1 from numbers) select count(*) as n from numbers";
const SLOW: Readonly<Record<Dialect, string>> = {
  sqlite: ENDLESS,
  postgres: ENDLESS,
  mysql: "select sleep(600)", // it ends recursion by itself
};

function toPlugin(dialect: Dialect) {
  return {
    "plugins/notes/plugin.json": { name: "notes", version: "1.0.0" },
    "plugins/notes/run.ts": `import { createRouter, db } from "xcore";
import { sql } from "drizzle-orm";
export default createRouter()
  .get("/", () => db.execute(sql\`select note from notes\`))
  .get("/slow", () => db.execute(sql.raw(${JSON.stringify(SLOW[dialect])})))
  .put("/slow", async () => (await db.execute(sql.raw(${JSON.stringify(`insert into notes (note) ${SLOW[dialect]}`)})), "written"))
  .post("/:note", async ({ params }) => (await db.execute(sql\`insert into notes (note) values (\${params.note})\`), "written"));
`,
  };
}

for (const dialect of DIALECTS) {
  testWithServer(
    dialect,
    `a read that never ends is ended, and others are answered meanwhile (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      await using folder = await TestFolder.create({
        ...toPlugin(dialect),
        "config.json": {
          server: { rate_limit: { enabled: false } },
          database: { url: database.url, statement_timeout: TIMEOUT_S },
        },
      });
      const { driver } = await openLogged(database.url);
      await driver.migrate((connection) => connection.run("create table notes (note varchar(40))"));
      await driver.close();
      await using server = await XcoreServer.start(folder);
      const ask = async (path: string, method = "GET") => (await server.fetch(path, { method })).status;
      let isSlow = true;
      const slow = server.fetch("/notes/slow").finally(() => (isSlow = false));
      let answered = 0;
      while (isSlow) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        const statuses = [await ask("/notes"), await ask("/notes/a", "POST")];
        // On a busy machine a statement of others may reach the limit too.
        expect([statuses, statuses.every((one) => one === 200 || one === 503)]).toEqual([statuses, true]);
        if (statuses.every((one) => one === 200)) answered += 1;
      }
      expect(answered).toBeGreaterThan(5);
      const problem = await slow;
      expect([problem.status, ((await problem.json()) as { code: string }).code]).toEqual([
        503,
        "database_timeout",
      ]);
      if (dialect === "sqlite") {
        // The second time it holds nobody up at all. A write does, until its limit.
        const again = server.fetch("/notes/slow");
        expect((await server.fetch("/notes")).status).toBe(200);
        expect((await again).status).toBe(503);
        const write = await server.fetch("/notes/slow", { method: "PUT" });
        expect([write.status, ((await write.json()) as { code: string }).code]).toEqual([
          503,
          "database_timeout",
        ]);
        expect((await server.fetch("/notes/b", { method: "POST" })).status).toBe(200);
      }
      server.kill("SIGTERM");
      expect(await server.exited).toBe(0);
    },
  );
}
