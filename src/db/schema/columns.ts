import { type Column, type SQL, is, SQL as Sql, sql } from "drizzle-orm";
import type {
  $Type,
  ColumnBuilderBaseConfig,
  ColumnDataType,
  HasDefault,
  HasRuntimeDefault,
  IsPrimaryKey,
  NotNull,
} from "drizzle-orm";
import type * as pg from "drizzle-orm/pg-core";
import type { ColumnMaker, Dialect, TableMakers } from "../contract/driver.ts";
import { parseByteSize } from "../../config/schema.ts";
import { type ColumnKind, declarationOf, setDeclaration } from "./column-kind.ts";
import {
  bigintValues,
  booleanValues,
  type ColumnValues,
  dateValues,
  decimalValues,
  EXACT_DOUBLE_DIGITS,
  integerValues,
  jsonValues,
  textValues,
  timestampValues,
  toDefaultSql,
  uuidValues,
  varcharValues,
} from "./column-values.ts";

/** What happens to a row when the row that it refers to changes or goes. */
export type ReferenceAction = "cascade" | "restrict" | "no action" | "set null";

export interface ReferenceActions {
  /** @default "no action": the row that is referred to can't be deleted */
  readonly onDelete?: ReferenceAction;
  /** @default "no action" */
  readonly onUpdate?: ReferenceAction;
}

/** Which files a column takes. */
export interface FileOptions {
  /** Media types, such as `["application/pdf", "image/*"]`. "image/*" has no SVG in it, which may hold script. @default any */
  readonly types?: readonly string[];
  /** Largest size, such as "5mb", or a number of bytes. @default `storage.max_size` */
  readonly maxSize?: string | number;
}

type DataOf<Typed extends { _: object }> = Typed["_"] extends { $type: infer Data }
  ? Data
  : Typed["_"] extends { data: infer Data }
    ? Data
    : never;

/** A column on its way into a table: drizzle's column builder, in the part that every database has. */
export interface PortableColumn<
  T extends ColumnBuilderBaseConfig<ColumnDataType, string>,
> extends pg.PgColumnBuilderBase<T> {
  /** The column always has a value. */
  notNull(): NotNull<this>;
  /** The value of a row that is inserted without one; kept by the database. */
  default(value: DataOf<this> | SQL): HasDefault<this>;
  /** Makes the value of a row that is inserted without one. */
  $defaultFn(make: () => DataOf<this> | SQL): HasRuntimeDefault<HasDefault<this>>;
  /** Makes the value whenever a row is updated without one. */
  $onUpdate(make: () => DataOf<this> | SQL): HasDefault<this>;
  /** Narrows the type of the values. */
  $type<Data>(): $Type<this, Data>;
  /** No two rows have the same value; several may have NULL. */
  unique(name?: string): this;
  /** The column identifies the row. For several columns together use `primaryKey({ columns })`. */
  primaryKey(): IsPrimaryKey<NotNull<this>>;
  /** The value is one of the column's that `target` returns: `() => users.id`. */
  references(target: () => pg.AnyPgColumn, actions?: ReferenceActions): this;
}

/** How drizzle describes a column of a type to its own types. */
export interface ConfigOf<Type extends ColumnDataType, Data> {
  name: "";
  dataType: Type;
  columnType: "PgCustomColumn";
  data: Data;
  driverParam: unknown;
  enumValues: undefined;
}

type ColumnOf<Type extends ColumnDataType, Data> = PortableColumn<ConfigOf<Type, Data>>;

/** A column of UUIDs. */
export interface UuidColumn extends ColumnOf<"string", string> {
  /** Rows that are inserted without one get a new UUID (version 7: they sort by the time they were made). */
  defaultRandom(): HasRuntimeDefault<HasDefault<this>>;
}

/** A column of moments. */
export interface TimestampColumn extends ColumnOf<"date", Date> {
  /** Rows that are inserted without one get the database's present time. */
  defaultNow(): HasDefault<this>;
}

/** The kinds of columns. */
export interface Columns {
  readonly id: () => IsPrimaryKey<HasDefault<NotNull<ColumnOf<"number", number>>>>;
  readonly uuid: () => UuidColumn;
  readonly text: () => ColumnOf<"string", string>;
  readonly varchar: (length: number) => ColumnOf<"string", string>;
  readonly integer: () => ColumnOf<"number", number>;
  readonly bigint: () => ColumnOf<"number", number>;
  readonly decimal: (precision: number, scale: number) => ColumnOf<"string", string>;
  readonly boolean: () => ColumnOf<"boolean", boolean>;
  readonly timestamp: () => TimestampColumn;
  readonly date: () => ColumnOf<"string", string>;
  readonly json: <Data = unknown>() => ColumnOf<"json", Data>;
  readonly enumOf: <const Value extends string>(
    values: readonly [Value, ...Value[]],
  ) => ColumnOf<"string", Value>;
  readonly file: (options?: FileOptions) => ColumnOf<"string", string>;
  readonly references: (
    target: () => pg.AnyPgColumn,
    actions?: ReferenceActions,
  ) => ColumnOf<"number", number>;
}

/** Room for every value of an enum, so that new values don't change the column's type. */
export const ENUM_LENGTH = 64;
/** MySQL's, at four bytes a character. */
const MAX_VARCHAR_LENGTH = 16_383;
const MAX_PRECISION = 65;
const MAX_SCALE = 30;
/** The present time, as the default of `timestamp()`. */
export const NOW: Readonly<Record<Dialect, SQL>> = {
  sqlite: sql`(cast(unixepoch('subsec') * 1000 as integer))`,
  postgres: sql`now()`,
  mysql: sql`(utc_timestamp(3))`,
};
const ENUM_VALUE = /^[^\\\p{Cc}]{1,64}$/u;

/** Returns the columns of a dialect, typed as PostgreSQL's. */
export function createColumns(makers: TableMakers): Columns {
  const { dialect } = makers;

  function column<Data>(
    kind: ColumnKind,
    sqlTypes: Readonly<Record<Dialect, string>>,
    values: ColumnValues<Data>,
  ): ColumnMaker {
    const builder = createCustom(makers, sqlTypes[dialect], values);
    return toPortable(builder, dialect, kind, values.encode);
  }

  const columns = {
    id: () => toPortable(makers.id(), dialect, { type: "id" }, bigintValues.encode),
    uuid() {
      const builder = column({ type: "uuid" }, types("text", "uuid", "char(36)"), uuidValues);
      return Object.assign(builder, { defaultRandom: () => builder.$defaultFn(() => Bun.randomUUIDv7()) });
    },
    text: () => column({ type: "text" }, types("text", "text", "longtext"), textValues),
    varchar(length: number) {
      assertInteger("length", length, 1, MAX_VARCHAR_LENGTH);
      const type = `varchar(${length})`;
      return column({ type: "varchar", length }, types(`text(${length})`, type, type), varcharValues(length));
    },
    integer: () => column({ type: "integer" }, types("integer", "integer", "int"), integerValues),
    bigint: () => column({ type: "bigint" }, types("integer", "bigint", "bigint"), bigintValues),
    decimal(precision: number, scale: number) {
      assertInteger("precision", precision, 1, MAX_PRECISION);
      assertInteger("scale", scale, 0, Math.min(precision, MAX_SCALE));
      const size = `(${precision}, ${scale})`;
      // SQLite's numbers are doubles: more digits than they hold are kept as text.
      const sqliteType = precision <= EXACT_DOUBLE_DIGITS ? `numeric${size}` : "text";
      const sqlTypes = types(sqliteType, `numeric${size}`, `decimal(${precision},${scale})`);
      return column({ type: "decimal", precision, scale }, sqlTypes, decimalValues(precision, scale));
    },
    boolean: () => toPortable(makers.boolean(), dialect, { type: "boolean" }, booleanValues.encode),
    timestamp() {
      const sqlTypes = types("integer", "timestamp (3) with time zone", "datetime(3)");
      const builder = column({ type: "timestamp" }, sqlTypes, timestampValues(dialect));
      return Object.assign(builder, { defaultNow: () => builder.default(NOW[dialect]) });
    },
    date: () => column({ type: "date" }, types("text", "date", "date"), dateValues),
    json: () => column({ type: "json" }, types("text", "jsonb", "json"), jsonValues(dialect)),
    enumOf(values: readonly string[]) {
      assertEnumValues(values);
      const type = `varchar(${ENUM_LENGTH})`;
      return column({ type: "enum", values: [...values] }, types("text", type, type), textValues);
    },
    file: (options: FileOptions = {}) =>
      column(toFileKind(options), types("text", "uuid", "char(36)"), uuidValues),
    references: (target: () => pg.AnyPgColumn, actions: ReferenceActions = {}) =>
      column({ type: "references" }, types("integer", "bigint", "bigint"), bigintValues).references(
        target,
        actions,
      ),
  };
  // Drizzle's builders of three dialects, seen as the portable part of PostgreSQL's.
  return columns as unknown as Columns;
}

function types(sqliteType: string, postgres: string, mysqlType: string): Record<Dialect, string> {
  return { sqlite: sqliteType, postgres, mysql: mysqlType };
}

function createCustom<Data>(
  { customType }: TableMakers,
  sqlType: string,
  { encode, decode }: ColumnValues<Data>,
): ColumnMaker {
  // Drizzle calls both as methods of the column, which the messages name.
  return customType({
    dataType: () => sqlType,
    toDriver(value) {
      return encode(value, this);
    },
    ...(decode !== undefined && {
      fromDriver(this: Column | undefined, value: unknown) {
        return decode(value, this);
      },
    }),
  })();
}

/** Notes the kind, and makes what differs between the dialects' builders alike. */
function toPortable(
  builder: ColumnMaker,
  dialect: Dialect,
  kind: ColumnKind,
  encode: (value: unknown) => string | number | boolean,
): ColumnMaker {
  setDeclaration(builder, { kind });
  const setDefault = builder.default.bind(builder);
  const setUnique = builder.unique.bind(builder);
  const setReference = builder.references.bind(builder);
  builder.default = (value) => {
    if (is(value, Sql)) return setDefault(value);
    assertDefault(kind, value);
    const declaration = declarationOf(builder);
    if (declaration !== undefined && isPlain(value)) declaration.default = value;
    return setDefault(toDefaultSql(value === null ? null : encode(value), kind, dialect));
  };
  builder.unique = (name) => {
    const declaration = declarationOf(builder);
    if (declaration !== undefined) declaration.uniqueName = name;
    return setUnique(name);
  };
  builder.references = (target, actions) => {
    const declaration = declarationOf(builder);
    if (declaration !== undefined) declaration.target = target;
    return setReference(target, actions);
  };
  return builder;
}

function isPlain(value: unknown): value is string | number | boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}

function assertDefault(kind: ColumnKind, value: unknown): void {
  if (kind.type !== "enum" || kind.values.some((one) => one === value)) return;
  throw new TypeError(`Cannot declare the default ${JSON.stringify(value)}: it isn't a value of the enum`);
}

function assertInteger(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`Cannot declare the ${what} "${value}": it must be an integer from ${min} to ${max}`);
}

const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]+\/([a-z0-9!#$&^_.+-]+|\*)$/i;

function toFileKind({ types: allowed, maxSize }: FileOptions): ColumnKind {
  assertMediaTypes(allowed);
  return {
    type: "file",
    types: allowed?.map((one) => one.toLowerCase()) ?? null,
    maxSize: maxSize === undefined ? null : parseByteSize(maxSize),
  };
}

function assertMediaTypes(allowed: readonly string[] | undefined): void {
  if (allowed === undefined) return;
  const isUsable = Array.isArray(allowed) && allowed.length > 0;
  if (isUsable && allowed.every((one) => MEDIA_TYPE.test(String(one)))) return;
  throw new TypeError(
    `Cannot declare the types ${JSON.stringify(allowed)} of a file: expected a list such as ["application/pdf", "image/*"]`,
  );
}

function assertEnumValues(values: readonly string[]): void {
  const isUsable =
    Array.isArray(values) && values.length > 0 && values.every((one) => ENUM_VALUE.test(String(one)));
  if (isUsable && new Set(values).size === values.length) return;
  throw new TypeError(
    `Cannot declare the enum ${JSON.stringify(values)}: it needs different values of 1 to ${ENUM_LENGTH} characters, without control characters and "\\"`,
  );
}
