import { and, type Column, getTableName, inArray, type SQL } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import { ConstraintError } from "../../db/contract/database-error.ts";
import { withPaths } from "../../errors/codes.ts";
import type { Transaction } from "../../db/contract/database.ts";
import type { Access } from "../access/access.ts";
import type { Row } from "../reading/expand.ts";

type Key = string | number;

/** A column that refers to rows of which some may not be there to whoever asks. */
interface RuledReference {
  readonly column: Column;
  readonly target: Column;
  /** Which of those rows may be referred to. */
  readonly rows: SQL;
}

/** The references of rows that have to be looked at: the others are the database's to check. */
export function ruledReferences(access: Access): RuledReference[] {
  const ruled: RuledReference[] = [];
  for (const [column, target] of access.resource.references) {
    const rows = access.referable(target.table);
    if (rows !== undefined) ruled.push({ column, target, rows });
  }
  return ruled;
}

/**
 * Holds what clients give for references to the rows that there are to them: others could be guessed by, and be given rows of theirs.
 *
 * @throws AppError validation_error, as where there is no such row at all
 */
export async function assertReferences(
  given: readonly Row[],
  references: readonly RuledReference[],
  {
    tx,
    at,
    before = null,
  }: {
    readonly tx: Transaction;
    readonly at: string;
    /** The row as it is, whose references may stay. @default null, for new rows */
    readonly before?: Row | null;
  },
): Promise<void> {
  for (const { column, target, rows } of references) {
    const asked = new Set(
      given
        .map((row) => row[column.name] as Key | null | undefined)
        .filter((key) => key !== null && key !== undefined),
    );
    if (before !== null) asked.delete(before[column.name] as Key);
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
