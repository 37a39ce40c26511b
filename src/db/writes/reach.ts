import { getTableName, type Table } from "drizzle-orm";
import type { TableMakers, TableWrite } from "../contract/driver.ts";

/** Which writes to which other tables change rows of a table, by the actions of its foreign keys. */
export type Reach = ReadonlyMap<string, ReadonlySet<TableWrite["verb"]>>;

const ACTIONS = new Set(["cascade", "set null", "set default"]);

/**
 * Finds the writes that change rows of a table: those to itself, and those to tables that it refers to by foreign keys with
 * `on delete cascade` and the like, at any distance. Names are in small letters.
 */
export function findReach(table: Table, { foreignKeysOf }: Pick<TableMakers, "foreignKeysOf">): Reach {
  const reach = new Map<string, Set<TableWrite["verb"]>>([
    [toName(table), new Set(["insert", "update", "delete"] as const)],
  ]);
  const left = [table];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    for (const key of foreignKeysOf(next)) {
      const { foreignTable } = key.reference();
      const name = toName(foreignTable);
      const verbs = reach.get(name) ?? new Set();
      const before = verbs.size;
      if (ACTIONS.has(key.onDelete ?? "")) verbs.add("delete");
      if (ACTIONS.has(key.onUpdate ?? "")) verbs.add("update");
      if (verbs.size === before) continue;
      reach.set(name, verbs);
      left.push(foreignTable);
    }
  }
  return reach;
}

function toName(table: Table): string {
  return getTableName(table).toLowerCase();
}
