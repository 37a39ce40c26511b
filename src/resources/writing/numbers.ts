import { sql } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { kindOf } from "../../db/schema/column-kind.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../../errors/codes.ts";
import { type Numbering, seriesOf } from "../definition/numbering.ts";

export type NumberTable = CoreTables["numberSeries"];

/**
 * Takes the next number of a series: others wait for the transaction that has taken it, so that none is missing where that
 * is rolled back.
 *
 * @throws AppError conflict where the column has no room for it
 */
export async function takeNumber(tx: Transaction, table: NumberTable, numbering: Numbering): Promise<string> {
  const series = seriesOf(numbering, new Date());
  const [row] = await tx
    .insert(table)
    .values({ name: series.name, last: 1 })
    .onConflictDoUpdate({ target: table.name, set: { last: sql`${table.last} + 1` } })
    .returning({ last: table.last });
  if (row === undefined) throw new Error(`The database gave no number of "${series.name}"`);
  const number = series.write(row.last);
  const kind = kindOf(numbering.column);
  if (kind.type !== "varchar" || number.length <= kind.length) return number;
  throw fail(
    "conflict",
    `Cannot number it "${number}": "${numbering.column.name}" has room for ${kind.length} characters`,
  );
}
