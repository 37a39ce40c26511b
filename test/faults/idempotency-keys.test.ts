import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { sql } from "drizzle-orm";
import { type Dialect, DIALECTS } from "../../src/db/contract/driver.ts";
import { XcoreServer } from "../cli/xcore-process.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { TestApp, TestFolder } from "../setup.ts";
import { COUNT_ARRIVALS, COUNTS_ROUTE, giveUp, reach } from "./arrivals.ts";
import { openLogged, SERVERS } from "./ledger.ts";
import { PrivateServer } from "./private-server.ts";
import { TcpProxy } from "./tcp-proxy.ts";

const NOTES = {
  "notes/plugin.json": { name: "notes", version: "1.0.0" },
  "notes/run.ts": `import { createRouter, db } from "xcore";
import { sql } from "drizzle-orm";
${COUNT_ARRIVALS}
const insert = (name: string) => db.execute(sql\`insert into notes (note) values (\${name})\`);
export default createRouter()
  .onRequest(({ request }) => { if (request.method === "POST") arrive(request); })
  ${COUNTS_ROUTE}
  .post("/:name", async ({ params }) => {
    await insert(params.name);
    await insert("also-" + params.name);
    return "written";
  }, { idempotent: { required: true } });
`,
};
const CLIENTS = 8;
const NAMES = Array.from({ length: CLIENTS }, (_, number) => `note-${number}`);

/** Sends a write with its key until it is answered as written. */
async function insist(send: (init: RequestInit) => Promise<Response>, key: string): Promise<void> {
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- one try after another
    const answer = await send({ method: "POST", headers: { "idempotency-key": key } })
      .then(async (response) => ({ response, text: await response.text() }))
      .catch(() => null);
    if (answer === null || answer.response.status === 409 || answer.response.status === 503) continue;
    expect(answer.text).toBe("written");
    return;
  }
}

async function start(url: string): Promise<TestApp> {
  const app = await TestApp.start({
    plugins: NOTES,
    config: { database: { url, pool_size: 3, statement_timeout: 20 } },
  });
  await app.app.database.migrate((connection) => connection.run("create table notes (note varchar(40))"));
  return app;
}

/** What is in the table, by another connection. */
async function readNotes(url: string): Promise<string[]> {
  const { driver } = await openLogged(url);
  const rows = await driver.toDatabase({}).execute<{ note: string }>(sql`select note from notes`);
  await driver.close();
  return rows.map(({ note }) => note).toSorted();
}

function bothOf(names: readonly string[]): string[] {
  return names.flatMap((name) => [name, `also-${name}`]).toSorted();
}

async function holdUp(
  app: TestApp,
  { freeze, thaw, arrived = 0 }: { freeze: () => void; thaw: () => void; arrived?: number },
): Promise<void> {
  freeze();
  const send = (name: string) => (init: RequestInit) => app.fetch(`/notes/${name}`, init);
  const impatient = (signal: AbortSignal) =>
    NAMES.map((name) => send(name)({ method: "POST", headers: { "idempotency-key": name }, signal }));
  await giveUp(app, impatient, { times: 3, arrived });
  const patient = NAMES.map((name) => insist(send(name), name));
  await reach(app, "arrived", arrived + CLIENTS * 4);
  thaw();
  await Promise.all(patient);
}

testWithServer("sqlite", "with a key nothing is doubled behind a locked file (sqlite)", 120_000, async () => {
  await using database = await createTestDatabase("sqlite");
  await using app = await start(database.url);
  using other = new Database(database.url.slice("sqlite:".length));
  await holdUp(app, { freeze: () => other.run("begin immediate"), thaw: () => other.run("rollback") });
  expect(await readNotes(database.url)).toEqual(bothOf(NAMES));
});

for (const dialect of SERVERS) {
  testWithServer(
    dialect,
    `with a key nothing is doubled by a frozen server (${dialect})`,
    120_000,
    async () => {
      await using server = await PrivateServer.start(dialect);
      await using app = await start(server.url);
      // Statements under way when it freezes, too.
      const send = (name: string) => (init: RequestInit) => app.fetch(`/notes/${name}`, init);
      const before = NAMES.map((name) => insist(send(`${name}-before`), `${name}-before`));
      await reach(app, "arrived", CLIENTS);
      await Promise.all(before);
      const [freeze, thaw] = [() => server.freeze(), () => server.thaw()];
      await holdUp(app, { freeze, thaw, arrived: CLIENTS });
      const names = [...NAMES, ...NAMES.map((name) => `${name}-before`)];
      expect(await readNotes(server.url)).toEqual(bothOf(names));
    },
  );

  testWithServer(
    dialect,
    `with a key a lost answer to COMMIT is found out (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      await using proxy = await TcpProxy.before(database.url);
      await using app = await start(proxy.through(database.url));
      const post = (name: string) =>
        app.fetch(`/notes/${name}`, { method: "POST", headers: { "idempotency-key": name } });
      const isLost = proxy.loseAnswerTo(/commit(?!ted)/i);
      const unknown = await post("a");
      await isLost;
      expect([unknown.status, ((await unknown.json()) as { code: string }).code]).toEqual([
        503,
        "outcome_unknown",
      ]);
      const again = await post("a");
      expect([again.status, again.headers.get("idempotent-replayed"), await again.text()]).toEqual([
        200,
        "true",
        "written",
      ]);
      expect(await readNotes(database.url)).toEqual(bothOf(["a"]));
    },
  );
}

const KILLS = 4;
const EACH = 25;

async function writeThroughKills(dialect: Dialect): Promise<void> {
  await using database = await createTestDatabase(dialect);
  await using folder = await TestFolder.create({
    "config.json": { database: { url: database.url } },
    ...Object.fromEntries(Object.entries(NOTES).map(([name, content]) => [`plugins/${name}`, content])),
  });
  const { driver } = await openLogged(database.url);
  await driver.migrate((connection) => connection.run("create table notes (note varchar(40))"));
  await driver.close();
  let server = await XcoreServer.start(folder);
  let up = Promise.resolve();
  let answers = 0;
  let killAt = Number.POSITIVE_INFINITY;
  let reached = Promise.withResolvers<void>();
  const names = Array.from({ length: CLIENTS * EACH }, (_, number) => `note-${number}`);
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (const name of names.slice(client * EACH, (client + 1) * EACH)) {
      const send = async (init: RequestInit): Promise<Response> => {
        await up;
        return server.fetch(`/notes/${name}`, init);
      };
      // oxlint-disable-next-line no-await-in-loop -- one write after another
      await insist(send, name);
      answers += 1;
      if (answers >= killAt) reached.resolve();
    }
  });
  for (let kills = 0; kills < KILLS; kills += 1) {
    killAt = answers + 5 + Math.floor(Math.random() * 30);
    reached = Promise.withResolvers<void>();
    // oxlint-disable-next-line no-await-in-loop -- one kill after another
    await reached.promise;
    server.kill("SIGKILL");
    const back = Promise.withResolvers<void>();
    up = back.promise;
    // oxlint-disable-next-line no-await-in-loop
    await server.exited;
    // oxlint-disable-next-line no-await-in-loop
    server = await XcoreServer.start(folder);
    back.resolve();
  }
  await Promise.all(clients);
  await server[Symbol.asyncDispose]();
  expect(await readNotes(database.url)).toEqual(bothOf(names));
}

for (const dialect of DIALECTS) {
  testWithServer(dialect, `with a key nothing is doubled or half done by kill -9 (${dialect})`, 120_000, () =>
    writeThroughKills(dialect),
  );
}
