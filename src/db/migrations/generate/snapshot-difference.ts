import type { Dialect } from "../../contract/driver.ts";
import { compareSchemas, type SchemaDifference, type TableDifference } from "./difference.ts";
import { readSchema } from "./schema-model.ts";
import { readSnapshot, type Snapshot } from "./snapshot.ts";
import type { SchemaModel } from "./table-model.ts";
import { InvalidMigrationError } from "../error.ts";

export interface ComparedTables {
  readonly tables: readonly unknown[];
  /** Tables that count only where the snapshot has one of their name. */
  readonly otherTables: readonly unknown[];
  /** Text of the snapshot; null where nothing has been made yet. */
  readonly snapshot: string | null;
}

/** Says what tables differ in from a snapshot, such as `column "crm_deals.stage"`; nothing when they don't. */
export function describeDifference(
  dialect: Dialect,
  { tables, otherTables, snapshot }: ComparedTables,
): string[] {
  const before: SchemaModel = snapshot === null ? new Map() : readSnapshot(parseSnapshot(snapshot));
  const declared = readSchema(dialect, Object.fromEntries(tables.entries()));
  const others = [...readSchema(dialect, Object.fromEntries(otherTables.entries()))].filter(([name]) =>
    before.has(name),
  );
  return describe(compareSchemas(before, new Map([...declared, ...others])));
}

function parseSnapshot(text: string): Snapshot {
  try {
    return JSON.parse(text) as Snapshot;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidMigrationError(`Cannot read the snapshot of the last migration: ${reason}`, {
      cause: error,
    });
  }
}

function describe({ created, altered, dropped }: SchemaDifference): string[] {
  return [
    ...created.map(({ name }) => `table "${name}"`),
    ...altered.flatMap(describeTable),
    ...dropped.map(({ name }) => `table "${name}", which is gone`),
  ];
}

function describeTable({ name, columns, changedColumns, ...rest }: TableDifference): string[] {
  const replaced = new Set(columns.added.map((column) => column.name));
  const changed = [
    ...columns.added.map((column) => `column "${name}.${column.name}"`),
    ...changedColumns.map(({ after }) => `column "${name}.${after.name}"`),
    ...columns.dropped
      .filter((column) => !replaced.has(column.name))
      .map((column) => `column "${name}.${column.name}", which is gone`),
  ];
  if (changed.length > 0) return changed;
  const parts = [rest.indexes, rest.foreignKeys, rest.checks].flatMap(({ added, dropped }) => [
    ...added,
    ...dropped,
  ]);
  const [first] = parts;
  return [first === undefined ? `the primary key of table "${name}"` : `"${first.name}" of table "${name}"`];
}
