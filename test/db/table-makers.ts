import type { Dialect, TableMakers } from "../../src/db/contract/driver.ts";
import { mysqlTableMakers } from "../../src/db/mysql/table-makers.ts";
import { postgresTableMakers } from "../../src/db/postgres/table-makers.ts";
import { sqliteTableMakers } from "../../src/db/sqlite/table-makers.ts";

/** What tables of each dialect are declared with, as its driver has it. */
export const TABLE_MAKERS: Readonly<Record<Dialect, TableMakers>> = {
  sqlite: sqliteTableMakers,
  postgres: postgresTableMakers,
  mysql: mysqlTableMakers,
};
