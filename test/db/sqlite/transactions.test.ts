import { setImmediate } from "node:timers/promises";
import { eq, sql, TransactionRollbackError } from "drizzle-orm";
import { expect, test } from "bun:test";
import { ConstraintError } from "../../../src/db/contract/database-error.ts";
import { Articles, articles, authors, failureOf, type SqliteDb } from "./articles.ts";

test("a transaction commits all of its writes, also across turns of the event loop", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const result = await db.transaction(async (tx) => {
    await tx.insert(articles).values({ id: 1 });
    await setImmediate();
    expect(await tx.$count(articles)).toBe(1);
    // Nobody else sees it yet.
    expect(await db.$count(articles)).toBe(0);
    await tx.insert(articles).values({ id: 2 });
    return "done";
  });
  expect(result).toBe("done");
  expect(await opened.ids()).toEqual([1, 2]);
});

test("a transaction whose work throws after a turn of the event loop leaves nothing", async () => {
  await using opened = await Articles.open();
  const reason = new Error("changed my mind");
  const transaction = opened.db.transaction(async (tx) => {
    await tx.insert(articles).values({ id: 1 });
    await setImmediate();
    await tx.insert(articles).values({ id: 2 });
    throw reason;
  });
  expect(await failureOf(transaction)).toBe(reason);
  const rolledBack = opened.db.transaction(async (tx) => {
    await tx.insert(articles).values({ id: 3 });
    tx.rollback();
  });
  expect(await failureOf(rolledBack)).toBeInstanceOf(TransactionRollbackError);
  expect(await opened.ids()).toEqual([]);
  await opened.db.insert(articles).values({ id: 4 });
  expect(await opened.ids()).toEqual([4]);
});

test("a savepoint is undone alone, at any depth", async () => {
  await using opened = await Articles.open();
  await opened.db.transaction(async (tx) => {
    await tx.insert(articles).values({ id: 1 });
    const nested = tx.transaction(async (inner) => {
      await inner.insert(articles).values({ id: 2 });
      await inner.transaction(async (innermost) => void (await innermost.insert(articles).values({ id: 3 })));
      await setImmediate();
      inner.rollback();
    });
    await failureOf(nested);
    await tx.transaction(async (inner) => {
      await inner.insert(articles).values({ id: 4 });
      await failureOf(
        inner.transaction(async (innermost) => {
          await innermost.insert(articles).values({ id: 5 });
          innermost.rollback();
        }),
      );
    });
  });
  expect(await opened.ids()).toEqual([1, 4]);
});

test("two savepoints side by side in one transaction are refused: one would end the other", async () => {
  await using opened = await Articles.open();
  await opened.db.transaction(async (tx) => {
    const open = Promise.withResolvers<void>();
    const first = tx.transaction(async (inner) => {
      await open.promise;
      await inner.insert(articles).values({ id: 1 });
    });
    const second = tx.transaction(async (inner) => void (await inner.insert(articles).values({ id: 2 })));
    expect(await failureOf(second)).toBeInstanceOf(TypeError);
    open.resolve();
    await first;
  });
  expect(await opened.ids()).toEqual([1]);
});

test("a failed statement leaves its transaction usable", async () => {
  await using opened = await Articles.open();
  await opened.db.transaction(async (tx) => {
    await tx.insert(authors).values({ id: 1, name: "Ada" });
    expect(await failureOf(tx.insert(authors).values({ id: 2, name: "Ada" }))).toBeInstanceOf(
      ConstraintError,
    );
    await tx.insert(authors).values({ id: 2, name: "Bob" });
  });
  expect(await opened.db.$count(authors)).toBe(2);
});

test("a failing COMMIT rolls back, and the next transaction works", async () => {
  await using opened = await Articles.open();
  const transaction = opened.db.transaction(async (tx) => {
    await tx.execute(sql`pragma defer_foreign_keys = on`);
    await tx.insert(articles).values({ id: 1, authorId: 99 });
  });
  expect(await failureOf(transaction)).toMatchObject({ code: "validation_error", constraint: "foreign_key" });
  await opened.db.transaction(async (tx) => void (await tx.insert(articles).values({ id: 2 })));
  expect(await opened.ids()).toEqual([2]);
});

test("a row that lacks what it refers to fails the COMMIT, also when another write has failed meanwhile", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  await db.execute(
    sql`create table notes (article_id integer references articles (id) deferrable initially deferred)`,
  );
  const transaction = db.transaction(async (tx) => {
    await tx.execute(sql`insert into notes values (7)`);
    await failureOf(tx.insert(articles).values({ id: 1, authorId: 99 }));
  });
  expect(await failureOf(transaction)).toMatchObject({ constraint: "foreign_key" });
  expect(await db.execute(sql`select * from notes`)).toEqual([]);
});

test("a transaction that SQLite ends by itself takes no later writes, and throws why", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const transaction = db.transaction(async (tx) => {
    await tx.insert(authors).values({ id: 1, name: "Ada" });
    await failureOf(tx.execute(sql`insert or rollback into authors (name) values ('Ada')`));
    await failureOf(tx.insert(articles).values({ id: 1 }));
    await failureOf(tx.transaction(async (inner) => inner.insert(articles).values({ id: 2 })));
  });
  expect(await failureOf(transaction)).toMatchObject({ constraint: "unique" });
  const nested = db.transaction(async (tx) => {
    await failureOf(
      tx.transaction((inner) =>
        inner.execute(sql`insert or rollback into authors values (1, 'Ada'), (1, 'Ada')`),
      ),
    );
    await failureOf(tx.insert(articles).values({ id: 3 }));
  });
  expect(await failureOf(nested)).toMatchObject({ constraint: "unique" });
  expect(await opened.ids()).toEqual([]);
  expect(await db.$count(authors)).toBe(0);
});

test("tx is refused after its transaction has ended", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const kept: SqliteDb[] = [];
  await db.transaction(async (tx) => {
    kept.push(tx);
    await tx.transaction(async (inner) => void kept.push(inner));
    const [, inner] = kept;
    expect(await failureOf(inner!.select().from(articles))).toBeInstanceOf(TypeError);
  });
  for (const tx of kept) {
    expect(String(await failureOf(tx.insert(articles).values({ id: 1 })))).toContain("it has ended");
    expect(await failureOf(tx.transaction(async () => 1))).toBeInstanceOf(TypeError);
  }
  expect(await opened.ids()).toEqual([]);
});

test("writing through db inside its own transaction is refused, reading is not", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const later = Promise.withResolvers<void>();
  let afterwards: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    await tx.insert(articles).values({ id: 1 });
    for (const wrong of [
      db.insert(articles).values({ id: 2 }),
      db.transaction(async () => 2),
      opened.driver.migrate(async () => 3),
    ]) {
      const error = await failureOf(wrong);
      expect(error).toBeInstanceOf(TypeError);
      expect(String(error)).toContain("`tx`");
    }
    expect(await db.select().from(articles)).toEqual([]);
    afterwards = later.promise.then(() => db.insert(articles).values({ id: 3 }));
  });
  later.resolve();
  await afterwards;
  expect(await opened.ids()).toEqual([1, 3]);
});

test("a thousand transactions at once all commit, one after another in order, and let timers run", async () => {
  // A slow disk would take its time for each.
  await using opened = await Articles.open({ durability: "normal" });
  const { db } = opened;
  await db.insert(authors).values({ id: 1, name: "0" });
  const order: number[] = [];
  let turns = 0;
  let isDone = false;
  const count = async () => {
    for (; !isDone; turns += 1) await setImmediate();
  };
  const counted = count();
  const transactions = Array.from({ length: 1000 }, (_, n) =>
    db.transaction(async (tx) => {
      const [author] = await tx.select().from(authors).where(eq(authors.id, 1));
      if (n % 10 === 0) await setImmediate();
      await tx
        .update(authors)
        .set({ name: String(Number(author?.name) + 1) })
        .where(eq(authors.id, 1));
      await tx.insert(articles).values({ id: n + 1 });
      order.push(n);
    }),
  );
  await Promise.all(transactions);
  isDone = true;
  await counted;
  expect(order).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  expect(await db.select().from(authors)).toEqual([{ id: 1, name: "1000" }]);
  expect(await opened.ids()).toHaveLength(1000);
  expect(turns).toBeGreaterThan(100);
});

test("a chain of queries that resolve at once lets timers run", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const chains: [string, () => PromiseLike<unknown>][] = [
    ["reads", () => db.select().from(authors)],
    ["writes", () => db.insert(articles).values({})],
    ["transactions", () => db.transaction(async (tx) => tx.$count(authors))],
  ];
  for (const [name, run] of chains) {
    let hasTurned = false;
    setTimeout(() => (hasTurned = true), 1);
    let queries = 0;
    for (; !hasTurned && queries < 100_000; queries += 1) await run();
    expect([name, hasTurned]).toEqual([name, true]);
  }
  await db.transaction(async (tx) => {
    let hasTurned = false;
    setTimeout(() => (hasTurned = true), 1);
    for (let queries = 0; !hasTurned && queries < 100_000; queries += 1) await tx.$count(authors);
    expect(hasTurned).toBeTrue();
  });
});

test("a transaction that leaves no turn any time doesn't keep reads from theirs", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  let written = 0;
  const waited: number[] = [];
  const read = async (): Promise<void> => {
    const before = written;
    await db.$count(articles);
    waited.push(written - before);
  };
  const reads: Promise<void>[] = [];
  await db.transaction(async (tx) => {
    for (; written < 100; written += 1) {
      // As what reads and checks a file before it writes its rows: more than a turn should take.
      for (const until = performance.now() + 8; performance.now() < until;);
      // oxlint-disable-next-line no-await-in-loop -- one statement after another
      await tx.insert(articles).values({ id: written });
      // As a request that comes in meanwhile.
      if (written % 20 === 10) setTimeout(() => reads.push(read()), 0);
    }
  });
  await Promise.all(reads);
  expect(waited).toHaveLength(5);
  expect(Math.max(...waited)).toBeLessThan(10);
});

test("writes behind a transaction that doesn't end fail as busy, and it can still commit", async () => {
  await using opened = await Articles.open({ waitMs: 30 });
  const { db } = opened;
  const open = Promise.withResolvers<void>();
  const endless = db.transaction(async (tx) => {
    await tx.insert(articles).values({ id: 1 });
    await open.promise;
  });
  const waiting = [db.insert(articles).values({ id: 2 }).run(), db.transaction(async () => 3)];
  for (const wait of waiting) {
    const error = await failureOf(wait);
    expect(error).toMatchObject({ name: "DatabaseError", fault: "busy" });
    expect(String(error)).toContain("the transaction before it has been open");
  }
  expect(await db.$count(articles)).toBe(0);
  open.resolve();
  await endless;
  await db.insert(articles).values({ id: 4 });
  expect(await opened.ids()).toEqual([1, 4]);
});
