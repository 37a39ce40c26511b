import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { sql } from "drizzle-orm";
import { isFault } from "../../src/db/contract/database-error.ts";
import { DIALECTS } from "../../src/db/contract/driver.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { createBlog } from "../db/blog-tables.ts";
import { failureOf } from "../db/failures.ts";
import { openLogged } from "./ledger.ts";

const WAIT_MS = 300;

for (const dialect of DIALECTS) {
  for (const kind of ["alone", "transaction"] as const) {
    testWithServer(
      dialect,
      `a write whose time is over isn't begun when its turn comes: ${kind} (${dialect})`,
      120_000,
      async () => {
        await using database = await createTestDatabase(dialect);
        const options = { poolSize: 1, waitTimeoutMs: WAIT_MS };
        // SQLite has one writer, and its time is that of a statement.
        const limits = dialect === "sqlite" ? { statementTimeoutMs: WAIT_MS } : {};
        const { driver } = await openLogged(database.url, { ...options, ...limits });
        const { db, authors } = await createBlog(driver);
        const insert = (email: string) =>
          kind === "alone"
            ? db.insert(authors).values({ email })
            : db.transaction(async (tx) => tx.insert(authors).values({ email }));
        const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const first = db.transaction(async (tx) => {
          await tx.insert(authors).values({ email: "first@x" });
          begun.resolve();
          await goOn.promise;
        });
        await begun.promise;
        expect(await failureOf(insert("late@x"))).toMatchObject({ fault: "busy" });
        goOn.resolve();
        await first;
        await insert("next@x");
        const rows = await db.select({ email: authors.email }).from(authors).orderBy(authors.email);
        expect(rows).toEqual([{ email: "first@x" }, { email: "next@x" }]);
        await driver.close();
      },
    );
  }
}

for (const kind of ["alone", "together", "execute", "transaction"] as const) {
  testWithServer(
    "sqlite",
    `the wait for other writes and for another process share one deadline: ${kind}`,
    120_000,
    async () => {
      await using database = await createTestDatabase("sqlite");
      const { driver } = await openLogged(database.url, { statementTimeoutMs: 2000 });
      const { db, authors } = await createBlog(driver);
      using other = new Database(database.url.slice("sqlite:".length));
      const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      // It has the turn of writers, and nothing in the file.
      const first = driver.migrate(async () => {
        begun.resolve();
        await goOn.promise;
        other.run("begin immediate");
      });
      await begun.promise;
      const insert = (email: string) => db.insert(authors).values({ email });
      const writes = {
        alone: () => [insert("a@x")],
        together: () => [insert("a@x"), insert("b@x")],
        execute: () => [db.execute(sql`create table a (a integer)`)],
        transaction: () => [db.transaction(async (tx) => tx.insert(authors).values({ email: "a@x" }))],
      }[kind]();
      const failures = writes.map((write) => failureOf(write));
      // Most of their time passes behind what this process does, the rest behind the other one.
      setTimeout(goOn.resolve, 1200);
      await first;
      for (const failure of await Promise.all(failures)) {
        expect(isFault(failure, "busy")).toBe(true);
        const seconds = Number(
          /another process has kept it locked for ([\d.]+) s/.exec(String(failure))?.[1],
        );
        expect(seconds).toBeLessThan(1.8); // 2 if they shared none
      }
      other.run("rollback");
      expect(await db.$count(authors)).toBe(0);
      await driver.close();
    },
  );
}

testWithServer(
  "postgres",
  "a transaction that is run again and again ends at its time in all",
  120_000,
  async () => {
    await using database = await createTestDatabase("postgres");
    const { driver } = await openLogged(database.url, { transactionTimeoutMs: 500 });
    const { driver: other } = await openLogged(database.url);
    const { db, authors } = await createBlog(driver);
    await db.insert(authors).values({ email: "a@x" });
    let tries = 0;
    const failure = await failureOf(
      db.transaction(
        async (tx) => {
          tries += 1;
          const [row] = await tx.select().from(authors);
          // Somebody else is always first.
          await other
            .toDatabase({})
            .update(authors)
            .set({ email: `${tries}@x` });
          await tx.update(authors).set({ email: `${row?.email}!` });
        },
        { isolation: "repeatable read", retries: 1_000_000 },
      ),
    );
    expect(failure).toMatchObject({ fault: expect.stringMatching(/^(?:serialization|timeout)$/) });
    expect(tries).toBeGreaterThan(1);
    await other.close();
    await driver.close();
  },
);
