import { Database } from "bun:sqlite";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { FaqProject } from "../faq/project.ts";

const DOCUMENT = join(import.meta.dir, "../../docs/migration-from-fastapi.md");
const PASSWORD = "correct horse battery";

test("docs/migration-from-fastapi.md moves accounts with their passwords, and a plugin", async () => {
  const markdown = await Bun.file(DOCUMENT).text();
  const files = [...markdown.matchAll(/^```ts\n\/\/ (plugins\/\S+)\n([^]*?)^```$/gm)].map(
    ([, path = "", text = ""]) => [path, text] as const,
  );
  const manifests = ["articles", "moving"].map(
    (name) => [`plugins/${name}/plugin.json`, { name, version: "1.0.0" }] as const,
  );
  await using project = await FaqProject.create(Object.fromEntries([...files, ...manifests]));
  await project.folder.write({ "old/.keep": "" });
  const old = new Database(join(project.folder.path, "old/app.db"), { create: true });
  old.run("create table users (email text, full_name text, hashed_password text, is_active integer)");
  const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
  old.run("insert into users values ('Bob@Example.com', 'Bob', ?, 1), ('eve@example.com', null, ?, 0)", [
    hash,
    hash,
  ]);
  old.close();

  await project.run("xcore db generate articles && xcore db migrate");
  const [, script = ""] = /^```sh\n(xcore run moving[^]*?)^```$/m.exec(markdown) ?? [];
  await project.run(script);
  await project.run(script); // again
  expect(await project.json("xcore user list --json")).toHaveLength(2);
  await project.start();
  const login = (email: string) => project.ask("/auth/login", { json: { email, password: PASSWORD } });
  expect((await login("eve@example.com")).status).toBe(401);
  const { access_token: token } = (await login("bob@example.com")).body;
  const json = { title: "Hello", published: true };
  expect((await project.ask("/articles", { token, json })).body.code).toBe("authorization_error");
  await project.run("xcore user grant bob@example.com admin");
  const made = await project.ask("/articles", { token, json });
  expect([made.status, made.body.title]).toEqual([200, "Hello"]);
  expect((await project.ask("/articles")).body).toMatchObject({ total: 1 });
}, 120_000);
