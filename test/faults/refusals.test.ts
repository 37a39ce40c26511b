import { spawnSync } from "node:child_process";
import { chmodSync, chownSync } from "node:fs";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { expect, test as plainTest } from "bun:test";
import { isFault } from "../../src/db/contract/database-error.ts";
import { findIdentity } from "../database-keeper.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { failureOf } from "../db/failures.ts";
import { TestApp, TestFolder } from "../setup.ts";
import { openLogged, SERVERS } from "./ledger.ts";
import { PrivateServer } from "./private-server.ts";
import { mountSmall } from "./small-disk.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** A plugin that runs what it is sent. */
const ASKER = {
  "asker/plugin.json": { name: "asker", version: "1.0.0" },
  "asker/run.ts": `import { createRouter, db } from "xcore";
import { sql } from "drizzle-orm";
import { t } from "elysia";
export default createRouter().post("/", ({ body }) => db.execute(sql.raw(body.sql)), {
  body: t.Object({ sql: t.String() }),
});
`,
};

function start(url: string, settings: object = {}): Promise<TestApp> {
  return TestApp.start({ plugins: ASKER, config: { database: { url, ...settings } } });
}

async function ask(app: TestApp, statement: string) {
  const body = JSON.stringify({ sql: statement });
  const headers = { "content-type": "application/json" };
  const response = await app.fetch("/asker", { method: "POST", headers, body });
  const { code, status } = (await response.json()) as { code?: string; status?: number };
  return { code, status, retryAfter: response.headers.get("retry-after") };
}

const FULL = { status: 507, code: "database_full", retryAfter: null };
const READ_ONLY = { status: 503, code: "database_read_only", retryAfter: null };
const DENIED = { status: 503, code: "database_access_denied", retryAfter: null };
const EXHAUSTED = { status: 503, code: "database_connections_exhausted", retryAfter: "1" };
const UNAVAILABLE = { status: 503, code: "database_unavailable", retryAfter: "1" };
const UNKNOWN = { status: 503, code: "outcome_unknown", retryAfter: null };
const TIMEOUT = { status: 503, code: "database_timeout", retryAfter: null };

/** What a server says of itself, by its own code of it. */
const SAID = {
  postgres: {
    "53100": FULL,
    "25006": READ_ONLY,
    "42501": DENIED,
    "53300": EXHAUSTED,
    "53200": UNAVAILABLE,
    // By which a statement loses its connection.
    "57P03": UNKNOWN,
    "58030": UNAVAILABLE,
    "57014": TIMEOUT,
    "40001": UNAVAILABLE,
    XX001: { status: 503, code: "database_damaged", retryAfter: null },
  },
  mysql: {
    "1021": FULL,
    "1114": FULL,
    "1290": READ_ONLY,
    "1836": READ_ONLY,
    "1142": DENIED,
    "1820": DENIED,
    "1040": EXHAUSTED,
    "1226": EXHAUSTED,
    "1041": UNAVAILABLE,
    "1969": TIMEOUT,
    "1213": UNAVAILABLE,
  },
} as const;

/** Whether a server takes no more connections. */
async function isRefused(url: string): Promise<boolean> {
  try {
    const { driver } = await openLogged(url, { poolSize: 1, connectTimeoutMs: 500 });
    await driver.close();
    return false;
  } catch {
    return true;
  }
}

for (const dialect of SERVERS) {
  const test = (name: string, run: () => Promise<void>): void =>
    testWithServer(dialect, `${name} (${dialect})`, 120_000, run);

  test("what a server refuses by its own state is answered with 503 or 507 and a code", async () => {
    await using database = await createTestDatabase(dialect);
    await using app = await start(database.url);
    for (const [code, expected] of Object.entries(SAID[dialect])) {
      const raise =
        dialect === "postgres"
          ? `do $$ begin raise exception 'said' using errcode = '${code}'; end $$`
          : `signal sqlstate '45000' set mysql_errno = ${code}, message_text = 'said'`;
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect([code, await ask(app, raise)]).toEqual([code, expected]);
    }
  });

  test("/health is 503 while writes find no room", async () => {
    await using database = await createTestDatabase(dialect);
    await using app = await start(database.url);
    const full =
      dialect === "postgres"
        ? "do $$ begin raise exception 'said' using errcode = '53100'; end $$"
        : "signal sqlstate '45000' set mysql_errno = 1021, message_text = 'said'";
    expect(await ask(app, full)).toEqual(FULL);
    expect((await app.fetch("/health")).status).toBe(503);
    await until(async () => (await app.fetch("/health")).status === 200);
  });

  test("a statement that takes longer than it may is ended, and its connection kept", async () => {
    await using database = await createTestDatabase(dialect);
    await using app = await start(database.url, { statement_timeout: 0.5, pool_size: 1 });
    const ownId = dialect === "postgres" ? "pg_backend_pid()" : "connection_id()";
    const { database: driver } = app.app;
    const [before] = await driver.toDatabase({}).execute(sql.raw(`select ${ownId} as id`));
    const slow =
      dialect === "postgres"
        ? "select pg_sleep(20)"
        : "select count(*) from seq_1_to_1000000 a, seq_1_to_1000000 b where a.seq * b.seq % 7 = 3";
    expect(await ask(app, slow)).toEqual(TIMEOUT);
    expect(await driver.toDatabase({}).execute(sql.raw(`select ${ownId} as id`))).toEqual([before ?? {}]);
  });

  test("a changed password, and a server without a connection left, are told as such and pass", async () => {
    await using server = await PrivateServer.start(dialect, {
      settings:
        dialect === "postgres"
          ? { max_connections: "12", superuser_reserved_connections: "0" }
          : { "max-connections": "12" },
    });
    await using proxy = await TcpProxy.before(server.url);
    const { driver: admin } = await openLogged(server.url, { poolSize: 1 });
    const run = (statement: string) => admin.toDatabase({}).execute(sql.raw(statement));
    await using app = await start(proxy.through(server.url), { pool_size: 2 });
    expect((await ask(app, "select 1")).status).toBeUndefined();
    // Others have taken all that there are.
    const { driver: others } = await openLogged(server.url, { poolSize: 20 });
    const taken = Promise.withResolvers<void>();
    await proxy.cut(); // it would take its own again before they can
    const holding = Array.from({ length: 20 }, () => others.toDatabase({}).transaction(() => taken.promise));
    const settled = Promise.allSettled(holding);
    await until(() => isRefused(server.url));
    await proxy.listen();
    await until(async () => (await ask(app, "select 1")).code === "database_connections_exhausted");
    expect(await ask(app, "select 1")).toEqual(EXHAUSTED);
    taken.resolve();
    await settled;
    await others.close();
    await until(async () => (await ask(app, "select 1")).status === undefined);
    const change = (password: string) =>
      run(
        dialect === "postgres"
          ? `alter role xcore password '${password}'`
          : `alter user xcore@'%' identified by '${password}'`,
      );
    await change("another");
    proxy.reset();
    await until(async () => (await ask(app, "select 1")).code === "database_access_denied");
    expect(await ask(app, "select 1")).toEqual(DENIED);
    await change("top/s3cret:p@ss");
    expect((await ask(app, "select 1")).status).toBeUndefined();
    expect((await app.log("app")) + (await app.log("access"))).not.toContain("s3cret");
    await admin.close();
  });
}

for (const dialect of SERVERS) {
  testWithServer(
    dialect,
    `a disk of a server that fills up loses nothing, and is used again once it has room (${dialect})`,
    120_000,
    async () => {
      await using folder = await TestFolder.create();
      const disk = join(folder.path, "disk");
      using mounted = mountSmall(disk, "8m");
      if (mounted === null) return; // what the server says of itself is tested above
      giveToServer(folder.path, disk);
      await using server = await PrivateServer.start(dialect);
      const { driver } = await openLogged(server.url, { poolSize: 2 });
      const db = driver.toDatabase({});
      const run = (statement: string) => db.execute(sql.raw(statement));
      if (dialect === "postgres") await run(`create tablespace small location '${disk}'`);
      const place = dialect === "postgres" ? "tablespace small" : `data directory = '${disk}'`;
      await run(`create table things (id integer primary key, word text) ${place}`);
      let acknowledged = 0;
      let failure: unknown = null;
      for (let id = 1; failure === null; id += 1) {
        // oxlint-disable-next-line no-await-in-loop -- until it is full
        failure = await db.execute(sql`insert into things values (${id}, ${randomWords()})`).then(
          () => null,
          (error: unknown) => error,
        );
        if (failure === null) acknowledged = id;
      }
      const count = async () => Number((await run("select count(*) as count from things"))[0]?.["count"]);
      if (isFault(failure, "outcome")) {
        // MariaDB may end itself where a file of InnoDB can't grow: "Assertion failure".
        spawnSync("mount", ["-o", "remount,size=40m", disk]);
        await server.restart();
        expect(await count()).toBeOneOf([acknowledged, acknowledged + 1]);
      } else {
        expect(failure).toMatchObject({ fault: "full" });
        const transaction = db.transaction(async (tx) => {
          for (const id of [-1, -2, -3]) {
            // oxlint-disable-next-line no-await-in-loop -- one connection
            await tx.execute(sql`insert into things values (${id}, ${randomWords()})`);
          }
        });
        expect(await failureOf(transaction)).toMatchObject({ fault: "full" });
        expect(await count()).toBe(acknowledged);
        spawnSync("mount", ["-o", "remount,size=40m", disk]);
      }
      const before = await count();
      await db.execute(sql`insert into things values (0, ${randomWords()})`);
      expect(await count()).toBe(before + 1);
      await driver.close();
    },
  );
}

testWithServer("postgres", "a server that only reads is told as such (postgres)", 120_000, async () => {
  await using database = await createTestDatabase("postgres");
  await using app = await start(database.url, { pool_size: 1 });
  expect((await ask(app, "create table things (id integer)")).status).toBeUndefined();
  const { pathname } = new URL(database.url);
  await ask(app, `alter database ${pathname.slice(1)} set default_transaction_read_only = on`);
  await ask(app, "discard all"); // the next one has a connection of its own, made after that
  expect(await ask(app, "insert into things values (1)")).toEqual(READ_ONLY);
});

/** What PostgreSQL can't compress. */
function randomWords(): string {
  return crypto.getRandomValues(Buffer.alloc(20_000)).toString("hex");
}

/** Lets the server of a test write there. */
function giveToServer(folder: string, disk: string): void {
  const { uid, gid } = findIdentity();
  chmodSync(folder, 0o711);
  if (uid !== undefined) chownSync(disk, uid, gid ?? uid);
}

plainTest("a full disk and a database that only reads are told as such (sqlite)", async () => {
  await using database = await createTestDatabase("sqlite");
  await using app = await start(database.url);
  await ask(app, "create table things (word text)");
  const run = (statement: string) => app.app.database.migrate((connection) => connection.run(statement));
  await run("pragma max_page_count = 1");
  expect(await ask(app, `insert into things values ('${"x".repeat(9000)}')`)).toEqual(FULL);
  await run("pragma max_page_count = 1000000");
  expect((await ask(app, `insert into things values ('${"x".repeat(9000)}')`)).status).toBeUndefined();
  await run("pragma query_only = on");
  expect(await ask(app, "insert into things values ('x')")).toEqual(READ_ONLY);
  await run("pragma query_only = off");
});

plainTest("a disk that fills up loses nothing, and is used again once it has room (sqlite)", async () => {
  await using folder = await TestFolder.create();
  const disk = join(folder.path, "disk");
  using mounted = mountSmall(disk, "2m");
  if (mounted === null) return; // the test above is what there is then
  const { driver } = await openLogged(`sqlite:${join(disk, "app.db")}`);
  const db = driver.toDatabase({});
  await db.execute(sql`create table things (id integer primary key, word text)`);
  let acknowledged = 0;
  let failure: unknown = null;
  for (let id = 1; failure === null; id += 1) {
    // oxlint-disable-next-line no-await-in-loop -- until it is full
    failure = await db.execute(sql`insert into things values (${id}, ${"x".repeat(20_000)})`).then(
      () => null,
      (error: unknown) => error,
    );
    if (failure === null) acknowledged = id;
  }
  expect(failure).toMatchObject({ fault: "full" });
  expect(
    await failureOf(db.transaction((tx) => tx.execute(sql`update things set word = word || 'y'`))),
  ).toMatchObject({
    fault: "full",
  });
  const count = () => db.execute(sql`select count(*) as count from things where word not like '%y'`);
  expect(await count()).toEqual([{ count: acknowledged }]);
  spawnSync("mount", ["-o", "remount,size=20m", disk]);
  await db.execute(sql`insert into things values (0, 'room')`);
  expect(await count()).toEqual([{ count: acknowledged + 1 }]);
  await driver.close();
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- until it is so; the test's own limit ends it
  while (!(await isSo()));
}
