import { expect, test } from "bun:test";
import { plugin, TestApp, type TestUser } from "../../setup.ts";

test("nobody gets at a role that routes ask for by name, unless they hold it", async () => {
  await using app = await TestApp.start({
    plugins: plugin("desk", '.get("/", () => "in", { role: "boss" })'),
  });
  const admin = await app.admin();
  const call = async (who: TestUser, method: string, path: string, body?: unknown) => {
    const headers = { ...who.headers, "content-type": "application/json" };
    const response = await app.fetch(path, {
      method,
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, text: await response.text() };
  };
  const addRole = async (name: string, permissions: readonly string[]): Promise<number> =>
    (JSON.parse((await call(admin, "POST", "/admin/roles", { name, permissions })).text) as { id: number })
      .id;
  const manager = await addRole("manager", ["users:*", "roles:*"]);
  const me = await app.createUser("me@example.com", ["manager"]);

  const renamed = await call(me, "PUT", `/admin/roles/${manager}`, { name: "boss" });
  expect([renamed.status, renamed.text]).toEqual([403, expect.stringContaining('role \\"boss\\"')]);
  for (const permissions of [[], ["users:read"]]) {
    // oxlint-disable-next-line no-await-in-loop -- one role after another
    const boss = await addRole("boss", permissions);
    const path = `/admin/users/${me.id}/roles/${boss}`;
    // oxlint-disable-next-line no-await-in-loop
    expect((await call(me, "POST", path)).status).toBe(403);
    const other = { email: "new@example.com", roles: [boss] };
    // oxlint-disable-next-line no-await-in-loop
    expect((await call(me, "POST", "/admin/users", other)).status).toBe(403);
    // oxlint-disable-next-line no-await-in-loop
    expect((await call(me, "GET", "/desk")).status).toBe(403);
    // oxlint-disable-next-line no-await-in-loop
    expect((await call(me, "DELETE", `/admin/roles/${boss}`)).status).toBe(204);
  }

  const clerk = await addRole("clerk", ["users:read"]);
  expect((await call(me, "POST", `/admin/users/${me.id}/roles/${clerk}`)).status).toBe(200);
  const boss = await addRole("boss", []);
  expect((await call(admin, "POST", `/admin/users/${me.id}/roles/${boss}`)).status).toBe(200);
  expect((await call(me, "GET", "/desk")).status).toBe(200);
  // Whoever could set their password, or turn their second factor off, could become them.
  const other = await app.createUser("other@example.com", ["manager"]);
  const change = await call(other, "POST", `/admin/users/${me.id}/password`, { password: "a new password" });
  expect([change.status, change.text]).toEqual([403, expect.stringContaining('role \\"boss\\"')]);
  const friend = await app.createUser("friend@example.com");
  expect((await call(me, "POST", `/admin/users/${friend.id}/roles/${boss}`)).status).toBe(200);
});
