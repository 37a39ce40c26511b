import { expect, test } from "bun:test";
import { Elysia } from "elysia";
import { listRoutes } from "../../src/web/routes.ts";
import { createTemplateFinder } from "../../src/metrics/route-templates.ts";

const own = ({ path }: { path: string }) => path;
const app = new Elysia({ prefix: "/blog" })
  .get("/", own)
  .get("/new", own)
  .get("/:id", own)
  .get("/:id/edit", own)
  .get("/by/:year/:month?", own)
  .get("/v:number", own)
  .post("/:id", own)
  .all("/any/*", own)
  .get("/files/*", own)
  .ws("/live", {})
  .compile();
const find = createTemplateFinder(() => listRoutes(app));

test.each([
  ["GET", "/blog", "/blog"],
  ["GET", "/blog/", "/blog"],
  ["GET", "/blog/new", "/blog/new"],
  ["POST", "/blog/new", "/blog/:id"],
  ["GET", "/blog/7", "/blog/:id"],
  ["HEAD", "/blog/7/", "/blog/:id"],
  ["GET", "/blog/new/edit", "/blog/:id/edit"],
  ["GET", "/blog/by/2026", "/blog/by/:year/:month?"],
  ["GET", "/blog/by/2026/11", "/blog/by/:year/:month?"],
  ["GET", "/blog/v12", "/blog/v:number"],
  ["DELETE", "/blog/any/a/b", "/blog/any/*"],
  ["GET", "/blog/files/a/b.png", "/blog/files/*"],
  ["GET", "/blog/files/", "/blog/files/*"],
  ["WS", "/blog/live", "/blog/live"],
  ["GET", "/blog/live", "/blog/:id"],
  ["DELETE", "/blog/7", null],
  ["GET", "/blog/7/none", null],
  ["GET", "/blog//", null],
  ["GET", "/other", null],
  ["GET", "/", null],
])("the template of %s %s is %p", (method, path, template) => {
  expect(find(method, path)).toBe(template);
});

test("what has a template is what Elysia serves", async () => {
  for (const path of [
    "/blog",
    "/blog/7",
    "/blog/7/edit",
    "/blog/by/1",
    "/blog/v1",
    "/blog/files/x",
    "/blog/7/x",
  ]) {
    const response = await app.handle(new Request(`http://localhost${path}`));
    expect([path, response.status === 200]).toEqual([path, find("GET", path) !== null]);
  }
});

test("a path of many segments is looked at once", () => {
  const deep = Array.from({ length: 12 }, (_, index) => `/${"ab"[index % 2]}`).join("");
  const many = createTemplateFinder(() =>
    Array.from({ length: 4096 }, (_, bits) => {
      const isParameter = Array.from({ length: 12 }, (__, at) => ((bits >> (11 - at)) & 1) === 1);
      const parts = isParameter.map((yes, at) => (yes ? `/:p${at}` : `/${"ab"[at % 2]}`));
      return { method: "GET", path: `${parts.join("")}/end` };
    }),
  );
  expect(many("GET", `${deep}/nothing`)).toBe(null);
  expect(many("GET", `${deep}/end`)).toBe(`${deep}/end`);
});

test("routes that come with the first request are found from then on", () => {
  let routes: { method: string; path: string }[] = [];
  const late = createTemplateFinder(() => routes);
  expect(late("GET", "/a/1")).toBe(null);
  routes = [{ method: "GET", path: "/a/:id" }];
  expect(late("GET", "/a/1")).toBe("/a/:id");
});
