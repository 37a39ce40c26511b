import { eq, sql } from "drizzle-orm";
import pino from "pino";
import { expect } from "bun:test";
import { DatabaseError } from "../../src/db/contract/database-error.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { openDatabase } from "../../src/db/open.ts";
import { createTestDatabase, testOnDialect, testWithServer } from "../database-servers.ts";
import { createBlog } from "./blog-tables.ts";
import { failureOf } from "./failures.ts";
import { TcpProxy } from "../faults/tcp-proxy.ts";

const POOL_SIZE = 5; // of testOnDialect

for (const dialect of ["postgres", "mysql"] as const) {
  const pause =
    dialect === "postgres" ? sql`select pg_sleep(0.05), 1 as one` : sql`select sleep(0.05), 1 as one`;

  testOnDialect(
    dialect,
    "a pool used by ten times its size lets queries and transactions wait",
    async ({ driver }) => {
      const { db, authors, articles } = await createBlog(driver);
      const queries = Array.from({ length: 10 * POOL_SIZE }, () => db.execute<{ one: number }>(pause));
      const transactions = Array.from({ length: 10 * POOL_SIZE }, (_, number) =>
        db.transaction(async (tx) => {
          const [author] = await tx
            .insert(authors)
            .values({ email: `${number}@x` })
            .returning();
          await tx.execute(pause);
          await tx.insert(articles).values({ author_id: author?.id ?? 0, slug: String(number), title: "t" });
          return number;
        }),
      );
      const rows = await Promise.all(queries);
      expect(rows.every(([row]) => row?.one === 1)).toBe(true);
      expect(await Promise.all(transactions)).toEqual(transactions.map((_, number) => number));
      expect(await db.$count(authors)).toBe(transactions.length);
      expect(await db.$count(articles)).toBe(transactions.length);
    },
  );

  testOnDialect(dialect, "transactions that fail give their connections back", async ({ driver }) => {
    const { db, authors } = await createBlog(driver);
    const failures = Array.from({ length: 10 * POOL_SIZE }, (_, number) =>
      failureOf(
        db.transaction(async (tx) => {
          await tx.insert(authors).values({ email: `${number}@x` });
          throw new Error("no");
        }),
      ),
    );
    const errors = await Promise.all(failures);
    expect(errors.every((error) => (error as Error).message === "no")).toBe(true);
    expect(await db.$count(authors)).toBe(0);
  });

  testOnDialect(
    dialect,
    "a deadlock is told as such, undoes all of its transaction, and can be retried",
    async ({ driver }) => {
      const { db, authors } = await createBlog(driver);
      await db.insert(authors).values([{ email: "a@x" }, { email: "b@x" }, { email: "c@x" }]);
      const collide = async (retries: number) => {
        const locked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const lockBoth = (mine: number, other: number) =>
          db.transaction(
            async (tx) => {
              await tx
                .update(authors)
                .set({ name: sql`concat(coalesce(${authors.name}, ''), 'x')` })
                .where(eq(authors.id, 3 - mine));
              locked[mine]?.resolve();
              await locked[other]?.promise;
              await tx
                .update(authors)
                .set({ name: "y" })
                .where(eq(authors.id, 3 - other));
            },
            { retries },
          );
        return Promise.allSettled([lockBoth(0, 1), lockBoth(1, 0)]);
      };
      const results = await collide(0);
      const reasons = results.flatMap((result) =>
        result.status === "rejected" ? [result.reason as unknown] : [],
      );
      expect(reasons).toHaveLength(1);
      expect(reasons[0]).toMatchObject({ fault: "serialization" });
      const retried = await collide(3);
      expect(retried.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
    },
  );

  testWithServer(dialect, `connections that are lost come back (${dialect})`, 120_000, async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    const log = pino({ level: "silent" });
    const url = parseDatabaseUrl(proxy.through(database.url), "/");
    const driver = await openDatabase({ url, poolSize: 3, echo: false, log });
    const { db, authors } = await createBlog(driver);
    await Promise.all(Array.from({ length: 6 }, () => db.execute(pause)));
    const under = db.transaction(async (tx) => {
      await tx.insert(authors).values({ email: "lost@x" });
      await proxy.cut();
      await tx.insert(authors).values({ email: "lost2@x" });
    });
    expect(await failureOf(under)).toMatchObject({ fault: "unavailable" });
    const away = await failureOf(db.select().from(authors));
    expect(away).toBeInstanceOf(DatabaseError);
    expect(away).toMatchObject({ fault: "unavailable" });
    expect(Bun.inspect(away, { depth: 20 })).not.toContain("s3cret");
    await proxy.listen();
    expect(await db.select().from(authors)).toEqual([]);
    const all = await Promise.all(Array.from({ length: 9 }, () => db.$count(authors)));
    expect(all).toEqual(all.map(() => 0));
    await db.transaction((tx) => tx.insert(authors).values({ email: "a@x" }));
    await driver.close();
  });

  testWithServer(dialect, `connections that the server ends are replaced (${dialect})`, 120_000, async () => {
    await using database = await createTestDatabase(dialect);
    const log = pino({ level: "silent" });
    const url = parseDatabaseUrl(database.url, "/");
    const driver = await openDatabase({ url, poolSize: 2, echo: false, log });
    const killer = await openDatabase({ url, poolSize: 1, echo: false, log });
    const { db, authors } = await createBlog(driver);
    await Promise.all([db.execute(pause), db.execute(pause)]);
    const others = killer.toDatabase({});
    if (dialect === "postgres") {
      await others.execute(
        sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
    } else {
      const rows = await others.execute<{ id: number }>(
        sql`select id from information_schema.processlist where db = database() and id <> connection_id()`,
      );
      for (const { id } of rows) {
        // oxlint-disable-next-line no-await-in-loop -- one connection
        await others.execute(sql.raw(`kill ${id}`));
      }
    }
    // The first may find out that its connection is gone.
    await Promise.allSettled([db.$count(authors), db.$count(authors)]);
    expect(await Promise.all([db.$count(authors), db.$count(authors), db.$count(authors)])).toEqual([
      0, 0, 0,
    ]);
    await killer.close();
    await driver.close();
  });

  testOnDialect(dialect, "prepared statements survive a change of their table", async ({ driver }) => {
    const { db, authors } = await createBlog(driver);
    await db.insert(authors).values({ email: "a@x" });
    const select = db.select().from(authors).prepare("authors");
    await Promise.all(Array.from({ length: POOL_SIZE * 2 }, () => select.execute()));
    const change =
      dialect === "postgres"
        ? "alter table authors alter column name type varchar(50)"
        : "alter table authors modify name varchar(50)";
    await driver.migrate((connection) => connection.run(change));
    const rows = await Promise.all(Array.from({ length: POOL_SIZE * 2 }, () => select.execute()));
    expect(rows.every(([row]) => row?.email === "a@x")).toBe(true);
  });

  testOnDialect(
    dialect,
    "migrate() works while the pool is taken, and ends when its connection is lost",
    async ({ driver }) => {
      const { db, authors } = await createBlog(driver);
      const taken = Promise.withResolvers<void>();
      const free = Promise.withResolvers<void>();
      let begun = 0;
      const transactions = Array.from({ length: POOL_SIZE }, () =>
        db.transaction(async () => {
          begun++;
          if (begun === POOL_SIZE) taken.resolve();
          await free.promise;
        }),
      );
      await taken.promise;
      expect(await driver.migrate((connection) => connection.all("select 1 as one"))).toEqual([{ one: 1 }]);
      free.resolve();
      await Promise.all(transactions);
      const lost = driver.migrate((connection) =>
        connection.transaction(async () => {
          await connection.run("insert into authors (email) values ('x')");
          if (dialect === "postgres")
            await connection.run("select pg_terminate_backend(pg_backend_pid())").catch(() => {});
          else await connection.run("kill connection_id()").catch(() => {});
          await connection.run("insert into authors (email) values ('y')");
        }),
      );
      expect(await failureOf(lost)).toMatchObject({ fault: "unavailable" });
      expect(await db.$count(authors)).toBe(0);
      await driver.migrate((connection) => connection.run("insert into authors (email) values ('z')"));
      expect(await db.$count(authors)).toBe(1);
    },
  );
}
