import { eq, sql } from "drizzle-orm";
import { expect } from "bun:test";
import { testOnDialect, testOnEachDialect } from "../database-servers.ts";
import { createBlog } from "./blog-tables.ts";

const CLIENTS = 80;

testOnEachDialect(
  "serializable transactions that read, compute and write lose nothing",
  async ({ driver }) => {
    const { db, articles } = await createBlog(driver);
    await db.insert(articles).values({ slug: "a", title: "t" });
    const increments = Array.from({ length: CLIENTS }, () =>
      db.transaction(
        async (tx) => {
          const [article] = await tx.select({ views: articles.views }).from(articles);
          await tx.update(articles).set({ views: (article?.views ?? 0) + 1 });
        },
        { isolation: "serializable", retries: 5 },
      ),
    );
    await Promise.all(increments);
    expect(await db.select({ views: articles.views }).from(articles)).toEqual([{ views: CLIENTS }]);
  },
);

testOnEachDialect(
  "a select for update makes others wait, without an isolation or retries",
  async ({ driver }) => {
    const { db, articles } = await createBlog(driver);
    await db.insert(articles).values({ slug: "a", title: "t" });
    const increments = Array.from({ length: CLIENTS }, () =>
      db.transaction(async (tx) => {
        const [article] = await tx.select().from(articles).where(eq(articles.slug, "a")).for("update");
        await tx.update(articles).set({ views: (article?.views ?? 0) + 1 });
      }),
    );
    await Promise.all(increments);
    expect(await db.select({ views: articles.views }).from(articles)).toEqual([{ views: CLIENTS }]);
  },
);

testOnEachDialect("serializable transactions keep a limit on a number of rows", async ({ driver }) => {
  const { db, notes } = await createBlog(driver);
  const add = (label: number): Promise<boolean> =>
    db.transaction(
      async (tx) => {
        if ((await tx.$count(notes)) >= 5) return false;
        await tx.insert(notes).values({ label: String(label) });
        return true;
      },
      { isolation: "serializable", retries: 5 },
    );
  const added = await Promise.all(Array.from({ length: 40 }, (_, label) => add(label)));
  expect(added.filter(Boolean)).toHaveLength(5);
  expect(await db.$count(notes)).toBe(5);
});

// SQLite never gives one up.
for (const dialect of ["postgres", "mysql"] as const)
  testOnDialect(dialect, "a transaction is run again as often as it may, and no more", async ({ driver }) => {
    const db = driver.toDatabase({});
    let runs = 0;
    const giveUp =
      dialect === "postgres"
        ? sql`do $$ begin raise exception 'given up' using errcode = '40001'; end $$`
        : sql.raw("signal sqlstate '40001' set mysql_errno = 1213, message_text = 'given up'");
    const transaction = db.transaction(
      async (tx) => {
        runs += 1;
        await tx.execute(giveUp);
      },
      { isolation: "serializable", retries: 3 },
    );
    expect(await transaction.catch((error: unknown) => error)).toMatchObject({ fault: "serialization" });
    expect(runs).toBe(4);
  });
