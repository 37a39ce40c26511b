import { expect, setDefaultTimeout, test } from "bun:test";
import { t } from "elysia";
import { plugin, TestApp } from "../../setup.ts";
import { TYPES, TYPES_PLUGIN } from "./every-type.ts";
import { findFaults } from "./validity.ts";

setDefaultTimeout(120_000);

const OPERATION = { responses: { 200: { description: "Done" } } };

const toDocument = (schema: unknown, operation: object = {}, path = "/a"): object => ({
  openapi: "3.1.0",
  info: { title: "x", version: "1" },
  paths: {
    [path]: {
      get: {
        operationId: "a",
        responses: { 200: { description: "Done", content: { "application/json": { schema } } } },
        ...operation,
      },
    },
  },
});

test("findFaults() lets a valid document pass", async () => {
  for (const schema of [{}, true, { type: ["object", "null"], properties: { a: { const: 1 } } }]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([schema, await findFaults(toDocument(schema))]).toEqual([schema, []]);
  }
});

test.each([
  ["a type that isn't JSON's", toDocument({ properties: { a: { items: { type: "Date" } } } })],
  ["a tuple of before 2020-12", toDocument({ type: "array", items: [{}] })],
  ["a bound in text", toDocument({ minimum: "3" })],
  ["a pattern that is none", toDocument({ properties: { a: { pattern: "(" } } })],
  ["a reference to nothing", toDocument({ $ref: "#/components/schemas/None" })],
  ["a response without words", toDocument({}, { responses: { 200: {} } })],
  ["a method that OpenAPI hasn't", { ...toDocument({}), paths: { "/a": { propfind: OPERATION } } }],
  ["a path's parameter that isn't told", toDocument({}, {}, "/a/{id}")],
  ["a security scheme that isn't there", toDocument({}, { security: [{ other: [] }] })],
  ["a summary that is a number", toDocument({}, { summary: 5 })],
])("findFaults() tells of %s", async (_, document) => {
  expect(await findFaults(document)).not.toEqual([]);
});

test("every type of `t` has its place in these tests", () => {
  expect(Object.keys(t).toSorted()).toEqual(Object.keys(TYPES).toSorted());
});

test("the document is valid with a plugin that uses every type of `t` wherever there is one", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...TYPES_PLUGIN,
      ...plugin("plain", '.get("/", () => 1)'),
    },
  });
  expect((await app.get("/system/plugins/types")).body.failure).toBeNull();
  const { status, body } = await app.get("/openapi.json");
  expect(status).toBe(200);
  expect(await findFaults(body)).toEqual([]);
  expect(JSON.stringify(body)).not.toContain("very-secret-key");
  expect((await app.get("/types/failed")).body).toEqual([]);
  const paths = Object.keys(body.paths).filter((path) => path.startsWith("/types/"));
  expect(paths).toHaveLength(Object.values(TYPES).flat().length * 10);
});

/** Routes whose methods, paths and words OpenAPI hasn't foreseen. */
const ODD = `
  .route("PROPFIND", "/dav", () => 1).route("M-SEARCH", "/dav", () => 1).route("QUERY", "/query", () => 1)
  .all("/all", () => 1).get("/all", () => 2, { detail: { summary: "Only GET" } })
  .get("/late", () => 2, { detail: { summary: "Only GET" } }).all("/late", () => 1)
  .ws("/ws", {}).head("/head", () => 1).options("/options", () => 1)
  .get("/optional/:id?", () => 1).get("/two/:a?/:b?", () => 1).get("/files/*", () => 1).get("/path/:path/*", () => 1)
  .get("/same/:id", () => 1, { params: t.Object({ id: t.Integer() }) }).put("/same/:name", () => 1, { params: t.Object({ name: t.String({ minLength: 2 }) }) })
  .get("/v:version/a", () => 1).get("/braces/{id}", () => 1).get("/sp ace/é", () => 1).get("/a.json", () => 1)
  .get("/params/:na-me", () => 1, { params: t.Object({ "na-me": t.Integer(), other: t.String() }) })
  .get("/a/b", () => 1, { detail: { operationId: "same id!" } }).get("/aB", () => 1, { detail: { operationId: "same id!" } })
  .get("/c/d", () => 1).get("/cD", () => 1).get("/e", () => 1, { detail: { operationId: "!!" } })
  .get("/headers", () => 1, { headers: t.Object({ "X-A": t.String(), "x-a": t.String() }) })
  .get("/record", () => 1, { query: t.Record(t.String(), t.Integer()) })
  .get("/union", () => 1, { query: t.Union([t.Object({ a: t.String() }), t.Object({ b: t.String() })]) })
  .get("/text", "hello").get("/fixed", { a: [1, null, "x"], b: { c: true } }).get("/response", new Response("x", { headers: { "content-type": "text/csv" } }))
  .get("/stream", function* () { yield "a"; })
  .get("/wrong", () => 1, { detail: {
    summary: 5, description: ["x"], tags: "none", operationId: 7, deprecated: "yes", security: [{ nobody: [] }, "x", { bearer: "y" }],
    externalDocs: "https://example.com", servers: ["x"], parameters: [{ name: "a" }, { in: "query" }, 5, { $ref: "#/components/parameters/x" }, { name: "b", in: "query", style: "deep" }, { name: "no", in: "path" }],
    requestBody: "x", responses: { 200: 5, done: { description: "x" }, 404: { content: { "text/plain": 5 } }, 500: { $ref: "#/components/responses/x" } },
    callbacks: 5, "x-own": { a: 1n }, "x-kept": { a: 1 }, more: true,
  } as any })
  .get("/right", () => 1, { detail: {
    deprecated: true, externalDocs: { url: "https://example.com" }, servers: [{ url: "https://other.example.com" }],
    parameters: [{ name: "q", in: "query", style: "pipeDelimited", schema: { type: "array", items: { type: "Date" } } }],
    responses: { 200: { description: "A page", headers: { "x-total": { schema: t.Integer() } }, content: { "text/html": { schema: t.String(), example: "<p>" } } } },
  } as any })
  .guard({ query: t.Object({ page: t.Integer() }), response: { 403: t.Object({ why: t.String() }) } }, (app) => app.get("/guarded", () => 1, { query: t.Object({ own: t.String() }) }))
  .guard({ schema: "standalone", query: t.Object({ page: t.Integer() }), body: t.Object({ a: t.Date() }) }, (app) => app.post("/joined", () => 1, { query: t.Object({ own: t.String() }), body: t.Object({ b: t.BigInt() }) }))
`;

async function startOdd(): Promise<TestApp> {
  return TestApp.start({
    plugins: {
      "odd/plugin.json": { name: "odd", version: "1.0.0", tags: ["Odd tag/é"] },
      "odd/run.ts": `import { t } from "elysia";\nimport { createRouter } from "xcore";\nexport default createRouter()${ODD};\n`,
    },
  });
}

test("the document is valid with routes, methods and words that nobody has foreseen", async () => {
  await using app = await startOdd();
  expect((await app.get("/system/plugins/odd")).body.failure).toBeNull();
  const { body } = await app.get("/openapi.json");
  expect(await findFaults(body)).toEqual([]);
  const { paths } = body;
  for (const path of [
    "/optional/{id}",
    "/optional",
    "/two/{a}/{b}",
    "/two/{a}",
    "/two",
    "/files/{path}",
    "/path/{path}/{path_2}",
    "/same/{id}",
    "/v{version}/a",
    "/braces/%7Bid%7D",
    "/sp ace/é",
    "/a.json",
  ]) {
    expect(Object.keys(paths)).toContain(`/odd${path}`);
  }
  for (const path of ["/dav", "/query", "/ws", "/head", "/options", "/same/{name}"]) {
    expect(Object.keys(paths)).not.toContain(`/odd${path}`);
  }
  for (const path of ["/all", "/late"]) {
    const operations = paths[`/odd${path}`];
    expect(Object.keys(operations).toSorted()).toEqual(["delete", "get", "patch", "post", "put"]);
    expect([operations.get.summary, operations.put.summary]).toEqual(["Only GET", undefined]);
  }
  const parametersOf = (path: string, method = "get") =>
    paths[`/odd${path}`][method].parameters.map((one: { name: string; schema: object }) => [
      one.name,
      one.schema,
    ]);
  expect(parametersOf("/same/{id}", "put")).toEqual([["id", { type: "string", minLength: 2 }]]);
  expect(parametersOf("/params/{na-me}")).toEqual([["na-me", { type: "integer" }]]);
  expect(parametersOf("/joined", "post").map(([name]: [string]) => name)).toEqual(["own", "page"]);
  expect(paths["/odd/record"].get.parameters).toEqual([
    {
      name: "parameters",
      in: "query",
      required: false,
      style: "form",
      explode: true,
      schema: { type: "object", patternProperties: { "^(.*)$": { type: "integer" } } },
    },
  ]);
  expect(parametersOf("/right")).toEqual([
    ["q", { type: "array", items: { type: "string", format: "date-time" } }],
  ]);
  expect(paths["/odd/wrong"].get).toEqual({
    operationId: "getOddWrong",
    parameters: [{ name: "b", in: "query", schema: {} }],
    "x-kept": { a: 1 },
    responses: {
      200: { description: "Done" },
      404: { description: "Answer with status 404", content: {} },
      default: expect.anything(),
    },
  });
  expect(paths["/odd/right"].get.tags).toEqual(["Odd tag/é"]);
  expect(paths["/odd/right"].get.responses["200"]).toMatchObject({ description: "A page" });
  const contentOf = (path: string) => paths[`/odd${path}`].get.responses["200"].content;
  expect(Object.keys(contentOf("/text"))).toEqual(["text/plain"]);
  expect(Object.keys(contentOf("/response"))).toEqual(["text/csv"]);
  expect(Object.keys(contentOf("/stream"))).toEqual(["text/event-stream", "text/plain"]);
  expect(contentOf("/fixed")["application/json"].schema.properties.b.properties).toEqual({
    c: { type: "boolean" },
  });
});
