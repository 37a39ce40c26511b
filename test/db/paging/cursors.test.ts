import { asc, count, desc, eq, gt, sql, sum } from "drizzle-orm";
import { expect, test } from "bun:test";
import type { Dialect, Driver } from "../../../src/db/contract/driver.ts";
import { paginate, type PaginateOptions, type SelectQuery } from "../../../src/db/paging/paginate.ts";
import { toPageQuery, toSelect } from "../../../src/db/drizzle/select-parts.ts";
import { toPageOrder } from "../../../src/db/paging/page-order.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { TestApp } from "../../setup.ts";
import { createTables } from "../schema/created-tables.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

function declareTables(dialect: Dialect) {
  const schema = createSchemaModule(TABLE_MAKERS[dialect]);
  const owners = schema.table("owners", { id: schema.id(), name: schema.varchar(50).notNull() });
  const deals = schema.table(
    "deals",
    {
      id: schema.id(),
      title: schema.varchar(50),
      stage: schema.integer().notNull(),
      open: schema.boolean().notNull(),
      price: schema.decimal(10, 2),
      exact: schema.decimal(30, 10).notNull(),
      day: schema.date(),
      at: schema.timestamp(),
      key: schema.uuid().notNull(),
      tags: schema.json(),
      owner_id: schema.references(() => owners.id),
    },
    (t) => [schema.index("deals_stage").on(t.stage)],
  );
  return { owners, deals };
}

const COUNT = 61;
const OWNERS = ["Zoë", "Ada", "Bob", "Cy", "Dan"].map((name, index) => ({ id: index + 1, name }));
/** Full of ties, of rows without a value, and of values that a double can't tell apart. */
const DEALS = Array.from({ length: COUNT }, (_, index) => ({
  id: index + 1,
  title: index % 3 === 0 ? null : `tïtle ${(index * 5) % 4} "\\'`,
  stage: (index * 7) % 6,
  open: index % 2 === 0,
  price: index % 5 === 0 ? null : `${((index * 3) % 7) - 3}.${10 + (index % 2)}`,
  exact: `${index % 2 === 0 ? "-" : ""}${index % 3 === 0 ? "9" : "1234567890123456789"}.000000000${index % 4}`,
  day: index % 4 === 0 ? null : `2024-0${1 + (index % 3)}-11`,
  at: index % 4 === 1 ? null : new Date(Date.UTC(2024, 1, 1 + (index % 5), 0, 0, 0, index % 3)),
  key: `00000000-0000-4000-8000-0000000000${10 + ((index * 11) % 50)}`,
  tags: { index },
  owner_id: index % 6 === 0 ? null : (index % 5) + 1,
}));

async function createDeals(driver: Driver) {
  const tables = declareTables(driver.dialect);
  await createTables(driver, tables);
  const db = driver.toDatabase(tables);
  await db.insert(tables.owners).values(OWNERS);
  await db.insert(tables.deals).values(DEALS);
  return { ...tables, db };
}

interface Asked extends PaginateOptions {
  readonly by?: string;
  readonly perPage?: number;
}

/** The items of all pages, one cursor after another. */
async function follow<Row>(toQuery: () => SelectQuery<Row>, asked: Asked = {}): Promise<Row[]> {
  const { by, perPage = 7, ...options } = asked;
  const rows: Row[] = [];
  let after: string | undefined;
  for (let page = 1; ; page += 1) {
    // oxlint-disable-next-line no-await-in-loop -- as a client goes on
    const found: Awaited<ReturnType<typeof paginate<Row>>> = await paginate(
      toQuery(),
      {
        per_page: perPage,
        ...(by === undefined ? {} : { sort: by }),
        ...(after === undefined ? {} : { after }),
      },
      options,
    );
    expect(found.page).toBe(page);
    rows.push(...found.items);
    if (found.next === undefined) return rows;
    expect(found.items).toHaveLength(perPage);
    after = found.next;
  }
}

const SORTS = [
  "",
  "-id",
  "title",
  "-title",
  "stage",
  "-stage",
  "open,-stage",
  "-open,title",
  "price",
  "-price",
];
const MORE = [
  "exact",
  "-exact",
  "day",
  "-day",
  "at",
  "-at,title",
  "key",
  "-key,-at",
  "owner_id,-title,price",
];

testOnEachDialect("a cursor goes on through every row once, in every order", async ({ driver }) => {
  const { deals, db } = await createDeals(driver);
  for (const by of [...SORTS, ...MORE]) {
    // oxlint-disable-next-line no-await-in-loop -- one order shows at a time
    const whole = await paginate(db.select().from(deals), { sort: by, per_page: 100 });
    // oxlint-disable-next-line no-await-in-loop
    const followed = await follow(() => db.select().from(deals), { by });
    expect({ by, ids: followed.map(({ id }) => id) }).toEqual({ by, ids: whole.items.map(({ id }) => id) });
    expect(followed).toEqual(whole.items);
  }
});

testOnEachDialect(
  "a cursor follows the query's own order, joins and what isn't selected",
  async ({ driver }) => {
    const { deals, owners, db } = await createDeals(driver);
    const joined = () =>
      db
        .select({ id: deals.id, owner: { name: owners.name } })
        .from(deals)
        .leftJoin(owners, eq(owners.id, deals.owner_id))
        .where(gt(deals.id, 2));
    const names = {
      sort: { owner: owners.name, length: sql<number>`length(${deals.title})`, exact: deals.exact },
    };
    const queries: [string, () => SelectQuery<{ id: number }>, Asked][] = [
      ["own", () => db.select({ id: deals.id }).from(deals).orderBy(desc(deals.title), asc(deals.price)), {}],
      ["joined", joined, {}],
      ["by the other table", joined, { by: "-owner.name" }],
      ["by its name", joined, { by: "owner", ...names }],
      ["by an expression", joined, { by: "-length,owner", ...names }],
      ["by what isn't selected", joined, { by: "exact", ...names }],
    ];
    for (const [what, toQuery, asked] of queries) {
      const page = { per_page: 100, ...(asked.by === undefined ? {} : { sort: asked.by }) };
      // oxlint-disable-next-line no-await-in-loop
      const { items } = await paginate(toQuery(), page, asked);
      expect(items.length).toBeGreaterThan(50);
      // oxlint-disable-next-line no-await-in-loop
      expect({ what, items: await follow(toQuery, asked) }).toEqual({ what, items });
    }
    expect(Object.keys((await paginate(joined(), { sort: "length" }, names)).items[0] ?? {})).toEqual([
      "id",
      "owner",
    ]);
  },
);

testOnEachDialect("a cursor goes on through groups and distinct rows", async ({ driver }) => {
  const { deals, db } = await createDeals(driver);
  const grouped = () =>
    db
      .select({ title: deals.title, stage: deals.stage, n: count().as("n"), total: sum(deals.exact) })
      .from(deals)
      .groupBy(deals.title, deals.stage)
      .having(gt(count(), 1));
  const distinct = () => db.selectDistinct({ title: deals.title, stage: deals.stage }).from(deals);
  for (const by of ["", "-n,title", "total", "-total,-stage"]) {
    // oxlint-disable-next-line no-await-in-loop
    const { items } = await paginate(grouped(), { sort: by, per_page: 100 });
    expect(items.length).toBeGreaterThan(8);
    // oxlint-disable-next-line no-await-in-loop
    expect({ by, items: await follow(grouped, { by, perPage: 2 }) }).toEqual({ by, items });
  }
  for (const by of ["", "-stage", "title"]) {
    // oxlint-disable-next-line no-await-in-loop
    const { items } = await paginate(distinct(), { sort: by, per_page: 100 });
    // oxlint-disable-next-line no-await-in-loop
    expect({ by, items: await follow(distinct, { by, perPage: 3 }) }).toEqual({ by, items });
  }
  const totals = db
    .select({ stage: deals.stage, n: count().as("n") })
    .from(deals)
    .groupBy(deals.stage);
  const rows = totals.as("totals");
  const fromSubquery = await follow(() => db.select().from(rows), { by: "-n", perPage: 2 });
  expect(fromSubquery.map(({ stage }) => stage).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
});

testOnEachDialect("a cursor is unmoved by rows that come and go", async ({ driver }) => {
  const { deals, db } = await createDeals(driver);
  const query = () => db.select().from(deals).orderBy(deals.stage);
  const first = await paginate(query(), { per_page: 10, total: false });
  await db.delete(deals).where(eq(deals.id, first.items[9]?.id ?? 0));
  await db.insert(deals).values({ ...(DEALS[0] as (typeof DEALS)[number]), id: 1000, stage: -1 });
  const second = await paginate(query(), { per_page: 10, after: first.next ?? "" });
  expect(second).toMatchObject({ page: 2, total: COUNT });
  const rest = DEALS.toSorted((a, b) => a.stage - b.stage || a.id - b.id).slice(10, 20);
  expect(second.items.map(({ id }) => id)).toEqual(rest.map(({ id }) => id));
  expect((await paginate(query(), { total: false, after: first.next ?? "" })).total).toBeNull();
});

testOnEachDialect("a cursor finds its place through an index", async ({ dialect, driver }) => {
  const { deals, db } = await createDeals(driver);
  const more = Array.from({ length: 5000 }, (_, index) => ({ ...DEALS[index % COUNT], id: 1000 + index }));
  await db.insert(deals).values(more as typeof DEALS);
  if (dialect !== "sqlite") await db.execute(sql.raw(`analyze ${dialect === "mysql" ? "table deals" : ""}`));
  const explain = async (by: string): Promise<string> => {
    const select = toSelect(db.select().from(deals));
    const { next } = await paginate(db.select().from(deals), { sort: by, page: 90, per_page: 50 });
    const { orderBy, cursors } = toPageOrder(select, by);
    const where = cursors?.read(next ?? "").where;
    const page = toPageQuery(select, { orderBy, limit: 20, offset: 0, where });
    const command = sql.raw(dialect === "sqlite" ? "explain query plan " : "explain ");
    return JSON.stringify(await db.execute(sql`${command}${page.getSQL()}`));
  };
  const sought = { sqlite: /SEARCH .*(PRIMARY KEY|deals_stage)/, postgres: /Index Cond/, mysql: /"range"/ }[
    dialect
  ];
  const sorted = { sqlite: "TEMP B-TREE", postgres: '"Sort', mysql: "filesort" }[dialect];
  for (const by of ["", "-id", "stage", "-stage"]) {
    // oxlint-disable-next-line no-await-in-loop -- one shows at a time
    const plan = `${by}: ${await explain(by)}`;
    expect(plan).toMatch(sought);
    expect(plan).not.toInclude(sorted);
  }
});

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

testOnEachDialect("a cursor of something else is refused", async ({ driver }) => {
  const { deals, db } = await createDeals(driver);
  const names = { sort: { stage: deals.stage, half: sql`${deals.stage} * 2`, at: deals.at } };
  const read = (sort: string, after: string) =>
    paginate(db.select().from(deals), { sort, after, per_page: 5 }, names);
  const next = async (sort: string) => {
    const page = await paginate(db.select().from(deals), { sort, per_page: 5 }, names);
    return JSON.parse(Buffer.from(page.next ?? "", "base64url").toString()) as unknown[];
  };
  const [stage, half, at] = [await next("stage"), await next("half"), await next("at")];
  const bad: [string, string][] = [
    ["stage", "?"],
    ["stage", encode(null)],
    ["stage", encode({})],
    ["stage", encode(await next("-stage"))],
    ["stage", encode(half)],
    ["stage", encode(stage.slice(0, -1))],
    ["stage", encode([...stage, 1])],
    ["stage", encode(stage.with(1, 0))],
    ["stage", encode(stage.with(2, "1 or 1=1"))],
    ["stage", encode(stage.with(2, [1]))],
    ["stage", encode(stage.with(2, 1.5))],
    ["stage", encode(stage.with(3, {}))],
    ["stage", Buffer.from(JSON.stringify(stage).replace(/\d+\]$/, "1e999]")).toString("base64url")],
    ["half", encode(half.with(2, "a\0b"))],
    ["at", encode(at.with(2, "soon"))],
  ];
  if (driver.dialect === "postgres") bad.push(["half", encode(half.with(2, "no number"))]);
  for (const [sort, after] of bad) {
    // oxlint-disable-next-line no-await-in-loop -- one shows at a time
    const error = await read(sort, after).then(
      () => expect.unreachable(`${sort} ${after}`),
      (e) => e as unknown,
    );
    expect(error).toMatchObject({
      code: "validation_error",
      status: 422,
      errors: [{ path: "/query/after", code: "invalid" }],
    });
  }
  const own = () =>
    db
      .select()
      .from(deals)
      .orderBy(sql`${deals.stage} % 2 desc`);
  expect((await paginate(own(), { per_page: 5 })).next).toBeUndefined();
  expect(paginate(own(), { after: encode(stage) })).rejects.toThrow("Cannot go on after this cursor");
  expect((await paginate(own(), { per_page: 5, sort: "stage" })).next).toBeString();
});

testOnEachDialect("paginate() refuses pages that lie too deep, and names cursors", async ({ driver }) => {
  const { deals, db } = await createDeals(driver);
  const read = (page: object, options: PaginateOptions = {}) =>
    paginate(db.select().from(deals), page, options);
  const refused = { code: "validation_error", errors: [{ path: "/query/page", code: "too_deep" }] };
  expect((await read({ page: 500 })).items).toEqual([]);
  const error = (await read({ page: 501 }).catch((e: unknown) => e)) as { errors: { message: string }[] };
  expect(error).toMatchObject(refused);
  expect(error.errors[0]?.message).toContain('"after"');
  expect(await read({ page: 101, per_page: 100 }).catch((e: unknown) => e)).toMatchObject(refused);
  expect((await read({ page: 3, per_page: 10 }, { maxDepth: 30 })).items).toHaveLength(10);
  expect(await read({ page: 4, per_page: 10 }, { maxDepth: 30 }).catch((e: unknown) => e)).toMatchObject(
    refused,
  );
  const first = await read({ per_page: 40 }, { maxDepth: 30 });
  expect((await read({ per_page: 40, after: first.next }, { maxDepth: 30 })).items).toHaveLength(21);
  expect((await read({ page: 501 }, { maxDepth: Infinity })).items).toEqual([]);
  expect(read({ page: 2, after: first.next })).rejects.toMatchObject({ code: "validation_error" });
  for (const maxDepth of [0, -1, Number.NaN]) expect(read({}, { maxDepth })).rejects.toThrow(RangeError);
});

test("a list over HTTP is gone on with by ?after=, and its documentation says so", async () => {
  await using app = await TestApp.start();
  const { headers } = await app.admin();
  const first = await app.fetch("/admin/permissions?per_page=3&sort=-name", { headers });
  const { items, next } = (await first.json()) as { items: { name: string }[]; next: string };
  expect(next).toMatch(/^[\w-]+$/);
  const second = await app.fetch(`/admin/permissions?per_page=3&sort=-name&after=${next}`, { headers });
  const after = (await second.json()) as { items: { name: string }[]; page: number };
  expect(after.page).toBe(2);
  expect((after.items[0]?.name ?? "") < (items[2]?.name ?? "")).toBe(true);
  const other = await app.fetch(`/admin/permissions?per_page=3&sort=name&after=${next}`, { headers });
  expect(other.status).toBe(422);
  expect(await other.json()).toMatchObject({ errors: [{ path: "/query/after", code: "invalid" }] });
  const { body } = await app.get("/openapi.json");
  const { parameters, responses } = body.paths["/admin/users"].get;
  expect(parameters.map(({ name }: { name: string }) => name)).toContain("after");
  expect(JSON.stringify(responses["200"])).toContain('"next"');
});
