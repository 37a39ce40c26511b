import type { ColumnModel, SchemaModel, TableModel } from "./table-model.ts";

/** What changed between two schemas of one dialect. */
export interface SchemaDifference {
  readonly created: readonly TableModel[];
  readonly dropped: readonly TableModel[];
  readonly altered: readonly TableDifference[];
}

/** What changed of a table that stays. */
export interface TableDifference {
  readonly name: string;
  readonly before: TableModel;
  readonly after: TableModel;
  readonly columns: Parts<ColumnModel>;
  readonly changedColumns: readonly ColumnChange[];
  readonly hasNewPrimaryKey: boolean;
  readonly indexes: NamedParts<TableModel["indexes"]>;
  readonly foreignKeys: NamedParts<TableModel["foreignKeys"]>;
  readonly checks: NamedParts<TableModel["checks"]>;
}

export interface ColumnChange {
  readonly before: ColumnModel;
  readonly after: ColumnModel;
}

interface Parts<Part> {
  readonly dropped: readonly Part[];
  readonly added: readonly Part[];
}

/** Parts by name; one that changed is dropped and added. */
type NamedParts<Map> =
  Map extends ReadonlyMap<string, infer Part> ? Parts<{ readonly name: string; readonly part: Part }> : never;

export interface ReplacedColumn {
  readonly table: string;
  readonly column: string;
}

/** Compares two schemas. Columns in `replaced` are dropped and made anew rather than changed. */
export function compareSchemas(
  before: SchemaModel,
  after: SchemaModel,
  replaced: readonly ReplacedColumn[] = [],
): SchemaDifference {
  return {
    created: [...after.values()].filter(({ name }) => !before.has(name)),
    dropped: [...before.values()].filter(({ name }) => !after.has(name)),
    altered: [...after.values()].flatMap((table) => {
      const old = before.get(table.name);
      if (old === undefined) return [];
      const names = replaced.filter((one) => one.table === table.name).map(({ column }) => column);
      const difference = compareTables(old, table, new Set(names));
      return isSame(difference) ? [] : [difference];
    }),
  };
}

/** Named parts by their names. */
export function toMap<Part>(parts: readonly { name: string; part: Part }[]): Map<string, Part> {
  return new Map(parts.map(({ name, part }) => [name, part]));
}

/** Whether nothing changed. */
export function isEmpty({ created, dropped, altered }: SchemaDifference): boolean {
  return created.length + dropped.length + altered.length === 0;
}

function compareTables(
  before: TableModel,
  after: TableModel,
  replaced: ReadonlySet<string>,
): TableDifference {
  const stays = (name: string): boolean => before.columns.has(name) && !replaced.has(name);
  const olds = [...before.columns.values()];
  return {
    name: after.name,
    before,
    after,
    columns: {
      dropped: olds.filter(({ name }) => !after.columns.has(name) || replaced.has(name)),
      added: [...after.columns.values()].filter(({ name }) => !stays(name)),
    },
    changedColumns: olds.flatMap((column) => {
      const changed = after.columns.get(column.name);
      if (changed === undefined || replaced.has(column.name) || isEqual(column, changed)) return [];
      return [{ before: column, after: changed }];
    }),
    hasNewPrimaryKey:
      !isEqual(before.primaryKey, after.primaryKey) || before.primaryKey.some((name) => replaced.has(name)),
    indexes: compareParts(before.indexes, after.indexes, ({ columns }) =>
      columns.some((one) => replaced.has(one)),
    ),
    foreignKeys: compareParts(before.foreignKeys, after.foreignKeys, ({ columns }) =>
      columns.some((one) => replaced.has(one)),
    ),
    checks: compareParts(before.checks, after.checks, (condition) =>
      [...replaced].some((one) => condition.includes(one)),
    ),
  };
}

function compareParts<Part>(
  before: ReadonlyMap<string, Part>,
  after: ReadonlyMap<string, Part>,
  isReplaced: (part: Part) => boolean,
): Parts<{ name: string; part: Part }> {
  const stays = (name: string, part: Part): boolean => {
    const other = after.get(name);
    return other !== undefined && isEqual(part, other) && !isReplaced(part);
  };
  const kept = new Set([...before].filter(([name, part]) => stays(name, part)).map(([name]) => name));
  const toParts = (parts: ReadonlyMap<string, Part>): { name: string; part: Part }[] =>
    [...parts].filter(([name]) => !kept.has(name)).map(([name, part]) => ({ name, part }));
  return { dropped: toParts(before), added: toParts(after) };
}

function isSame(difference: TableDifference): boolean {
  const { columns, indexes, foreignKeys, checks, changedColumns, hasNewPrimaryKey } = difference;
  const parts = [columns, indexes, foreignKeys, checks];
  const isAny = parts.some(({ dropped, added }) => dropped.length + added.length > 0);
  return !isAny && changedColumns.length === 0 && !hasNewPrimaryKey;
}

function isEqual(one: unknown, other: unknown): boolean {
  return Bun.deepEquals(one, other);
}
