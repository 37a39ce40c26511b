import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import type { Dialect } from "../../src/db/contract/driver.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { TestApp } from "../setup.ts";
import { COUNT_ARRIVALS, COUNTS_ROUTE, giveUp, reach } from "./arrivals.ts";
import { SERVERS } from "./ledger.ts";
import { PrivateServer } from "./private-server.ts";

const CLIENTS = 12;
const TRIES = 4;
const POOL_SIZE = 3;
/** Nobody is taken to give up as soon as that. */
const OLD_ENOUGH_MS = 30;

/** A plugin that writes what it is told, and tells how many requests have come. */
const NOTES = {
  "notes/plugin.json": { name: "notes", version: "1.0.0" },
  "notes/run.ts": `import { createRouter, db } from "xcore";
import { sql } from "drizzle-orm";
${COUNT_ARRIVALS}
const insert = (name: string) => sql\`insert into notes (note) values (\${name})\`;
export default createRouter()
  ${COUNTS_ROUTE}
  .post("/alone/:name", async ({ params, request }) => {
    await arrive(request, () => db.execute(insert(params.name)));
    return "written";
  })
  .post("/transaction/:name", async ({ params, request }) => {
    await arrive(request, () => db.transaction((tx) => tx.execute(insert(params.name))));
    return "written";
  })
  .post("/two/:name", async ({ params, request }) => {
    const isLeft = new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    await db.execute(insert(params.name));
    await Bun.sleep(${OLD_ENOUGH_MS});
    void arrive(request);
    await isLeft;
    await db.execute(insert("also " + params.name));
    return "written";
  });
`,
};

async function start(url: string): Promise<TestApp> {
  const app = await TestApp.start({
    plugins: NOTES,
    config: { database: { url, pool_size: POOL_SIZE, statement_timeout: 20 } },
  });
  await app.app.database.migrate((connection) => connection.run("create table notes (note varchar(40))"));
  return app;
}

async function readNotes(app: TestApp): Promise<string[]> {
  const rows = await app.app.database.migrate((connection) =>
    connection.all<{ note: string }>("select note from notes order by note"),
  );
  return rows.map(({ note }) => note);
}

const NAMES = Array.from({ length: CLIENTS }, (_, number) => `note ${String(number).padStart(2, "0")}`);

/** Each client sends its write again and again while nothing is written, and waits for the answer to the last. */
async function holdUp(app: TestApp, kind: string, database: Pick<PrivateServer, "freeze" | "thaw">) {
  database.freeze();
  const send = (signal: AbortSignal | null): Promise<Response>[] =>
    NAMES.map((name) => app.fetch(`/notes/${kind}/${name}`, { method: "POST", signal }));
  await giveUp(app, send, { times: TRIES - 1, arrived: 0 });
  const last = send(null);
  await reach(app, "arrived", CLIENTS * TRIES);
  await reach(app, "left", CLIENTS * (TRIES - 1));
  await Bun.sleep(OLD_ENOUGH_MS);
  database.thaw();
  const statuses = (await Promise.all(last)).map(({ status }) => status);
  return { statuses, notes: await readNotes(app) };
}

/** Holds the write lock of a file as another process does. */
function lockOf(url: string): Pick<PrivateServer, "freeze" | "thaw"> {
  const other = new Database(url.slice("sqlite:".length));
  return {
    freeze: () => other.run("begin immediate"),
    thaw() {
      other.run("rollback");
      other.close();
    },
  };
}

for (const kind of ["alone", "transaction"]) {
  testWithServer(
    "sqlite",
    `what clients gave up while the file was locked isn't written (${kind})`,
    120_000,
    async () => {
      await using database = await createTestDatabase("sqlite");
      await using app = await start(database.url);
      const { statuses, notes } = await holdUp(app, kind, lockOf(database.url));
      expect(statuses).toEqual(Array(CLIENTS).fill(200));
      expect(notes).toEqual(NAMES);
      expect(await app.log("app")).toContain("gave up"); // how often is folded into few lines
    },
  );
}

for (const dialect of SERVERS) {
  testWithServer(
    dialect,
    `what clients gave up while the server was frozen isn't written (${dialect})`,
    120_000,
    async () => {
      await using server = await PrivateServer.start(dialect);
      await using app = await start(server.url);
      const { statuses, notes } = await holdUp(app, "transaction", server);
      expect(statuses).toEqual(Array(CLIENTS).fill(200));
      expect(notes).toEqual(NAMES);
    },
  );

  testWithServer(
    dialect,
    `of single statements at most those are doubled that were under way when the server froze (${dialect})`,
    120_000,
    async () => {
      await using server = await PrivateServer.start(dialect);
      await using app = await start(server.url);
      const { statuses, notes } = await holdUp(app, "alone", server);
      expect(statuses).toEqual(Array(CLIENTS).fill(200));
      expect([...new Set(notes)]).toEqual(NAMES);
      expect(notes.length).toBeLessThanOrEqual(CLIENTS + POOL_SIZE);
    },
  );
}

for (const dialect of ["sqlite", ...SERVERS] as const satisfies readonly Dialect[]) {
  testWithServer(
    dialect,
    `what a request has begun it ends without its client (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      await using app = await start(database.url);
      const send = (signal: AbortSignal) => [app.fetch("/notes/two/a", { method: "POST", signal })];
      await giveUp(app, send, { times: 1, arrived: 0 });
      await app.app.plugins.stop();
      expect(await readNotes(app)).toEqual(["a", "also a"]);
    },
  );
}
