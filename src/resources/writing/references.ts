import { and, type Column, getTableName, inArray } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import { ConstraintError } from "../../db/contract/database-error.ts";
import { withPaths } from "../../errors/codes.ts";
import { targetOf } from "../../db/schema/column-kind.ts";
import type { Transaction } from "../../db/contract/database.ts";
import type { Access } from "../access/access.ts";
import type { Row } from "../reading/expand.ts";

type Key = string | number;

/**
 * Holds what clients give for references to the rows that there are to them: others could be guessed by, and be given rows of theirs.
 *
 * @param before the row as it is, whose references may stay; null for new rows
 * @throws AppError validation_error, as where there is no such row at all
 */
export async function assertReferences(
  given: readonly Row[],
  before: Row | null,
  { tx, access, at }: { readonly tx: Transaction; readonly access: Access; readonly at: string },
): Promise<void> {
  for (const [name, column] of access.resource.columns) {
    const target = targetOf(column);
    const rows = target === null ? undefined : access.referable(target.table);
    if (target === null || rows === undefined) continue;
    const asked = new Set(
      given
        .map((row) => row[name] as Key | null | undefined)
        .filter((key) => key !== null && key !== undefined),
    );
    if (before !== null) asked.delete(before[name] as Key);
    if (asked.size === 0) continue;
    // oxlint-disable-next-line no-await-in-loop -- one query for each reference whose rows have rules
    const found = await tx.$count(
      target.table as PgTable,
      and(inArray(target as PgColumn, [...asked]), rows),
    );
    if (found !== asked.size)
      throw withPaths(toMissing(column, target), (path) => path.replace(/^\/body/, at));
  }
}

function toMissing(column: Column, target: Column): ConstraintError {
  return new ConstraintError("foreign_key", {
    side: "missing",
    table: getTableName(column.table),
    columns: [column.name],
    target: getTableName(target.table),
    targetColumns: [target.name],
  });
}
