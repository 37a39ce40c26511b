import {
  Column,
  type DriverValueDecoder,
  getTableName,
  is,
  noopDecoder,
  type SQL,
  Subquery,
} from "drizzle-orm";

type Decoder = DriverValueDecoder<unknown, unknown>;
type MappedRow = Record<string, unknown>;

/** A column or an expression that a query selects, and where its value stands in a row: `["author", "name"]`. */
export interface SelectedField {
  readonly path: readonly string[];
  readonly field: Column | SQL | SQL.Aliased | Subquery;
}

interface MappedField extends SelectedField {
  /** Null where the value stays as it is. */
  readonly decoder: Decoder | null;
}

/** Turns the values of a row into an object. */
export type RowMapper = (values: readonly unknown[]) => MappedRow;

export interface RowMappingOptions {
  readonly fields: readonly SelectedField[];
  /** Says of each joined table whether its row can't be missing. */
  readonly isAlwaysThere: Readonly<Record<string, boolean>> | undefined;
  /** Reads what a database gives for an expression before drizzle does; null for nothing to be read. @default null */
  readonly readerOf?: (field: SelectedField["field"]) => ((value: unknown) => unknown) | null;
  /** Writes what a database gives for a field as JSON has it, where that can be done at once. @default null */
  readonly writerOf?: (field: SelectedField["field"]) => JsonWriter | null;
}

/** Null for a value that has to be decoded first. */
export type JsonWriter = (value: unknown) => string | null;

/**
 * How the rows of a query are made of what the driver gives, as drizzle's own `mapResultRow` does it, but finding out
 * once for a query instead of for each value what is to be done.
 */
export class RowMapping {
  readonly #options: RowMappingOptions;
  #toRow: RowMapper | null = null;
  #toJson: RowMapper | null = null;

  constructor(options: RowMappingOptions) {
    this.#options = options;
  }

  /** Makes the object that the query is typed to give. */
  get toRow(): RowMapper {
    return (this.#toRow ??= createRowMapper(this.#options, ({ decoder }) => decoder));
  }

  /**
   * Makes an object of which JSON.stringify makes the text that it makes of `toRow`'s, several times as fast: one Date,
   * and JavaScriptCore takes the slow way for all of it.
   */
  get toJson(): RowMapper {
    return (this.#toJson ??= createRowMapper(this.#options, withDatesAsText(this.#options)));
  }
}

/** Begins the names of what a query selects for us alone, at its end: it is no part of the rows. */
export const HIDDEN = "\0";

/** The rows of a query as the driver gave them: who looks at them decides what is made of them. */
export class RawRows<Row = unknown> {
  readonly #values: readonly unknown[][];
  readonly #mapping: RowMapping;

  constructor(values: readonly unknown[][], mapping: RowMapping) {
    this.#values = values;
    this.#mapping = mapping;
  }

  get length(): number {
    return this.#values.length;
  }

  /** The values of the last row, hidden ones included. */
  get last(): readonly unknown[] {
    return this.#values.at(-1) ?? [];
  }

  /** Makes the rows that the query is typed to give. @throws DatabaseError for a value that its column can't have */
  toRows(): Row[] {
    return this.#values.map(this.#mapping.toRow) as Row[];
  }

  /** Makes rows that are the same as JSON, and that are written faster. @throws DatabaseError as `toRows` does */
  toJson(): object[] {
    return this.#values.map(this.#mapping.toJson);
  }
}

function createRowMapper(
  { fields, isAlwaysThere, readerOf = () => null }: RowMappingOptions,
  adapt: (field: MappedField & { readonly decoder: Decoder }) => Decoder,
): RowMapper {
  const shown = fields.filter(({ path }) => path[0]?.startsWith(HIDDEN) !== true);
  const mapped = shown.map(({ path, field }): MappedField => {
    const decoder = decoderOf(field, readerOf(field));
    return { path, field, decoder: decoder && adapt({ path, field, decoder }) };
  });
  return mapped.every(({ path }) => path.length === 1)
    ? createFlatMapper(mapped)
    : createNestedMapper(mapped, isAlwaysThere);
}

function withDatesAsText({ writerOf = () => null }: RowMappingOptions) {
  return ({
    field,
    decoder,
  }: {
    readonly field: SelectedField["field"];
    readonly decoder: Decoder;
  }): Decoder => {
    const write = writerOf(field);
    const slow = toTextDecoder(decoder);
    if (write === null) return slow;
    return { mapFromDriverValue: (value) => write(value) ?? slow.mapFromDriverValue(value) };
  };
}

function toTextDecoder(decoder: Decoder): Decoder {
  return {
    mapFromDriverValue(value) {
      const decoded = decoder.mapFromDriverValue(value);
      if (!(decoded instanceof Date)) return decoded;
      return Number.isNaN(decoded.getTime()) ? null : decoded.toISOString();
    },
  };
}

function createFlatMapper(fields: readonly MappedField[]): RowMapper {
  const keys = fields.map(({ path }) => path[0] ?? "");
  const decoders = fields.map(({ decoder }) => decoder);
  return (values) => {
    const row: MappedRow = {};
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
    const row: MappedRow = {};
    for (const [index, { path, decoder }] of fields.entries()) {
      let node = row;
      for (let depth = 0; depth < path.length - 1; depth += 1) node = openNode(node, path[depth] ?? "");
      node[path.at(-1) ?? ""] = decode(decoder, values[index]);
    }
    for (const { name, index } of optional) if (values[index] === null) row[name] = null;
    return row;
  };
}

function openNode(parent: MappedRow, key: string): MappedRow {
  const node = (parent[key] ??= {});
  return node as MappedRow; // only objects are put where a path goes on
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

function decoderOf(
  field: SelectedField["field"],
  read: ((value: unknown) => unknown) | null,
): Decoder | null {
  const decoder = findDecoder(field);
  if (read !== null && decoder !== noopDecoder) {
    return { mapFromDriverValue: (value) => decode(decoder, read(value)) };
  }
  const isPlain =
    decoder === noopDecoder || decoder.mapFromDriverValue === Column.prototype.mapFromDriverValue;
  return isPlain ? null : decoder;
}

function findDecoder(field: SelectedField["field"]): Decoder {
  if (is(field, Column)) return field;
  // Drizzle hides `decoder` from its types; its own drivers read it here too.
  const sql = is(field, Subquery) ? field._.sql : "sql" in field ? field.sql : field;
  return (sql as unknown as { readonly decoder: Decoder }).decoder;
}
