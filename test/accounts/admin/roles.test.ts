import { expect } from "bun:test";
import { CORE_PERMISSIONS, declarePermissions } from "../../../src/accounts/rights/permission-catalog.ts";
import { readAccessChanges, readAudit } from "../factor-accounts.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { AdminHost } from "./host.ts";

/** The start of a day in January 2030. */
function at(day: number): Date {
  return new Date(Date.UTC(2030, 0, day));
}

testWithCoreTables("a grant of a permission that nobody declares is a warning", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const me = await host.join("me@example.com", "admin");
  await declarePermissions(host.store, "hello", { "hello:read": "" });
  const warnings = async (permissions: string[]) => {
    const name = `r${crypto.randomUUID().slice(0, 8)}`;
    const made = await host.request(me, "POST", "/admin/roles", { name, permissions });
    const path = `/admin/roles/${made.body.id}/permissions`;
    await host.request(me, "PUT", path, { permissions: [] });
    const set = await host.request(me, "PUT", path, { permissions });
    expect([made.status, set.status, set.body.warnings]).toEqual([201, 200, made.body.warnings]);
    return made.body.warnings;
  };
  expect(await warnings(["hello:read", "hello:*", "*", "users:read"])).toBeUndefined();
  expect(await warnings(["hello:red", "helo:*", "nothing:like_it"])).toEqual([
    'No plugin declares the permission "hello:red": did you mean "hello:read"?',
    'No plugin declares the permission "helo:*": did you mean "hello:*"?',
    'No plugin declares the permission "nothing:like_it": see /admin/permissions',
  ]);
});

testWithCoreTables(
  "roles are made, changed, granted to and deleted, each change audited",
  async ({ driver }) => {
    const host = await AdminHost.open(driver);
    const me = await host.join("me@example.com", "admin");
    await declarePermissions(host.store, "invoices", { "invoices:read": "", "invoices:write": "" });
    const made = await host.request(me, "POST", "/admin/roles", {
      name: "sales",
      description: "Sells",
      permissions: ["invoices:write", "invoices:read", "invoices:read"],
      is_builtin: true,
    });
    expect(made).toMatchObject({
      status: 201,
      body: {
        name: "sales",
        description: "Sells",
        is_builtin: false,
        requires_otp: false,
        permissions: ["invoices:read", "invoices:write"],
      },
    });
    const { id } = made.body as { id: number };
    const path = `/admin/roles/${id}`;
    const changed = { name: "sales_team", requires_otp: true };
    expect(await host.request(me, "PUT", path, changed)).toMatchObject({ status: 200, body: changed });
    expect((await host.request(me, "PUT", path, { is_builtin: true })).body.is_builtin).toBe(false);
    const granted = await host.request(me, "PUT", `${path}/permissions`, {
      permissions: ["*", "invoices:*"],
    });
    expect(granted).toMatchObject({ status: 200, body: { permissions: ["*", "invoices:*"] } });
    expect((await host.request(me, "GET", path)).body).toEqual(granted.body);
    expect((await host.request(me, "DELETE", path)).status).toBe(204);
    expect((await host.request(me, "GET", path)).status).toBe(404);

    const { entries } = await readAudit(host.store);
    const created = {
      name: "sales",
      description: "Sells",
      permissions: ["invoices:read", "invoices:write"],
      requires_otp: false,
    };
    expect(entries.map(({ action, before, after }) => [action, before, after])).toEqual([
      ["role.created", null, created],
      ["role.updated", { name: "sales", requires_otp: false }, changed],
      [
        "role.permissions_set",
        { permissions: ["invoices:read", "invoices:write"] },
        { permissions: ["*", "invoices:*"] },
      ],
      ["role.deleted", { ...created, ...changed, permissions: ["*", "invoices:*"] }, null],
    ]);
    expect(await readAccessChanges(host.store)).toEqual([null, null, null]);
    expect(host.events.map(({ name }) => name)).toEqual([
      "role.created",
      "role.updated",
      "role.updated",
      "role.deleted",
    ]);
    expect(host.events.at(-1)?.data).toEqual({
      id,
      name: "sales_team",
      permissions: ["*", "invoices:*"],
      actor_id: me.user.id,
    });
  },
);

testWithCoreTables("roles are refused for what can't be", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const me = await host.join("me@example.com", "admin");
  const id = await host.addRole("sales", ["invoices:read"]);
  const grants = (permissions: unknown): [string, string, unknown, number] => [
    "PUT",
    `/admin/roles/${id}/permissions`,
    { permissions },
    422,
  ];
  const refused: [string, string, unknown, number][] = [
    ["POST", "/admin/roles", { name: "sales" }, 409],
    ["POST", "/admin/roles", { name: "Admin" }, 422],
    ["POST", "/admin/roles", { name: "a b" }, 422],
    ["POST", "/admin/roles", { name: "a\r\nb" }, 422],
    ["POST", "/admin/roles", { name: "x".repeat(65) }, 422],
    ["POST", "/admin/roles", { name: "x", permissions: ["invoices"] }, 422],
    ["PUT", `/admin/roles/${id}`, { name: "user" }, 409],
    ["PUT", `/admin/roles/${id}`, { description: "\u0000" }, 422],
    ["PUT", `/admin/roles/${id}`, { description: "\ud800" }, 200],
    ["PUT", "/admin/roles/999999", { description: "x" }, 404],
    ["DELETE", "/admin/roles/999999", undefined, 404],
    ["PUT", "/admin/roles/999999/permissions", { permissions: [] }, 404],
    ...[
      "",
      "invoices",
      "invoices:",
      ":read",
      "*:read",
      "invoices:*:x",
      "**",
      "Invoices:read",
      "a:b\n",
      "a:b' or 1",
    ].map((grant) => grants([grant])),
    grants("*"),
    grants([1]),
  ];
  for (const [method, path, body, status] of refused) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await host.request(me, method, path, body);
    expect([method, path, body, answer.status]).toEqual([method, path, body, status]);
  }
  expect((await host.request(me, "GET", `/admin/roles/${id}`)).body.permissions).toEqual(["invoices:read"]);
});

testWithCoreTables("roles and permissions are listed, a page at a time", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const me = await host.join("me@example.com", "admin");
  await host.addRole("sales_a", ["invoices:read"]);
  await host.addRole("salesman", []);
  await declarePermissions(host.store, "core", CORE_PERMISSIONS);
  await declarePermissions(host.store, "billing", { "invoices:read": "See invoices" });
  const names = async (path: string): Promise<string[]> => {
    const { status, body } = await host.request(me, "GET", path);
    expect({ status, total: body.total }).toEqual({ status: 200, total: body.items.length });
    return body.items.map(({ name }: { name: string }) => name);
  };
  expect(await names("/admin/roles")).toEqual(["admin", "sales_a", "salesman", "user"]);
  expect(await names("/admin/roles?q=sales_")).toEqual(["sales_a"]);
  expect(await names("/admin/roles?sort=-name&q=SALES")).toEqual(["salesman", "sales_a"]);
  expect((await host.request(me, "GET", "/admin/roles?per_page=1&page=2")).body).toMatchObject({
    total: 4,
    items: [{ name: "sales_a", permissions: ["invoices:read"] }],
  });
  expect(await names("/admin/permissions?owner=billing")).toEqual(["invoices:read"]);
  expect(await names("/admin/permissions?q=users:")).toEqual([
    "users:impersonate",
    "users:read",
    "users:write",
  ]);
  expect((await host.request(me, "GET", "/admin/permissions?q=inv")).body.items).toEqual([
    { name: "invoices:read", description: "See invoices", owner: "billing" },
  ]);
});

testWithCoreTables(
  "the audit log is searched by who, what, whom and when, the newest first",
  async ({ driver }) => {
    const host = await AdminHost.open(driver);
    const me = await host.join("me@example.com", "admin");
    const { db, tables } = host.store;
    await db.insert(tables.auditLog).values([
      {
        at: at(1),
        action: "user.login",
        actor_id: 7,
        actor: "ada@example.com",
        ip_address: "192.0.2.1",
        user_agent: "<script>",
      },
      {
        at: at(2),
        action: "user.created",
        actor_id: 8,
        actor: "bob@example.com",
        target_type: "user",
        target_id: "7",
        after: { email: "x" },
      },
      {
        at: at(3),
        action: "role.updated",
        actor: "",
        target_type: "role",
        target_id: "7",
        result: "refused",
      },
      {
        at: at(3),
        action: "user.deleted",
        actor_id: 7,
        actor: "ada@example.com",
        target_type: "user",
        target_id: "70",
      },
    ]);
    const actions = async (query: string): Promise<string[]> => {
      const { status, body } = await host.request(me, "GET", `/admin/audit?${query}`);
      expect({ query, status }).toEqual({ query, status: 200 });
      return body.items.map(({ action }: { action: string }) => action);
    };
    expect(await actions("")).toEqual(["user.deleted", "role.updated", "user.created", "user.login"]);
    expect(await actions("sort=at&per_page=2")).toEqual(["user.login", "user.created"]);
    expect(await actions("actor=7")).toEqual(["user.deleted", "user.login"]);
    expect(await actions("actor=BOB@example.com")).toEqual(["user.created"]);
    expect(await actions("action=user.*")).toEqual(["user.deleted", "user.created", "user.login"]);
    expect(await actions("action=user.login")).toEqual(["user.login"]);
    expect(await actions("action=*")).toHaveLength(4);
    expect(await actions("target=user")).toEqual(["user.deleted", "user.created"]);
    expect(await actions("target=user:7")).toEqual(["user.created"]);
    expect(await actions("result=refused")).toEqual(["role.updated"]);
    expect(await actions(`from=${at(2).toISOString()}&to=${at(2).toISOString()}`)).toEqual(["user.created"]);
    expect(await actions("actor=%27%20or%201=1")).toEqual([]);
    for (const bad of [
      "from=yesterday",
      "from=2030-01-01T00:00:60Z",
      "action=%25",
      "sort=after",
      "result=x",
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect([bad, (await host.request(me, "GET", `/admin/audit?${bad}`)).status]).toEqual([bad, 422]);
    }
    expect((await host.request(me, "GET", "/admin/audit?action=user.created")).body.items[0]).toMatchObject({
      after: { email: "x" },
      before: null,
      at: at(2).toISOString(),
    });
  },
);

testWithCoreTables("each administrative route asks for its permission", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const admin = await host.join("admin@example.com", "admin");
  const plain = await host.join("plain@example.com", "user");
  const user = await host.addUser("somebody@example.com");
  const role = await host.addRole("some", []);
  const routes: [method: string, path: string, permission: string, body?: unknown][] = [
    ["GET", "/admin/users", "users:read"],
    ["GET", `/admin/users/${user}`, "users:read"],
    ["POST", "/admin/users", "users:write", { email: "new@example.com" }],
    ["PUT", `/admin/users/${user}`, "users:write", { full_name: "x" }],
    ["PUT", `/admin/users/${user}/deactivate`, "users:write"],
    ["POST", `/admin/users/${user}/deactivate`, "users:write"],
    ["PUT", `/admin/users/${user}/activate`, "users:write"],
    ["POST", `/admin/users/${user}/activate`, "users:write"],
    ["POST", `/admin/users/${user}/password`, "users:write", { password: "a new password" }],
    ["DELETE", `/admin/users/${user}/otp`, "users:write"],
    ["POST", `/admin/users/${user}/roles/${role}`, "users:write"],
    ["DELETE", `/admin/users/${user}/roles/${role}`, "users:write"],
    ["DELETE", `/admin/users/${user}`, "users:write"],
    ["GET", "/admin/roles", "roles:read"],
    ["GET", `/admin/roles/${role}`, "roles:read"],
    ["POST", "/admin/roles", "roles:write", { name: "new" }],
    ["PUT", `/admin/roles/${role}`, "roles:write", { description: "x" }],
    ["PUT", `/admin/roles/${role}/permissions`, "roles:write", { permissions: [] }],
    ["DELETE", `/admin/roles/${role}`, "roles:write"],
    ["GET", "/admin/permissions", "roles:read"],
    ["GET", "/admin/audit", "audit:read"],
  ];
  for (const [method, path, permission, body] of routes) {
    /* oxlint-disable no-await-in-loop -- one after another */
    const key = await host.principal(admin.user.id, [permission]);
    const nobody = await host.request(null, method, path, body);
    const refused = await host.request(plain, method, path, body);
    const done = await host.request(key, method, path, body);
    /* oxlint-enable no-await-in-loop */
    expect([method, path, nobody.status, refused.status, done.status < 300]).toEqual([
      method,
      path,
      401,
      403,
      true,
    ]);
  }
});
