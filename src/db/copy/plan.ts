import { DatabaseError } from "../contract/database-error.ts";
import { LEDGER_TABLES } from "../migrations/core.ts";
import type { CopyDatabase, CopyTable } from "./contract.ts";
import { PROGRESS_TABLE } from "./progress.ts";
import { type Passage, toPassage } from "./values.ts";

/** A table as it is read and as it is written, with its columns in one order. */
export interface TablePair {
  readonly from: CopyTable;
  readonly to: CopyTable;
  readonly passages: readonly Passage[];
}

/** What is copied. */
export interface CopyPlan {
  readonly pairs: readonly TablePair[];
  /** Tables that no migration of xcore or a plugin has made. */
  readonly leftOut: readonly string[];
}

/** Of xcore's own tables, those that aren't about the tables of the copy. */
const COPIED: readonly string[] = ["xcore_seeds", "xcore_versions"];

/**
 * Finds out which tables are copied, and how.
 *
 * @throws DatabaseError where the copy lacks a table or a column, or has one of another type
 */
export async function planCopy(source: CopyDatabase, copy: CopyDatabase): Promise<CopyPlan> {
  const [present, made, owned] = [
    await source.listTables(),
    await copy.listTables(),
    await source.all<{ name: string }>("select name from xcore_tables"),
  ];
  const known = new Set([...owned.map(({ name }) => name.toLowerCase()), ...COPIED]);
  const own = new Set([...LEDGER_TABLES.filter((name) => !COPIED.includes(name)), PROGRESS_TABLE]);
  const names = present.filter((name) => !own.has(name));
  const pairs: TablePair[] = [];
  for (const name of names.filter((one) => known.has(one.toLowerCase()))) {
    const other = made.find((one) => one.toLowerCase() === name.toLowerCase());
    if (other === undefined) {
      throw new DatabaseError(
        "missing_table",
        `Cannot copy table "${name}": the migrations for ${copy.dialect} make none of this name`,
      );
    }
    // oxlint-disable-next-line no-await-in-loop -- one connection
    pairs.push(toPair(await source.describe(name), await copy.describe(other), { source, copy }));
  }
  return { pairs, leftOut: names.filter((name) => !known.has(name.toLowerCase())) };
}

function toPair(
  from: CopyTable,
  to: CopyTable,
  { source, copy }: { readonly source: CopyDatabase; readonly copy: CopyDatabase },
): TablePair {
  const columns = from.columns.map(({ name }) => {
    const found = to.columns.find((column) => column.name.toLowerCase() === name.toLowerCase());
    if (found !== undefined) return found;
    throw new DatabaseError(
      "missing_column",
      `Cannot copy "${from.name}"."${name}": the migrations for ${copy.dialect} make no such column`,
    );
  });
  const passages = from.columns.map((column, index) =>
    toPassage(
      { dialect: source.dialect, column },
      { dialect: copy.dialect, column: columns[index] ?? column },
      from.name,
    ),
  );
  return { from, to: { ...to, columns }, passages };
}
