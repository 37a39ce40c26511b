import { expect } from "bun:test";
import { eq } from "drizzle-orm";
import type { Principal } from "../../../src/accounts/identity/principal.ts";
import { hasAdministrator } from "../../../src/accounts/rights/builtin-roles.ts";
import { deleteRole, setRolePermissions } from "../../../src/accounts/admin/roles.ts";
import { removeRole } from "../../../src/accounts/admin/user-roles.ts";
import { deleteUser, setUserActive } from "../../../src/accounts/admin/users.ts";
import { readAudit } from "../factor-accounts.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { AdminHost } from "./host.ts";

type Call = [method: string, path: string, body?: unknown];

/** Status and code of each call, one after another. */
async function callAll(host: AdminHost, who: Principal, calls: readonly Call[]): Promise<string[]> {
  const seen: string[] = [];
  for (const [method, path, body] of calls) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { status, body: answer } = await host.request(who, method, path, body);
    seen.push(`${method} ${path}: ${status} ${answer?.code ?? ""}`.trim());
  }
  return seen;
}

testWithCoreTables("nobody can remove the last administrator, in any way", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const { store, services } = host;
  const boss = await host.addRole("boss", ["*"]);
  const last = await host.addUser("last@example.com", ["boss"]);
  const inactive = await host.addUser("inactive@example.com", ["admin"]);
  await store.db
    .update(store.tables.users)
    .set({ is_active: false })
    .where(eq(store.tables.users.id, inactive));
  // Who is locked until they set another password by mail administers nothing meanwhile.
  const locked = await host.addUser("locked@example.com", ["admin"]);
  const lock = (id: number) =>
    store.db.update(store.tables.users).set({ locked_at: new Date() }).where(eq(store.tables.users.id, id));
  await lock(locked);
  // The command line may do everything, and isn't stopped by what nobody can do to themselves.
  const ways: (() => Promise<unknown>)[] = [
    () => deleteUser(services, null, last),
    () => setUserActive(services, null, last, false),
    () => removeRole(services, null, { userId: last, roleId: boss }),
    () => setRolePermissions(services, null, boss, ["users:*", "roles:*"]),
    () => deleteRole(services, null, boss),
  ];
  for (const way of ways) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const error: unknown = await way().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "conflict",
      message: expect.stringContaining("no active administrator"),
    });
  }
  expect(await hasAdministrator(store)).toBe(true);
  const { entries } = await readAudit(store);
  expect(entries.map(({ action, result, actor }) => [action, result, actor])).toEqual([
    ["user.deleted", "refused", ""],
    ["user.deactivated", "refused", ""],
    ["role.removed", "refused", ""],
    ["role.permissions_set", "refused", ""],
    ["role.deleted", "refused", ""],
  ]);
  await setUserActive(services, null, inactive, true);
  await deleteUser(services, null, last);
  expect(await hasAdministrator(store)).toBe(true);
  // Of those who are all locked, one stays.
  await lock(inactive);
  await deleteUser(services, null, locked);
  expect(await hasAdministrator(store)).toBe(false);
  const error: unknown = await deleteUser(services, null, inactive).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "conflict" });
});

testWithCoreTables("of two administrators who remove each other at once, one stays", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const admin = await host.roleId("admin");
  for (const [index, way] of ["delete", "deactivate", "role"].entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one way after another
    const [ada, bob] = await Promise.all([
      host.join(`ada${index}@example.com`, "admin"),
      host.join(`bob${index}@example.com`, "admin"),
    ]);
    const remove = (who: Principal, whom: Principal) => {
      const path = `/admin/users/${whom.user.id}`;
      if (way === "delete") return host.request(who, "DELETE", path);
      if (way === "deactivate") return host.request(who, "POST", `${path}/deactivate`);
      return host.request(who, "DELETE", `${path}/roles/${admin}`);
    };
    // oxlint-disable-next-line no-await-in-loop
    const answers = await Promise.all([remove(ada, bob), remove(bob, ada)]);
    expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401 || status === 403)).toHaveLength(1);
    // oxlint-disable-next-line no-await-in-loop
    expect(await hasAdministrator(host.store)).toBe(true);
    // oxlint-disable-next-line no-await-in-loop -- the one who stays isn't of the next round
    await host.store.db.delete(host.store.tables.users);
  }
});

testWithCoreTables("many administrators who remove one another at once leave one", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const admins = await Promise.all(
    Array.from({ length: 6 }, (_, index) => host.join(`admin${index}@example.com`, "admin")),
  );
  const calls = admins.flatMap((who) =>
    admins
      .filter((whom) => whom !== who)
      .map((whom) => host.request(who, "DELETE", `/admin/users/${whom.user.id}`)),
  );
  const statuses = (await Promise.all(calls)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 204)).toHaveLength(5);
  expect(statuses.every((status) => [204, 401, 404].includes(status))).toBe(true);
  expect(await hasAdministrator(host.store)).toBe(true);
});

testWithCoreTables("nobody can lock themselves out", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  await host.addUser("other@example.com", ["admin"]);
  const manager = await host.addRole("manager", ["users:*", "roles:*"]);
  const me = await host.join("me@example.com", "manager");
  const calls: Call[] = [
    ["DELETE", `/admin/users/${me.user.id}`],
    ["PUT", `/admin/users/${me.user.id}/deactivate`],
    ["PUT", `/admin/users/${me.user.id}`, { is_active: false }],
    ["POST", `/admin/users/${me.user.id}/password`, { password: "a new password" }],
    ["DELETE", `/admin/users/${me.user.id}/otp`],
    ["DELETE", `/admin/users/${me.user.id}/roles/${manager}`],
    ["PUT", `/admin/roles/${manager}/permissions`, { permissions: ["users:write"] }],
    ["PUT", `/admin/roles/${manager}/permissions`, { permissions: ["roles:*"] }],
    ["DELETE", `/admin/roles/${manager}`],
  ];
  expect(await callAll(host, me, calls)).toEqual(
    calls.map(([method, path]) => `${method} ${path}: 409 conflict`),
  );
  const kept = await host.request(me, "PUT", `/admin/roles/${manager}/permissions`, {
    permissions: ["users:*", "roles:write"],
  });
  expect(kept).toMatchObject({ status: 200, body: { permissions: ["roles:write", "users:*"] } });
});

testWithCoreTables("nobody can grant, or get at, what they don't hold", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const admin = await host.roleId("admin");
  const boss = await host.addUser("boss@example.com", ["admin"]);
  await host.addRole("manager", ["users:*", "roles:*", "invoices:read"]);
  const clerk = await host.addRole("clerk", ["invoices:read"]);
  const writer = await host.addRole("writer", ["invoices:write"]);
  const accountant = await host.addUser("accountant@example.com", ["writer"]);
  const me = await host.join("me@example.com", "manager");
  const newcomer = { email: "new@example.com" };
  const forbidden: Call[] = [
    ["POST", "/admin/users", { ...newcomer, roles: [admin] }],
    ["POST", "/admin/users", { ...newcomer, roles: [clerk, writer] }],
    ["POST", `/admin/users/${me.user.id}/roles/${admin}`],
    ["POST", `/admin/users/${me.user.id}/roles/${writer}`],
    ["POST", "/admin/roles", { name: "evil", permissions: ["*"] }],
    ["POST", "/admin/roles", { name: "evil", permissions: ["invoices:*"] }],
    ["PUT", `/admin/roles/${clerk}/permissions`, { permissions: ["invoices:read", "invoices:write"] }],
    ["PUT", `/admin/roles/${writer}/permissions`, { permissions: [] }],
    ["PUT", `/admin/roles/${writer}`, { requires_otp: true }],
    ["DELETE", `/admin/roles/${writer}`],
    ...[boss, accountant].flatMap((id): Call[] => [
      ["POST", `/admin/users/${id}/password`, { password: "a new password" }],
      ["PUT", `/admin/users/${id}`, { email: "mine@example.com" }],
      ["POST", `/admin/users/${id}/deactivate`],
      ["POST", `/admin/users/${id}/activate`],
      ["DELETE", `/admin/users/${id}/otp`],
      ["DELETE", `/admin/users/${id}`],
      ["POST", `/admin/users/${id}/roles/${clerk}`],
    ]),
  ];
  expect(await callAll(host, me, forbidden)).toEqual(
    forbidden.map(([method, path]) => `${method} ${path}: 403 authorization_error`),
  );
  expect(await callAll(host, me, [["POST", "/admin/users", { ...newcomer, roles: [clerk] }]])).toEqual([
    "POST /admin/users: 201",
  ]);
  expect((await host.request(me, "GET", `/admin/users/${boss}`)).body).toMatchObject({
    email: "boss@example.com",
    is_active: true,
    roles: [{ name: "admin" }],
  });
});

testWithCoreTables(
  "an API key grants no more than it holds, and rights taken meanwhile count",
  async ({ driver }) => {
    const host = await AdminHost.open(driver);
    const id = await host.addUser("admin@example.com", ["admin"]);
    const admin = await host.roleId("admin");
    const user = await host.addUser("user@example.com");
    const key = await host.principal(id, ["users:write"]);
    const session = await host.principal(id);
    const give: Call = ["POST", `/admin/users/${user}/roles/${admin}`];
    expect(await callAll(host, key, [give])).toEqual([`POST ${give[1]}: 403 authorization_error`]);
    // The principal was known before the role went, and its cache may be behind by a moment.
    await host.addUser("other@example.com", ["admin"]);
    await host.store.db
      .delete(host.store.tables.userRoles)
      .where(eq(host.store.tables.userRoles.user_id, id));
    expect(await callAll(host, session, [give])).toEqual([`POST ${give[1]}: 403 authorization_error`]);
  },
);

testWithCoreTables("built-in roles stay as they are", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const me = await host.join("me@example.com", "admin");
  const [admin, user] = [await host.roleId("admin"), await host.roleId("user")];
  const calls: Call[] = [
    ["DELETE", `/admin/roles/${admin}`],
    ["DELETE", `/admin/roles/${user}`],
    ["PUT", `/admin/roles/${admin}`, { name: "root" }],
    ["PUT", `/admin/roles/${user}`, { name: "people" }],
    ["PUT", `/admin/roles/${admin}/permissions`, { permissions: ["users:*", "roles:*"] }],
  ];
  expect(await callAll(host, me, calls)).toEqual(
    calls.map(([method, path]) => `${method} ${path}: 409 conflict`),
  );
  expect(
    await callAll(host, me, [
      ["PUT", `/admin/roles/${user}/permissions`, { permissions: ["invoices:read"] }],
      ["PUT", `/admin/roles/${admin}`, { requires_otp: true, name: "admin" }],
      // It asks the session of who has changed it, too.
      ["PUT", `/admin/roles/${user}/permissions`, { permissions: [] }],
    ]),
  ).toEqual([
    `PUT /admin/roles/${user}/permissions: 200`,
    `PUT /admin/roles/${admin}: 200`,
    `PUT /admin/roles/${user}/permissions: 403 otp_required`,
  ]);
});
