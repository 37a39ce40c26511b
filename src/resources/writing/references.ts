import { and, type Column, getTableName, inArray, type SQL } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import { ConstraintError, sayRows } from "../../db/contract/database-error.ts";
import { fail, withPaths } from "../../errors/codes.ts";
import type { Transaction } from "../../db/contract/database.ts";
import type { Access } from "../access/access.ts";
import { fullNameOf } from "../definition/names.ts";
import type { Resources } from "../definition/registry.ts";
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

/** Says of an error by which resource, and how often, the row is referred to that was to be deleted. Others stay as they are. */
export function nameReferring(error: unknown, resources: Resources): unknown {
  if (!(error instanceof ConstraintError) || error.side !== "referred" || error.table === undefined)
    return error;
  const resource = resources.ofTableName(error.table);
  if (resource === null) return error;
  const name = fullNameOf(resource);
  const { count } = error;
  const message = `Cannot delete the row: ${sayRows(count)} of resource "${name}" ${count === 1 ? "refers" : "refer"} to it`;
  return fail("conflict", message, { cause: error, members: { referred_by: { resource: name, count } } });
}
