import { expect, test } from "bun:test";
import { inspect } from "node:util";
import { type RowMapper, RawRows } from "../../../src/db/drizzle/row-mapper.ts";
import { createPage, type Page, toJsonPage } from "../../../src/db/paging/unread-page.ts";
import { plugin, TestApp } from "../../setup.ts";

type Row = { id: number; at: Date };
type Loose = Record<string, unknown> & { items: Row[] };

/** Counts how often rows are made. */
function createRows() {
  const made = { rows: 0, json: 0 };
  const toRow: RowMapper = ([id]) => ({ id, at: new Date(0), ...((made.rows += 1) && {}) });
  const toJson: RowMapper = ([id]) => ({ id, at: new Date(0).toJSON(), ...((made.json += 1) && {}) });
  return { made, rows: new RawRows<Row>([[1], [2]], { toRow, toJson } as never) };
}

const PARTS = { page: 2, per_page: 2, total: 9, next: "abc" };
const TEXT =
  '{"items":[{"id":1,"at":"1970-01-01T00:00:00.000Z"},{"id":2,"at":"1970-01-01T00:00:00.000Z"}],"page":2,"per_page":2,"total":9,"next":"abc"}';

test("toJsonPage() writes a page that nobody has looked at without making its rows", () => {
  const { rows, made } = createRows();
  const page = createPage(rows, PARTS);
  expect(JSON.stringify(toJsonPage(page))).toBe(TEXT);
  expect(made).toEqual({ rows: 0, json: 2 });
  expect(JSON.stringify(page)).toBe(TEXT);
  expect(made.rows).toBe(2);
});

test("a page has its rows from whoever looks at them, made once", () => {
  const { rows, made } = createRows();
  const page = createPage(rows, PARTS);
  expect(page).toEqual({ items: [1, 2].map((id) => ({ id, at: new Date(0) })), ...PARTS });
  expect(page.items).toBe(page.items);
  expect({ ...page }).toEqual(page);
  expect(Object.keys(page)).toEqual(["items", "page", "per_page", "total", "next"]);
  expect(made.rows).toBe(2);
  const { rows: others } = createRows();
  expect(inspect(createPage(others, PARTS))).toInclude("id: 1");
});

/** What handlers do with a page before they return it. */
const CHANGES: Readonly<Record<string, (page: Loose) => unknown>> = {
  nothing: (page) => page,
  "a row changed": (page) => {
    (page.items[0] as Row).id = 7;
    return page;
  },
  "a row removed": (page) => {
    page.items.pop();
    return page;
  },
  "other rows": (page) => {
    page.items = [];
    return page;
  },
  "no rows": (page) => {
    page.items = null as never;
    return page;
  },
  "rows deleted": (page) => {
    delete (page as Partial<Loose>).items;
    return page;
  },
  "rows defined anew": (page) => Object.defineProperty(page, "items", { value: [1], enumerable: true }),
  "rows defined anew by a getter": (page) =>
    Object.defineProperty(page, "items", { get: () => ["hidden"], enumerable: true }),
  "rows that aren't shown": (page) => Object.defineProperty(page, "items", { enumerable: false }),
  "another total": (page) => Object.assign(page, { total: null }),
  "a total without a value": (page) => Object.assign(page, { total: undefined }),
  "something more": (page) => Object.assign(page, { more: { at: new Date(5) }, "1": true }),
  "a toJSON": (page) => Object.assign(page, { toJSON: () => page.items.map(({ at }) => at.getTime()) }),
  spread: (page) => ({ ...page }),
  "spread with more": (page) => ({ more: 1, ...page, page: "one" }),
  "taken apart": ({ items, total }) => ({ rows: items, total }),
  nested: (page) => ({ articles: page }),
  frozen: (page) => Object.freeze(page),
  "a copy by prototype": (page) => Object.create(page) as object,
  assigned: (page) => Object.assign({}, page),
};

for (const [name, change] of Object.entries(CHANGES)) {
  test(`toJsonPage() is written as the page is: ${name}`, () => {
    // What JSON has of one whose rows have been made before, by the ordinary way.
    const ordinary = createPage(createRows().rows, PARTS) as Page<Row> & Loose;
    expect(ordinary.items).toHaveLength(2);
    const expected = JSON.stringify(change(ordinary));
    const value = change(createPage(createRows().rows, PARTS) as Page<Row> & Loose) as object;
    expect(JSON.stringify(toJsonPage(value) ?? value)).toBe(expected);
  });
}

const LISTS = `import { createRouter, db, page, paginate } from "xcore";
import { sql } from "drizzle-orm";
import { users } from "xcore/schema";
const list = (query) => paginate(db.select({ id: users.id, at: users.created_at, email: users.email }).from(users), query);
export default createRouter()
  .get("/plain", ({ query }) => list(query), { query: page })
  .get("/changed", async ({ query }) => { const found = await list(query); found.items[0].email = "hidden"; return found; }, { query: page })
  .get("/headers", ({ query, set }) => { set.headers["x-own"] = "1"; return list(query); }, { query: page })
  .get("/status", async ({ query, status }) => status(201, await list(query)), { query: page })
  .post("/spoil", () => db.execute(sql\`update users set created_at = 'nonsense'\`))
  .get("/rows", async ({ query }) => (await list(query)).items, { query: page });`;

test("a plugin's list is answered with the same text whether its rows were looked at or not", async () => {
  await using app = await TestApp.start({ plugins: { ...plugin("lists", ""), "lists/run.ts": LISTS } });
  await app.createUser("ada@example.com");
  const text = async (path: string): Promise<string> => (await fetch(`${app.url}/lists/${path}`)).text();
  const plain = await text("plain");
  expect(JSON.parse(plain)).toMatchObject({ items: [{ email: "ada@example.com" }], total: 1 });
  expect(JSON.parse(plain).items[0].at).toMatch(/^\d{4}-.*Z$/);
  expect(await text("headers")).toBe(plain);
  expect(await text("status")).toBe(plain);
  expect(await text("rows")).toBe(JSON.stringify(JSON.parse(plain).items));
  expect(await text("changed")).toBe(plain.replace("ada@example.com", "hidden"));
});

test("a value that its column can't have fails the list that would answer with it", async () => {
  await using app = await TestApp.start({ plugins: { ...plugin("lists", ""), "lists/run.ts": LISTS } });
  await app.createUser("ada@example.com");
  expect((await fetch(`${app.url}/lists/spoil`, { method: "POST" })).status).toBe(200);
  for (const path of ["plain", "changed", "headers", "rows"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await app.problem(`/lists/${path}`)).toMatchObject({ status: 500, code: "internal_error" });
  }
  expect(await app.log("app")).toInclude('Cannot read a value of \\"users\\".\\"created_at\\"');
});
