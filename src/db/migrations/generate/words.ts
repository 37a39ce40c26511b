import type { Rename } from "./renames.ts";

/**
 * Returns what the statements of every dialect consist of.
 *
 * @param mark what stands around a name, and twice for itself in one
 */
export function createWords(mark: '"' | "`") {
  const quote = (name: string): string => mark + name.replaceAll(mark, mark + mark) + mark;
  const list = (names: readonly string[]): string => names.map(quote).join(", ");
  const alter = (table: string): string => `ALTER TABLE ${quote(table)}`;
  const rename = ({ table, column, to }: Rename): string =>
    `${alter(table)} RENAME${column === null ? "" : ` COLUMN ${quote(column)}`} TO ${quote(to)}`;
  return { quote, list, alter, rename };
}
