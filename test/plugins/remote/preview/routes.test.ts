import { expect, test } from "bun:test";
import { findCodeRoutes } from "../../../../src/plugins/remote/preview/routes.ts";

function routesOf(files: Readonly<Record<string, string>>, redirects: Record<string, string> = {}) {
  const bytes = new Map(Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)]));
  return findCodeRoutes({ files: bytes, redirects: new Map(Object.entries(redirects)) }, { prefix: "/crm" });
}

function listOf(files: Readonly<Record<string, string>>, redirects: Record<string, string> = {}): string[] {
  return routesOf(files, redirects).routes.map(({ method, path }) => `${method} ${path}`);
}

const HEAD = 'import { createRouter } from "xcore"; import { Elysia, t } from "elysia";\n';

test.each<[string, string[]]>([
  [
    'export default createRouter().get("/", () => 1).post("/:id", { } as any);',
    ["GET /crm/", "POST /crm/:id"],
  ],
  [
    'export default createRouter().all("/a", 1).put("b", 1).patch("/c", 1).delete("/d", 1).head("/e", 1).options("/f", 1).ws("/g", {});',
    [
      "ALL /crm/a",
      "PUT /crm/b",
      "PATCH /crm/c",
      "DELETE /crm/d",
      "HEAD /crm/e",
      "OPTIONS /crm/f",
      "WS /crm/g",
    ],
  ],
  ['export default createRouter().route("PURGE" as "GET", "/x", () => 1);', ["PURGE /crm/x"]],
  [
    'export default createRouter().mount("/other", (r: Request) => new Response("")).mount(() => 1);',
    ["ALL /crm/*", "ALL /crm/other/*"],
  ],
  [
    'export default createRouter().group("/s", { auth: true }, (app) => app.get("/", () => 1).group("/t", (inner) => { inner.post("/u", 1); return inner; }));',
    ["GET /crm/s/", "POST /crm/s/t/u"],
  ],
  [
    'export default createRouter().guard({ auth: true }, (app) => app.get("/in", 1)).guard({}).get("/out", 1);',
    ["GET /crm/in", "GET /crm/out"],
  ],
  ['export default new Elysia({ prefix: "/v1", name: "x" }).get("/a", 1);', ["GET /crm/v1/a"]],
  [
    'const app = createRouter(); app.get("/a", 1); if (Math.random()) app.post("/b", 1); export default app;',
    ["GET /crm/a", "POST /crm/b"],
  ],
  ['let app = createRouter(); app = app.get("/a", 1); export { app as default };', ["GET /crm/a"]],
  [
    'const sub = new Elysia({ prefix: "/sub" }).get("/a", 1); export default new Elysia({ prefix: "/top" }).use(sub);',
    ["GET /crm/top/sub/a"],
  ],
  [
    'const routes = (app: Elysia) => app.get("/a", 1); export default createRouter().use(routes).use([(app) => app.get("/b", 1)]);',
    ["GET /crm/a", "GET /crm/b"],
  ],
  [
    'function add(app: Elysia) { app.get("/a", 1); } const app = createRouter(); add(app); export default app;',
    ["GET /crm/a"],
  ],
  [
    'export default make("/x").use(make("/y")); function make(base: string) { return createRouter().get(`${base}/list`, 1); }',
    ["GET /crm/x/list", "GET /crm/y/list"],
  ],
  ['export function build() { return createRouter().get("/never-called", 1); }', ["GET /crm/never-called"]],
  [
    'const BASE = "/base"; export default createRouter().get(BASE + "/a", 1).get(`${BASE}/b`, 1).get(name(), 1).get(`/c/${name()}`, 1);',
    ["GET /crm/base/a", "GET /crm/base/b", "GET /crm/c/…", "GET /crm/…"],
  ],
  ['export default createRouter()["get"]("/a", 1)?.post("/b", 1);', ["GET /crm/a", "POST /crm/b"]],
  [
    'export default [1].includes(2) ? createRouter().get("/a", 1) : createRouter().get("/b", 1);',
    ["GET /crm/a", "GET /crm/b"],
  ],
  [
    'const m = new Map<string, number>(); m.get("x"); m.delete("/y"); cache.get("/z"); fetch("/x").then((r) => r.headers.get("h")); export default createRouter();',
    [],
  ],
  [
    'const app = createRouter(); { const app = new Map(); app.get("x"); } function f(app: any) { app.get("y"); } app.handle(1).headers.get("z"); export default app;',
    [],
  ],
  [
    'const a = createRouter().get("/a", 1), b = createRouter().get("/b", 1); a.use(b); b.use(a); export default a;',
    ["GET /crm/a", "GET /crm/b"],
  ],
])("findCodeRoutes() reads %s", (code, expected) => {
  expect(listOf({ "run.ts": HEAD + code })).toEqual(expected.toSorted(byPath));
});

test("findCodeRoutes() follows imports, in whatever order the files stand", () => {
  const files = {
    "run.ts": `import { createRouter as make } from "xcore"; import sub, { add } from "./lib/sub.js"; import * as all from "./all";
export default make({ prefix: "/p" }).use(sub).use(add).use(all.named).use(import("./lazy.ts")).use(cdn).get("/own", 1);
import cdn from "https://cdn.example.com/r.ts";`,
    "lib/sub.ts": `${HEAD}export default createRouter().get("/sub", 1); export const add = (app) => app.get("/added", 1);`,
    "all.ts": 'export * from "./named.ts"; export { default as sub } from "./lib/sub.ts";',
    "named.ts": `import { Elysia as E } from "elysia"; export const named = new E().get("/named", 1);`,
    "lazy.ts": `import * as x from "xcore"; export default x.createRouter().get("/lazy", 1);`,
    "https://cdn.example.com/v2/r.ts": `import Elysia from "elysia"; import "../run.ts"; export default new Elysia().get("/cdn", 1);`,
    "run.test.ts": `${HEAD}export default createRouter().get("/test", 1);`,
    "schema.json": "{}",
  };
  const redirects = { "https://cdn.example.com/r.ts": "https://cdn.example.com/v2/r.ts" };
  const expected = ["added", "cdn", "lazy", "named", "own", "sub"].map((name) => `GET /crm/p/${name}`);
  expect(listOf(files, redirects)).toEqual(expected);
  expect(listOf(Object.fromEntries(Object.entries(files).toReversed()), redirects)).toEqual(expected);
});

test.each<[string, string]>([
  ["no code", "}}}} not code"],
  ["deep nesting", `${HEAD}export default ${"(".repeat(50_000)}1${")".repeat(50_000)};`],
  ["deep arrays", `${HEAD}const a = ${"[".repeat(20_000)}${"]".repeat(20_000)};`],
  ["a long sum", `${HEAD}const a = ${"b + ".repeat(100_000)}b; export default createRouter();`],
  ["binary", "\u0000\u0001\uFFFD"],
])("findCodeRoutes() says that it could not read all of %s, and reads the rest", (_what, code) => {
  const { routes, isComplete } = routesOf({
    "a.ts": code,
    "b.ts": `${HEAD}export default createRouter().get("/b", 1);`,
  });
  expect({ routes, isComplete }).toEqual({ routes: [{ method: "GET", path: "/crm/b" }], isComplete: false });
});

test("findCodeRoutes() reads many names in a time that grows with their number, and not too much code", () => {
  const names = Array.from({ length: 100_000 }, (_, index) => `let v${index};`).join("\n");
  const code = `${HEAD}${names}\nexport default createRouter().get("/a", 1);`;
  const startedAt = performance.now();
  expect(routesOf({ "run.ts": code })).toMatchObject({ isComplete: true, routes: [{ path: "/crm/a" }] });
  expect(performance.now() - startedAt).toBeLessThan(5000); // it takes a square of them no more: most of a minute
  const large = `${HEAD}// ${"x".repeat(5 * 1024 * 1024)}`;
  expect(routesOf({ "run.ts": large })).toEqual({ routes: [], isComplete: false });
});

test("findCodeRoutes() ends with code that calls itself, and with a chain of many thousands", () => {
  const recursive = `function f(app) { f(app); g(app); g(app); return app.get("/f", 1); } function g(app) { f(app); f(app); }
export default f(createRouter());`;
  expect(listOf({ "run.ts": HEAD + recursive })).toEqual(["GET /crm/f"]);
  const chain = Array.from(
    { length: 4000 },
    (_, index) => `.get("/${String(index).padStart(4, "0")}", 1)`,
  ).join("");
  expect(listOf({ "run.ts": `${HEAD}export default createRouter()${chain};` }).length).toBe(4000);
  const doubling = Array.from(
    { length: 40 },
    (_, index) => `const r${index + 1} = createRouter().use(r${index}).use(createRouter().use(r${index}));`,
  );
  const code = `${HEAD}const r0 = createRouter().get("/a", 1);${doubling.join("")}`;
  expect(routesOf({ "run.ts": code }).isComplete).toBe(false);
});

function byPath(a: string, b: string): number {
  return toKey(a) < toKey(b) ? -1 : 1;
}

function toKey(route: string): string {
  return route.split(" ").toReversed().join(" ");
}
