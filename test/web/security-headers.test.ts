import { expect, test } from "bun:test";
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
