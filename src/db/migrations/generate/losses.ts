import type { Conversion } from "./conversions.ts";
import type { SchemaDifference, TableDifference } from "./difference.ts";
import { type IndexModel, isUnique, type TableModel } from "./table-model.ts";

/** Says, a line each, what a change could take from the rows that are there, or why they could stop it. */
export function describeLosses(difference: SchemaDifference, conversions: readonly Conversion[]): string[] {
  const dropped = difference.dropped.map(({ name }) => `Drops table "${name}" with all of its rows`);
  const altered = difference.altered.flatMap((table) => describeTable(table, conversions));
  return [...dropped, ...altered];
}

function describeTable(table: TableDifference, conversions: readonly Conversion[]): string[] {
  const own = conversions.filter(({ table: name }) => name === table.name);
  const replaced = new Set(own.filter(({ isPossible }) => !isPossible).map(({ column }) => column));
  const show = (column: string): string => `"${table.name}.${column}"`;
  return [
    ...table.columns.dropped
      .filter(({ name }) => !replaced.has(name))
      .map(({ name }) => `Drops column ${show(name)} with its values`),
    ...own.filter(({ isWidening }) => !isWidening).map((one) => describeConversion(one, show(one.column))),
    ...table.columns.added
      .filter((column) => column.isNotNull && column.default === null && !column.isCounted)
      .map(
        ({ name }) => `Adds column ${show(name)}, required and without a default: fails where there are rows`,
      ),
    ...table.changedColumns
      .filter(({ before, after }) => after.isNotNull && !before.isNotNull)
      .map(({ after }) => `Makes column ${show(after.name)} required: fails where it is NULL`),
    ...describeConstraints(table),
  ];
}

function describeConversion({ from, to, isPossible }: Conversion, shown: string): string {
  const change = `Changes column ${shown} from ${from.name} to ${to.name}`;
  if (!isPossible) return `${change}: its values are dropped, as they can't be converted`;
  if (to.kind === "integer" && from.kind === "decimal") return `${change}: rounds its values`;
  return `${change}: fails where a value doesn't fit, or rounds it`;
}

function describeConstraints({
  name,
  before,
  after,
  indexes,
  checks,
  foreignKeys,
  ...table
}: TableDifference): string[] {
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
      .filter(
        ({ part }) => ![...before.checks.values()].some((old) => old === part || hasMoreValues(old, part)),
      )
      .map((check) => `Adds or changes check "${check.name}" of table "${name}": ${fails}`),
    ...newKeys.map(
      ({ part }) => `Makes ${list(name, part.columns)} refer to table "${part.toTable}": ${fails}`,
    ),
  ];
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
