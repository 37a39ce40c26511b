import { and, eq, type SQL } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { fail } from "../../errors/codes.ts";
import type { Database } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { Access } from "../access/access.ts";
import type { Resource } from "../definition/definition.ts";
import type { ColumnParameter } from "../schemas/queries.ts";
import { toRowsCondition, type Wanted as WantedRows } from "./conditions.ts";
import { findIndexed } from "./search.ts";
import { expandRows, type Row } from "./expand.ts";
import { isAsTheyAre, type Shape, toShape, type Wanted as WantedFields } from "./fields.ts";

export type ListQuery = PageQuery & WantedRows & WantedFields;

/** Reads a page of the rows that there are to whoever asks. */
export async function listRows(
  db: Database,
  access: Access,
  {
    query,
    parameters,
  }: { readonly query: ListQuery; readonly parameters: ReadonlyMap<string, ColumnParameter> },
): Promise<Page<Row>> {
  const { resource, visible } = access;
  const shape = toShape(access, query);
  const indexed = await findIndexed(db, access, query.q);
  const condition = toRowsCondition(access, query, { parameters, indexed });
  const select = db
    .select()
    .from(resource.table as PgTable)
    .where(condition);
  const sort = resource.sort.filter((name) => visible.has(name));
  const page = await paginate<Row>(select, query, { sort });
  if (isAsTheyAre(shape)) return page;
  const rows = [...page.items];
  return { ...page, items: await present(rows, shape, { db, access }) };
}

/**
 * Reads a row, as it is shown.
 *
 * @throws AppError not_found where there is none to whoever asks
 */
export async function readRow(
  db: Database,
  access: Access,
  id: unknown,
  query: WantedFields = {},
): Promise<{ row: Row; shown: Row }> {
  const shape = toShape(access, query);
  const row = await findRow(db, access.resource, and(eq(access.resource.key, id), access.rows("read")));
  if (row === undefined) throw missing(access.resource, id);
  return { row, shown: await presentOne(row, shape, { db, access }) };
}

/** What of a row is shown to whoever asks, as another row; a promise only where there is something to wait for. */
export function presentOne(
  row: Row,
  shape: Shape,
  options: { readonly db: Database; readonly access: Access },
): Row | Promise<Row> {
  const copy = { ...row };
  return isAsTheyAre(shape) ? copy : present([copy], shape, options).then(([shown = copy]) => shown);
}

/** The row that meets a condition, with all of its columns. */
export async function findRow(
  db: Database,
  { table }: Resource,
  condition: SQL | undefined,
): Promise<Row | undefined> {
  const [row] = await db
    .select()
    .from(table as PgTable)
    .where(condition)
    .limit(1);
  return row;
}

/** The row of a key as far as it is there to whoever asks; one that is deleted and kept is there to who may delete it. */
export function findInSight(db: Database, access: Access, id: unknown): Promise<Row | undefined> {
  const { resource, mayDelete } = access;
  const rows = access.rowsWithDeleted(mayDelete ? "with" : undefined);
  return findRow(db, resource, and(eq(resource.key, id), rows));
}

/** The error of a row that isn't there, or isn't for whoever asks: nobody is told which. */
export function missing({ singular }: Resource, id: unknown): Error {
  return fail("not_found", `Cannot find ${singular} "${String(id)}"`);
}

/** What of rows is shown to whoever asks: the same rows, or others in their place. */
export async function present(
  rows: readonly Row[],
  { columns, expand }: Shape,
  { db, access }: { readonly db: Database; readonly access: Access },
): Promise<Row[]> {
  const { files } = access.resource;
  if (files !== null) await files.show(rows, columns === null ? access.visible : new Set(columns));
  const view = { columns: access.visible, relations: access.resource.relations };
  if (expand.size > 0) await expandRows(rows, expand, { access, db, view });
  if (columns === null) return [...rows];
  const names = [...columns, ...expand.keys()];
  return rows.map((row) => Object.fromEntries(names.map((name) => [name, row[name]])));
}
