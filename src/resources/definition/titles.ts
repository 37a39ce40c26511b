import type { Column } from "drizzle-orm";
import { kindOf } from "../../db/schema/column-kind.ts";

/** What people mostly call a thing by. */
const NAMES = ["name", "title", "label", "subject", "number", "code", "email"];
const WORDS = new Set(["varchar", "text"]);

/**
 * The column by which people tell rows apart, of those that somebody sees; null where only the key does.
 *
 * @param chosen by the resource; null where it names none
 */
export function titleOf(columns: ReadonlyMap<string, Column>, chosen: string | null = null): string | null {
  if (chosen !== null && columns.has(chosen)) return chosen;
  const isText = (name: string): boolean => {
    const column = columns.get(name);
    return column !== undefined && WORDS.has(kindOf(column).type);
  };
  const named = NAMES.find(isText);
  if (named !== undefined) return named;
  const short = [...columns].find(
    ([, column]) => column.notNull && !column.primary && kindOf(column).type === "varchar",
  );
  return short?.[0] ?? null;
}
