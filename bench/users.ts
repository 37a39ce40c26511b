/**
 * The administration of 1 to 1,000,000 users and 1,000 roles on SQLite; see README.md beside this file.
 *
 *   bun bench/users.ts [--users 1,1000,1000000]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type SQL, sql } from "drizzle-orm";
import pino from "pino";
import type { CoreStore } from "../src/accounts/people/store.ts";
import { applyMigrations } from "../src/db/migrations/apply.ts";
import { coreMigrations } from "../src/db/migrations/core.ts";
import { createCoreSchema } from "../src/db/schema/schema.ts";
import { openSqlite } from "../src/db/sqlite/driver.ts";
import { createHookBus } from "../src/hooks/bus.ts";
import { ensureBuiltinRoles } from "../src/accounts/rights/builtin-roles.ts";
import { listRoles } from "../src/accounts/admin/role-list.ts";
import { listUsers, type UserQuery } from "../src/accounts/admin/user-list.ts";
import { assignRole, removeRole } from "../src/accounts/admin/user-roles.ts";
import { median, printTable, toMs, toRatio } from "./report.ts";
import { sqliteTableMakers } from "../src/db/sqlite/table-makers.ts";

const ROLES = 1_000;
const GRANTS_OF_A_ROLE = 20;
const ROUNDS = 31;
const GOAL_MS = 20;

const { values } = parseArgs({ options: { users: { type: "string", default: "1,1000,1000000" } } });
const log = pino({ level: "silent" });
const directory = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const medians = new Map<string, number[]>();
const sizes = values.users.split(",").map(Number);
try {
  for (const users of sizes) await run(join(directory, `${users}.db`), users);
} finally {
  await rm(directory, { recursive: true });
}
console.log();
printTable(
  ["median", ...sizes.map((users) => `${users.toLocaleString("en")} users`), "the last of the first"],
  [...medians].map(([name, times]) => [
    name,
    ...times.map(toMs),
    toRatio((times.at(-1) ?? 0) / (times[0] ?? 0)),
  ]),
);

async function run(file: string, users: number): Promise<void> {
  const driver = await openSqlite({ file, log, echo: false });
  await applyMigrations(driver, { owner: "core", migrations: coreMigrations("sqlite"), log });
  const tables = createCoreSchema(sqliteTableMakers);
  const store = { db: driver.toDatabase(tables), tables };
  await ensureBuiltinRoles(store);
  await fill(store, users);

  const searches: [string, UserQuery][] = [
    ["search, a whole email", { q: "user0000042@example.com" }],
    ["search, beginning of emails", { q: "user00000" }],
    ["search, beginning of names", { q: "name 12 user", sort: "full_name" }],
    ["search, beginning of every email", { q: "user" }],
    ["the same, with role and state", { q: "user", role: "role7", is_active: true }],
    ["search, what nobody has", { q: "zzz" }],
  ];
  const lists: [string, UserQuery][] = [
    ["first page, without the total", { total: false }],
    ["first page by name, without the total", { sort: "full_name", total: false }],
    ["first page, with the total", {}],
    ["of a role of 1,000 users", { role: "role7" }],
    ["of a role of all users, without the total", { role: "user", total: false }],
  ];
  const rows: string[][] = [];
  for (const [name, query] of searches) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { total } = await listUsers(store, query);
    // oxlint-disable-next-line no-await-in-loop
    const times = await measure(name, () => listUsers(store, query));
    rows.push([`${name}: ${total} found`, ...times, `≤ ${GOAL_MS} ms`]);
  }
  for (const [name, query] of lists) {
    // oxlint-disable-next-line no-await-in-loop
    rows.push([name, ...(await measure(name, () => listUsers(store, query))), ""]);
  }
  rows.push(["roles, first page", ...(await measure("roles, first page", () => listRoles(store, {}))), ""]);
  const services = { store, hooks: createHookBus({ onError: (error) => log.error(error) }) };
  const held = { userId: Math.ceil(users / 2), roleId: 500 };
  const change = async (): Promise<void> => {
    await assignRole(services, null, held);
    await removeRole(services, null, held);
  };
  rows.push(["give a role and take it", ...(await measure("give a role and take it", change)), ""]);
  printTable([`${users.toLocaleString("en")} users`, "median", "slowest", "goal"], rows);
  await driver.close();
}

async function measure(name: string, operation: () => Promise<unknown>): Promise<[string, string]> {
  await operation();
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await operation();
    times.push(performance.now() - startedAt);
  }
  medians.set(name, [...(medians.get(name) ?? []), median(times)]);
  return [toMs(median(times)), toMs(Math.max(...times))];
}

/** Every user holds "user"; role N each user whose number ends so. */
async function fill({ db }: CoreStore, users: number): Promise<void> {
  await db.execute(sql`insert into users (email, full_name, name_key) ${count(users)}
    select 'user' || printf('%07d', i) || '@example.com',
      'Name ' || (i % 1000) || ' User ' || i, 'name ' || (i % 1000) || ' user ' || i from n`);
  await db.execute(sql`insert into roles (name) ${count(ROLES)} select 'role' || i from n`);
  await db.execute(sql`insert into role_permissions (role_id, permission) ${count(GRANTS_OF_A_ROLE)}
    select roles.id, 'area' || roles.id || ':action' || i from roles, n where roles.name like 'role%'`);
  await db.execute(sql`insert into user_roles (user_id, role_id)
    select users.id, roles.id from users, roles where roles.name = 'user'`);
  await db.execute(sql`insert into user_roles (user_id, role_id)
    select users.id, roles.id from users join roles on roles.name = 'role' || (users.id % ${ROLES} + 1)`);
  await db.execute(sql`insert into users (email) values ('root@example.com')`);
  await db.execute(sql`insert into user_roles (user_id, role_id)
    select users.id, roles.id from users, roles where email = 'root@example.com' and roles.name = 'admin'`);
}

/** The numbers from 1 as the table n. */
function count(last: number): SQL {
  return sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${last})`;
}
