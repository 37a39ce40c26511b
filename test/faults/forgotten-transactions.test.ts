import { eq, sql } from "drizzle-orm";
import { expect } from "bun:test";
import { type Dialect, DIALECTS } from "../../src/db/contract/driver.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { createBlog } from "../db/blog-tables.ts";
import { failureOf } from "../db/failures.ts";
import { TestApp } from "../setup.ts";
import { openLogged } from "./ledger.ts";

const TIMEOUT_S = 0.5;
const never = new Promise<never>(() => {});

/** A plugin whose `/forget` begins a transaction, writes a row and never ends. */
const FORGETFUL = {
  "notes/plugin.json": { name: "notes", version: "1.0.0" },
  "notes/run.ts": `import { createRouter, db } from "xcore";
import { sql } from "drizzle-orm";
const begun = Promise.withResolvers<void>();
export default createRouter()
  .get("/begun", async () => (await begun.promise, "begun"))
  .get("/count", () => db.execute(sql\`select note from notes\`))
  .post("/write", async () => (await db.execute(sql\`insert into notes (note) values ('written')\`), "written"))
  .post("/forget", () =>
    db.transaction(async (tx) => {
      await tx.execute(sql\`insert into notes (note) values ('forgotten')\`);
      begun.resolve();
      await new Promise(() => {});
    }),
  )
  .post("/forget/keyed", async () => {
    await db.execute(sql\`insert into notes (note) values ('forgotten')\`);
    begun.resolve();
    await new Promise(() => {});
  }, { idempotent: true });
`,
};

async function startApp(dialect: Dialect, timeoutS: number) {
  const disposals = new AsyncDisposableStack();
  const database = disposals.use(await createTestDatabase(dialect));
  const app = await TestApp.start({
    plugins: FORGETFUL,
    drainTimeoutMs: 100,
    config: { database: { url: database.url, transaction_timeout: timeoutS } },
  });
  await app.app.database.migrate((connection) =>
    connection.run("create table notes (note varchar(20) unique)"),
  );
  disposals.use(app);
  return { app, [Symbol.asyncDispose]: () => disposals.disposeAsync() };
}

for (const dialect of DIALECTS) {
  const test = (name: string, run: () => Promise<void>): void =>
    testWithServer(dialect, `${name} (${dialect})`, 120_000, run);

  test("a forgotten transaction is rolled back at its limit, and the log says whose it was", async () => {
    await using started = await startApp(dialect, TIMEOUT_S);
    const { app } = started;
    const forgotten = app.problem("/notes/forget", { method: "POST" });
    await app.fetch("/notes/begun");
    const written = await app.fetch("/notes/write", { method: "POST" });
    expect(await written.text()).toBe("written");
    expect(await forgotten).toMatchObject({ status: 503, code: "database_timeout" });
    expect(await (await app.fetch("/notes/count")).json()).toEqual([{ note: "written" }]);
    const line = (await app.log("app")).split("\n").find((text) => text.includes("was rolled back"));
    expect(JSON.parse(line ?? "{}")).toMatchObject({
      level: "error",
      plugin: "notes",
      place: "plugins/notes/run.ts:9",
      msg: "a transaction was open for 0.5 s, and was rolled back: await nothing slow inside it",
    });
  });

  test("a request with a key that is forgotten is told with its plugin", async () => {
    await using started = await startApp(dialect, TIMEOUT_S);
    const { app } = started;
    const headers = { "idempotency-key": "a" };
    const forgotten = await app.problem("/notes/forget/keyed", { method: "POST", headers });
    expect(forgotten).toMatchObject({ status: 503, code: "database_timeout" });
    const line = (await app.log("app")).split("\n").find((text) => text.includes("was rolled back"));
    expect(JSON.parse(line ?? "{}")).toMatchObject({ level: "error", plugin: "notes" });
  });

  for (const path of ["/notes/forget", "/notes/forget/keyed"])
    test(`unloading a plugin ends its transactions: ${path}`, async () => {
      await using started = await startApp(dialect, 60);
      const { app } = started;
      const forgotten = app.fetch(path, { method: "POST", headers: { "idempotency-key": "a" } });
      await app.fetch("/notes/begun");
      const source = FORGETFUL["notes/run.ts"];
      await app.after("plugin.reloaded", () => app.writePlugins({ "notes/run.ts": `${source}// changed` }));
      expect((await forgotten).status).toBe(503);
      const written = await app.fetch("/notes/write", { method: "POST" });
      expect(await written.text()).toBe("written");
      expect(await (await app.fetch("/notes/count")).json()).toEqual([{ note: "written" }]);
    });

  test("the handle of a transaction that was rolled back at its limit throws, in savepoints too", async () => {
    await using database = await createTestDatabase(dialect);
    const { driver } = await openLogged(database.url, {
      poolSize: 2,
      transactionTimeoutMs: TIMEOUT_S * 1000,
    });
    const { db, authors } = await createBlog(driver);
    const late = Promise.withResolvers<void>();
    const tried = Promise.withResolvers<unknown[]>();
    const ended = failureOf(
      db.transaction(async (tx) => {
        await tx.insert(authors).values({ email: "outer@x" });
        await tx.transaction(async (inner) => {
          await inner.insert(authors).values({ email: "inner@x" });
          await late.promise;
          const tries = [
            failureOf(inner.insert(authors).values({ email: "late@x" })),
            failureOf(inner.select().from(authors)),
            failureOf(inner.transaction(async () => {})),
            failureOf(tx.insert(authors).values({ email: "late@x" })),
            failureOf(tx.execute(sql`delete from authors`)),
          ];
          tried.resolve(await Promise.all(tries));
        });
      }),
    );
    expect(await ended).toMatchObject({ fault: "timeout" });
    // Another one is open while the first goes on: it must be neither written into nor ended.
    const other = Promise.withResolvers<void>();
    await db.transaction(async (tx) => {
      await tx.insert(authors).values({ email: "other@x" });
      late.resolve();
      for (const error of await tried.promise) expect(error).toMatchObject({ fault: "timeout" });
      await new Promise((resolve) => setImmediate(resolve));
      await tx.update(authors).set({ name: "kept" }).where(eq(authors.email, "other@x"));
      other.resolve();
    });
    expect(await db.select({ email: authors.email, name: authors.name }).from(authors)).toEqual([
      { email: "other@x", name: "kept" },
    ]);
    await driver.close();
  });

  test("a forgotten transaction doesn't hold up the closing of the database", async () => {
    await using database = await createTestDatabase(dialect);
    const { driver } = await openLogged(database.url, {
      poolSize: 2,
      transactionTimeoutMs: TIMEOUT_S * 1000,
    });
    const begun = Promise.withResolvers<void>();
    const db = driver.toDatabase({});
    const forgotten = failureOf(
      db.transaction(() => {
        begun.resolve();
        return never;
      }),
    );
    await begun.promise;
    await driver.close();
    expect(await forgotten).toMatchObject({ fault: "timeout" });
  });
}
