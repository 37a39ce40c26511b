import { expect, test } from "bun:test";
import { TestApp } from "../setup.ts";

const RUN = `import { status, t } from "elysia";
import { AppError, createRouter } from "xcore";
const later = async (value) => { await Promise.resolve(); return value; };
const refuse = async () => { await Promise.resolve(); throw new AppError("teapot", 418, "Cannot brew: this is a teapot"); };
const stored = later({ n: 1 });
const list = { rows: { n: 1 }, async all() { await Promise.resolve(); return this.rows; } };
const rule = { async check({ query }) { await Promise.resolve(); if (query.no) return status(409, { n: 9 }); } };
const one = function ({ query }) { return this.find(query.n); }.bind({ find: (n) => later({ n: Number(n) }) });
const response = t.Object({ n: t.Number() });
const addRoutes = (router) => router
  .get("/stored", () => stored)
  .get("/either", ({ query }) => (query.x ? { n: 0 } : later({ n: 1 })))
  .get("/and", ({ query }) => query && later({ n: 1 }))
  .get("/member", () => list ["all"]())
  .get("/variable", () => { const rows = list.all(); return rows; })
  .get("/bound", list.all.bind(list))
  .get("/bound-plain", one, { query: t.Object({ n: t.String({ default: "1" }) }) })
  .get("/new", () => new Promise((resolve) => setTimeout(resolve, 1, { n: 1 })))
  .get("/hook", () => ({ n: 1 }), { beforeHandle: ({ query }) => (query.x ? { n: 0 } : later(undefined)) })
  .get("/method", () => ({ n: 1 }), { beforeHandle: rule.check.bind(rule) })
  .get("/derived", ({ n }) => ({ n }), { transform: (context) => { const setting = later(1); return setting.then((n) => Object.assign(context, { n })); } })
  .get("/after", () => ({ n: 0 }), { afterHandle: ({ query }) => (query.x ? undefined : later({ n: 1 })) })
  .get("/refused", ({ query }) => (query.x ? 0 : refuse()))
  .get("/own-error", ({ query }) => (query.x ? 0 : refuse()), { error: ({ query }) => (query.x ? 0 : later({ n: 2 })) })
  .get("/mapped", () => ({ n: 1 }), { mapResponse: ({ query }) => (query.x ? undefined : later(undefined)) });
export default addRoutes(createRouter()).group("/checked", (checked) => addRoutes(checked.guard({ response })));
`;

// Each route is there twice: as it is, and with a schema of what it answers.
const PATHS = [
  "stored",
  "either",
  "and",
  "member",
  "variable",
  "bound",
  "bound-plain",
  "new",
  "hook",
  "method",
  "derived",
  "after",
  "mapped",
];

const files = { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN };

test("a handler or hook that isn't async is waited for when it returns a promise", async () => {
  await using app = await TestApp.start({ plugins: files });
  const answers = await Promise.all(
    PATHS.flatMap((path) => [`/x/${path}`, `/x/checked/${path}`]).map(async (path) => {
      const answer = await app.fetch(path);
      return [path, answer.status, answer.headers.get("content-type"), await answer.text()];
    }),
  );
  expect(answers).toEqual(
    PATHS.flatMap((path) => [`/x/${path}`, `/x/checked/${path}`]).map((path) => [
      path,
      200,
      "application/json;charset=utf-8",
      `{"n":1}`,
    ]),
  );
});

test("what such a promise rejects with is answered as what a handler throws", async () => {
  await using app = await TestApp.start({ plugins: files });
  for (const path of ["/x", "/x/checked"]) {
    const refused = await app.fetch(`${path}/refused`);
    expect([refused.status, await refused.json()]).toMatchObject([418, { code: "teapot" }]);
    const own = await app.fetch(`${path}/own-error`);
    expect([own.status, await own.json()]).toEqual([418, { n: 2 }]);
  }
});
