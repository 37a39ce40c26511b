import { Database as BunDatabase } from "bun:sqlite";
import { and, asc, eq, gt, inArray, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import { alias, union } from "drizzle-orm/sqlite-core";
import { expect, test } from "bun:test";
import { Articles, articles, authors, failureOf, tables } from "./articles.ts";

const at = new Date(1_731_240_000_123);

/** Two authors, one of them without articles. */
async function fill({ db }: Articles): Promise<void> {
  await db.insert(authors).values([
    { id: 1, name: "Ada" },
    { id: 2, name: "Bob" },
  ]);
  await db.insert(articles).values([
    { id: 1, authorId: 1, title: "One", isPublished: true, createdAt: at },
    { id: 2, authorId: 1, title: null, isPublished: false, createdAt: null },
    { id: 3, authorId: null, title: "Three", isPublished: true, createdAt: at },
  ]);
}

test("queries give what drizzle's own driver gives", async () => {
  await using opened = await Articles.open();
  await fill(opened);
  using client = new BunDatabase(opened.file);
  const own = drizzle(client, { schema: tables });
  const { db } = opened;
  const writer = alias(authors, "writer");
  const queries = (queried: Pick<typeof db, "select" | "selectDistinct" | "with" | "$with" | "query">) => {
    const published = queried
      .$with("published")
      .as(queried.select().from(articles).where(eq(articles.isPublished, true)));
    const subquery = queried
      .select({ id: articles.authorId, count: sql<number>`count(*)`.as("count") })
      .from(articles)
      .groupBy(articles.authorId)
      .as("counts");
    return [
      queried.select().from(articles),
      queried
        .select({ id: articles.id, nested: { at: articles.createdAt, who: authors.name } })
        .from(articles)
        .leftJoin(authors, eq(authors.id, articles.authorId)),
      queried.select().from(articles).leftJoin(authors, eq(authors.id, articles.authorId)),
      queried.select().from(articles).rightJoin(authors, eq(authors.id, articles.authorId)),
      queried.select().from(articles).fullJoin(authors, eq(authors.id, articles.authorId)),
      queried.select().from(articles).innerJoin(writer, eq(writer.id, articles.authorId)),
      queried
        .select({
          article: articles,
          author: authors,
          up: sql<string>`upper(${articles.title})`.mapWith(String),
        })
        .from(articles)
        .leftJoin(authors, eq(authors.id, articles.authorId)),
      queried
        .select({ article: { title: articles.title, id: articles.id } })
        .from(authors)
        .leftJoin(articles, eq(authors.id, articles.authorId)),
      queried.selectDistinct({ is: articles.isPublished }).from(articles),
      queried.with(published).select().from(published).where(gt(published.id, 1)),
      queried.with(published).selectDistinct({ is: published.isPublished }).from(published),
      queried.select().from(authors).leftJoin(subquery, eq(subquery.id, authors.id)),
      union(
        queried.select({ id: authors.id }).from(authors),
        queried.select({ id: articles.id }).from(articles),
      )
        .orderBy(sql`id desc`)
        .limit(2)
        .offset(1),
      queried
        .select()
        .from(articles)
        .where(and(inArray(articles.id, [1, 2]), sql`${articles.title} is not ${"x"}`))
        .orderBy(asc(articles.id))
        .limit(1),
      queried.select({ inner: sql`(${queried.select({ n: sql`count(*)` }).from(authors)})` }).from(articles),
      queried.query.articles.findMany({ with: { author: true }, orderBy: asc(articles.id) }),
      queried.query.authors.findMany({
        with: { articles: { columns: { id: true, createdAt: true, isPublished: true }, limit: 1 } },
      }),
      queried.query.authors.findFirst({ where: eq(authors.id, 9) }),
      queried.query.articles.findFirst({ extras: { up: sql<string>`upper(${articles.title})`.as("up") } }),
    ];
  };
  const ours = queries(db);
  const theirs = queries(own as unknown as typeof db);
  for (const [index, query] of ours.entries()) {
    const expected: unknown = await theirs[index];
    const given: unknown = await query;
    expect([index, given]).toEqual([index, expected]);
  }
});

test("an offset needs no limit", async () => {
  await using opened = await Articles.open();
  await fill(opened);
  const { db } = opened;
  expect(
    await db.select({ id: articles.id }).from(articles).orderBy(articles.id).$dynamic().offset(1),
  ).toEqual([{ id: 2 }, { id: 3 }]);
  const paged = db.select({ id: articles.id }).from(articles).orderBy(articles.id);
  const prepared = paged.limit(sql.placeholder("limit")).offset(sql.placeholder("offset")).prepare();
  expect(await prepared.execute({ limit: 1, offset: 2 })).toEqual([{ id: 3 }]);
  const none = await db.select().from(articles).limit(0);
  expect(none).toEqual([]);
});

test("select() for update is accepted, and reads", async () => {
  await using opened = await Articles.open();
  await fill(opened);
  await opened.db.transaction(async (tx) => {
    const query = tx.select({ id: articles.id }).from(articles).where(eq(articles.id, 3));
    expect("for" in query).toBeTrue();
    const forUpdate = (query as typeof query & { for(strength: string): typeof query }).for("update");
    expect(await forUpdate.limit(1)).toEqual([{ id: 3 }]);
  });
});

test("execute() gives rows by column name, and writes", async () => {
  await using opened = await Articles.open();
  await fill(opened);
  const { db } = opened;
  expect(await db.execute(sql`select id, title from ${articles} where id = ${1}`)).toEqual([
    { id: 1, title: "One" },
  ]);
  expect(await db.execute(sql`/* a comment */ select 1 as one`)).toEqual([{ one: 1 }]);
  expect(await db.execute(sql`with a as (select 2 as two) select * from a`)).toEqual([{ two: 2 }]);
  expect(
    await db.execute(sql`with a as (select 9 as id) insert into articles (id) select id from a returning id`),
  ).toEqual([{ id: 9 }]);
  expect(await db.execute(sql`delete from articles where id = 9`)).toEqual([]);
  expect(await opened.ids()).toEqual([1, 2, 3]);
  expect(await db.$count(articles, gt(articles.id, 1))).toBe(2);
});

test("a statement that opens a transaction is refused, and leaves none open", async () => {
  await using opened = await Articles.open();
  expect(await failureOf(opened.db.execute(sql`begin`))).toBeInstanceOf(TypeError);
  await opened.db.insert(articles).values({ id: 1 });
  using other = new BunDatabase(opened.file);
  expect(other.query("select count(*) as n from articles").get()).toEqual({ n: 1 });
});

test("values that SQLite would change without a word are refused, without showing them", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const refused: [unknown, string][] = [
    [undefined, "it is undefined"],
    [Number.NaN, "it is not a number"],
    [2n ** 63n, "it doesn't fit into 64 bits"],
    [new Date(), "it is an object (Date)"],
    [{ secret: "hunter2" }, "it is an object (Object)"],
    [Symbol("hunter2"), "it is a symbol"],
  ];
  for (const [value, problem] of refused) {
    const error = await failureOf(db.execute(sql`select ${1}, ${sql.param(value)}`));
    expect(error).toMatchObject({ name: "DatabaseError", fault: "parameter" });
    expect(String(error)).toContain(`Cannot bind parameter 2 of a query: ${problem}`);
    expect(Bun.inspect(error)).not.toContain("hunter2");
  }
  const invalid = db.insert(articles).values({ id: 1, createdAt: new Date(Number.NaN) });
  expect(await failureOf(invalid)).toMatchObject({ fault: "parameter" });
  const prepared = db
    .select()
    .from(articles)
    .where(eq(articles.id, sql.placeholder("id")))
    .prepare();
  expect(await failureOf(prepared.execute({ other: 1 }))).toMatchObject({ fault: "parameter" });
  expect(await opened.ids()).toEqual([]);
});

test("values come back as they went in", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const bytes = new Uint8Array([0, 255, 1]);
  const given = {
    text: "a\0ü😀",
    empty: "",
    bytes,
    none: null,
    real: -0.5,
    big: Number.MAX_SAFE_INTEGER,
    yes: true,
  };
  const chunks = Object.entries(given).map(
    ([name, value]) => sql`${sql.param(value)} as ${sql.identifier(name)}`,
  );
  const [row] = await db.execute(sql`select ${sql.join(chunks, sql`, `)}`);
  expect(row).toEqual({ ...given, yes: 1 });
});

test("prepared queries encode the values of each run, null included", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  const values = {
    id: sql.placeholder("id"),
    isPublished: sql.placeholder("is"),
    createdAt: sql.placeholder("at"),
  };
  const insert = db.insert(articles).values(values).returning().prepare();
  expect(await insert.execute({ id: 1, is: true, at })).toEqual([
    { id: 1, authorId: null, title: null, isPublished: true, createdAt: at },
  ]);
  expect(await insert.execute({ id: 2, is: false, at: null })).toMatchObject([
    { isPublished: false, createdAt: null },
  ]);
  const get = db.query.articles.findFirst({ where: eq(articles.id, sql.placeholder("id")) }).prepare();
  expect(await get.execute({ id: 2 })).toMatchObject({ id: 2 });
  expect(await get.execute({ id: 3 })).toBeUndefined();
});

test("a kept statement follows changes of its table", async () => {
  await using opened = await Articles.open();
  await fill(opened);
  const { db } = opened;
  const read = () => db.execute(sql`select * from authors where id = 1`);
  expect(await read()).toEqual([{ id: 1, name: "Ada" }]);
  await db.execute(sql`alter table authors add column born integer default 1815`);
  expect(await read()).toEqual([{ id: 1, name: "Ada", born: 1815 }]);
  await db.execute(sql`drop table articles`);
  await db.execute(sql`drop table authors`);
  expect(await failureOf(read())).toMatchObject({ fault: "missing_table", table: "authors" });
});

test("thousands of different statements run, and those that are used again in between", async () => {
  await using opened = await Articles.open();
  await fill(opened);
  const { db } = opened;
  const first = db
    .select()
    .from(authors)
    .where(eq(authors.id, sql.placeholder("id")))
    .prepare();
  expect(await first.execute({ id: 1 })).toHaveLength(1);
  for (let n = 0; n < 2000; n += 1) {
    expect(await db.execute(sql`select ${sql.raw(String(n))} as n`)).toEqual([{ n }]);
    if (n < 1000 && n % 100 === 0) expect(await first.execute({ id: 1 })).toHaveLength(1);
  }
  expect(await first.execute({ id: 2 })).toEqual([{ id: 2, name: "Bob" }]);
});

test("echo logs each statement and how long it took, without its values", async () => {
  await using opened = await Articles.open({ echo: true });
  await opened.db.insert(authors).values({ name: "hunter2" });
  await opened.db.select().from(authors).where(eq(authors.name, "hunter2"));
  const [insert, select] = opened.lines.slice(-2);
  expect(insert).toMatchObject({ level: 30, msg: "query", duration_ms: expect.any(Number) });
  expect(insert?.["sql"]).toStartWith("insert into `authors`");
  expect(select?.["sql"]).toStartWith("select");
  expect(JSON.stringify(opened.lines)).not.toContain("hunter2");
});

test("eq() of a boolean is planned once, and picks the rows of either", async () => {
  await using opened = await Articles.open();
  const { db } = opened;
  await db.insert(articles).values([{ id: 1, isPublished: true }, { id: 2 }, { id: 3, isPublished: true }]);
  const query = (isPublished: boolean) =>
    db
      .select({ id: articles.id })
      .from(articles)
      .where(eq(articles.isPublished, isPublished))
      .orderBy(articles.id);
  expect(query(true).toSQL()).toMatchObject({
    sql: expect.stringContaining("`is_published` = 1"),
    params: [],
  });
  expect(await query(true)).toEqual([{ id: 1 }, { id: 3 }]);
  expect(await query(false)).toEqual([{ id: 2 }]);
  await db.update(articles).set({ isPublished: false }).where(eq(articles.isPublished, true));
  expect(await query(false)).toHaveLength(3);
});
