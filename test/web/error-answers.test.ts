import { expect, test } from "bun:test";
import type { Problem } from "../../src/errors/problem.ts";
import { plugin, TestApp } from "../setup.ts";

const RUN = `import { status, t } from "elysia";
import { AppError, createRouter } from "xcore";
export default createRouter()
  .get("/error", () => { throw new Error("secret"); })
  .get("/async", async () => { await Promise.resolve(); throw new Error("secret"); })
  .get("/null", () => { throw null; })
  .get("/string", () => { throw "secret"; })
  .get("/frozen", () => { throw Object.freeze({ secret: "secret" }); })
  .get("/frozen-error", () => { throw Object.freeze(new Error("secret")); })
  .get("/undefined", () => Promise.reject(undefined))
  .get("/status-error", () => { throw Object.assign(new Error("secret"), { status: 418 }); })
  .get("/returned-error", () => new Error("secret"))
  .get("/response-schema", () => ({ n: "secret" }) as never, { response: t.Object({ n: t.Number() }) })
  .get("/response-rule", () => ({ n: 0 }), { response: t.Object({ n: t.Integer({ minimum: 1 }) }) })
  .get("/first-piece", async function* () { throw new Error("secret"); })
  .get("/unsendable", () => Response.error())
  .get("/app-error", () => {
    throw new AppError("teapot", 418, "Cannot brew: this is a teapot", {
      errors: [{ path: "/body/x", code: "invalid", message: "No" }],
      headers: { "retry-after": "5" },
    });
  })
  .get("/returned-app-error", () => new AppError("teapot", 418, "Cannot brew: this is a teapot"))
  .get("/bad-headers", () => { throw new AppError("x", 400, "Cannot", { headers: { "a b": "c" } }); })
  .get("/status", () => { throw status(409, { mine: true }); })
  .get("/response", () => { throw new Response("mine", { status: 409, headers: { "content-type": "text/x" } }); })
  .get("/local", () => { throw new Error("secret"); }, { error: () => status(409, "mine") })
  .get("/used/:id", ({ params }) => params.id).delete("/used/:id", () => 1)
  .post("/echo", ({ body }) => body ?? null)
  .post("/json", ({ body }) => body, { body: t.Object({ a: t.Number() }) });
`;
const files = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };

const unexpected = [
  "/error",
  "/async",
  "/null",
  "/string",
  "/frozen",
  "/frozen-error",
  "/undefined",
  "/status-error",
  "/returned-error",
  "/response-schema",
  "/response-rule",
  "/first-piece",
  "/unsendable",
  "/bad-headers",
];

test("createErrorAnswer() answers anything unexpected with 500 and tells nothing of it", async () => {
  await using app = await TestApp.start({ plugins: files });
  for (const path of unexpected) {
    const response = await app.fetch(`/x${path}`);
    const text = await response.text();
    expect({ path, status: response.status }).toEqual({ path, status: 500 });
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    const problem = JSON.parse(text) as Problem;
    expect(problem).toEqual({
      type: "about:blank",
      title: "Internal Server Error",
      status: 500,
      detail: "Something went wrong: quote the request id to the administrator",
      instance: path === "/unsendable" ? "/" : `/x${path}`,
      code: "internal_error",
      request_id: response.headers.get("x-request-id") ?? "",
    });
    expect(text).not.toMatch(/secret|run\.ts|node_modules/);
  }
  expect((await app.fetch("/health")).status).toBe(200);
});

test("createErrorAnswer() logs the stack with the plugin's own file and line", async () => {
  await using app = await TestApp.start({
    plugins: {
      "x/plugin.json": { name: "x", version: "1.0.0" },
      "x/run.ts":
        'import { createRouter } from "xcore";\nexport default createRouter().get("/", () => {\n  throw new Error("broken");\n});\n',
    },
  });
  const { request_id: id } = await app.problem("/x");
  const logs = (await app.log("app")) + (await app.log("access"));
  const lines = logs.split("\n").filter((line) => line.includes(`"request_id":"${id}"`));
  const [failed, answered] = lines.map((line) => JSON.parse(line) as Record<string, never>);
  expect(lines).toHaveLength(2);
  expect(failed).toMatchObject({
    level: "error",
    err: { type: "Error", message: "broken" },
    method: "GET",
    path: "/x",
    plugin: "x",
  });
  expect(lines[0]).toContain("plugins/x/run.ts:3:");
  expect(lines[0]).not.toContain("plugin-bundle:");
  expect(answered).toMatchObject({ level: "warn", status: 500, plugin: "x", msg: "request" });
});

test("createErrorAnswer() shows the message when app.debug is set", async () => {
  await using app = await TestApp.start({ plugins: files, config: { app: { debug: true } } });
  expect((await app.problem("/x/error")).detail).toBe("Error: secret");
  expect((await app.problem("/x/frozen")).detail).toContain("secret");
});

test("createErrorAnswer() answers an AppError, thrown or returned, with all that it says", async () => {
  await using app = await TestApp.start({ plugins: files });
  const response = await app.fetch("/x/app-error");
  expect(response.status).toBe(418);
  expect(response.headers.get("retry-after")).toBe("5");
  expect(await response.json()).toMatchObject({
    title: "I'm a Teapot",
    detail: "Cannot brew: this is a teapot",
    instance: "/x/app-error",
    code: "teapot",
    errors: [{ path: "/body/x", code: "invalid", message: "No" }],
  });
  expect(await app.problem("/x/returned-app-error")).toMatchObject({ status: 418, code: "teapot" });
});

test("toElysiaErrorHandler() leaves a thrown status, a thrown Response and a route's own error handler alone", async () => {
  await using app = await TestApp.start({ plugins: files });
  expect(await app.get("/x/status")).toEqual({ status: 409, body: { mine: true } });
  const response = await app.fetch("/x/response");
  expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
    409,
    "text/x",
    "mine",
  ]);
  const local = await app.fetch("/x/local");
  expect([local.status, await local.text()]).toEqual([409, "mine"]);
});

test("toElysiaErrorHandler() lets a plugin's own onError answer, and answers what that leaves", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "x",
      `.onError(({ error, set }) => {
        if (!(error instanceof Error) || error.message !== "mine") return;
        set.status = 409;
        return { own: true };
      })
      .get("/mine", () => { throw new Error("mine"); })
      .get("/other", () => { throw new Error("other"); })`,
    ),
  });
  expect(await app.get("/x/mine")).toEqual({ status: 409, body: { own: true } });
  expect(await app.problem("/x/other")).toMatchObject({ status: 500, code: "internal_error" });
});

const bodies: [string, string, RequestInit, object][] = [
  [
    "broken JSON",
    "/x/json",
    { body: "{", headers: { "content-type": "application/json" } },
    { status: 400, code: "parse_error" },
  ],
  [
    "an empty body sent as JSON",
    "/x/json",
    { body: "", headers: { "content-type": "application/json" } },
    { status: 422, code: "validation_error" },
  ],
  [
    "a form without a boundary",
    "/x/json",
    { body: "x", headers: { "content-type": "multipart/form-data" } },
    { status: 400, code: "parse_error" },
  ],
  [
    "XML",
    "/x/json",
    { body: "<a/>", headers: { "content-type": "application/xml" } },
    { status: 415, code: "unsupported_media_type" },
  ],
];

test.each(bodies)("createErrorAnswer() answers %s with a problem", async (_, path, init, expected) => {
  await using app = await TestApp.start({ plugins: files });
  expect(await app.problem(path, { method: "POST", ...init })).toMatchObject(expected);
});

test("toElysiaErrorHandler() answers a path that isn't served with 404", async () => {
  await using app = await TestApp.start({ plugins: files });
  for (const path of ["/nothing", "/x/nothing", "/x/used", "/x/used/1/2", "/xx", "/health/deeper"]) {
    const problem = await app.problem(path, { method: "PATCH" });
    expect(problem).toMatchObject({ status: 404, code: "not_found", instance: path });
  }
});

const methods: [string, string, string][] = [
  ["POST", "/health", "GET, HEAD"],
  ["POST", "/", "GET, HEAD"],
  ["DELETE", "/docs/swagger-ui.css", "GET, HEAD"],
  ["DELETE", "/system/plugins", "GET, HEAD, POST"],
  ["PATCH", "/system/plugins/x", "DELETE, GET, HEAD"],
  ["GET", "/x/echo", "POST"],
  ["GET", "/x/echo/", "POST"],
  ["HEAD", "/x/echo", "POST"],
  ["OPTIONS", "/x/echo", "POST"],
  ["PUT", "/x/used/7", "DELETE, GET, HEAD"],
  ["PUT", "/x/used/7/", "DELETE, GET, HEAD"],
  ["PROPFIND", "/x/error", "GET, HEAD"],
];

test("toElysiaErrorHandler() answers a method that a path isn't served for with 405 and allow", async () => {
  await using app = await TestApp.start({ plugins: files });
  for (const [method, path, allow] of methods) {
    const response = await app.fetch(path, { method });
    expect([method, path, response.status, response.headers.get("allow")]).toEqual([
      method,
      path,
      405,
      allow,
    ]);
    if (method === "HEAD") continue;
    expect(await response.json()).toMatchObject({
      code: "method_not_allowed",
      detail: `Cannot ${method} "${path}": only ${allow} is served here`,
    });
  }
});
