import { eq } from "drizzle-orm";
import { expect } from "bun:test";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { createBlog } from "../db/blog-tables.ts";
import { failureOf } from "../db/failures.ts";
import { plugin, TestApp } from "../setup.ts";
import { openLogged, SERVERS } from "./ledger.ts";
import { TcpProxy } from "./tcp-proxy.ts";

for (const dialect of SERVERS) {
  const test = (name: string, run: () => Promise<void>): void =>
    testWithServer(dialect, `${name} (${dialect})`, 120_000, run);

  for (const by of ["reset", "vanish"] as const) {
    test(`a connection lost at COMMIT (${by}) leaves the outcome unknown, and nothing is retried`, async () => {
      await using database = await createTestDatabase(dialect);
      await using proxy = await TcpProxy.before(database.url);
      const { driver } = await openLogged(proxy.through(database.url), { statementTimeoutMs: 1000 });
      const { db, authors } = await createBlog(driver);
      let runs = 0;
      const lost = proxy.loseAnswerTo(/commit/i, by);
      const failure = failureOf(
        db.transaction(
          async (tx) => {
            runs += 1;
            await tx.insert(authors).values({ email: "lost@x" });
          },
          { retries: 5 },
        ),
      );
      await lost;
      expect(await failure).toMatchObject({ fault: "outcome" });
      expect(runs).toBe(1);
      expect(await db.select({ email: authors.email }).from(authors)).toEqual([{ email: "lost@x" }]);
      await driver.close();
    });
  }

  test("a write alone whose answer is lost may have been made; a read or an unfinished transaction not", async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    const { driver } = await openLogged(proxy.through(database.url));
    const { db, authors } = await createBlog(driver);
    let lost = proxy.loseAnswerTo(/alone@x/);
    expect(await failureOf(db.insert(authors).values({ email: "alone@x" }))).toMatchObject({
      fault: "outcome",
    });
    await lost;
    lost = proxy.loseAnswerTo(/read@x/);
    const reading = db.select().from(authors).where(eq(authors.email, "read@x"));
    expect(await failureOf(reading)).toMatchObject({ fault: "unavailable" });
    await lost;
    lost = proxy.loseAnswerTo(/unfinished@x/);
    const unfinished = db.transaction((tx) => tx.insert(authors).values({ email: "unfinished@x" }));
    expect(await failureOf(unfinished)).toMatchObject({ fault: "unavailable" });
    await lost;
    expect(await db.select({ email: authors.email }).from(authors)).toEqual([{ email: "alone@x" }]);
    await driver.close();
  });

  test("the client is told that the outcome is unknown, by a code of its own and without a retry-after", async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    await using app = await TestApp.start({
      plugins: {
        ...plugin("shop", ""),
        "shop/run.ts": `import { createRouter, db } from "xcore";
import { sql } from "drizzle-orm";
export default createRouter().post("/", () =>
  db.transaction(async (tx) => void (await tx.execute(sql\`delete from shop_nothing\`))),
);
`,
      },
      config: { database: { url: proxy.through(database.url) } },
    });
    await app.app.database.migrate((connection) => connection.run("create table shop_nothing (id integer)"));
    const lost = proxy.loseAnswerTo(/commit/i);
    const response = await app.fetch("/shop", { method: "POST" });
    await lost;
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBeNull();
    expect(await response.json()).toMatchObject({
      code: "outcome_unknown",
      detail:
        "The connection to the database was lost before it answered: look whether the change was made before you make it again",
    });
  });
}
