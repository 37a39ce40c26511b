import { and, inArray, type SQL } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { toForbidden } from "../../accounts/identity/guards.ts";
import type { Transaction } from "../../db/contract/database.ts";
import type { Access } from "../access/access.ts";
import type { Row } from "../reading/expand.ts";

/** The rules by which whoever has written a row may still change it: else they would give it to others, or away. */
export function toKeptRules(access: Access): SQL | undefined {
  const { rows } = access.resource;
  return and(access.rule("read"), rows.read === rows.update ? undefined : access.rule("update"));
}

/** @throws AppError authorization_error where a row that was written isn't within the rules any more */
export async function assertKept(
  { resource }: Access,
  rows: readonly Row[],
  { tx, rules }: { readonly tx: Transaction; readonly rules: SQL },
): Promise<void> {
  const keys = rows.map((row) => row[resource.key.name]);
  const kept = await tx.$count(resource.table as PgTable, and(inArray(resource.key, keys), rules));
  if (kept === rows.length) return;
  throw toForbidden(`You couldn't change this ${resource.singular} any more once it is written so`);
}
