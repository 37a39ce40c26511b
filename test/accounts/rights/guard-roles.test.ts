import { expect, test } from "bun:test";
import { join } from "node:path";
import { plugin, TestApp, TestFolder, type TestUser } from "../../setup.ts";

async function call(app: TestApp, who: TestUser, method: string, path: string, body?: unknown) {
  const headers = { ...who.headers, "content-type": "application/json" };
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await app.fetch(path, init);
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

const DESK = plugin("desk", '.get("/", () => "in", { role: "boss" })');

test("a role that guards a route is protected though its plugin isn't loaded", async () => {
  await using folder = await TestFolder.create();
  const config = { database: { url: `sqlite:${join(folder.path, "app.db")}` } };
  await using loaded = await TestApp.start({ plugins: DESK, config });
  const admin = await loaded.admin();
  const { body: boss } = await call(loaded, admin, "POST", "/admin/roles", { name: "boss" });
  const rights = { name: "manager", permissions: ["users:*", "roles:*"] };
  const { body: manager } = await call(loaded, admin, "POST", "/admin/roles", rights);
  const me = await loaded.createUser("me@example.com", ["manager"]);

  // Another server on the same database, where the plugin was never loaded.
  await using other = await TestApp.start({ config });
  const token = await other.app.accounts.accessTokens.sign(me.id, me.sessionId);
  const again = { ...me, headers: { authorization: `Bearer ${token}` } };
  const given = await call(other, again, "POST", `/admin/users/${me.id}/roles/${boss.id}`);
  expect([given.status, given.body.detail]).toEqual([403, expect.stringContaining('role "boss"')]);
  const made = await call(other, again, "POST", "/admin/users", {
    email: "new@example.com",
    roles: [boss.id],
  });
  expect(made.status).toBe(403);
  expect((await call(other, again, "DELETE", `/admin/roles/${boss.id}`)).status).toBe(204);
  const renamed = await call(other, again, "PUT", `/admin/roles/${manager.id}`, { name: "boss" });
  expect(renamed.status).toBe(403);
});

test("a role that a new version of the plugin doesn't ask for any more isn't protected", async () => {
  await using app = await TestApp.start({ plugins: DESK });
  const { db, tables } = app.app.store;
  expect(await db.select().from(tables.guardRoles)).toEqual([{ plugin: "desk", role: "boss" }]);
  await app.after("plugin.reloaded", () =>
    app.writePlugins(plugin("desk", '.get("/", () => "in", { role: "chief" })')),
  );
  expect(await db.select().from(tables.guardRoles)).toEqual([{ plugin: "desk", role: "chief" }]);
});
