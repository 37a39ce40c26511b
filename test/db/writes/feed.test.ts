import { eq, sql } from "drizzle-orm";
import { expect } from "bun:test";
import type { TableWrite } from "../../../src/db/contract/driver.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { createBlog } from "../blog-tables.ts";

const show = (writes: readonly TableWrite[] | null): string =>
  writes?.map(({ verb, table }) => `${verb} ${table}`).join(", ") ?? "any";

testOnEachDialect(
  "onTablesWritten() tells what was committed, before the writer goes on",
  async ({ driver }) => {
    const { db, authors, articles } = await createBlog(driver);
    const heard: string[] = [];
    const undo = driver.onTablesWritten((writes) => void heard.push(show(writes)));
    const take = (): string[] => heard.splice(0);
    const insert = db.insert(authors).values({ email: "a@x" });
    await insert;
    expect(take()).toEqual(["insert authors"]);
    const [author] = await db.insert(authors).values({ email: "b@x" }).returning();
    await db
      .update(authors)
      .set({ name: "b" })
      .where(eq(authors.id, author?.id ?? 0))
      .returning();
    await db.delete(authors).where(eq(authors.email, "a@x"));
    await db.execute(sql`update articles set views = 1`);
    await db.select().from(authors);
    await db.$count(authors);
    expect(take().filter((one) => one !== "")).toEqual([
      "insert authors",
      "update authors",
      "delete authors",
      "update articles",
    ]);
    await db
      .insert(authors)
      .values({ email: "b@x" })
      .catch(() => {});
    expect(take()).toEqual([]);
    await db.transaction(async (tx) => {
      await tx.insert(authors).values({ email: "c@x" });
      await tx.update(articles).set({ views: 2 });
      expect(take()).toEqual([]);
    });
    expect(take()).toEqual(["insert authors, update articles"]);
    undo();
    await db.insert(authors).values({ email: "d@x" });
    expect(take()).toEqual([]);
  },
);

testOnEachDialect(
  "onTablesWritten() doesn't tell what was rolled back, by a savepoint either",
  async ({ driver }) => {
    const { db, authors, articles } = await createBlog(driver);
    const heard: string[] = [];
    driver.onTablesWritten((writes) => void heard.push(show(writes)));
    const no = new Error("no");
    const rolledBack = await db
      .transaction(async (tx) => {
        await tx.insert(authors).values({ email: "a@x" });
        throw no;
      })
      .catch((error: unknown) => error);
    expect([rolledBack, heard]).toEqual([no, []]);
    await db.transaction(async (tx) => {
      await tx.insert(authors).values({ email: "b@x" });
      await tx
        .transaction(async (inner) => {
          await inner.update(articles).set({ views: 3 });
          throw no;
        })
        .catch(() => {});
      await tx.transaction((inner) => inner.delete(articles));
    });
    expect(heard).toEqual(["insert authors, delete articles"]);
  },
);

testOnEachDialect(
  "onTablesWritten() tells of many writes that share commits, of those that failed nothing",
  async ({ driver }) => {
    const { db, authors, notes } = await createBlog(driver);
    await db.insert(authors).values({ email: "taken@x" });
    let [good, bad] = [0, 0];
    driver.onTablesWritten((writes) => {
      for (const { table } of writes ?? []) {
        if (table === "notes") good += 1;
        else bad += 1;
      }
    });
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        index % 5 === 0
          ? db
              .insert(authors)
              .values({ email: "taken@x" })
              .catch(() => {})
          : db.insert(notes).values({ label: String(index) }),
      ),
    );
    expect([good, bad]).toEqual([40, 0]);
  },
);

testOnEachDialect("onTablesWritten() tells that migrations may change anything", async ({ driver }) => {
  const heard: string[] = [];
  driver.onTablesWritten((writes) => void heard.push(show(writes)));
  await driver.migrate((connection) => connection.run("create table more (id integer)"));
  expect(heard).toEqual(["any"]);
});
