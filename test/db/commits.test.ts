import { expect, test } from "bun:test";
import { createDetachedDriver } from "../../src/db/detached.ts";
import type { OwnedOptions } from "../../src/db/transactions/owner.ts";
import { testOnEachDialect } from "../database-servers.ts";
import { createBlog } from "./blog-tables.ts";

testOnEachDialect(
  "afterCommit() tells of a commit, once what it has made can be read",
  async ({ driver }) => {
    const { db, articles } = await createBlog(driver);
    const { promise: told, resolve } = Promise.withResolvers<number>();
    const seen: string[] = [];
    await db.transaction(async (tx) => {
      await tx.insert(articles).values({ slug: "a", title: "t" });
      driver.afterCommit(() => {
        seen.push("committed");
        resolve(db.$count(articles));
      }, tx);
      await tx.transaction(async (nested) => driver.afterCommit(() => seen.push("nested"), nested));
      seen.push("written");
    });
    expect(seen).toEqual(["written", "committed", "nested"]);
    expect(await told).toBe(1);
  },
);

testOnEachDialect("afterCommit() tells of nothing that is rolled back", async ({ driver }) => {
  const { db } = await createBlog(driver);
  const seen: string[] = [];
  const work = db.transaction(async (tx) => {
    driver.afterCommit(() => seen.push("committed"), tx);
    tx.rollback();
  });
  await work.catch(() => {});
  driver.afterCommit(() => seen.push("outside"));
  expect(seen).toEqual(["outside"]);
  expect(() => driver.afterCommit(() => {}, {})).toThrow("isn't the `tx`");
});

testOnEachDialect(
  "afterCommit() follows the transaction that all queries are part of",
  async ({ driver }) => {
    const { db } = await createBlog(driver);
    const seen: string[] = [];
    const ambient: OwnedOptions = { isAmbient: true };
    await db.transaction(async () => {
      driver.afterCommit(() => seen.push("committed"));
      seen.push("inside");
    }, ambient);
    expect(seen).toEqual(["inside", "committed"]);
  },
);

test("a driver without a database tells of nothing", async () => {
  const driver = await createDetachedDriver("sqlite");
  driver.afterCommit(() => expect.unreachable());
});
