import { sha256 } from "../../files/sha256.ts";
import { isFault } from "../contract/database-error.ts";
import type { MigrationConnection } from "../contract/driver.ts";
import type { TableEffect } from "./table-effects.ts";

/** Hash of what MySQL says the tables of these effects look like; rows and counters don't count. */
export async function fingerprintTables(
  connection: MigrationConnection,
  effects: readonly TableEffect[],
): Promise<string> {
  const names = effects.flatMap((effect) =>
    effect.kind === "rename" ? [effect.table, effect.to] : [effect.table],
  );
  const definitions: string[] = [];
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop -- one connection
    definitions.push(await readDefinition(connection, name));
  }
  return sha256(definitions.join("\0"));
}

async function readDefinition(connection: MigrationConnection, table: string): Promise<string> {
  try {
    const query = `show create table \`${table.replaceAll("`", "``")}\``;
    const [row] = await connection.all<Record<string, unknown>>(query);
    return String(row?.["Create Table"]).replace(/ AUTO_INCREMENT=\d+/, "");
  } catch (error) {
    if (isFault(error, "missing_table")) return "";
    throw error;
  }
}
