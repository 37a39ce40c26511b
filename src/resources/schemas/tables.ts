import type { TObject, TOptional, TSchema, TUnsafe } from "@sinclair/typebox";
import { type Column, getTableColumns, getTableName, type Table } from "drizzle-orm";
import { t } from "elysia";
import { listOf } from "../../db/paging/paginate.ts";
import { toGivenSchema, toStoredSchema } from "./values.ts";

type ColumnsOf<T extends Table> = T["_"]["columns"];

/** Names of what the database, or the table itself, gives each row: its key. */
type GeneratedName<T extends Table> = {
  [Name in keyof ColumnsOf<T>]: ColumnsOf<T>[Name]["_"] extends { isPrimaryKey: true; hasDefault: true }
    ? Name
    : never;
}[keyof ColumnsOf<T>];

/** Names of the columns that may be given. */
export type GivenName<T extends Table> = Exclude<keyof T["$inferInsert"] & string, GeneratedName<T>>;

type Given<T extends Table, Name extends GivenName<T>> = Exclude<T["$inferInsert"][Name], undefined>;

/** The schema of a table's rows. */
export type RowSchema<T extends Table> = TObject<{
  [Name in keyof T["$inferSelect"] & string]: TUnsafe<T["$inferSelect"][Name]>;
}>;

/** The schema of a new row: what has a default, or may be null, is optional. */
export type BodySchema<T extends Table, Name extends GivenName<T>> = TObject<{
  [Key in Name]: undefined extends T["$inferInsert"][Key]
    ? TOptional<TUnsafe<Given<T, Key>>>
    : TUnsafe<Given<T, Key>>;
}>;

/** The schema of a change of a row: all of it is optional. */
export type PatchSchema<T extends Table, Name extends GivenName<T>> = TObject<{
  [Key in Name]: TOptional<TUnsafe<Given<T, Key>>>;
}>;

/** Which columns a body may have: all but `omit`, or `pick` alone. */
export interface BodyOptions<Picked extends string, Omitted extends string> {
  /** Names of the only columns. @default all that aren't generated */
  readonly pick?: readonly Picked[];
  /** Names of columns that it doesn't have. @default none */
  readonly omit?: readonly Omitted[];
}

/**
 * The schema of a table's rows, for `response`: kinds, lengths, values of enums, decimals as strings, moments as ISO 8601, null where the
 * table allows it.
 *
 * @example .get("/:id", ({ params }) => readDeal(params.id), { response: rowOf(deals) })
 * @throws TypeError for a column that isn't of "xcore/schema"
 */
export function rowOf<T extends Table>(table: T): RowSchema<T> {
  const properties = Object.entries<Column>(getTableColumns(table)).map(([name, column]) => {
    const schema = toStoredSchema(column);
    return [name, column.notNull ? schema : t.Nullable(schema)];
  });
  return t.Object(Object.fromEntries(properties) as Record<string, TSchema>) as unknown as RowSchema<T>;
}

/**
 * The schema of a new row, for `body`: what the database would refuse is refused before it. Columns with a default, and those that may be
 * null, are optional; generated keys are left out.
 *
 * @example .post("/", ({ body }) => addDeal(body), { body: bodyOf(deals, { omit: ["owner_id"] }) })
 * @throws TypeError for a name that isn't a column's, or is a generated key's
 */
export function bodyOf<
  T extends Table,
  const Picked extends GivenName<T> = GivenName<T>,
  const Omitted extends GivenName<T> = never,
>(table: T, options: BodyOptions<Picked, Omitted> = {}): BodySchema<T, Exclude<Picked, Omitted>> {
  const properties = toGiven(table, options).map(([name, column]) => {
    const schema = toNullable(column);
    return [name, column.notNull && !column.hasDefault ? schema : t.Optional(schema)];
  });
  const schema = t.Object(Object.fromEntries(properties) as Record<string, TSchema>);
  return schema as unknown as BodySchema<T, Exclude<Picked, Omitted>>;
}

/**
 * The schema of a change of a row, for `body`: at least one of the columns that `bodyOf` has.
 *
 * @example .patch("/:id", ({ params, body }) => changeDeal(params.id, body), { body: patchOf(deals) })
 * @throws TypeError for a name that isn't a column's, or is a generated key's
 */
export function patchOf<
  T extends Table,
  const Picked extends GivenName<T> = GivenName<T>,
  const Omitted extends GivenName<T> = never,
>(table: T, options: BodyOptions<Picked, Omitted> = {}): PatchSchema<T, Exclude<Picked, Omitted>> {
  const properties = toGiven(table, options).map(([name, column]) => [name, t.Optional(toNullable(column))]);
  const schema = t.Object(Object.fromEntries(properties) as Record<string, TSchema>, { minProperties: 1 });
  return schema as unknown as PatchSchema<T, Exclude<Picked, Omitted>>;
}

/**
 * The schema of a page of these, as `paginate` gives it.
 *
 * @example .get("/", ({ query }) => paginate(db.select().from(deals), query), { query: page, response: pageOf(rowOf(deals)) })
 */
export const pageOf = listOf;

function toNullable(column: Column): TSchema {
  const schema = toGivenSchema(column);
  return column.notNull ? schema : t.Nullable(schema);
}

function toGiven(
  table: Table,
  { pick, omit = [] }: BodyOptions<string, string>,
): [name: string, column: Column][] {
  const columns = Object.entries<Column>(getTableColumns(table)).filter(([, column]) => !isGenerated(column));
  const names = columns.map(([name]) => name);
  for (const name of [...(pick ?? []), ...omit]) {
    if (names.includes(name)) continue;
    const known = names.map((one) => `"${one}"`).join(", ");
    throw new TypeError(`Cannot take "${name}" of "${getTableName(table)}": expected one of ${known}`);
  }
  return columns.filter(([name]) => (pick?.includes(name) ?? true) && !omit.includes(name));
}

function isGenerated(column: Column): boolean {
  return (column.primary && column.hasDefault) || column.generated !== undefined;
}
