import { getTableName } from "drizzle-orm";
import { expect, test } from "bun:test";
import { DIALECTS } from "../../../src/db/contract/driver.ts";
import { createCoreSchema, declareCore } from "../../../src/db/schema/schema.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

test.each(DIALECTS)("the names of the core's tables are known without them on %s", (dialect) => {
  const names = Object.values(createCoreSchema(TABLE_MAKERS[dialect])).map((table) => getTableName(table));
  expect(declareCore(TABLE_MAKERS[dialect]).tableNames).toEqual(names);
  expect(names).toContain("stored_files");
});

test("a table of the core is made when it is first asked for, with what it refers to when that is", () => {
  const made: unknown[] = [];
  const makers = TABLE_MAKERS.sqlite;
  const table = new Proxy(makers.table, {
    apply(target, self, args) {
      made.push(args[0]);
      return Reflect.apply(target, self, args) as unknown;
    },
  });
  const tables = createCoreSchema({ ...makers, table });
  expect(made).toEqual([]);
  const { userRoles } = tables;
  expect([made, tables.userRoles]).toEqual([["user_roles"], userRoles]);
  const targets = makers.foreignKeysOf(userRoles).map((key) => getTableName(key.reference().foreignTable));
  expect(targets.toSorted()).toEqual(["roles", "users"]);
  expect(tables.users).toBe(tables.users);
  expect(made).toEqual(["user_roles", "users", "roles"]);
});
