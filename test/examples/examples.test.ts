import { cp } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { testOnEachDialect } from "../database-servers.ts";
import { TestApp } from "../setup.ts";

const EXAMPLES = join(import.meta.dir, "../../plugins");

async function startExample(name: string, url = "sqlite:data/app.db"): Promise<TestApp> {
  const app = await TestApp.start({ config: { database: { url } } });
  await cp(join(EXAMPLES, name), join(app.folder.path, "plugins", name), { recursive: true });
  await app.app.plugins.refresh(null);
  return app;
}

function json(method: string, body: object) {
  return { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

testOnEachDialect("plugins/todo keeps a list", async ({ url }) => {
  await using app = await startExample("todo", url);
  expect((await app.get("/todo")).body).toEqual({ items: [], page: 1, per_page: 20, total: 0 });

  const created = await app.fetch("/todo", json("POST", { title: "Write tests", done: true }));
  expect(created.status).toBe(201);
  const todo = await created.json();
  expect(todo).toMatchObject({ id: 1, title: "Write tests", done: false });
  expect((await app.get("/todo/1")).body).toEqual(todo);

  await app.fetch("/todo/1", json("PATCH", { done: true }));
  await app.fetch("/todo/1", json("PATCH", { done: true }));
  expect((await app.get("/todo?done=true")).body).toMatchObject({ total: 1, items: [{ done: true }] });
  expect((await app.get("/todo?done=false")).body.total).toBe(0);
  expect(app.events.map(({ name }) => name).filter((name) => name.startsWith("todo."))).toEqual([
    "todo.created",
    "todo.done",
  ]);
  expect(await app.log("app")).toContain('"todo":1');

  expect((await app.fetch("/todo/1", { method: "DELETE" })).status).toBe(204);
  expect(await app.problem("/todo/1")).toMatchObject({
    status: 404,
    code: "not_found",
    detail: 'Cannot read todo "1": not found',
  });
});

test("the examples are documented", async () => {
  await using app = await startExample("todo");
  const { body } = await app.get("/openapi.json");
  expect(Object.keys(body.paths["/todo/{id}"]).toSorted()).toEqual(["delete", "get", "patch"]);
});

testOnEachDialect("plugins/blog reads articles with their authors", async ({ url }) => {
  await using app = await startExample("blog", url);
  const { token } = await app.admin();
  const post = async (path: string, body: object = {}) => {
    const init = json("POST", body);
    const headers = { ...init.headers, authorization: `Bearer ${token}` };
    const response = await app.fetch(`/blog${path}`, { ...init, headers });
    return { status: response.status, body: await response.json() };
  };
  const ada = { name: "Ada", email: "ada@example.com" };
  expect(await post("/authors", ada)).toEqual({ status: 201, body: { id: 1, ...ada } });
  expect(await post("/authors", ada)).toMatchObject({ status: 409, body: { code: "conflict" } });
  const { body: one } = await post("/articles", { title: "One", author_id: 1 });
  for (const title of ["Two", "Three"]) await post("/articles", { title, author_id: 1 });
  expect(await post("/articles", { title: "Nobody's", author_id: 7 })).toMatchObject({
    status: 422,
    body: { errors: [{ path: "/body/author_id", code: "missing_reference" }] },
  });
  const published = { ...one, status: "published" };
  const told = await app.after("job.completed", async () => {
    expect(await post("/articles/999/publish")).toMatchObject({ status: 404 });
    expect(await post(`/articles/${one.id}/publish`)).toEqual({ status: 200, body: published });
  });
  expect(told.data).toMatchObject({ plugin: "blog", name: "tell_author", attempt: 1 });
  expect((await app.getAsAdmin(`/system/jobs/${told.data.id}`)).body.payload).toEqual({ article_id: one.id });

  const titlesOf = async (query: string) => {
    const { body } = await app.get(`/blog/articles${query}`);
    return [body.total, ...body.items.map(({ title }: { title: string }) => title)];
  };
  expect(await titlesOf("")).toEqual([1, "One"]);
  expect(await titlesOf("?status=draft")).toEqual([0]);
  expect(await titlesOf("?q=ada one&author_id=1")).toEqual([1, "One"]);
  const drafts = await app.getAsAdmin("/blog/articles?status=draft&sort=-title&per_page=1&page=2");
  expect(drafts.body).toMatchObject({ total: 2, items: [{ title: "Three" }] });
  expect((await app.problem("/blog/articles?sort=nothing")).code).toBe("validation_error");
  expect((await app.problem("/blog/articles/2")).code).toBe("not_found");

  expect((await app.problem("/blog/authors", json("POST", ada))).code).toBe("authentication_error");
  expect((await app.get(`/blog/articles/${one.id}?expand=author`)).body).toEqual({
    ...published,
    author: { id: 1, name: "Ada" },
  });
  expect((await app.get("/blog/authors/1?expand=articles")).body).toMatchObject({
    name: "Ada",
    articles: [{ title: "One" }],
  });
  const { body: front } = await app.get("/blog/front");
  expect(front).toMatchObject([{ title: "One", author: { name: "Ada" } }]);
  expect((await app.get("/blog/front")).body).toEqual(front);
  expect(await post("/articles/2/publish")).toMatchObject({ status: 200 });
  expect((await app.get("/blog/front")).body).toMatchObject([{ title: "Two" }, ...front]);
  expect(await app.app.cache.stats()).toMatchObject({ hits: 1, misses: 2 });
});
