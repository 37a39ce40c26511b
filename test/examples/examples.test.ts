import { cp } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { TestApp } from "../setup.ts";

const EXAMPLES = join(import.meta.dir, "../../plugins");

async function startExample(name: string): Promise<TestApp> {
  const app = await TestApp.start();
  await cp(join(EXAMPLES, name), join(app.folder.path, "plugins", name), { recursive: true });
  await app.app.plugins.refresh(null);
  return app;
}

function json(method: string, body: object): RequestInit {
  return { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

test("plugins/hello says hello", async () => {
  await using app = await startExample("hello");
  expect(await app.get("/hello")).toEqual({ status: 200, body: { message: "Hello from My Plugin!" } });
});

test("plugins/todo keeps a list", async () => {
  await using app = await startExample("todo");
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

test("plugins/todo refuses what isn't valid, and more than its settings allow", async () => {
  await using app = await startExample("todo");
  const invalid = await app.problem("/todo", json("POST", { title: "" }));
  expect(invalid).toMatchObject({ status: 422, code: "validation_error", errors: [{ path: "/body/title" }] });
  expect((await app.problem("/todo?per_page=101")).code).toBe("validation_error");

  const settings = { todo: { max_items: 1 } };
  await app.app.plugins.configure({ directory: join(app.folder.path, "plugins"), watch: false, settings });
  await app.fetch("/todo", json("POST", { title: "one" }));
  expect(await app.problem("/todo", json("POST", { title: "two" }))).toMatchObject({
    status: 409,
    code: "conflict",
  });
});

test("the examples are documented", async () => {
  await using app = await startExample("todo");
  const { body } = await app.get("/openapi.json");
  expect(Object.keys(body.paths["/todo/{id}"]).toSorted()).toEqual(["delete", "get", "patch"]);
});
