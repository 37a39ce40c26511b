import { createRequire } from "node:module";
import type * as Kit from "drizzle-kit/api";
import type { Dialect, Driver } from "../../../src/db/contract/driver.ts";

type Tables = Record<string, unknown>;

// Its ES module fails on a circular import.
const kit = createRequire(import.meta.url)("drizzle-kit/api") as typeof Kit;

/** The statements with which drizzle-kit creates the tables. */
export async function toStatements(dialect: Dialect, tables: Tables): Promise<string[]> {
  if (dialect === "sqlite") {
    const [before, after] = [
      await kit.generateSQLiteDrizzleJson({}),
      await kit.generateSQLiteDrizzleJson(tables),
    ];
    return kit.generateSQLiteMigration(before, after);
  }
  if (dialect === "postgres") {
    return kit.generateMigration(kit.generateDrizzleJson({}), kit.generateDrizzleJson(tables));
  }
  const [before, after] = [
    await kit.generateMySQLDrizzleJson({}),
    await kit.generateMySQLDrizzleJson(tables),
  ];
  return kit.generateMySQLMigration(before, after);
}

/** Creates the tables in an empty database, as a migration does. */
export async function createTables(driver: Driver, tables: Tables): Promise<void> {
  const statements = await toStatements(driver.dialect, tables);
  await driver.migrate((connection) =>
    connection.transaction(async () => {
      for (const statement of statements) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        await connection.run(withBinaryCollation(driver.dialect, statement));
      }
    }),
  );
}

function withBinaryCollation(dialect: Dialect, statement: string): string {
  const isTable = dialect === "mysql" && statement.startsWith("CREATE TABLE");
  return isTable
    ? statement.replace(/;?\s*$/, " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    : statement;
}
