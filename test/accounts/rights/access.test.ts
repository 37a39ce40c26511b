import { expect } from "bun:test";
import { createAccessLoader } from "../../../src/accounts/rights/access.ts";
import {
  ensureBuiltinRoles,
  grantRole,
  hasAdministrator,
} from "../../../src/accounts/rights/builtin-roles.ts";
import { CORE_PERMISSIONS, declarePermissions } from "../../../src/accounts/rights/permission-catalog.ts";
import { isPermissionName } from "../../../src/accounts/rights/permission-set.ts";
import { addPrincipal, openStore } from "../factor-accounts.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { failureOf } from "../../db/failures.ts";

testWithCoreTables("createAccessLoader() reads roles and permissions, each once", async ({ driver }) => {
  const store = await openStore(driver);
  const { db, tables } = store;
  const { user } = await addPrincipal(store, "ada@example.com");
  const other = await addPrincipal(store, "bob@example.com");
  const load = createAccessLoader(store);
  expect(await load(user.id)).toMatchObject({ user, isActive: true, roles: [], requiresOtp: false });
  expect(await load(999)).toBeNull();
  for (const [name, requires_otp, permissions] of [
    ["writers", false, ["notes:write", "notes:read"]],
    ["auditors", true, ["notes:read", "audit:*"]],
  ] as const) {
    await db.insert(tables.roles).values({ name, requires_otp });
    const [role] = (await db.select().from(tables.roles)).filter((one) => one.name === name);
    const role_id = role?.id ?? 0;
    await db
      .insert(tables.rolePermissions)
      .values(permissions.map((permission) => ({ role_id, permission })));
    await db.transaction((tx) => grantRole(tx, tables, user.id, name));
    await db.transaction((tx) => grantRole(tx, tables, user.id, name)); // held already
  }
  const access = await load(user.id);
  expect(access).toMatchObject({ user: { ...user, roles: ["auditors", "writers"] }, requiresOtp: true });
  expect(access?.permissions.granted).toEqual(["audit:*", "notes:read", "notes:write"]);
  expect(access?.permissions.has("audit:read")).toBe(true);
  expect((await load(other.user.id))?.permissions.granted).toEqual([]);
  // Users with the same permissions share them.
  await db.transaction((tx) => grantRole(tx, tables, other.user.id, "auditors"));
  await db.transaction((tx) => grantRole(tx, tables, other.user.id, "writers"));
  const again = await load(user.id);
  expect((await load(other.user.id))?.permissions).toBe(again?.permissions);
});

testWithCoreTables(
  "ensureBuiltinRoles() makes them once, also when several instances start",
  async ({ driver }) => {
    const store = await openStore(driver);
    const { db, tables } = store;
    await Promise.all(Array.from({ length: 5 }, () => ensureBuiltinRoles(store)));
    await ensureBuiltinRoles(store);
    const roles = await db.select().from(tables.roles);
    const found = roles.map(({ name, is_builtin: isBuiltin }) => [name, isBuiltin] as const);
    expect(new Map(found)).toEqual(
      new Map([
        ["admin", true],
        ["user", true],
      ]),
    );
    const admin = roles.find(({ name }) => name === "admin");
    expect(await db.select().from(tables.rolePermissions)).toEqual([
      { role_id: admin?.id ?? 0, permission: "*" },
    ]);
    const failure = await failureOf(db.transaction((tx) => grantRole(tx, tables, 1, "nobody")));
    expect(failure).toMatchObject({ code: "not_found" });
  },
);

testWithCoreTables(
  "hasAdministrator() asks for somebody active who may do everything",
  async ({ driver }) => {
    const store = await openStore(driver);
    const { db, tables } = store;
    await ensureBuiltinRoles(store);
    expect(await hasAdministrator(store)).toBe(false);
    const { user } = await addPrincipal(store, "ada@example.com");
    await db.transaction((tx) => grantRole(tx, tables, user.id, "user"));
    expect(await hasAdministrator(store)).toBe(false);
    await db.transaction((tx) => grantRole(tx, tables, user.id, "admin"));
    expect(await hasAdministrator(store)).toBe(true);
    await db.update(tables.users).set({ is_active: false });
    expect(await hasAdministrator(store)).toBe(false);
  },
);

testWithCoreTables(
  "declarePermissions() keeps the first owner and follows its descriptions",
  async ({ driver }) => {
    const store = await openStore(driver);
    const { db, tables } = store;
    const list = async () => {
      const rows = await db.select().from(tables.permissions);
      return rows.map(({ name, description, owner }) => [name, description, owner].join(" · ")).toSorted();
    };
    expect(Object.keys(CORE_PERMISSIONS).filter((name) => !isPermissionName(name))).toEqual([]);
    await Promise.all(Array.from({ length: 5 }, () => declarePermissions(store, "core", CORE_PERMISSIONS)));
    expect(await list()).toEqual(
      Object.entries(CORE_PERMISSIONS)
        .map(([name, description]) => `${name} · ${description} · core`)
        .toSorted(),
    );
    await db.delete(tables.permissions);
    expect(await declarePermissions(store, "notes", {})).toEqual([]);
    expect(await declarePermissions(store, "notes", { "notes:read": "Read", "notes:write": "W" })).toEqual(
      [],
    );
    const taken = await declarePermissions(store, "other", { "notes:read": "Mine", "other:read": "O" });
    expect(taken).toEqual([{ name: "notes:read", owner: "notes" }]);
    expect(await declarePermissions(store, "notes", { "notes:read": "é".repeat(300) })).toEqual([]);
    expect(await list()).toEqual([
      `notes:read · ${"é".repeat(255)} · notes`,
      "notes:write · W · notes",
      "other:read · O · other",
    ]);
    const owners = Array.from({ length: 5 }, (_, n) =>
      declarePermissions(store, `p${n}`, { "race:win": `${n}` }),
    );
    const losers = (await Promise.all(owners)).filter((found) => found.length > 0);
    expect(losers).toHaveLength(4);
  },
);
