import { expect, test } from "bun:test";
import { createTestHost, type TestHost } from "xcore/testing";

const startTodo = (max_items = 1000) =>
  createTestHost({ plugins: [import.meta.dir], settings: { todo: { max_items } } });

const add = (host: TestHost, title: string) => host.fetch("/todo", { json: { title } });

const read = async (host: TestHost, path: string) => (await host.fetch(path)).json();

test("lists what is added", async () => {
  await using host = await startTodo();
  expect(await read(host, "/todo")).toEqual({ items: [], page: 1, per_page: 20, total: 0 });
  const added = await add(host, "Write tests");
  expect(added.status).toBe(201);
  const todo = await added.json();
  expect(todo).toMatchObject({ id: 1, title: "Write tests", done: false });
  expect(await read(host, "/todo")).toMatchObject({ items: [todo], total: 1 });
});

test("tells others what is added and done, once", async () => {
  await using host = await startTodo();
  await add(host, "Write tests");
  const finish = { method: "PATCH", json: { done: true } };
  await host.fetch("/todo/1", finish);
  await host.fetch("/todo/1", finish);
  const names = host.events.filter(({ source }) => source === "todo").map(({ name }) => name);
  expect(names).toEqual(["todo.created", "todo.done"]);
  expect(await host.logs()).toContainEqual(expect.objectContaining({ msg: "done", todo: 1 }));
});

test("finds what is done, and what isn't", async () => {
  await using host = await startTodo();
  for (const title of ["one", "two"]) await add(host, title);
  await host.fetch("/todo/2", { method: "PATCH", json: { done: true } });
  expect(await read(host, "/todo?done=true")).toMatchObject({ items: [{ title: "two" }], total: 1 });
  expect(await read(host, "/todo?done=false")).toMatchObject({ items: [{ title: "one" }], total: 1 });
});

test("removes", async () => {
  await using host = await startTodo();
  await add(host, "Write tests");
  expect((await host.fetch("/todo/1", { method: "DELETE" })).status).toBe(204);
  const detail = 'Cannot read todo "1": not found';
  expect(await read(host, "/todo/1")).toMatchObject({ status: 404, code: "not_found", detail });
});

test("refuses what isn't valid, and more than its settings allow", async () => {
  await using host = await startTodo(1);
  expect((await add(host, "")).status).toBe(422);
  expect((await add(host, "one")).status).toBe(201);
  expect((await add(host, "two")).status).toBe(409);
});
