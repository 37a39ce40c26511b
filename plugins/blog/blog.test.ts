import { expect, test } from "bun:test";
import { createTestHost } from "xcore/testing";

const ada = { name: "Ada", email: "ada@example.com" };

test("only those who may write articles do", async () => {
  await using host = await createTestHost({ plugins: [import.meta.dir] });
  const add = async (headers = {}) => (await host.fetch("/blog/authors", { json: ada, headers })).status;
  expect(await add()).toBe(401);
  const reader = await host.createUser();
  expect(await add(reader.headers)).toBe(403);
  const writer = await host.createUser({ permissions: ["articles:write"] });
  expect(await add(writer.headers)).toBe(201);
});

test("shows articles once they are published", async () => {
  await using host = await createTestHost({ plugins: [import.meta.dir] });
  const { headers } = await host.createUser({ permissions: ["articles:write"] });
  const post = async (path: string, json = {}) =>
    (await host.fetch(`/blog${path}`, { method: "POST", json, headers })).json();
  const titles = async () => {
    const { items } = await (await host.fetch("/blog/articles")).json();
    return items.map(({ title }: { title: string }) => title);
  };
  const author = await post("/authors", ada);
  const article = await post("/articles", { title: "On engines", author_id: author.id });
  expect(await titles()).toEqual([]);
  await post(`/articles/${article.id}/publish`);
  expect(await titles()).toEqual(["On engines"]);
  const read = await host.fetch(`/blog/articles/${article.id}?expand=author`);
  expect(await read.json()).toMatchObject({ title: "On engines", author: { id: author.id, name: "Ada" } });
  const front = await (await host.fetch("/blog/front")).json();
  expect(front).toMatchObject([{ title: "On engines", author: { name: "Ada" } }]);
});
