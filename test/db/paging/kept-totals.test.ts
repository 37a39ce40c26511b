import { and, eq, gt, inArray, isNull, like, or, type SQL, sql } from "drizzle-orm";
import { expect, test } from "bun:test";
import { paginate } from "../../../src/db/paging/paginate.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { Articles, articles } from "../sqlite/articles.ts";
import { createTables } from "../schema/created-tables.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

type Db = Pick<Articles["db"], "select">;

/** The rows of a whole list, by its total: of a page of one row, which tells nothing of it. */
async function totalOf(db: Db, where?: SQL): Promise<number | null> {
  const { total } = await paginate(db.select().from(articles).where(where), { per_page: 1 });
  return total;
}

/** Runs SQL in another process. */
async function runElsewhere(file: string, statement: string): Promise<void> {
  const code = "new (require('bun:sqlite').Database)(process.argv[1]).run(process.argv[2])";
  const child = Bun.spawn([process.execPath, "-e", code, file, statement], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  expect(await child.exited).toBe(0);
}

/** How often rows were counted. */
function countsIn({ lines }: Articles): number {
  return lines.filter((line) => JSON.stringify(line).includes("count(*) from `articles`")).length;
}

test("paginate() counts rows once for as long as nothing is committed", async () => {
  await using opened = await Articles.open({ echo: true });
  const { db } = opened;
  await db.insert(articles).values([{ id: 1 }, { id: 2, title: "two" }, { id: 3, title: "three" }]);
  for (let time = 0; time < 3; time += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await totalOf(db)).toBe(3);
    // oxlint-disable-next-line no-await-in-loop
    expect(await totalOf(db, gt(articles.id, 1))).toBe(2);
    // oxlint-disable-next-line no-await-in-loop
    expect(await totalOf(db, gt(articles.id, 0))).toBe(3);
  }
  expect(countsIn(opened)).toBe(3);
});

test("a total is exact behind each commit, of whichever connection or process", async () => {
  await using opened = await Articles.open();
  const { db, file } = opened;
  const isThere = gt(articles.id, 0);
  const totals = async (on: Db = db) => [await totalOf(on), await totalOf(on, isThere)];
  await db.insert(articles).values([{ id: 1 }, { id: 2 }]);
  expect(await totals()).toEqual([2, 2]);
  await db.insert(articles).values({ id: 3 });
  expect(await totals()).toEqual([3, 3]);
  await db.delete(articles).where(eq(articles.id, 1));
  expect(await totals()).toEqual([2, 2]);
  await db.update(articles).set({ id: -3 }).where(eq(articles.id, 3));
  expect(await totals()).toEqual([2, 1]);
  await db.execute(sql`insert into articles (id) values (4)`);
  expect(await totals()).toEqual([3, 2]);
  await runElsewhere(file, "insert into articles (id) values (5)");
  expect(await totals()).toEqual([4, 3]);
  await runElsewhere(file, "delete from articles where id = 5");
  expect(await totals()).toEqual([3, 2]);
});

test("a total counts what its transaction has written, and nobody else's sees it", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  await db.insert(articles).values([{ id: 1 }, { id: 2 }]);
  expect(await totalOf(db)).toBe(2);
  await db.transaction(async (tx) => {
    expect(await totalOf(tx)).toBe(2);
    await tx.insert(articles).values({ id: 3 });
    expect(await totalOf(tx)).toBe(3);
    expect(await totalOf(db)).toBe(2);
  });
  expect(await totalOf(db)).toBe(3);
  const failing = db.transaction(async (tx) => {
    await tx.delete(articles);
    expect(await totalOf(tx)).toBe(0);
    tx.rollback();
  });
  expect(failing).rejects.toThrow();
  await failing.catch(() => {});
  expect(await totalOf(db)).toBe(3);
});

test("a total counts what was written before it and isn't awaited", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  await db.insert(articles).values([{ id: 1 }, { id: 2 }]);
  expect(await totalOf(db)).toBe(2);
  const writing = db.insert(articles).values({ id: 3 }).execute();
  expect(await totalOf(db)).toBe(3);
  await writing;
});

test("a condition that may change by itself is counted each time", async () => {
  await using opened = await Articles.open({ echo: true });
  const { db } = opened;
  await db.insert(articles).values([{ id: 1 }, { id: 2 }]);
  const changing = [
    sql`${articles.id} > unixepoch('subsec') - unixepoch('subsec')`,
    sql`${articles.id} <> current_timestamp`,
    and(gt(articles.id, 0), sql`random() is not null`),
    inArray(articles.id, db.select({ id: articles.id }).from(articles)),
  ];
  for (const [index, where] of changing.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect([await totalOf(db, where), await totalOf(db, where)]).toEqual([2, 2]);
    expect(countsIn(opened)).toBe((index + 1) * 2);
  }
});

testOnEachDialect("lists with a condition each get their own rows and totals", async ({ driver }) => {
  const schema = createSchemaModule(TABLE_MAKERS[driver.dialect]);
  const notes = schema.table("notes", {
    id: schema.id(),
    title: schema.varchar(40),
    views: schema.bigint().notNull(),
    published: schema.boolean().notNull(),
    price: schema.decimal(10, 2),
    at: schema.timestamp().notNull(),
  });
  await createTables(driver, { notes });
  const db = driver.toDatabase({ notes });
  const rows = Array.from({ length: 24 }, (_, index) => ({
    id: index + 1,
    title: index % 4 === 0 ? null : `note ${index % 3}`,
    views: index * 5,
    published: index % 2 === 0,
    price: `${index % 5}.50`,
    at: new Date(1.7e12 + index),
  }));
  await db.insert(notes).values(rows);
  type Row = (typeof rows)[number];
  const conditions: readonly (readonly [SQL | undefined, (row: Row) => boolean])[] = [
    ...[true, false].map((is) => [eq(notes.published, is), (row: Row) => row.published === is] as const),
    ...[0, 50, 500].map((from) => [gt(notes.views, from), (row: Row) => row.views > from] as const),
    ...["note 1", "note 2", "x"].map(
      (title) => [eq(notes.title, title), (row: Row) => row.title === title] as const,
    ),
    ...["note%", "%1"].map(
      (pattern) =>
        [
          like(notes.title, pattern),
          (row: Row) => row.title !== null && (pattern === "%1" ? row.title.endsWith("1") : true),
        ] as const,
    ),
    [isNull(notes.title), (row) => row.title === null],
    [inArray(notes.id, [1, 2, 3]), (row) => row.id <= 3],
    [inArray(notes.id, [4, 5, 6]), (row) => row.id >= 4 && row.id <= 6],
    [inArray(notes.id, [4, 5]), (row) => row.id === 4 || row.id === 5],
    ...["1.50", "2.50"].map((price) => [eq(notes.price, price), (row: Row) => row.price === price] as const),
    ...[5, 20].map(
      (at) => [gt(notes.at, new Date(1.7e12 + at)), (row: Row) => row.at.getTime() > 1.7e12 + at] as const,
    ),
    ...[1, 20].map(
      (id) =>
        [
          or(and(eq(notes.published, true), gt(notes.id, id)), isNull(notes.title)),
          (row: Row) => (row.published && row.id > id) || row.title === null,
        ] as const,
    ),
    [undefined, () => true],
  ];
  for (const [where, matches] of [...conditions, ...conditions]) {
    const expected = rows.filter(matches);
    const found: unknown[] = [];
    let after: string | undefined;
    do {
      // oxlint-disable-next-line no-await-in-loop -- as a client goes on
      const list = await paginate(db.select().from(notes).where(where), {
        per_page: 3,
        sort: "-views",
        ...(after === undefined ? {} : { after }),
      });
      found.push(...list.items);
      expect(list.total).toBe(expected.length);
      after = list.next;
    } while (after !== undefined);
    expect(found).toEqual(expected.toReversed());
    // oxlint-disable-next-line no-await-in-loop
    const second = await paginate(db.select().from(notes).where(where), { per_page: 4, page: 2 });
    expect(second.items).toEqual(expected.slice(4, 8));
  }
});
