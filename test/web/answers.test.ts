import { expect, test } from "bun:test";
import { toJsonAnswer } from "../../src/web/answers.ts";
import { plugin, TestApp } from "../setup.ts";

const ROUTER = `.get("/", () => ({ a: 1 }))
  .get("/text", () => new Response("hi"))
  .get("/redirect", () => Response.redirect("/elsewhere"))
  .get("/elysia-redirect", ({ redirect }) => redirect("/elsewhere"))
  .get("/error", () => { throw new Error("x"); })
  .get("/null", () => { throw null; })
  .get("/stream", function* () { yield "a"; })
  .get("/empty", () => new Response(null, { status: 204 }))
  .get("/own", ({ set }) => { set.headers["x-frame-options"] = "DENY"; return "text"; })
  .get("/own-response", () => new Response("hi", { headers: { "referrer-policy": "no-referrer", "x-request-id": "mine" } }))
  .post("/", ({ body }) => body)`;

const DOCUMENT_HEADERS = [
  ["x-frame-options", "SAMEORIGIN"],
  ["referrer-policy", "strict-origin-when-cross-origin"],
] as const;

const answers: [string, RequestInit, number][] = [
  ["/", {}, 200],
  ["/docs", {}, 200],
  ["/docs/swagger-ui.js", {}, 200],
  ["/openapi.json", {}, 200],
  ["/health", {}, 200],
  ["/nothing", {}, 404],
  ["/x", {}, 200],
  ["/x", { method: "HEAD" }, 200],
  ["/x", { method: "PUT" }, 405],
  ["/x/text", {}, 200],
  ["/x/redirect", {}, 302],
  ["/x/elysia-redirect", {}, 302],
  ["/x/error", {}, 500],
  ["/x/null", {}, 500],
  ["/x/stream", {}, 200],
  ["/x/empty", {}, 204],
  ["/x", { method: "POST", body: "x".repeat(101) }, 413],
  ["/broken", {}, 503],
];

test("every answer has the security headers and a request id", async () => {
  const broken = { "broken/plugin.json": { name: "broken", version: "1.0.0" }, "broken/run.ts": "throw 1;" };
  await using app = await TestApp.start({
    plugins: { ...plugin("x", ROUTER), ...broken },
    config: { server: { body_limit: 100 } },
  });
  for (const [path, init, status] of answers) {
    const response = await app.fetch(path, { redirect: "manual", ...init });
    expect([path, response.status]).toEqual([path, status]);
    expect([path, response.headers.get("x-content-type-options")]).toEqual([path, "nosniff"]);
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    for (const [name, value] of DOCUMENT_HEADERS) {
      expect([path, name, response.headers.get(name)]).toEqual([path, name, isJson ? null : value]);
    }
    expect(response.headers.get("x-request-id")).toMatch(/^[\w.-]+$/);
  }
});

test("a handler's own header wins, but for the request id", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", ROUTER) });
  const own = await app.fetch("/x/own");
  expect(own.headers.get("x-frame-options")).toBe("DENY");
  expect(own.headers.get("x-content-type-options")).toBe("nosniff");
  const response = await app.fetch("/x/own-response");
  expect(response.headers.get("referrer-policy")).toBe("no-referrer");
  expect(response.headers.get("x-request-id")).not.toBe("mine");
});

test("a Response keeps the content type that its body has", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "x",
      `.get("/text", () => new Response("hi"))
       .get("/json", () => Response.json({ a: 1 }))
       .get("/blob", () => new Response(new Blob(["a"], { type: "image/png" })))
       .get("/html", () => new Response("<p>", { headers: { "content-type": "text/html" } }))`,
    ),
  });
  const types: [string, string][] = [
    ["/x/text", "text/plain;charset=utf-8"],
    ["/x/json", "application/json;charset=utf-8"],
    ["/x/blob", "image/png"],
    ["/x/html", "text/html"],
  ];
  for (const [path, type] of types) {
    expect([path, (await app.fetch(path)).headers.get("content-type")]).toEqual([path, type]);
  }
});

class Money {
  readonly currency = "EUR";
  readonly at = new Date(0);
}
class Day extends Date {
  override toJSON(): string {
    return "a day";
  }
}
const REQUEST = new Request("http://localhost/");
const DATE = new Date(1_700_000_000_123);
const shared = { at: DATE };
const values: [string, object][] = [
  ["a date in an object", { id: 1, at: DATE, title: "x" }],
  ["dates in a list", { items: [{ at: DATE }, { at: DATE }, null, "x"], total: 2 }],
  ["an array of dates and undefined", [DATE, undefined, DATE]],
  ["a date that is none", { at: new Date(Number.NaN), gone: undefined, none: null }],
  ["a date with JSON of its own", { day: new Day(0), at: DATE }],
  ["an object with JSON of its own", { a: { at: DATE, toJSON: () => "own" }, at: DATE }],
  ["all of it with JSON of its own", { at: DATE, toJSON: () => ({ at: DATE }) }],
  ["an instance of a class", { money: new Money(), at: DATE }],
  ["dates far down", { a: [{ b: [{ c: [{ d: [{ at: DATE }] }] }] }], at: DATE }],
  ["one object twice", { shared, again: [shared, shared] }],
  ["a date that is inherited", Object.assign(Object.create({ secret_at: DATE }), { at: DATE }) as object],
  ["only a date that is inherited", Object.assign(Object.create({ secret_at: DATE }), { id: 1 }) as object],
  ["a hidden date", Object.defineProperty({ at: DATE }, "secret_at", { value: DATE })],
  [
    "names of Object.prototype",
    { ...(JSON.parse('{"__proto__": {"a": 1}, "valueOf": 1}') as object), at: DATE },
  ],
  ["numbers for keys", { 2: DATE, 1: "x", b: DATE, a: 1 }],
  ["nothing", {}],
];

for (const [what, value] of values) {
  test(`toJsonAnswer() has the bytes of JSON.stringify() for ${what}`, async () => {
    const before = Bun.inspect(value, { depth: 20 });
    const answer = toJsonAnswer(value, { status: 200, headers: {} }, REQUEST);
    expect(await answer?.text()).toBe(JSON.stringify(value));
    expect(answer?.headers.get("content-type")).toBe(Response.json({}).headers.get("content-type"));
    expect(Bun.inspect(value, { depth: 20 })).toBe(before);
  });
}

test("toJsonAnswer() fails as JSON.stringify() does for what refers to itself", () => {
  const parent: { children: object[]; at: Date } = { children: [], at: DATE };
  for (let index = 0; index < 1000; index += 1) parent.children.push({ parent });
  expect(() => toJsonAnswer(parent, { status: 200, headers: {} }, REQUEST)).toThrow(/cyclic/);
});

test("answers with dates are the same whatever their status, headers and schemas", async () => {
  const at = "2023-11-14T22:13:20.123Z";
  await using app = await TestApp.start({
    plugins: {
      ...plugin("x", ""),
      "x/run.ts": `import { createRouter } from "xcore";
const row = () => ({ id: 1, at: new Date(${JSON.stringify(at)}) });
export default createRouter().get("/", () => row()).get("/list", async () => [row()])
  .post("/status", ({ status }) => status(201, row()))
  .post("/set", ({ set }) => { set.status = 202; return row(); })
  .get("/header", ({ set }) => { set.headers["x-own"] = "own"; return row(); })
  .get("/cookie", ({ cookie: { a } }) => { a!.value = "b"; return row(); })
  .get("/type", ({ set }) => { set.headers["content-type"] = "application/ld+json"; return row(); })
  .get("/named", ({ set }) => { set.status = "Accepted"; set.headers["x-own"] = "own"; return row(); })
  .get("/number", ({ set }) => { set.headers["retry-after"] = 5; return row(); })
  .get("/both", ({ set }) => { set.status = 201; set.headers["location"] = "/x/1"; set.headers["etag"] = '"1"'; return row(); })
  .get("/thrown", ({ set, status }) => { set.headers["x-own"] = "own"; return status(404, row()); })
  .get("/text", ({ status }) => status(418, "text"));`,
    },
  });
  const row = JSON.stringify({ id: 1, at });
  for (const [method, path, status, body, header] of [
    ["GET", "/x", 200, row, null],
    ["GET", "/x/list", 200, `[${row}]`, null],
    ["POST", "/x/status", 201, row, null],
    ["POST", "/x/set", 202, row, null],
    ["GET", "/x/header", 200, row, ["x-own", "own"]],
    ["GET", "/x/cookie", 200, row, ["set-cookie", "a=b; Path=/"]],
    ["GET", "/x/type", 200, row, ["content-type", "application/ld+json"]],
    ["GET", "/x/named", 202, row, ["x-own", "own"]],
    ["GET", "/x/number", 200, row, ["retry-after", "5"]],
    ["GET", "/x/both", 201, row, ["location", "/x/1"]],
    ["GET", "/x/both", 201, row, ["etag", '"1"']],
    ["GET", "/x/thrown", 404, row, ["x-own", "own"]],
    ["GET", "/x/text", 418, "text", null],
    ["GET", "/x", 200, row, ["x-own", null]],
    ["GET", "/x", 200, row, ["etag", null]],
  ] as const) {
    const answer = await app.fetch(path, { method });
    expect([path, answer.status, await answer.text()]).toEqual([path, status, body]);
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    if (header !== null) expect(answer.headers.get(header[0])).toBe(header[1]);
    const length = status === 418 ? null : String(body.length);
    if (length !== null) expect([path, answer.headers.get("content-length")]).toEqual([path, length]);
  }
  const head = await app.fetch("/x", { method: "HEAD" });
  expect([head.headers.get("content-length"), await head.text()]).toEqual([String(row.length), ""]);
});

test("toJsonAnswer() leaves what a handler has set to those who look at it afterwards", () => {
  const set = { status: 201, headers: { etag: '"1"' } };
  const answer = toJsonAnswer({ a: 1 }, set, REQUEST);
  expect([answer?.status, answer?.headers.get("etag")]).toEqual([201, '"1"']);
  expect(set).toMatchObject({ status: 201, headers: { etag: '"1"' } });
  const other = toJsonAnswer({ a: 1 }, { status: 200, headers: {} }, REQUEST);
  expect([other?.status, other?.headers.get("etag")]).toEqual([200, null]);
});

test("what is private is kept by no cache, unless its handler says so", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "notes",
      `.get("/open", () => "open")
       .get("/optional", ({ user }) => user?.email ?? "nobody", { optionalAuth: true })
       .get("/mine", ({ user }) => user.email, { auth: true })
       .get("/answer", () => new Response("mine"), { auth: true })
       .get("/held", () => "held", { permission: "notes:read" })
       .get("/role", () => "role", { role: "admin" })
       .get("/bad", () => { throw new Error("broken"); }, { auth: true })
       .get("/kept", ({ set }) => { set.headers["cache-control"] = "private, max-age=60"; return "kept"; }, { auth: true })
       .get("/own", () => new Response("own", { headers: { "cache-control": "max-age=5" } }), { auth: true })`,
    ),
  });
  const { headers } = await app.admin();
  const headerOf = async (path: string, init: RequestInit = {}) =>
    (await app.fetch(path, init)).headers.get("cache-control");
  const known = { headers };
  const seen: Record<string, string | null> = {};
  for (const path of ["open", "optional", "mine", "answer", "held", "role", "bad", "kept", "own"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    seen[path] = await headerOf(`/notes/${path}`, known);
  }
  expect(seen).toEqual({
    open: null,
    optional: "no-store",
    mine: "no-store",
    answer: "no-store",
    held: "no-store",
    role: "no-store",
    bad: "no-store",
    kept: "private, max-age=60",
    own: "max-age=5",
  });
  expect(await headerOf("/notes/optional")).toBeNull();
  expect(await headerOf("/notes/mine")).toBe("no-store"); // 401

  for (const path of [
    "/auth/me",
    "/auth/sessions",
    "/auth/nowhere",
    "/admin/users",
    "/admin/roles",
    "/admin/audit",
    "/system/plugins",
    "/system/plugins/none",
    "/admin",
  ]) {
    // oxlint-disable-next-line no-await-in-loop
    expect([path, await headerOf(path, known)]).toEqual([path, "no-store"]);
    // oxlint-disable-next-line no-await-in-loop
    expect([path, await headerOf(path)]).toEqual([path, "no-store"]);
  }
  expect(await headerOf("/auth/login", { method: "POST", body: "{" })).toBe("no-store");
  expect(await headerOf("/openapi.json")).not.toBe("no-store");
});
