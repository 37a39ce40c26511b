import { expect, test } from "bun:test";
import { t } from "elysia";
import type { InputProblem } from "../../src/errors/errors.ts";
import { findPartProblems } from "../../src/errors/input-problems.ts";
import { TestApp } from "../setup.ts";

const RUN = `import { t } from "elysia";
import { createRouter } from "xcore";
const standard = (issues) => ({ "~standard": { version: 1, vendor: "own", validate: () => ({ issues }) } });
export default createRouter()
  .model({ Page: t.Object({ page: t.Integer({ minimum: 1 }) }) })
  .post("/body", ({ body }) => body, { body: t.Object({
    title: t.String({ minLength: 1 }),
    count: t.Integer({ minimum: 1 }),
    tags: t.Array(t.String()),
    kind: t.Union([t.Literal("a"), t.Literal("b")]),
    who: t.Object({ email: t.String({ format: "email" }) }),
    note: t.Optional(t.String({ error: "Write a note" })),
  }) })
  .post("/numeric", ({ body }) => body, { body: t.Object({ deep: t.Object({ count: t.Numeric({ minimum: 1 }) }) }) })
  .post("/rule", ({ body }) => body, { body: t.Object({ deep: t.Object({ count: t.Integer({ minimum: 1 }) }) }) })
  .get("/query", ({ query }) => query, { query: t.Object({
    page: t.Optional(t.Integer({ minimum: 1 })),
    per_page: t.Optional(t.Integer({ maximum: 100 })),
    on: t.Optional(t.Boolean()),
    price: t.Optional(t.Number()),
    day: t.Optional(t.Date()),
    ids: t.Optional(t.Array(t.Integer({ maximum: 9 }))),
    sort: t.Optional(t.UnionEnum(["name", "date"])),
    filter: t.Optional(t.ObjectString({ n: t.Number() })),
  }) })
  .get("/model", ({ query }) => query, { query: "Page" })
  .get("/params/:id/:kind", ({ params }) => params, {
    params: t.Object({ id: t.Integer({ minimum: 1 }), kind: t.UnionEnum(["x", "y"]) }),
  })
  .get("/headers", ({ headers }) => headers["x-n"], { headers: t.Object({ "x-key": t.String(), "x-n": t.Integer() }) })
  .get("/cookie", ({ cookie }) => cookie.sid.value, { cookie: t.Cookie({ sid: t.String() }) })
  .post("/all/:id", () => 1, {
    params: t.Object({ id: t.Integer() }),
    query: t.Object({ page: t.Integer({ minimum: 1 }) }),
    headers: t.Object({ "x-key": t.String() }),
    body: t.Object({ title: t.String() }),
  })
  .post("/standard", ({ body }) => body, { body: standard([{ message: "Too small", path: ["a", 0] }]) })
  .post("/standard-root", ({ body }) => body, { body: standard([{ message: "Wrong" }]) })
  .post("/upload", ({ body }) => body.file.size, { body: t.Object({ file: t.File({ maxSize: "1k" }) }) })
  .guard({ schema: "standalone", query: t.Object({ token: t.String({ minLength: 3 }) }) }, (app) =>
    app.get("/guarded", () => 1, { query: t.Object({ n: t.Integer({ minimum: 1 }) }) }));
`;

const required = (path: string): InputProblem => ({
  path,
  code: "required",
  message: "Required, but missing",
});
const type = (path: string, message: string): InputProblem => ({ path, code: "type", message });
const invalid = (path: string, message: string): InputProblem => ({ path, code: "invalid", message });

function json(body: unknown, contentType = "application/json"): RequestInit {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { method: "POST", headers: { "content-type": contentType }, body: text };
}

function upload(file: File | null): RequestInit {
  const body = new FormData();
  if (file !== null) body.set("file", file);
  return { method: "POST", body };
}

interface Scenario {
  readonly name: string;
  readonly path: string;
  readonly init?: RequestInit;
  readonly errors: readonly InputProblem[];
}

const scenarios: Scenario[] = [
  {
    name: "an empty object, all at once",
    path: "/body",
    init: json({}),
    errors: ["title", "count", "tags", "kind", "who"].map((key) => required(`/body/${key}`)),
  },
  {
    name: "wrong values, each in its words",
    path: "/body",
    init: json({ title: "", count: 0, tags: [1, "a", 2], kind: "z", who: { email: "no" }, note: 1 }),
    errors: [
      invalid("/body/title", "Expected string length greater or equal to 1"),
      invalid("/body/count", "Expected integer to be greater or equal to 1"),
      type("/body/tags/0", "Expected string"),
      type("/body/tags/2", "Expected string"),
      invalid("/body/kind", 'Expected one of "a", "b"'),
      invalid("/body/who/email", "Expected string to match 'email' format"),
      type("/body/note", "Write a note"),
    ],
  },
  {
    name: "a text that is a number but too small",
    path: "/numeric",
    init: json({ deep: { count: "0" } }),
    errors: [invalid("/body/deep/count", "Expected number to be greater or equal to 1")],
  },
  {
    name: "a text where JSON has integers",
    path: "/rule",
    init: json({ deep: { count: "5" } }),
    errors: [type("/body/deep/count", "Expected integer")],
  },
  { name: "no body at all", path: "/body", init: { method: "POST" }, errors: [required("/body")] },
  {
    name: "a body of another content type",
    path: "/body",
    init: json("hello", "text/plain"),
    errors: [
      { path: "/body", code: "content_type", message: "Sent as text/plain: expected application/json" },
    ],
  },
  {
    name: "a query, all at once",
    path: "/query?page=0&per_page=101&on=maybe&price=x&day=someday&ids=1&ids=x&sort=size",
    errors: [
      invalid("/query/page", "Expected integer to be greater or equal to 1"),
      invalid("/query/per_page", "Expected integer to be less or equal to 100"),
      type("/query/on", "Expected boolean"),
      type("/query/price", "Expected number"),
      type("/query/day", "Expected a date such as 2026-01-31T08:30:00Z"),
      type("/query/ids/1", "Expected integer"),
      invalid("/query/sort", 'Expected one of "name", "date"'),
    ],
  },
  {
    name: "a date that is right, beside what isn't",
    path: "/query?page=0&day=2026-01-31T08:30:00Z",
    errors: [invalid("/query/page", "Expected integer to be greater or equal to 1")],
  },
  {
    name: "a rule of a coerced query value alone",
    path: "/query?page=0",
    errors: [invalid("/query/page", "Expected integer to be greater or equal to 1")],
  },
  {
    name: "a fraction for an integer",
    path: "/query?page=1.5",
    errors: [type("/query/page", "Expected integer")],
  },
  {
    name: "an array in one text",
    path: "/query?ids=1,2,10",
    errors: [invalid("/query/ids/2", "Expected integer to be less or equal to 9")],
  },
  {
    name: "a schema by its model's name",
    path: "/model?page=0",
    errors: [invalid("/query/page", "Expected integer to be greater or equal to 1")],
  },
  {
    name: "path parameters",
    path: "/params/0/z",
    errors: [
      invalid("/params/id", "Expected integer to be greater or equal to 1"),
      invalid("/params/kind", 'Expected one of "x", "y"'),
    ],
  },
  {
    name: "headers",
    path: "/headers",
    init: { headers: { "x-n": "one" } },
    errors: [required("/headers/x-key"), type("/headers/x-n", "Expected integer")],
  },
  { name: "cookies", path: "/cookie", errors: [required("/cookie/sid")] },
  {
    name: "headers, path and query at once",
    path: "/all/x?page=0",
    init: json({}),
    errors: [
      required("/headers/x-key"),
      type("/params/id", "Expected integer"),
      invalid("/query/page", "Expected integer to be greater or equal to 1"),
    ],
  },
  {
    name: "a Standard Schema",
    path: "/standard",
    init: json({ a: [1] }),
    errors: [invalid("/body/a/0", "Too small")],
  },
  {
    name: "a Standard Schema's whole",
    path: "/standard-root",
    init: json({ a: [1] }),
    errors: [invalid("/body", "Wrong")],
  },
  { name: "a missing file", path: "/upload", init: upload(null), errors: [required("/body/file")] },
  {
    name: "a file that is too large",
    path: "/upload",
    init: upload(new File(["x".repeat(2000)], "a.txt")),
    errors: [type("/body/file", "Expected a file, at most 1k")],
  },
  {
    name: "a number in another notation",
    path: "/query?per_page=1e13&page=-1e3",
    errors: [
      invalid("/query/page", "Expected integer to be greater or equal to 1"),
      invalid("/query/per_page", "Expected integer to be less or equal to 100"),
    ],
  },
  {
    name: "a guard's schema beside the route's",
    path: "/guarded?token=a&n=0",
    errors: [
      invalid("/query/n", "Expected integer to be greater or equal to 1"),
      invalid("/query/token", "Expected string length greater or equal to 3"),
    ],
  },
];

test("toInputProblems() says where and what is wrong", async () => {
  await using app = await TestApp.start({
    plugins: { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN },
  });
  for (const { name, path, init = {}, errors } of scenarios) {
    const response = await app.fetch(`/x${path}`, init);
    const { code, errors: found } = (await response.json()) as { code: string; errors: InputProblem[] };
    expect({ name, status: response.status, code, errors: found }).toEqual({
      name,
      status: 422,
      code: "validation_error",
      errors: [...errors],
    });
  }
});

test("toInputProblems() has nothing to say of valid requests in their text forms", async () => {
  await using app = await TestApp.start({
    plugins: { "x/plugin.json": { name: "x", version: "1.0.0" }, "x/run.ts": RUN },
  });
  const query = "page=1&on=true&price=1.5&ids=1,2&sort=name&filter=%7B%22n%22%3A1%7D";
  expect(await app.get(`/x/query?${query}`)).toMatchObject({
    status: 200,
    body: { page: 1, on: true, price: 1.5, ids: [1, 2], sort: "name", filter: { n: 1 } },
  });
  expect((await app.get("/x/guarded?token=abc&n=1")).status).toBe(200);
});

test("findPartProblems() escapes names in its pointers (RFC 6901)", () => {
  const schema = t.Object({ "a/b~c": t.String() });
  expect(findPartProblems("query", schema, {})).toEqual([required("/query/a~1b~0c")]);
});
