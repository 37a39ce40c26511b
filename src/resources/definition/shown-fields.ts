import type { Column } from "drizzle-orm";
import { kindOf } from "../../db/schema/column-kind.ts";
import { assertKnown, refuse } from "./names.ts";

/** A column with the values, as forms have them, that another field is shown by; "" for none. */
export interface ShownBy {
  readonly column: string;
  readonly values: readonly string[];
}

/** By column: what all has to be so for its field to be shown. */
export type ShownFields = ReadonlyMap<string, readonly ShownBy[]>;

type Value = string | number | boolean | null;

export type AnyShow = Readonly<
  Record<string, Readonly<Record<string, Value | readonly Value[] | undefined>> | undefined>
>;

interface Table {
  readonly tableName: string;
  readonly columns: ReadonlyMap<string, Column>;
  /** Columns whose values the server makes. */
  readonly made: ReadonlySet<string>;
}

/**
 * Reads when fields are shown.
 *
 * @throws TypeError for columns and values that aren't there, for a field that has to be filled, and for one that depends on itself
 */
export function toShownFields(table: Table, asked: AnyShow = {}): ShownFields {
  const { tableName, columns } = table;
  const names = [...columns.keys()];
  const shown = new Map<string, readonly ShownBy[]>();
  for (const [name, conditions = {}] of Object.entries(asked)) {
    assertKnown(tableName, name, names);
    assertOptional(table, name);
    const all = Object.entries(conditions).map(([column, value]): ShownBy => {
      assertKnown(tableName, column, names);
      const values = [value ?? null].flat() as readonly Value[];
      return { column, values: values.map((one) => toFieldValue(table, [name, column], one)) };
    });
    shown.set(name, all);
  }
  for (const name of shown.keys()) assertNoCircle(tableName, shown, [name]);
  return shown;
}

function toFieldValue({ tableName, columns }: Table, way: readonly [string, string], value: Value): string {
  if (value === null) return "";
  const kind = kindOf(columns.get(way[1]) as Column);
  const text = String(value);
  if (kind.type === "enum") assertKnown(tableName, text, kind.values);
  const isOther = kind.type === "boolean" ? typeof value !== "boolean" : typeof value === "boolean";
  if (!isOther) return text;
  throw refuse(
    tableName,
    `"admin.show.${way.join(".")}" is ${JSON.stringify(value)}, which no ${kind.type} is`,
  );
}

/** What has to be filled can't be hidden: no row could be made. */
function assertOptional({ tableName, columns, made }: Table, name: string): void {
  const { notNull, hasDefault } = columns.get(name) as Column;
  if (!notNull || hasDefault || made.has(name)) return;
  throw refuse(tableName, `"admin.show.${name}" would hide a field that every new row must be given`);
}

function assertNoCircle(tableName: string, shown: ShownFields, way: readonly string[]): void {
  for (const { column } of shown.get(way.at(-1) ?? "") ?? []) {
    if (way.includes(column))
      throw refuse(tableName, `"admin.show" goes round: ${[...way, column].join(" by ")}`);
    assertNoCircle(tableName, shown, [...way, column]);
  }
}
