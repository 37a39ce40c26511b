import { getTableColumns, getTableName, type SQL, sql, type Table } from "drizzle-orm";
import type { Dialect, Driver } from "../contract/driver.ts";

type NamesOf = (tables: SQL) => SQL;

const COLUMNS: Readonly<Record<Dialect, NamesOf>> = {
  sqlite: (tables) =>
    sql`select m.name as t, c.name as c from sqlite_master m join pragma_table_info(m.name) c where m.name in ${tables}`,
  postgres: (tables) =>
    sql`select table_name as t, column_name as c from information_schema.columns where table_schema = any(current_schemas(false)) and table_name in ${tables}`,
  mysql: (tables) =>
    sql`select table_name as t, column_name as c from information_schema.columns where table_schema = database() and table_name in ${tables}`,
};

/** Says which tables and columns a database lacks, such as `column "crm_deals.stage"`; one query for all of them. */
export async function findMissingColumns(driver: Driver, tables: readonly Table[]): Promise<string[]> {
  if (tables.length === 0) return [];
  const names = tables.map((table) => getTableName(table));
  const rows = await driver.toDatabase({}).execute<{ t: string; c: string }>(
    COLUMNS[driver.dialect](
      sql`(${sql.join(
        names.map((name) => sql`${name}`),
        sql`, `,
      )})`,
    ),
  );
  const made = new Set(rows.map(({ t, c }) => `${t}.${c}`));
  const madeTables = new Set(rows.map(({ t }) => t));
  return tables.flatMap((table) => {
    const name = getTableName(table);
    if (!madeTables.has(name)) return [`table "${name}"`];
    return Object.values(getTableColumns(table))
      .map((column) => `${name}.${column.name}`)
      .filter((column) => !made.has(column))
      .map((column) => `column "${column}"`);
  });
}
