import { DatabaseError } from "../contract/database-error.ts";
import type { MigrationConnection } from "../contract/driver.ts";

const DANGLING = `select m.name as "from", f."table" as "to"
from sqlite_master m join pragma_foreign_key_list(m.name) f
where m.type = 'table' and lower(f."table") not in (select lower(name) from sqlite_master where type = 'table')`;

/**
 * Throws where a table of SQLite refers to one that isn't there: the other databases refuse to drop a table that
 * another one refers to, SQLite refuses each write to that other one ever after.
 */
export async function assertNoDanglingReferences(connection: MigrationConnection): Promise<void> {
  const [first] = await connection.all<{ from: string; to: string }>(DANGLING);
  if (first === undefined) return;
  throw new DatabaseError(
    "other",
    `Table "${first.from}" refers to table "${first.to}", which would be missing`,
    {
      table: first.from,
    },
  );
}
