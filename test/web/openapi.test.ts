import { expect, test } from "bun:test";
import { plugin, TestApp } from "../setup.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
type Any = any;

const RUN = `import { t } from "elysia";
import { createRouter } from "xcore";
const Tree = t.Recursive((This) => t.Object({ value: t.Number(), children: t.Array(This) }), { $id: "Tree" });
export default createRouter()
  .model({ Item: t.Object({ n: t.Integer(), "$ref": t.Optional(t.String()) }), Box: t.Object({ item: t.Ref("Item") }) })
  .get("/", () => ({ n: 1 }), {
    response: { 200: "Item", 404: t.Object({ why: t.String() }) },
    detail: { operationId: "list", summary: "All items", description: "With words" },
  })
  .post("/box", ({ body }) => body, { body: "Box", response: "Box" })
  .post("/tree", ({ body }) => body, { body: Tree, response: Tree })
  .get("/a/b", () => 1).get("/aB", () => 1)
  .get("/optional/:id?", () => 1)
  .get("/files/*", () => 1)
  .all("/all", () => 1)
  .get("/typed/:id/:kind", () => 1, {
    params: t.Object({ id: t.Integer({ minimum: 1 }), kind: t.UnionEnum(["x", "y"]) }),
    query: t.Object({ day: t.Optional(t.Date()), on: t.Boolean(), ids: t.Array(t.Integer()), page: t.Numeric({ default: 1 }) }),
    headers: t.Object({ "x-key": t.String() }),
  })
  .get("/untyped/:id", () => 1)
  .post("/upload", () => 1, { body: t.Object({ file: t.File(), more: t.Files() }) })
  .get("/nullable", () => null, { response: t.Nullable(t.Object({ at: t.Date() })) })
  .get("/hidden", () => 1, { detail: { hide: true } })
  .options("/options", () => 1).head("/head", () => 1)
  .ws("/ws", {});
`;

function threeApps(): Promise<TestApp> {
  const files = Object.fromEntries(
    ["one", "two"].flatMap((name) => [
      [`${name}/plugin.json`, { name, version: "1.0.0", tags: [name, "shared"] }],
      [`${name}/run.ts`, RUN],
      [`${name}/public/a.txt`, "a"],
    ]),
  );
  return TestApp.start({ plugins: files });
}

function* walk(value: Any, path = "#"): Generator<[string, Any]> {
  if (typeof value !== "object" || value === null) return;
  yield [path, value];
  for (const [key, item] of Object.entries(value)) yield* walk(item, `${path}/${key}`);
}

function resolve(document: Any, reference: string): unknown {
  const names = reference.replace(/^#\//, "").split("/");
  return names.reduce((value, name) => value?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], document);
}

function operationsOf(document: Any): { path: string; method: string; operation: Any }[] {
  return Object.entries<Any>(document.paths).flatMap(([path, operations]) =>
    Object.entries<Any>(operations).map(([method, operation]) => ({ path, method, operation })),
  );
}

const TYPES = new Set(["object", "array", "string", "number", "integer", "boolean", "null"]);

test("createOpenApi() builds a valid OpenAPI 3.1 document", async () => {
  await using app = await threeApps();
  const { body: document } = await app.get("/openapi.json");
  expect(document.openapi).toMatch(/^3\.1\.\d$/);
  expect(document.info).toEqual({
    title: "xcore",
    version: expect.stringMatching(/^1\.0\.0\+[0-9a-f]{12}$/),
  });
  expect(document.servers).toBeUndefined();
  const operations = operationsOf(document);
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^\w+$/);
  for (const { path, method, operation } of operations) {
    expect(["get", "post", "put", "patch", "delete"]).toContain(method);
    expect(path).toMatch(/^\/[^*:?]*$/);
    const declared = (operation.parameters ?? []).filter((one: Any) => one.in === "path");
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect([path, declared.map((one: Any) => one.name)]).toEqual([path, names]);
    for (const one of operation.parameters ?? []) {
      expect(["path", "query", "header", "cookie"]).toContain(one.in);
      expect(one.schema).toBeObject();
      if (one.in === "path") expect(one.required).toBe(true);
    }
    expect(operation.responses.default.content).toHaveProperty(["application/problem+json"]);
    for (const [status, response] of Object.entries<Any>(operation.responses)) {
      expect(status).toMatch(/^(default|[1-5]\d\d)$/);
      expect(response.description).toBeString();
    }
  }
  for (const [path, value] of walk(document)) {
    const isNamed = path.endsWith("/properties");
    if (!isNamed && typeof value.$ref === "string") {
      expect([path, value.$ref, resolve(document, value.$ref)]).toEqual([
        path,
        value.$ref,
        expect.any(Object),
      ]);
    }
    if (isNamed) continue;
    for (const foreign of ["$id", "nullable", "elysiaMeta"])
      expect([path, value]).not.toHaveProperty([1, foreign]);
    const isSecurity = path.startsWith("#/components/securitySchemes/"); // types of their own
    for (const type of [value.type ?? []].flat()) {
      if (typeof type === "string" && !path.endsWith("/properties") && !isSecurity)
        expect([path, TYPES.has(type)]).toEqual([path, true]);
    }
  }
});

test("createOpenApi() keeps the models of two plugins with one name apart", async () => {
  await using app = await threeApps();
  const { body: document } = await app.get("/openapi.json");
  const { schemas } = document.components;
  expect(Object.keys(schemas).toSorted()).toEqual(
    [
      "Problem",
      ...["one", "two"].flatMap((name) => ["Box", "Item", "Tree"].map((model) => `${name}.${model}`)),
    ].toSorted(),
  );
  expect(schemas["one.Box"].properties.item).toEqual({ $ref: "#/components/schemas/one.Item" });
  expect(schemas["two.Tree"].properties.children.items).toEqual({ $ref: "#/components/schemas/two.Tree" });
  expect(schemas["one.Item"].properties.$ref).toEqual({ type: "string" });
  expect(document.paths["/two/box"].post.requestBody.content["application/json"].schema).toEqual({
    $ref: "#/components/schemas/two.Box",
  });
});

test("createOpenApi() shows what routes take, without the text forms of Elysia", async () => {
  await using app = await threeApps();
  const { paths } = (await app.get("/openapi.json")).body;
  expect(paths["/one/typed/{id}/{kind}"].get.parameters).toEqual([
    { name: "id", in: "path", required: true, schema: { type: "integer", minimum: 1 } },
    { name: "kind", in: "path", required: true, schema: { type: "string", enum: ["x", "y"] } },
    { name: "day", in: "query", required: false, schema: { type: "string", format: "date-time" } },
    { name: "on", in: "query", required: true, schema: { type: "boolean" } },
    { name: "ids", in: "query", required: true, schema: { type: "array", items: { type: "integer" } } },
    { name: "page", in: "query", required: true, schema: { type: "number", default: 1 } },
    { name: "x-key", in: "header", required: true, schema: { type: "string" } },
  ]);
  expect(paths["/one/files/{path}"].get.parameters).toEqual([
    { name: "path", in: "path", required: true, schema: { type: "string" } },
  ]);
  expect(paths["/one/optional"].get.parameters ?? []).toEqual([]);
  const { properties } = paths["/one/upload"].post.requestBody.content["multipart/form-data"].schema;
  expect(properties).toEqual({
    file: { type: "string", format: "binary" },
    more: { type: "array", items: { type: "string", format: "binary" } },
  });
  const { operationId, summary, description, tags } = paths["/one/"].get;
  expect([operationId, summary, description, tags]).toEqual([
    "list",
    "All items",
    "With words",
    ["one", "shared"],
  ]);
  expect(paths["/two/"].get.operationId).toBe("two_list");
});

test("createOpenApi() leaves out what isn't an operation of the API", async () => {
  await using app = await threeApps();
  const { paths } = (await app.get("/openapi.json")).body;
  const absent = [
    "/one/hidden",
    "/one/ws",
    "/one/head",
    "/one/options",
    "/one/static/{path}",
    "/",
    "/docs",
    "/openapi.json",
  ];
  for (const path of absent) expect(Object.keys(paths)).not.toContain(path);
  expect(Object.keys(paths["/one/all"]).toSorted()).toEqual(["delete", "get", "patch", "post", "put"]);
  expect(Object.keys(paths)).toContainValues(["/health", "/system/plugins"]);
  const core = Object.keys(paths).filter((path) => /^\/(auth|admin|system)\//.test(path));
  expect(core.filter((path) => path.endsWith("/"))).toEqual([]);
});

test("createOpenApi() says with which statuses an operation succeeds", async () => {
  await using app = await threeApps();
  const { paths } = (await app.get("/openapi.json")).body;
  for (const [path, method, status] of [
    ["/admin/roles", "post", "201"],
    ["/auth/logout", "post", "204"],
    ["/one/all", "get", "200"],
  ] as const) {
    expect([path, Object.keys(paths[path][method].responses)]).toEqual([path, [status, "default"]]);
  }
});

test("createOpenApi() names server.public_url and app.name", async () => {
  await using app = await TestApp.start({
    config: { app: { name: "Shop" }, server: { public_url: "https://shop.example.com/api" } },
  });
  const { body } = await app.get("/openapi.json");
  expect([body.info.title, body.servers]).toEqual(["Shop", [{ url: "https://shop.example.com/api" }]]);
});

test("createOpenApi() follows the plugins that serve", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", '.get("/one", () => 1)') });
  const pathsOf = async (): Promise<string[]> =>
    Object.keys((await app.get("/openapi.json")).body.paths).filter((path) => path.startsWith("/x"));
  expect(await pathsOf()).toEqual(["/x/one"]);
  await app.after("plugin.reloaded", () => app.writePlugins(plugin("x", '.get("/two", () => 1)')));
  expect(await pathsOf()).toEqual(["/x/two"]);
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/x"));
  expect(await pathsOf()).toEqual([]);
});

test("createOpenApi() has the plugins before the system, in its paths and in its tags", async () => {
  await using app = await threeApps();
  const { tags, paths } = (await app.get("/openapi.json")).body;
  const owners = Object.keys(paths).map((path) => (/^\/(one|two)\//.test(path) ? "plugin" : "core"));
  expect(owners.lastIndexOf("plugin")).toBeLessThan(owners.indexOf("core"));
  expect(tags.map(({ name }: Any) => name)).toEqual(["one", "shared", "two", "system", "auth", "admin"]);
});

test("createOpenApi() offers files in multipart forms alone, and other bodies as they are understood", async () => {
  await using app = await TestApp.start({
    plugins: {
      "up/plugin.json": { name: "up", version: "1.0.0" },
      "up/run.ts": `import { t } from "elysia";
import { createRouter } from "xcore";
export default createRouter()
  .model({ Photo: t.Object({ photo: t.File() }) })
  .post("/file", () => 1, { body: t.Object({ title: t.String(), photo: t.Optional(t.File()) }) })
  .post("/files", () => 1, { body: t.Object({ photos: t.Files() }) })
  .post("/model", () => 1, { body: "Photo" })
  .post("/within", () => 1, { body: t.Object({ all: t.Array(t.Ref("Photo")), either: t.Union([t.String(), t.File()]) }) })
  .post("/form", () => 1, { body: t.Form({ photo: t.File() }) })
  .post("/object", () => 1, { body: t.Object({ a: t.String() }) })
  .post("/list", () => 1, { body: t.Array(t.String()) })
  .post("/text", () => 1, { body: t.String() })
  .post("/number", () => 1, { body: t.Integer() })
  .post("/bytes", () => 1, { body: t.Uint8Array() })
  .post("/json", () => 1, { body: t.Object({ a: t.String() }), parse: "json" })
  .post("/maybe", () => 1, { body: t.MaybeEmpty(t.Object({ a: t.String() })) })
  .delete("/body", () => 1, { body: t.Object({ why: t.String() }) });`,
    },
  });
  const { paths } = (await app.get("/openapi.json")).body;
  const bodies = Object.entries<Any>(paths).flatMap(([path, { post }]) =>
    path.startsWith("/up/") && post
      ? [[path.slice("/up/".length), Object.keys(post.requestBody.content)]]
      : [],
  );
  const [json, form, multipart] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
  ];
  expect(Object.fromEntries(bodies)).toEqual({
    file: [multipart],
    files: [multipart],
    model: [multipart],
    within: [multipart],
    form: [multipart],
    object: [json, form, multipart],
    list: [json],
    text: [json, "text/plain"],
    number: [json],
    bytes: ["application/octet-stream"],
    json: [json],
    maybe: [json, form, multipart],
  });
  expect(paths["/up/maybe"].post.requestBody.required).toBe(false);
  expect(paths["/up/object"].post.requestBody.required).toBe(true);
  expect(paths["/up/body"].delete.requestBody.required).toBe(true);
});

test("createOpenApi() says how an answer is sent", async () => {
  await using app = await TestApp.start({
    plugins: {
      "out/plugin.json": { name: "out", version: "1.0.0" },
      "out/run.ts": `import { t } from "elysia";
import { createRouter } from "xcore";
export default createRouter()
  .get("/text", () => "a", { response: t.String() })
  .get("/number", () => 1, { response: t.Number() })
  .get("/object", () => ({ a: 1 }), { response: t.Object({ a: t.Integer() }) })
  .get("/either", () => "a", { response: t.Union([t.String(), t.Object({ a: t.Integer() })]) })
  .get("/file", () => new File([], "a"), { response: t.File() })
  .get("/nothing", () => null, { response: t.Null() })
  .get("/gone", ({ status }) => status(204, undefined), { response: { 204: t.Void(), 404: t.String({ description: "None" }) } })
  .get("/made", ({ status }) => status(201, { a: 1 }), { response: { 201: t.Object({ a: t.Integer() }) } });`,
    },
  });
  const { paths } = (await app.get("/openapi.json")).body;
  const answers = Object.entries<Any>(paths).flatMap(([path, { get }]) =>
    path.startsWith("/out/") ? [[path.slice("/out/".length), toTypes(get.responses)]] : [],
  );
  expect(Object.fromEntries(answers)).toEqual({
    text: { 200: ["text/plain"] },
    number: { 200: ["text/plain"] },
    object: { 200: ["application/json"] },
    either: { 200: ["text/plain", "application/json"] },
    file: { 200: ["application/octet-stream"] },
    nothing: { 200: [] },
    gone: { 204: [], 404: ["text/plain"] },
    made: { 201: ["application/json"] },
  });
  expect(paths["/out/gone"].get.responses["404"].description).toBe("None");
});

function toTypes(responses: Any): Any {
  const answers = Object.entries<Any>(responses).filter(([status]) => status !== "default");
  return Object.fromEntries(answers.map(([status, { content = {} }]) => [status, Object.keys(content)]));
}

async function versionOf(router: string): Promise<string> {
  await using app = await TestApp.start({ plugins: plugin("x", router) });
  const text = await (await app.fetch("/openapi.json")).text();
  expect(text).not.toContain("0.0.0-test");
  return JSON.parse(text).info.version;
}

test("createOpenApi() has a version of the document, and not that of the server", async () => {
  const version = await versionOf('.get("/one", () => 1)');
  expect(await versionOf('.get("/one", () => 2)')).toBe(version);
  expect(await versionOf('.get("/two", () => 1)')).not.toBe(version);
});
