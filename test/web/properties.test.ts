import { afterAll, beforeAll, expect } from "bun:test";
import { anyText, fc, testProperty } from "../properties.ts";
import { TestApp } from "../setup.ts";

const RUN = `import { t } from "elysia";
import { createRouter } from "xcore";
export default createRouter()
  .get("/query", ({ query }) => query, { query: t.Object({
    text: t.String(), count: t.Integer(), on: t.Boolean(), day: t.Date(), tags: t.Array(t.String()), more: t.Optional(t.Number()),
  }) })
  .get("/at/:id", ({ params }) => params, { params: t.Object({ id: t.Integer() }) })
  .get("/named/:name", ({ params }) => ({ name: params.name }))
  .post("/json", ({ body }) => ({ body }), { body: t.Any() })
  .post("/form", ({ body }) => body, { body: t.Record(t.String(), t.Any()) })
  .post("/typed", ({ body }) => body, { body: t.Object({ title: t.String(), n: t.Optional(t.Integer()) }) });
`;
let app: TestApp;

beforeAll(async () => {
  app = await TestApp.start({
    plugins: { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN },
  });
});
afterAll(() => app[Symbol.asyncDispose]());

const RUNS = 200;
const text = anyText(60).map((one) => one.toWellFormed());
const segment = fc.oneof(
  fc.constantFrom(
    "x",
    "at",
    "named",
    "json",
    "typed",
    "query",
    "auth",
    "login",
    "admin",
    "users",
    "system",
    "jobs",
    "ui",
    "docs",
    "static",
    "health",
    "openapi.json",
    "..",
    ".",
    "",
    "%2e%2e",
    "%00",
    "%",
    "5",
    "-1",
  ),
  text.map(encodeURIComponent),
);
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((all) => `/${all.join("/")}`);
const parameter = fc.tuple(
  fc.oneof(fc.constantFrom("page", "per_page", "sort", "after", "filter", "q", "__proto__", "text"), text),
  fc.oneof(text, fc.constantFrom("1", "-1", "1e99", "NaN", "@now")),
);
const query = fc.oneof(
  fc.array(parameter, { maxLength: 4 }).map((all) => new URLSearchParams(all).toString()),
  text.map((one) => one.replaceAll(/[^\x21-\x7e]|#/g, "")),
);
const plain = fc.string({ maxLength: 40 }).map((one) => one.replaceAll(/[^\x20-\x7e]/g, "").trim());
const headers = fc.dictionary(
  fc.constantFrom(
    "accept",
    "accept-language",
    "accept-encoding",
    "authorization",
    "content-encoding",
    "cookie",
    "origin",
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "idempotency-key",
    "x-api-key",
    "x-forwarded-for",
    "x-request-id",
    "prefer",
    "traceparent",
    "last-event-id",
  ),
  fc.oneof(
    plain,
    fc.constantFrom(
      "Bearer a.b.c",
      "Basic eDp5",
      "bytes=0-",
      "bytes=9-1",
      "*",
      "gzip",
      "null",
      "a=b; c",
      '"x"',
      "fr;q=2",
    ),
  ),
  { maxKeys: 4 },
);
const type = fc.oneof(
  fc.constantFrom(
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/octet-stream",
    "application/json; charset=utf-7",
    "*/*",
  ),
  plain,
);
const body = fc.oneof(
  text,
  fc.json(),
  fc.constantFrom("{", "[]", "null", "--x\r\n\r\n--x--", "a=1&a=2", "\uFEFF{}"),
  fc.uint8Array({ maxLength: 60 }),
);
const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS");

testProperty(
  "any request is answered, never by 5xx, and refused by a problem with a code",
  [method, path, query, headers, type, body],
  async (verb, where, asked, given, contentType, content) => {
    const hasBody = verb !== "GET" && verb !== "HEAD";
    const response = await app.fetch(`${where}?${asked}`, {
      method: verb,
      headers: { ...given, ...(hasBody && { "content-type": contentType }) },
      ...(hasBody && { body: content }),
      redirect: "manual",
    });
    const received = await response.text();
    expect(response.status).toBeLessThan(500);
    expect(response.headers.get("x-request-id")).toBeString();
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    if (response.status < 400 || verb === "HEAD") return;
    const isPage = response.headers.get("content-type")?.startsWith("text/html") === true;
    if (isPage) return;
    expect(response.headers.get("content-type")).toStartWith("application/problem+json");
    expect(JSON.parse(received)).toMatchObject({
      status: response.status,
      code: expect.stringMatching(/^[a-z_]+$/),
      title: expect.any(String),
      request_id: response.headers.get("x-request-id"),
    });
  },
  RUNS * 2,
);

const day = fc.date({ min: new Date("1000-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });

testProperty(
  "a query is read as it was written",
  [
    fc.record({
      text,
      count: fc.integer(),
      on: fc.boolean(),
      day,
      tags: fc.array(text, { minLength: 1, maxLength: 3 }),
      more: fc.option(fc.double({ noNaN: true, min: -1e15, max: 1e15 }), { nil: undefined }),
    }),
  ],
  async (given) => {
    const asked = new URLSearchParams({
      text: given.text,
      count: String(given.count),
      on: String(given.on),
      day: given.day.toISOString(),
    });
    for (const tag of given.tags) asked.append("tags", tag);
    if (given.more !== undefined) asked.set("more", String(given.more));
    const answer = await (await app.fetch(`/x/query?${asked}`)).json();
    expect(answer).toEqual(JSON.parse(JSON.stringify(given)));
  },
  RUNS,
);

testProperty(
  "a path is read as it was written",
  [text.filter((one) => one !== "" && one !== "." && one !== "..")],
  async (name) => {
    const response = await app.fetch(`/x/named/${encodeURIComponent(name)}`);
    expect(await response.json()).toEqual({ name });
  },
  RUNS,
);

const json = fc.jsonValue({ maxDepth: 5 }).filter((value) => !JSON.stringify(value).includes('"__proto__"'));

testProperty(
  "JSON is read as it was written",
  [json],
  async (value) => {
    const sent = JSON.stringify(value);
    const response = await app.fetch("/x/json", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: sent,
    });
    expect(await response.json()).toEqual({ body: JSON.parse(sent) });
  },
  RUNS,
);

const fields = fc.dictionary(
  // Names of what every object has are left out of forms, and some characters mean the way to a value.
  text.filter((name) => /^(?!constructor$|prototype$|__proto__$)[^\0\r\n"\\[\].]+$/.test(name)),
  text.map((one) => one.replaceAll(/\r\n|\r|\n|\uFEFF/g, " ")), // Bun leaves out a mark at the start of a part
  { minKeys: 1, maxKeys: 4 },
);

testProperty(
  "a form is read as it was written, in either encoding",
  [fields],
  async (given) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(given)) form.append(name, value);
    for (const sent of [new URLSearchParams(given), form]) {
      const response = await app.fetch("/x/form", { method: "POST", body: sent });
      expect(await response.json()).toEqual(given);
    }
  },
  RUNS,
);
