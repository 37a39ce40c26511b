import { sql } from "drizzle-orm";
import { expect } from "bun:test";
import { applyMigrations } from "../../../src/db/migrations/apply.ts";
import { coreMigrations } from "../../../src/db/migrations/core.ts";
import { openCoreStore } from "../../../src/accounts/people/store.ts";
import { silent } from "../../accounts/factor-accounts.ts";
import { testOnEachDialect } from "../../database-servers.ts";

testOnEachDialect(
  "an update keeps accounts, and makes nobody more powerful who could see and add plugins",
  async ({ driver }) => {
    const migrations = coreMigrations(driver.dialect);
    const before = migrations.filter(({ name }) => name < "0001");
    await applyMigrations(driver, { owner: "core", migrations: before, log: silent });
    const { db, tables } = openCoreStore(driver);
    await db.execute(sql`insert into users (email) values ('ada@example.com')`);
    const grants = [
      ["ops", "system:plugins"],
      ["wide", "system:*"],
      ["both", "system:plugins"],
      ["both", "plugins:read"],
      ["clerk", "invoices:read"],
    ] as const;
    for (const name of new Set(grants.map(([role]) => role))) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await db.execute(sql`insert into roles (name) values (${name})`);
    }
    for (const [role, permission] of grants) {
      // oxlint-disable-next-line no-await-in-loop
      await db.execute(
        sql`insert into role_permissions (role_id, permission) select id, ${permission} from roles where name = ${role}`,
      );
    }
    await db.execute(
      sql`insert into user_roles (user_id, role_id) select users.id, roles.id from users, roles`,
    );
    await db.execute(sql`insert into permissions (name, owner) values ('system:plugins', 'core')`);

    await applyMigrations(driver, { owner: "core", migrations, log: silent });
    const roles = await db.select().from(tables.roles);
    const held = await db.select().from(tables.rolePermissions);
    const nameOf = (id: number) => roles.find((role) => role.id === id)?.name ?? "";
    expect(held.map(({ role_id: id, permission }) => `${nameOf(id)} ${permission}`).toSorted()).toEqual([
      "both plugins:read",
      "both plugins:switch",
      "clerk invoices:read",
      "ops plugins:read",
      "ops plugins:switch",
      "wide plugins:read",
      "wide plugins:switch",
      "wide system:*",
    ]);
    expect(await db.$count(tables.permissions)).toBe(0);
    // The table of accounts is made anew on SQLite: what refers to it stays.
    expect(await db.$count(tables.userRoles)).toBe(4);
    expect(await db.select({ email: tables.users.email }).from(tables.users)).toEqual([
      { email: "ada@example.com" },
    ]);
  },
);
