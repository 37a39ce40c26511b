import { expect, test } from "bun:test";
import { TestApp } from "../../setup.ts";

const RUN = `import { t } from "elysia";
import { createRouter, page } from "xcore";
const inBoth = { query: t.Object({ a: t.Object({ n: t.Number() }), tags: t.Array(t.String()) }) };
const standard = { "~standard": { version: 1, vendor: "x", validate: (value) => ({ value }) } };
export default createRouter()
  .get("/typed", ({ query }) => query, { query: t.Object({
    page: t.Optional(t.Integer()), q: t.Optional(t.String()), day: t.Optional(t.Date()), on: t.Optional(t.Boolean()), any: t.Optional(t.Any()),
    either: t.Optional(t.Union([t.String(), t.Array(t.String())])), tags: t.Optional(t.Array(t.String())), ids: t.Optional(t.Array(t.Integer())),
    pair: t.Optional(t.Tuple([t.String(), t.Integer()])), at: t.Optional(t.Array(t.Date())), deep: t.Optional(t.Object({}, { additionalProperties: true })),
  }) })
  .get("/guarded", ({ query }) => query, { auth: true, query: t.Object({ page: t.Optional(t.Integer()) }) })
  .get("/list", ({ query }) => query, { query: page })
  .get("/untyped", ({ query }) => ({ page: query.page }))
  .get("/untouched", ({ query }) => ({ other: query.other ?? null }))
  .get("/spread", ({ query }) => ({ ...query }))
  .get("/record", ({ query }) => query, { query: t.Record(t.String(), t.Number()) })
  .get("/open", ({ query }) => query, { query: t.Object({ n: t.Number() }, { additionalProperties: true }) })
  .get("/split", ({ query }) => query, { query: t.Intersect([t.Object({ a: t.Integer() }), t.Object({ b: t.Integer() })]) })
  .get("/either", ({ query }) => query, { query: t.Union([t.Object({ a: t.Integer() }), t.Object({ b: t.Integer() })]) })
  .get("/standard", ({ query }) => query, { query: standard })
  .get("/own", ({ query }) => query, { query: t.Object({ toString: t.Optional(t.Integer()), constructor: t.Optional(t.String()) }) })
  .model({ filter: t.Object({ n: t.Integer(), l: t.Array(t.Integer()) }) })
  .get("/model", ({ query }) => query, { query: "filter" })
  .ws("/socket", { query: t.Object({ n: t.Integer() }), open(ws) { ws.send(ws.data.query); ws.close(); } });
`;
const plugins = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };

/** Queries, with what arrives. */
const arriving: Readonly<Record<string, unknown>> = {
  "/typed": {},
  "/typed?": {},
  "/typed?&&": {},
  "/typed?page=1&q=a": { page: 1, q: "a" },
  "/typed?q": { q: "" },
  "/typed?q=": { q: "" },
  "/typed?q=a=b": { q: "a=b" },
  "/typed?q=a+b%2Bc": { q: "a b+c" },
  "/typed?q=%25zz&day=2026-01-31": { q: "%zz", day: "2026-01-31T00:00:00.000Z" },
  "/typed?q=100%": { q: "100%" },
  "/typed?q=a,b": { q: "a,b" },
  "/typed?q=%5B1%5D": { q: "[1]" },
  "/typed?%71=a": { q: "a" },
  "/typed?other=1&other=2": {},
  // Lists: the name several times, commas between, JSON; an encoded comma is a part of the value.
  "/typed?tags=a": { tags: ["a"] },
  "/typed?tags=a&tags=b": { tags: ["a", "b"] },
  "/typed?tags=a,b&tags=c": { tags: ["a", "b", "c"] },
  "/typed?tags=a%2Cb": { tags: ["a,b"] },
  "/typed?tags=a%2cb,c&tags=d%2C": { tags: ["a,b", "c", "d,"] },
  "/typed?tags=a,,b": { tags: ["a", "", "b"] },
  '/typed?tags=["a","b,c"]': { tags: ["a", "b,c"] },
  "/typed?tags=[a,b]": { tags: ["[a", "b]"] },
  "/typed?ids=1,2&ids=3": { ids: [1, 2, 3] },
  "/typed?ids=[1,2]": { ids: [1, 2] },
  "/typed?at=2026-01-31,2026-02-01": { at: ["2026-01-31T00:00:00.000Z", "2026-02-01T00:00:00.000Z"] },
  "/typed?pair=a,1": { pair: ["a", 1] },
  "/typed?pair=a&pair=1": { pair: ["a", 1] },
  "/typed?either=a,b": { either: "a,b" },
  "/typed?either=a&either=b": { either: ["a", "b"] },
  "/typed?any=a&any=b": { any: ["a", "b"] },
  '/typed?deep={"a":[1,{"b":"1"}]}': { deep: { a: [1, { b: "1" }] } },
  "/list?page=2": { page: 2, per_page: 20, total: true },
  "/untyped?page=1": { page: "1" },
  "/untouched?page=1&page=2": { other: null },
  "/record?a=1&b=2": { a: 1, b: 2 },
  "/open?n=1&more=1": { n: 1, more: "1" },
  "/split?a=1&b=2": { a: 1, b: 2 },
  "/either?b=2": { b: 2 },
  "/standard?a=1,2&b=[1]&c=1&c=2": { a: "1,2", b: "[1]", c: ["1", "2"] },
  "/own?toString=1&constructor=a": { toString: 1, constructor: "a" },
  "/model?n=1&l=1,2": { n: 1, l: [1, 2] },
};

/** Queries, with the fields that are told. */
const refused: Readonly<Record<string, readonly string[]>> = {
  "/typed?page=1&page=2": ["/query/page Sent more than once"],
  "/typed?page=1&page=1": ["/query/page Sent more than once"],
  "/typed?q=a&q=b": ["/query/q Sent more than once"],
  "/typed?day=2026-01-31&day=2026-01-31": ["/query/day Sent more than once"],
  "/typed?on=true&on=true&page=x": ["/query/on Sent more than once", "/query/page Expected integer"],
  "/typed?deep={}&deep={}": ["/query/deep Sent more than once"],
  "/typed?ids=1,x": ["/query/ids/1 Expected integer"],
  "/typed?ids=1%2C2": ["/query/ids/0 Expected integer"],
  "/typed?pair=a,1,2": ["/query/pair Expected tuple to have 2 elements"],
  "/list?page=1&page=2": ["/query/page Sent more than once"],
  "/list?sort=a&sort=b": ["/query/sort Sent more than once"],
  "/untyped?page=1&page=2": ["/query/page Sent more than once"],
  "/spread?a=1&page=1&page=2": ["/query/page Sent more than once"],
  "/record?a=x": ["/query/a Expected number"],
  "/split?a=1&a=2&b=x": ["/query/a Sent more than once", "/query/b Expected integer"],
  "/own?toString=x": ["/query/toString Expected integer"],
};

test("a query arrives as it was sent", async () => {
  await using app = await TestApp.start({ plugins });
  for (const [path, value] of Object.entries(arriving)) {
    const response = await app.fetch(`/x${path}`);
    expect({ path, status: response.status, value: (await response.json()) as unknown }).toEqual({
      path,
      status: 200,
      value,
    });
  }
});

test("a parameter that comes more than once where one is expected is refused by its name", async () => {
  await using app = await TestApp.start({ plugins });
  for (const [path, told] of Object.entries(refused)) {
    const { status, errors = [] } = await app.problem(`/x${path}`);
    const found = errors.map((error) => `${error.path} ${error.message}`);
    expect({ path, status, found }).toEqual({ path, status: 422, found: [...told] });
  }
});

test("a guard refuses before a query is told to be wrong", async () => {
  await using app = await TestApp.start({ plugins });
  expect((await app.fetch("/x/guarded?page=1&page=2")).status).toBe(401);
  const { headers } = await app.createUser("ada@example.com");
  expect((await app.fetch("/x/guarded?page=1&page=2", { headers })).status).toBe(422);
});

test("JSON in a query is bounded like that of a body", async () => {
  await using app = await TestApp.start({ plugins });
  const deep = `${'{"a":'.repeat(100)}1${"}".repeat(100)}`;
  expect(await app.problem(`/x/typed?deep=${deep}`)).toMatchObject({ status: 400, code: "nested_too_deep" });
});

test("the query of a WebSocket is read the same", async () => {
  await using app = await TestApp.start({ plugins });
  const socket = new WebSocket(`${app.url.replace("http", "ws")}/x/socket?n=7`);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  socket.addEventListener("message", ({ data }) => resolve(JSON.parse(String(data)) as unknown));
  expect(await promise).toEqual({ n: 7 });
  const upgrade = { connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
  const headers = { ...upgrade, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
  expect((await app.fetch("/x/socket?n=7&n=8", { headers })).status).toBe(422);
});
