import { and, count, desc, eq, gt, sql } from "drizzle-orm";
import { expect, expectTypeOf, test } from "bun:test";
import type { Dialect, Driver } from "../../../src/db/contract/driver.ts";
import { toPageOrder } from "../../../src/db/paging/page-order.ts";
import { paginate, type SelectQuery } from "../../../src/db/paging/paginate.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { toPageQuery, toSelect } from "../../../src/db/drizzle/select-parts.ts";
import type { AppError } from "../../../src/errors/errors.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { type Files, plugin, TestApp } from "../../setup.ts";
import { createTables } from "../schema/created-tables.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

function declareTables(dialect: Dialect) {
  const schema = createSchemaModule(TABLE_MAKERS[dialect]);
  const authors = schema.table("authors", { id: schema.id(), name: schema.varchar(50).notNull() });
  const articles = schema.table(
    "articles",
    {
      id: schema.id(),
      title: schema.varchar(50),
      likes: schema.integer().notNull(),
      published: schema.boolean().notNull(),
      tags: schema.json(),
      author_id: schema.references(() => authors.id).notNull(),
    },
    (t) => [schema.index("articles_likes").on(t.likes), schema.index("articles_title").on(t.title)],
  );
  return { authors, articles };
}

const COUNT = 57;
/** Every third article has no title, and many share one. */
const ARTICLES = Array.from({ length: COUNT }, (_, index) => ({
  id: index + 1,
  title: index % 3 === 0 ? null : `title ${index % 4}`,
  likes: (index * 7) % 10,
  published: index % 2 === 0,
  tags: { index },
  author_id: (index % 5) + 1,
}));
const AUTHORS = ["Zoë", "Ada", "Bob", "Cy", "Dan"].map((name, index) => ({ id: index + 1, name }));

async function createArticles(driver: Driver) {
  const tables = declareTables(driver.dialect);
  await createTables(driver, tables);
  const db = driver.toDatabase(tables);
  await db.insert(tables.authors).values(AUTHORS);
  await db.insert(tables.articles).values(ARTICLES);
  return { ...tables, db };
}

/** The items of all pages, one page after another. */
async function readPages<Row>(toQuery: () => SelectQuery<Row>, sort?: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let page = 1; ; page++) {
    // oxlint-disable-next-line no-await-in-loop -- as a client turns pages
    const { items, total } = await paginate(toQuery(), {
      page,
      per_page: 7,
      ...(sort === undefined ? {} : { sort }),
    });
    rows.push(...items);
    if (page * 7 >= (total ?? 0)) return rows;
  }
}

const ids = (rows: readonly { id: number }[]): number[] => rows.map(({ id }) => id);

type SortKey = string | number | null;

/** Ids in the order that every database has to give: rows without a value last, or first downwards. */
function sortIds(key: (article: (typeof ARTICLES)[number]) => SortKey, isDown = false): number[] {
  const sign = isDown ? -1 : 1;
  return ids(ARTICLES.toSorted((a, b) => sign * (compareKeys(key(a), key(b)) || a.id - b.id)));
}

function compareKeys(a: SortKey, b: SortKey): number {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? 1 : -1;
  return a < b ? -1 : 1;
}

testOnEachDialect("paginate() gives every row once, in the order that is asked for", async ({ driver }) => {
  const { articles, db } = await createArticles(driver);
  const all = () => db.select().from(articles);
  expect(ids(await readPages(all))).toEqual(sortIds(({ id }) => id));
  expect(ids(await readPages(all, "-id"))).toEqual(sortIds(({ id }) => id, true));
  expect(ids(await readPages(all, "likes"))).toEqual(sortIds(({ likes }) => likes));
  expect(ids(await readPages(all, "-likes"))).toEqual(sortIds(({ likes }) => likes, true));
  expect(ids(await readPages(all, "title"))).toEqual(sortIds(({ title }) => title));
  expect(ids(await readPages(all, "-title"))).toEqual(sortIds(({ title }) => title, true));
  const own = () => db.select().from(articles).orderBy(desc(articles.likes));
  expect(ids(await readPages(own))).toEqual(sortIds(({ likes }) => likes, true));
  expect(ids(await readPages(own, "id"))).toEqual(sortIds(({ id }) => id));
  const several = await readPages(all, "-published,title,title,-title,");
  expect(several.slice(0, 29).every(({ published }) => published)).toBe(true);
  expect(several).toHaveLength(COUNT);
});

testOnEachDialect("paginate() answers with the page, its size and the total", async ({ driver }) => {
  const { articles, db } = await createArticles(driver);
  const query = db.select().from(articles).where(eq(articles.published, true));
  const first = await paginate(query, {});
  expect(first).toMatchObject({ page: 1, per_page: 20, total: 29 });
  expect(first.items[0]).toEqual({ ...ARTICLES[0], title: null } as never);
  expectTypeOf(first.items).toEqualTypeOf<(typeof articles.$inferSelect)[]>();
  expect((await paginate(query, { page: 2 })).items).toHaveLength(9);
  expect(await paginate(query, { page: 3 })).toEqual({ items: [], page: 3, per_page: 20, total: 29 });
  expect(await paginate(query, { page: 1, total: false })).toMatchObject({ total: null });
  expect(await paginate(query, { page: 2, total: false })).toMatchObject({ total: null });
  const none = db.select().from(articles).where(eq(articles.likes, -1));
  expect(await paginate(none, {})).toEqual({ items: [], page: 1, per_page: 20, total: 0 });
  const deep = await paginate(query, { page: 1e12, per_page: 100 }, { maxDepth: Infinity });
  expect(deep).toMatchObject({ items: [], total: 29 });
  expect(await query).toHaveLength(29); // the query that was given is as it was
});

testOnEachDialect("paginate() takes joins, chosen fields and aliases", async ({ driver }) => {
  const { articles, authors, db } = await createArticles(driver);
  const named = () =>
    db
      .select({ id: articles.id, author: { name: authors.name } })
      .from(articles)
      .innerJoin(authors, eq(authors.id, articles.author_id))
      .where(gt(articles.id, 2));
  const rows = await readPages(named, "-author.name");
  expect(rows).toHaveLength(COUNT - 2);
  expect(rows[0]).toEqual({ id: 56, author: { name: "Zoë" } });
  expectTypeOf(rows).toEqualTypeOf<{ id: number; author: { name: string } }[]>();

  const whole = () => db.select().from(articles).leftJoin(authors, eq(authors.id, articles.author_id));
  const joined = await readPages(whole, "articles.likes");
  expect(ids(joined.map((row) => row.articles))).toEqual(sortIds(({ likes }) => likes));

  // Each author comes up once for each article: the author's key alone would leave the order open.
  const many = () => db.select().from(authors).innerJoin(articles, eq(articles.author_id, authors.id));
  const pairs = (await readPages(many)).map((row) => `${row.authors.id}/${row.articles.id}`);
  expect(new Set(pairs).size).toBe(COUNT);
  expect(pairs[0]).toBe("1/1");

  const options = { sort: { writer: authors.name } };
  const other = await paginate(named(), { sort: "writer", per_page: 1 }, options);
  expect(other.items[0]?.author.name).toBe("Ada");
  expect(paginate(named(), { sort: "author.name" }, options)).rejects.toThrow('Cannot sort by "author.name"');
});

testOnEachDialect(
  "paginate() asks a table anew, in each transaction and for each sort",
  async ({ driver }) => {
    const { articles, db } = await createArticles(driver);
    const read = async (tx: Pick<typeof db, "select">, sort = "", names?: readonly string[]) => {
      const options = names === undefined ? {} : { sort: names };
      const { items, total } = await paginate(tx.select().from(articles), { per_page: 2, sort }, options);
      return [...ids(items), total];
    };
    for (let round = 0; round < 2; round += 1) {
      // oxlint-disable-next-line no-await-in-loop -- again, once everything is known
      expect(await read(db)).toEqual([1, 2, COUNT]);
      // oxlint-disable-next-line no-await-in-loop -- as above
      expect(await read(db, "-id", ["id"])).toEqual([COUNT, COUNT - 1, COUNT]);
      expect(read(db, "-id", ["likes"])).rejects.toThrow('Cannot sort by "id"');
      expect(read(db, "no_such")).rejects.toThrow('Cannot sort by "no_such"');
    }
    const more = { ...ARTICLES[0], id: COUNT + 1 } as (typeof ARTICLES)[number];
    const undone = db.transaction(async (tx) => {
      await tx.insert(articles).values(more);
      expect(await read(tx, "-id")).toEqual([COUNT + 1, COUNT, COUNT + 1]);
      tx.rollback();
    });
    expect(undone).rejects.toThrow();
    await undone.catch(() => {});
    expect(await read(db, "-id")).toEqual([COUNT, COUNT - 1, COUNT]);
    await db.insert(articles).values(more);
    expect(await read(db, "-id")).toEqual([COUNT + 1, COUNT, COUNT + 1]);
  },
);

testOnEachDialect("paginate() counts groups and distinct rows", async ({ driver }) => {
  const { articles, db } = await createArticles(driver);
  const grouped = () =>
    db
      .select({ likes: articles.likes, id: articles.likes, n: count().as("n") })
      .from(articles)
      .groupBy(articles.likes)
      .having(gt(count(), 5));
  const page = await paginate(grouped(), { per_page: 2, sort: "-n,-likes" });
  expect(page.total).toBe(7);
  expect(page.items).toEqual([
    { likes: 8, id: 8, n: 6 },
    { likes: 7, id: 7, n: 6 },
  ]);
  expect(new Set((await readPages(grouped)).map(({ likes }) => likes)).size).toBe(7);

  const distinct = () => db.selectDistinct({ title: articles.title }).from(articles);
  expect(await paginate(distinct(), { per_page: 2 })).toEqual({
    items: [{ title: "title 0" }, { title: "title 1" }],
    page: 1,
    per_page: 2,
    total: 5,
    next: expect.any(String),
  });
  const totals = db.select({ author_id: articles.author_id, n: count().as("n") }).from(articles);
  const rows = totals.groupBy(articles.author_id).as("totals");
  const fromSubquery = await paginate(db.select().from(rows), { sort: "-n", per_page: 2 });
  expect(fromSubquery).toMatchObject({ total: 5, items: [{ n: 12 }, { n: 12 }] });
});

const INJECTIONS = [
  "id; drop table articles",
  "id--",
  'id" desc, (select 1)--',
  "`id`",
  "(select name from authors limit 1)",
  "articles.id",
  "__proto__",
  "constructor",
  "toString",
  "--id",
  "ID",
  " id",
  "1",
  "tags",
  "\0",
];

testOnEachDialect("paginate() sorts by the names that are offered only", async ({ driver }) => {
  const { articles, db } = await createArticles(driver);
  const query = () => db.select().from(articles);
  for (const sort of INJECTIONS) {
    // oxlint-disable-next-line no-await-in-loop -- one shows at a time
    const error: AppError = await paginate(query(), { sort }).then(
      () => expect.unreachable(sort),
      (e) => e,
    );
    expect(error).toMatchObject({ code: "validation_error", status: 422 });
    expect(error.errors).toHaveLength(sort.includes(",") ? 2 : 1);
    expect(error.errors?.[0]).toMatchObject({ path: "/query/sort", code: "unknown_name" });
    expect(error.errors?.[0]?.message).toStartWith(
      'Expected one of "id", "title", "likes", "published", "author_id", not',
    );
  }
  const narrow = { sort: ["title"] };
  expect(paginate(query(), { sort: "title,likes" }, narrow)).rejects.toThrow('Cannot sort by "likes"');
  expect((await paginate(query(), { sort: "title" }, narrow)).total).toBe(COUNT);
  expect(paginate(query(), {}, { sort: ["salary"] })).rejects.toThrow(TypeError);
  expect(await db.$count(articles)).toBe(COUNT);
});

testOnEachDialect("paginate() binds the values of filters", async ({ driver }) => {
  const { articles, db } = await createArticles(driver);
  for (const title of ["' or 1=1 --", "title 1'; drop table articles; --", "\\' or 1=1 -- ", '" or ""="']) {
    const where = and(eq(articles.title, title), gt(articles.id, 0));
    // oxlint-disable-next-line no-await-in-loop
    expect(await paginate(db.select().from(articles).where(where), {})).toMatchObject({
      items: [],
      total: 0,
    });
  }
  expect(await db.$count(articles)).toBe(COUNT);
});

testOnEachDialect("paginate() sees what its transaction has written", async ({ driver }) => {
  const { articles, db } = await createArticles(driver);
  await db.transaction(async (tx) => {
    await tx.delete(articles).where(gt(articles.id, 30));
    expect(await paginate(tx.select().from(articles), { per_page: 5 })).toMatchObject({ total: 30 });
  });
});

testOnEachDialect("paginate() refuses what is no select, or is cut already", async ({ driver }) => {
  const { articles, db } = await createArticles(driver);
  const query = () => db.select().from(articles);
  expect(paginate(query().limit(5), {})).rejects.toThrow("Cannot paginate a query with limit()");
  const union = query().union(query());
  expect(paginate(union, {})).rejects.toThrow("Cannot paginate a union");
  expect(paginate((await query()) as never, {})).rejects.toThrow("Cannot paginate: expected a query");
  // @ts-expect-error -- findMany() gives no select
  expect(paginate(db.query.articles.findMany(), {})).rejects.toThrow("Cannot paginate: expected a query");
  for (const page of [0, -1, 1.5, Number.NaN, 1e13]) {
    expect(paginate(query(), { page })).rejects.toThrow(RangeError);
  }
  expect(paginate(query(), { per_page: 101 })).rejects.toThrow('Cannot use per_page "101"');
});

testOnEachDialect("paginate() reads the first pages through an index", async ({ dialect, driver }) => {
  const { articles, authors, db } = await createArticles(driver);
  const more = Array.from({ length: 5000 }, (_, index) => ({ ...ARTICLES[index % COUNT], id: 1000 + index }));
  await db.insert(articles).values(more as typeof ARTICLES);
  if (dialect !== "sqlite") {
    const analyze = dialect === "mysql" ? sql`analyze table articles, authors` : sql`analyze`;
    await db.execute(analyze);
  }
  const explain = async (query: SelectQuery<unknown>, sort: string): Promise<string> => {
    const select = toSelect(query);
    const page = toPageQuery(select, { orderBy: toPageOrder(select, sort).orderBy, limit: 20, offset: 0 });
    const command = sql.raw(dialect === "sqlite" ? "explain query plan " : "explain ");
    return JSON.stringify(await db.execute(sql`${command}${page.getSQL()}`));
  };
  const sorted = { sqlite: "TEMP B-TREE", postgres: '"Sort', mysql: "filesort" }[dialect];
  const all = db.select().from(articles);
  const indexed = ["", "-id", "likes", "-likes", ...(dialect === "mysql" ? [] : ["title", "-title"])];
  for (const sort of indexed) {
    // oxlint-disable-next-line no-await-in-loop
    expect(`${sort}: ${await explain(all, sort)}`).not.toInclude(sorted);
  }
  const joined = db.select().from(articles).leftJoin(authors, eq(authors.id, articles.author_id));
  expect(await explain(joined, "")).not.toInclude(sorted);
  expect(await explain(all, "author_id,likes")).toMatch(/TEMP B-TREE|Sort|filesort/);
});

const PAGES = `import { createRouter, page } from "xcore";
import { t } from "elysia";
export default createRouter()
  .get("/", ({ query }) => query, { query: page })
  .get("/more", ({ query }) => query, { query: t.Object({ ...page.properties, q: t.Optional(t.String()) }) });`;

function pagePlugin(): Files {
  return { ...plugin("pages", ""), "pages/run.ts": PAGES };
}

testOnEachDialect("paginate() takes a name to sort by only where it is offered", async ({ driver }) => {
  const { articles, db } = await createArticles(driver);
  const all = () => db.select().from(articles);
  const wide = { sort: ["title", "id"] };
  const narrow = { sort: ["id"] };
  await paginate(all(), { sort: "title" }, wide);
  expect(paginate(all(), { sort: "title" }, narrow)).rejects.toThrow(/no such name/);
  for (const sort of ["title\0title", '["title",["title","id"]]', '["title"', 'title","title']) {
    expect(paginate(all(), { sort }, narrow)).rejects.toThrow(/no such name/);
    expect(paginate(all(), { sort })).rejects.toThrow(/no such name/);
  }
});

test("the page schema reads, completes and checks the query of a route", async () => {
  await using app = await TestApp.start({ plugins: pagePlugin() });
  expect((await app.get("/pages")).body).toEqual({ page: 1, per_page: 20, total: true });
  expect((await app.get("/pages?page=3&per_page=100&sort=-a,b&total=false")).body).toEqual({
    page: 3,
    per_page: 100,
    sort: "-a,b",
    total: false,
  });
  expect((await app.get("/pages/more?q=x&page=2")).body).toEqual({
    page: 2,
    per_page: 20,
    total: true,
    q: "x",
  });
  const refused = [
    "page=0",
    "page=-1",
    "page=1.5",
    "page=x",
    "page=",
    "page=9999999999999",
    "per_page=0",
    "per_page=101",
  ];
  for (const query of [...refused, "total=maybe", `sort=${"a".repeat(501)}`]) {
    // oxlint-disable-next-line no-await-in-loop
    const { status, body } = await app.get(`/pages?${query}`);
    expect({
      query,
      status,
      code: body.code,
      paths: body.errors?.map(({ path }: { path: string }) => path),
    }).toEqual({
      query,
      status: 422,
      code: "validation_error",
      paths: [`/query/${query.split("=")[0]}`],
    });
  }
});

test("the page schema is described in the API documentation", async () => {
  await using app = await TestApp.start({ plugins: pagePlugin() });
  const { body } = await app.get("/openapi.json");
  expect(body.paths["/pages/"].get.parameters).toContainEqual(
    expect.objectContaining({
      name: "per_page",
      in: "query",
      schema: expect.objectContaining({
        minimum: 1,
        maximum: 100,
        default: 20,
        description: "Rows of a page",
      }),
    }),
  );
});
