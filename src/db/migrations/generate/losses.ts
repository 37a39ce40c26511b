import type { Fill } from "./backfills.ts";
import type { Conversion } from "./conversions.ts";
import type { SchemaDifference, TableDifference } from "./difference.ts";
import { type ColumnModel, type IndexModel, isUnique, type TableModel } from "./table-model.ts";

/**
 * Says, a line each, what a change could take from the rows that are there, or why they could stop it.
 *
 * @param fills what is given to rows that have no value
 */
export function describeLosses(
  difference: SchemaDifference,
  conversions: readonly Conversion[],
  fills: readonly Fill[],
): string[] {
  const dropped = difference.dropped.map(({ name }) => `Drops table "${name}" with all of its rows`);
  const altered = difference.altered.flatMap((table) =>
    describeTable(
      table,
      conversions.filter((one) => one.table === table.name),
      fills.filter((fill) => fill.table === table.name),
    ),
  );
  return [...dropped, ...altered];
}

function describeTable(table: TableDifference, own: readonly Conversion[], fills: readonly Fill[]): string[] {
  const isFilled = (column: ColumnModel): boolean => fills.some((fill) => fill.column === column.name);
  const replaced = new Set(own.filter(({ isPossible }) => !isPossible).map(({ column }) => column));
  const show = (column: string): string => `"${table.name}.${column}"`;
  return [
    ...table.columns.dropped
      .filter(({ name }) => !replaced.has(name))
      .map(({ name }) => `Drops column ${show(name)} with its values`),
    ...own.filter(({ isWidening }) => !isWidening).map((one) => describeConversion(one, show(one.column))),
    ...table.columns.added
      .filter((column) => column.isNotNull && column.default === null && !column.isCounted)
      .filter((column) => !isFilled(column))
      .map(
        ({ name }) => `Adds column ${show(name)}, required and without a default: fails where there are rows`,
      ),
    ...table.changedColumns
      .filter(({ before, after }) => after.isNotNull && !before.isNotNull && !isFilled(after))
      .map(({ after }) => `Makes column ${show(after.name)} required: fails where it is NULL`),
    ...describeConstraints(table, fills),
  ];
}

function describeConversion({ from, to, isPossible }: Conversion, shown: string): string {
  const change = `Changes column ${shown} from ${from.name} to ${to.name}`;
  if (!isPossible) return `${change}: its values are dropped, as they can't be converted`;
  if (to.kind === "integer" && from.kind === "decimal") return `${change}: rounds its values`;
  return `${change}: fails where a value doesn't fit, or rounds it`;
}

function describeConstraints(
  { name, before, after, indexes, checks, foreignKeys, ...table }: TableDifference,
  fills: readonly Fill[],
): string[] {
  const fails = "fails where rows don't keep to it";
  const uniques = indexes.added.filter(({ part }) => isUnique(part) && !hadUnique(before, part));
  const newKeys = foreignKeys.added.filter(
    ({ part }) => !hadForeignKey(before, part) && !isNew(table, part.columns),
  );
  const primaryKey = table.hasNewPrimaryKey && after.primaryKey.length > 0;
  return [
    ...(primaryKey
      ? [`Changes the primary key of table "${name}": fails where rows have the same values`]
      : []),
    ...uniques.map(
      ({ part }) => `Makes ${list(name, part.columns)} unique: fails where rows have the same values`,
    ),
    ...checks.added
      .filter(({ part }) => !isKeptByNew(part, table.columns.added, fills))
      .filter(
        ({ part }) => ![...before.checks.values()].some((old) => old === part || hasMoreValues(old, part)),
      )
      .map((check) => `Adds or changes check "${check.name}" of table "${name}": ${fails}`),
    ...newKeys.map(
      ({ part }) => `Makes ${list(name, part.columns)} refer to table "${part.toTable}": ${fails}`,
    ),
  ];
}

/** Whether it is the check of an enum's column that is new: rows are given one of its values, or none. */
function isKeptByNew(condition: string, added: readonly ColumnModel[], fills: readonly Fill[]): boolean {
  const [column] = parseEnum(condition);
  const name = column?.slice(1, -1);
  const isComputed = fills.some((fill) => fill.column === name && fill.value.startsWith("("));
  return !isComputed && added.some((one) => one.name === name);
}

/** Whether an enum's check takes all that it took before. */
function hasMoreValues(before: string, after: string): boolean {
  const [[column, values], [sameColumn, moreValues]] = [parseEnum(before), parseEnum(after)];
  return column !== null && column === sameColumn && values.isSubsetOf(moreValues);
}

function parseEnum(condition: string): [column: string | null, values: Set<string>] {
  const [, column = null, values = ""] =
    /^("[^"]+") in \(((?:'(?:[^']|'')*'(?:, )?)+)\)$/.exec(condition) ?? [];
  return [column, new Set(values.match(/'(?:[^']|'')*'/g))];
}

function hadUnique(table: TableModel, { columns }: IndexModel): boolean {
  const set = columns.toSorted().join();
  return [...table.indexes.values()].some((one) => isUnique(one) && one.columns.toSorted().join() === set);
}

function hadForeignKey(table: TableModel, key: { toTable: string; columns: readonly string[] }): boolean {
  return [...table.foreignKeys.values()].some(
    (one) => one.toTable === key.toTable && one.columns.join() === key.columns.join(),
  );
}

/** Whether the key starts out as NULL in every row. */
function isNew({ columns }: Pick<TableDifference, "columns">, names: readonly string[]): boolean {
  return names.some((name) => columns.added.some((one) => one.name === name && one.default === null));
}

function list(table: string, columns: readonly string[]): string {
  return columns.map((column) => `"${table}.${column}"`).join(", ");
}
