import { expect, test } from "bun:test";
import { GatheredWrites } from "../../src/db/server/gathered-writes.ts";
import type { DialectTest } from "../database-servers.ts";
import type { OwnedOptions } from "../../src/db/transactions/owner.ts";
import { testOnDialect } from "../database-servers.ts";
import { createBlog } from "./blog-tables.ts";
import { failureOf } from "./failures.ts";

const PAIRS = Array.from({ length: 20 }, (_, number) => `slug ${number}`);

/** Inserts articles one by one, and notes how many each statement has. */
async function createInsert({ driver }: Pick<DialectTest, "driver">) {
  const blog = await createBlog(driver);
  const sizes: number[] = [];
  const insert = driver.gather?.(async (slugs: readonly (string | null)[]) => {
    sizes.push(slugs.length);
    await blog.db.insert(blog.articles).values(slugs.map((slug) => ({ slug: slug as string, title: "t" })));
  });
  if (insert === undefined) throw new Error("it is no server");
  return { ...blog, insert, sizes };
}

for (const dialect of ["postgres", "mysql"] as const) {
  testOnDialect(dialect, "gather() writes what comes at the same time together", async (context) => {
    const { db, articles, insert, sizes } = await createInsert(context);
    await Promise.all(PAIRS.map((slug) => insert(slug)));
    expect(sizes).toEqual([PAIRS.length]);
    expect(await db.$count(articles)).toBe(PAIRS.length);
  });

  testOnDialect(dialect, "gather() fails alone for what is refused", async (context) => {
    const { db, articles, insert } = await createInsert(context);
    await insert("taken");
    const [taken, , missing] = await Promise.allSettled(["taken", "free", null].map((slug) => insert(slug)));
    expect(taken).toMatchObject({ status: "rejected", reason: { constraint: "unique" } });
    expect(missing).toMatchObject({ status: "rejected", reason: { fault: "not_null" } });
    expect(await db.$count(articles)).toBe(2);
  });

  testOnDialect(
    dialect,
    "gather() is part of the transaction that the caller is part of",
    async (context) => {
      const { db, articles, insert } = await createInsert(context);
      const ambient: OwnedOptions = { isAmbient: true };
      const undone = db.transaction(async (tx) => {
        await insert("undone");
        tx.rollback();
      }, ambient);
      await undone.catch(() => {});
      expect(await db.$count(articles)).toBe(0);
      const forgotten = db.transaction(() => insert("beside"));
      expect(await failureOf(forgotten)).toMatchObject({ message: expect.stringContaining('use the "tx"') });
    },
  );
}

test("gathered writes leave out what nobody waits for any more", async () => {
  const written: string[] = [];
  const writes = new GatheredWrites<string>(async (rows) => written.push(...rows));
  const long = { startedAt: performance.now() - 1000, hasWritten: false };
  const gone = { ...long, isGone: () => true };
  const present = { ...long, isGone: () => false };
  const settled = await Promise.allSettled([writes.add("gone", gone), writes.add("present", present)]);
  expect(settled).toMatchObject([{ reason: { fault: "abandoned" } }, { status: "fulfilled" }]);
  expect(written).toEqual(["present"]);
  expect([gone.hasWritten, present.hasWritten]).toEqual([false, true]);
});
