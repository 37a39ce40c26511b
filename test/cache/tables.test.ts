import { eq, sql } from "drizzle-orm";
import { expect } from "bun:test";
import type { Driver } from "../../src/db/contract/driver.ts";
import { createSchemaModule } from "../../src/db/schema/schema.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { openDatabase } from "../../src/db/open.ts";
import { createTestDatabase, testOnDialect, testOnEachDialect } from "../database-servers.ts";
import { createTables } from "../db/schema/created-tables.ts";
import { testWithProgram } from "../programs.ts";
import { TestCaches, Work } from "./caches.ts";

async function createShop(driver: Driver) {
  const { id, integer, references, table, text } = createSchemaModule(driver.tableMakers);
  const users = table("users_", { id: id(), name: text() });
  const customers = table("customers", {
    id: id(),
    user_id: references(() => users.id, { onDelete: "cascade" }),
    name: text(),
  });
  const orders = table("orders", {
    id: id(),
    customer_id: references(() => customers.id, { onDelete: "cascade" }),
    total: integer().notNull(),
  });
  const notes = table("notes", { id: id(), order_id: references(() => orders.id, { onDelete: "set null" }) });
  const others = table("others", { id: id(), order_id: references(() => orders.id) });
  const tables = { users, customers, orders, notes, others };
  await createTables(driver, tables);
  return { ...tables, db: driver.toDatabase(tables) };
}

testOnEachDialect(
  "cached({ tables }) follows every commit that writes to them, and nothing else",
  async ({ driver }) => {
    await using caches = await TestCaches.start("memory");
    const { db, users, customers, orders, notes } = await createShop(driver);
    const cache = caches.open({}, driver).namespace("shop", "1");
    let calls = 0;
    const count = cache.cached(
      async () => {
        calls += 1;
        return await db.$count(orders);
      },
      { tables: [orders] },
    );
    const changes = async (work: () => Promise<unknown>): Promise<boolean> => {
      await count();
      const before = calls;
      await work();
      await count();
      return calls > before;
    };
    const [user] = await db.insert(users).values({ name: "u" }).returning();
    const [customer] = await db.insert(customers).values({ name: "c", user_id: user?.id }).returning();
    const customer_id = customer?.id;
    expect(await changes(() => db.insert(orders).values({ customer_id, total: 1 }))).toBe(true);
    expect(await count()).toBe(1);
    expect(await changes(() => db.insert(orders).values({ customer_id, total: 2 }).returning())).toBe(true);
    expect(await count()).toBe(2);
    expect(await changes(() => db.update(orders).set({ total: 3 }))).toBe(true);
    expect(await changes(() => db.execute(sql`update orders set total = 4`))).toBe(true);
    expect(
      await changes(() => db.transaction((tx) => tx.insert(orders).values({ customer_id, total: 5 }))),
    ).toBe(true);
    expect(await count()).toBe(3);
    expect(await changes(() => db.select().from(orders))).toBe(false);
    expect(await changes(() => db.insert(notes).values({}))).toBe(false);
    expect(await changes(() => db.update(customers).set({ name: "d" }))).toBe(false);
    expect(await changes(() => db.insert(users).values({ name: "v" }))).toBe(false);
    expect(
      await changes(() =>
        db
          .transaction(async (tx) => {
            await tx.insert(orders).values({ customer_id, total: 6 });
            throw new Error("no");
          })
          .catch(() => {}),
      ),
    ).toBe(false);
    // What is written and not committed yet is nobody's business.
    await count();
    const before = calls;
    await db.transaction(async (tx) => {
      await tx.insert(orders).values({ customer_id, total: 7 });
      expect(await count()).toBe(3);
      expect(calls).toBe(before);
    });
    expect(await count()).toBe(4);
    // By foreign keys, over two tables.
    expect(await changes(() => db.delete(users).where(eq(users.id, user?.id ?? 0)))).toBe(true);
    expect(await count()).toBe(0);
  },
);

testOnEachDialect(
  "cached({ tables }) follows foreign keys that change rows, and no others",
  async ({ driver }) => {
    await using caches = await TestCaches.start("memory");
    const { db, orders, notes, others } = await createShop(driver);
    const cache = caches.open({}, driver).namespace("shop", "1");
    let [ofNotes, ofOthers] = [0, 0];
    const countNotes = cache.cached(() => ++ofNotes, { tables: [notes] });
    const countOthers = cache.cached(() => ++ofOthers, { tables: [others] });
    await Promise.all([countNotes(), countOthers()]);
    await db.delete(orders);
    await Promise.all([countNotes(), countOthers()]);
    expect([ofNotes, ofOthers]).toEqual([2, 1]);
  },
);

testOnDialect("sqlite", "what was read before a commit and comes after it isn't kept", async ({ driver }) => {
  await using caches = await TestCaches.start("memory");
  const { db, orders } = await createShop(driver);
  const work = new Work<number>();
  const count = caches
    .open({}, driver)
    .namespace("shop", "1")
    .cached(work.run, { tables: [orders] });
  const before = count();
  await work.called(1);
  await db.insert(orders).values({ total: 1 });
  work.resolve(0);
  expect(await before).toBe(0);
  const after = count();
  await work.called(2);
  work.resolve(1);
  expect([await after, await count()]).toEqual([1, 1]);
});

testWithProgram(
  "redis-server",
  "a commit on one instance invalidates on all of them, through Redis",
  async () => {
    await using caches = await TestCaches.start("redis");
    await using database = await createTestDatabase("sqlite");
    const open = (): Promise<Driver> =>
      openDatabase({
        url: parseDatabaseUrl(database.url, database.folder.path),
        poolSize: 5,
        echo: false,
        log: caches.log,
      });
    const [a, b] = [await open(), await open()];
    try {
      const { db, orders } = await createShop(a);
      const define = (driver: Driver) =>
        caches
          .open({}, driver)
          .namespace("shop", "1")
          .cached(() => driver.toDatabase({}).$count(orders), { tables: [orders] });
      const [onA, onB] = [define(a), define(b)];
      expect([await onA(), await onB()]).toEqual([0, 0]);
      await db.insert(orders).values({ total: 1 });
      expect(await onA()).toBe(1);
      while ((await onB()) !== 1) await Bun.sleep(1);
      await b.toDatabase({}).transaction((tx) => tx.insert(orders).values({ total: 2 }));
      expect(await onB()).toBe(2);
      while ((await onA()) !== 2) await Bun.sleep(1);
      // One that hasn't used its cache yet tells the others too.
      const c = await open();
      define(c);
      await c.toDatabase({}).delete(orders);
      while ((await onA()) !== 0 || (await onB()) !== 0) await Bun.sleep(1);
      await c.close();
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  },
);
