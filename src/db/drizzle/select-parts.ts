import {
  and,
  getTableColumns,
  is,
  type Placeholder,
  type Query,
  SQL,
  sql,
  type SQLWrapper,
  type Subquery,
  Table,
} from "drizzle-orm";
import type { Dialect } from "../contract/driver.ts";
import { type Expression, isExpression, isOfKind, isOfSubquery } from "./expressions.ts";
import type { RawRows } from "./row-mapper.ts";

// What this file knows of drizzle's builders is internal to drizzle-orm 0.45.4, which is pinned exactly:
// `config`, `session`, `dialect` and the parameters of the constructors, alike for the three databases.

/** The parts of a select, as drizzle keeps them. */
export interface SelectConfig {
  readonly table: unknown;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly joins?: readonly SelectJoin[] | undefined;
  readonly withList?: readonly Subquery[] | undefined;
  readonly where?: SQL | undefined;
  readonly having?: SQL | undefined;
  readonly groupBy?: readonly Expression[] | undefined;
  readonly orderBy?: readonly Expression[] | undefined;
  readonly distinct?: unknown;
  readonly limit?: unknown;
  readonly offset?: unknown;
  readonly lockingClause?: unknown;
  readonly setOperators: readonly unknown[];
}

/** One joined table of a select. */
export interface SelectJoin {
  readonly table: unknown;
  readonly alias: string | undefined;
  readonly on: SQL | undefined;
  readonly joinType: "inner" | "left" | "right" | "full" | "cross";
}

/** A select that is ready to run, once or many times. */
export interface PreparedSelect<Row = unknown> {
  /** @param parameters in place of those that it was made with */
  raw(parameters?: unknown[]): Promise<RawRows<Row>>;
  getQuery(): Query;
}

/** A query of drizzle. PostgreSQL's alone takes a name, which xcore's session doesn't use. */
interface Preparable<Row> extends SQLWrapper {
  prepare(name: ""): PreparedSelect<Row>;
}

interface Builder extends Preparable<unknown> {
  config: SelectConfig;
  readonly session: {
    /** SQLite's alone has it: see its channel. */
    changeToken?(): number | null;
  };
  readonly dialect: { sqlToQuery(query: SQL): Query };
  readonly isPartialSelect: boolean;
  joinsNotNullableMap: Record<string, boolean>;
  usedTables: Set<string>;
  cacheConfig: unknown;
  as(alias: string): Subquery;
}

interface BuilderOptions extends Pick<Builder, "session" | "dialect" | "isPartialSelect"> {
  readonly table: unknown;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly withList?: readonly Subquery[];
}

/** A select that was checked to be one. */
export interface Select {
  readonly database: Dialect;
  readonly config: SelectConfig;
  readonly builder: Builder;
}

const KINDS = [
  ["postgres", "PgSelectQueryBuilder"],
  ["sqlite", "SQLiteSelectQueryBuilder"],
  ["mysql", "MySqlSelectQueryBuilder"],
] as const;

/**
 * Looks into a query of drizzle.
 *
 * @throws TypeError when it isn't a select, or one that can't be cut into pages
 */
export function toSelect(query: unknown): Select {
  const database = databaseOf(query);
  if (database === null) {
    throw new TypeError("Cannot paginate: expected a query of db.select() that isn't awaited");
  }
  const builder = query as Builder;
  const { config } = builder;
  if (config.limit !== undefined || config.offset !== undefined) {
    throw new TypeError("Cannot paginate a query with limit() or offset(): leave them out");
  }
  if (config.setOperators.length > 0) {
    throw new TypeError(
      'Cannot paginate a union: select from it, as in `db.select().from(union(…).as("rows"))`',
    );
  }
  return { database, config, builder };
}

const databases = new WeakMap<object, Dialect>();

/** Of which database's builders a query is; null for anything else. By its class, as finding out takes long. */
function databaseOf(query: unknown): Dialect | null {
  const type: unknown = typeof query === "object" && query !== null ? query.constructor : null;
  if (typeof type !== "function") return null;
  const known = databases.get(type) ?? KINDS.find(([, kind]) => isOfKind(query, kind))?.[0] ?? null;
  if (known !== null) databases.set(type, known);
  return known;
}

const OF_PLAIN_SELECTS = new Set(["table", "fields", "setOperators", "where"]);

/** Returns the table of a select that asks for all columns of one, in no order of its own; null for any other. */
export function plainTableOf({ config, builder: { isPartialSelect } }: Select): Table | null {
  const { table } = config;
  if (isPartialSelect || !is(table, Table)) return null;
  for (const part in config) {
    if (!OF_PLAIN_SELECTS.has(part) && !isEmpty(config[part as keyof SelectConfig])) return null;
  }
  return table;
}

function isEmpty(part: unknown): boolean {
  return part === undefined || part === false || (Array.isArray(part) && part.length === 0);
}

/** Which rows of a select a page has. */
export interface PageParts {
  readonly orderBy: readonly Expression[];
  readonly limit: number;
  readonly offset: number | Placeholder;
  /** What is selected besides. @default {} */
  readonly hidden?: Readonly<Record<string, unknown>>;
  /** What the rows have to be, besides what the query says: of groups, where it has some. */
  readonly where?: SQL | undefined;
}

/** Returns the same query for one page; the given one stays as it is. */
export function toPageQuery<Row>(
  select: Select,
  { orderBy, limit, offset, hidden = {}, where }: PageParts,
): Preparable<Row> {
  const { builder, config } = select;
  const fields = { ...config.fields, ...hidden };
  const picked = isGrouped(config)
    ? { having: and(config.having, where) }
    : { where: and(config.where, where) };
  const parts = { orderBy, limit, offset, fields, ...(where === undefined ? {} : picked) };
  return withConfig(builder, parts) as Preparable<Row>;
}

/** Returns the query that counts the rows of a select. */
export function toCountQuery({ builder, config }: Select): Preparable<{ total: number }> {
  const fields = { total: sql<number>`count(*)`.mapWith(Number) };
  if (!isGrouped(config) && !config.distinct) {
    const parts = { fields, orderBy: undefined, lockingClause: undefined };
    return withConfig(builder, parts, { fields, isPartialSelect: true }) as Preparable<{ total: number }>;
  }
  const rows = withConfig(builder, {
    fields: toUniqueNames(config.fields),
    orderBy: undefined,
    lockingClause: undefined,
  });
  const table = rows.as("xcore_rows");
  return createBuilder(builder, { table, fields, isPartialSelect: true }) as Preparable<{ total: number }>;
}

function isGrouped({ groupBy = [], having }: SelectConfig): boolean {
  return groupBy.length > 0 || having !== undefined;
}

/** Lists the columns and expressions that a select returns, by their place in the result, such as "author.name". */
export function listFields(fields: Readonly<Record<string, unknown>>, prefix = ""): [string, Expression][] {
  return Object.entries(fields).flatMap(([key, field]): [string, Expression][] => {
    const name = prefix + key;
    if (isExpression(field)) return [[name, field]];
    const nested = is(field, Table) ? getTableColumns(field) : field;
    return typeof nested === "object" && nested !== null
      ? listFields(nested as Record<string, unknown>, `${name}.`)
      : [];
  });
}

/** Two columns of one name would be refused in a subquery. */
function toUniqueNames(fields: SelectConfig["fields"]): Record<string, unknown> {
  return Object.fromEntries(
    listFields(fields).map(([, field], index) => {
      const keepsAlias = is(field, SQL.Aliased) && !isOfSubquery(field); // groupBy may refer to it
      return [`c${index}`, keepsAlias ? field : sql`${field}`.as(`c${index}`)];
    }),
  );
}

function withConfig(
  builder: Builder,
  parts: Partial<SelectConfig>,
  shape: Pick<BuilderOptions, "fields" | "isPartialSelect"> = {
    fields: builder.config.fields,
    isPartialSelect: builder.isPartialSelect,
  },
): Builder {
  const made = createBuilder(builder, { table: builder.config.table, ...shape });
  made.config = { ...builder.config, ...parts };
  made.joinsNotNullableMap = builder.joinsNotNullableMap;
  made.usedTables = builder.usedTables;
  made.cacheConfig = builder.cacheConfig;
  return made;
}

function createBuilder(
  { constructor, session, dialect }: Builder,
  options: Omit<BuilderOptions, "session" | "dialect">,
): Builder {
  return new (constructor as new (options: BuilderOptions) => Builder)({ ...options, session, dialect });
}
