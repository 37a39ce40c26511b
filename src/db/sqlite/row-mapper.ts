import { Column, type DriverValueDecoder, getTableName, is, noopDecoder, Subquery } from "drizzle-orm";
import type { SelectedFieldsOrdered } from "drizzle-orm/sqlite-core";
import { toAggregate } from "../schema/aggregates.ts";
import type { Row } from "./connection.ts";
import { needsReading, readResult } from "./exact-numbers.ts";

type Decoder = DriverValueDecoder<unknown, unknown>;

interface MappedField {
  readonly path: readonly string[];
  readonly field: SelectedFieldsOrdered[number]["field"];
  /** Null where the value stays as it is. */
  readonly decoder: Decoder | null;
}

/** Turns the values of a row into the object that the query is typed to give. */
export type RowMapper = (values: readonly unknown[]) => Row;

/**
 * Prepares the mapping of rows, as drizzle's own `mapResultRow` does it, but finding out once for a query
 * instead of for each value what is to be done.
 *
 * @param isAlwaysThere says of each joined table whether its row can't be missing
 */
export function createRowMapper(
  fields: SelectedFieldsOrdered,
  isAlwaysThere: Readonly<Record<string, boolean>> | undefined,
): RowMapper {
  const mapped = fields.map(({ path, field }) => ({ path, field, decoder: decoderOf(field) }));
  return mapped.every(({ path }) => path.length === 1)
    ? createFlatMapper(mapped)
    : createNestedMapper(mapped, isAlwaysThere);
}

function createFlatMapper(fields: readonly MappedField[]): RowMapper {
  const keys = fields.map(({ path }) => path[0] ?? "");
  const decoders = fields.map(({ decoder }) => decoder);
  return (values) => {
    const row: Row = {};
    for (let index = 0; index < keys.length; index += 1) {
      row[keys[index] ?? ""] = decode(decoders[index] ?? null, values[index]);
    }
    return row;
  };
}

function createNestedMapper(
  fields: readonly MappedField[],
  isAlwaysThere: Readonly<Record<string, boolean>> | undefined,
): RowMapper {
  const optional = isAlwaysThere === undefined ? [] : findOptionalObjects(fields, isAlwaysThere);
  return (values) => {
    const row: Row = {};
    for (const [index, { path, decoder }] of fields.entries()) {
      let node = row;
      for (let depth = 0; depth < path.length - 1; depth += 1) node = openNode(node, path[depth] ?? "");
      node[path.at(-1) ?? ""] = decode(decoder, values[index]);
    }
    for (const { name, index } of optional) if (values[index] === null) row[name] = null;
    return row;
  };
}

function openNode(parent: Row, key: string): Row {
  const node = (parent[key] ??= {});
  return node as Row; // only objects are put where a path goes on
}

interface OptionalObject {
  readonly name: string;
  /** The column that is null when the joined row is missing. */
  readonly index: number;
}

/** As drizzle decides it: the first column of a table that may be missing tells for the whole object. */
function findOptionalObjects(
  fields: readonly MappedField[],
  isAlwaysThere: Readonly<Record<string, boolean>>,
): OptionalObject[] {
  const objects = new Map<string, { index: number; table: string; isMixed: boolean }>();
  for (const [index, { path, field }] of fields.entries()) {
    const [name = ""] = path;
    if (path.length !== 2 || !is(field, Column)) continue;
    const table = getTableName(field.table);
    const object = objects.get(name);
    if (object === undefined) objects.set(name, { index, table, isMixed: false });
    else if (object.table !== table) object.isMixed = true;
  }
  return [...objects].flatMap(([name, { index, table, isMixed }]) =>
    isMixed || isAlwaysThere[table] === true ? [] : [{ name, index }],
  );
}

function decode(decoder: Decoder | null, value: unknown): unknown {
  return decoder === null || value === null ? value : decoder.mapFromDriverValue(value);
}

function decoderOf(field: MappedField["field"]): Decoder | null {
  const decoder = findDecoder(field);
  const aggregate = decoder === noopDecoder ? null : toAggregate(field);
  if (aggregate !== null && needsReading(aggregate)) {
    return { mapFromDriverValue: (value) => decode(decoder, readResult(aggregate, value)) };
  }
  const isPlain =
    decoder === noopDecoder || decoder.mapFromDriverValue === Column.prototype.mapFromDriverValue;
  return isPlain ? null : decoder;
}

function findDecoder(field: MappedField["field"]): Decoder {
  if (is(field, Column)) return field;
  // Drizzle hides `decoder` from its types; its own drivers read it here too.
  const sql = is(field, Subquery) ? field._.sql : "sql" in field ? field.sql : field;
  return (sql as unknown as { readonly decoder: Decoder }).decoder;
}
