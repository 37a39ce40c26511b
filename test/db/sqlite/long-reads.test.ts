import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { asc, count, eq, sql } from "drizzle-orm";
import { createTestDatabase } from "../../database-servers.ts";
import { openLogged } from "../../faults/ledger.ts";
import { createBlog } from "../blog-tables.ts";
import { failureOf } from "../failures.ts";

const ROWS = 1000;
/** Takes some hundred ms. */
const LONG = sql`(with recursive numbers(n) as (select 1 union all select n + 1 from numbers limit 2000000) select count(*) from numbers)`;
const ENDLESS = sql`with recursive numbers(n) as (select 1 union all select n + 1 from numbers) select count(*) as n from numbers`;

/** A database whose statements are limited. */
async function start(options: Parameters<typeof openLogged>[1] = {}) {
  const disposals = new AsyncDisposableStack();
  const database = disposals.use(await createTestDatabase("sqlite"));
  const { driver, lines } = await openLogged(database.url, options);
  disposals.defer(() => driver.close());
  const blog = await createBlog(driver);
  await driver.migrate((connection) =>
    connection.run(
      `insert into authors (email) with recursive n(i) as (select 1 union all select i + 1 from n limit ${ROWS}) select hex(randomblob(16)) || i from n`,
    ),
  );
  await driver.limitStatements?.();
  expect(lines).toEqual([]);
  return { ...blog, driver, url: database.url, [Symbol.asyncDispose]: () => disposals.disposeAsync() };
}

/** How often others had their turn meanwhile. */
async function countTurns(during: Promise<unknown>): Promise<number> {
  let isOver = false;
  void during.finally(() => (isOver = true)).catch(() => {});
  let turns = 0;
  for (; !isOver; turns += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one turn after another
    await new Promise((resolve) => setImmediate(resolve));
  }
  return turns;
}

test("a read that takes long gives its rows, and holds nobody up", async () => {
  await using started = await start();
  const { db, authors } = started;
  const page = () =>
    db
      .select({ id: authors.id, email: authors.email })
      .from(authors)
      .orderBy(sql`lower(${authors.email}) || ${LONG}`, asc(authors.id))
      .limit(3)
      .offset(ROWS - 10);
  const first = await page();
  expect(first).toHaveLength(3);
  expect(first[0]).toEqual({ id: expect.any(Number), email: expect.any(String) });
  const pages = Promise.all(Array.from({ length: 6 }, page));
  expect(await countTurns(pages)).toBeGreaterThan(50);
  for (const one of await pages) expect(one).toEqual(first);
}, 120_000);

test("rows of a thread are those of the event loop: numbers, bytes, null, by name and by place", async () => {
  await using started = await start();
  const values = sql`9007199254740993 as big, x'0102ff' as bytes, null as missing, 1.5 as half`;
  const query = sql`select ${LONG} as n, ${values}, ${"é"} as text`;
  const [row] = await started.db.execute(query);
  const [brief] = await started.db.execute(sql`select ${values}`);
  expect(row).toEqual({ ...brief, n: 2_000_000, text: "é" });
  expect(row?.["bytes"]).toEqual(new Uint8Array([1, 2, 255]));
  const counted = await started.db
    .select({ rows: count() })
    .from(started.authors)
    .where(sql`${LONG} > 0`);
  expect(counted).toEqual([{ rows: ROWS }]);
}, 120_000);

test("a long read among writes sees those before it", async () => {
  await using started = await start();
  const { db, authors } = started;
  for (const name of ["a", "b"]) {
    const written = db.insert(authors).values({ email: `${name}@x` });
    const read = db
      .select({ email: authors.email })
      .from(authors)
      .where(sql`${authors.email} = ${`${name}@x`} and ${LONG} > 0`);
    // oxlint-disable-next-line no-await-in-loop -- the second time it is known to take long
    const [, rows] = await Promise.all([written, read]);
    expect(rows).toEqual([{ email: `${name}@x` }]);
  }
}, 120_000);

test("a write that never ends is undone at its limit, alone", async () => {
  await using started = await start({ statementTimeoutMs: 500 });
  const { db, authors } = started;
  const outcomes = await Promise.allSettled([
    db.insert(authors).values({ email: "before@x" }),
    db.execute(sql`update authors set email = email || (${ENDLESS})`),
    db.insert(authors).values({ email: sql`(${ENDLESS})` }),
    db.insert(authors).values({ email: "behind@x" }),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  expect(outcomes[2]).toMatchObject({ reason: { fault: "timeout" } });
  expect(await db.$count(authors, sql`${authors.email} like '%@x'`)).toBe(2);
  const inTransaction = db.transaction(async (tx) => {
    await tx.insert(authors).values({ email: "undone@x" });
    await tx.execute(ENDLESS);
  });
  expect(await failureOf(inTransaction)).toMatchObject({ fault: "timeout" });
  expect(await db.$count(authors, eq(authors.email, "undone@x"))).toBe(0);
}, 120_000);

test("reads that never end let others wait no longer than their limit, and closing ends them", async () => {
  await using started = await start({ statementTimeoutMs: 1000 });
  const { db, driver, authors } = started;
  const endless = Array.from({ length: 5 }, () => failureOf(db.execute(ENDLESS)));
  const startedAt = performance.now();
  expect(await db.$count(authors, eq(authors.id, 1))).toBe(1);
  for (const failure of await Promise.all(endless)) expect(failure).toMatchObject({ fault: "timeout" });
  expect(performance.now() - startedAt).toBeLessThan(4000);
  const last = failureOf(db.execute(ENDLESS));
  await driver.close();
  expect(await last).toMatchObject({ fault: expect.stringMatching(/^(?:timeout|unavailable)$/) });
}, 120_000);

test("a statement of a migration takes as long as it does", async () => {
  await using started = await start({ statementTimeoutMs: 50 });
  const numbers =
    "(with recursive numbers(n) as (select 1 union all select n + 1 from numbers limit 2000000) select count(*) from numbers)";
  const update = `update authors set email = email || ${numbers} where id < 3`;
  await started.driver.migrate(async (connection) => {
    await connection.run(update);
    await connection.run(update);
  });
  // Nor is one that is under way when statements begin to be limited.
  const { driver } = await openLogged(started.url, { statementTimeoutMs: 50 });
  await driver.migrate(async (connection) => {
    await driver.limitStatements?.();
    await connection.run(update);
  });
  await driver.close();
  expect(await failureOf(started.db.execute(sql.raw(update)))).toMatchObject({ fault: "timeout" });
}, 120_000);

test("a thread sees what others have committed", async () => {
  await using started = await start();
  const long = sql`select count(*) as n from authors where ${LONG} > 0`;
  expect(await started.db.execute<{ n: number }>(long)).toEqual([{ n: ROWS }]);
  // Somebody else writes meanwhile: each connection sees what is committed.
  using other = new Database(started.url.slice("sqlite:".length));
  other.run("insert into authors (email) values ('other@x')");
  expect(await started.db.execute<{ n: number }>(long)).toEqual([{ n: ROWS + 1 }]);
}, 120_000);
