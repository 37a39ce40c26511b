import { is, SQL, sql, StringChunk, Subquery } from "drizzle-orm";
import { MySqlDialect } from "drizzle-orm/mysql-core";
import { orderNulls, writeTermForMysql } from "../drizzle/null-order.ts";

type SetOperation = Parameters<MySqlDialect["buildSetOperationQuery"]>[0];
type SelectConfig = Parameters<MySqlDialect["buildSelectQuery"]>[0];

/** The largest limit: MySQL has no offset without one. */
const NO_LIMIT = sql.raw("18446744073709551615");

/** MySQL's SQL in words that MariaDB understands too. */
export class MysqlDialect extends MySqlDialect {
  /** Whether relational queries are written for MariaDB; else they are for MySQL. */
  isMariaDb = true;
  /** How selects were built that may stand in the FROM of a relation's, to sort and limit its rows. */
  readonly #configs = new WeakMap<SQL, SelectConfig>();

  override buildSelectQuery(given: SelectConfig): SQL {
    const config = withNullOrder(given);
    const inner = is(config.table, Subquery) ? this.#configs.get(config.table._.sql) : undefined;
    if (inner !== undefined && this.isMariaDb) return this.#buildRelation(config, inner);
    const query = this.#buildWithLock(config);
    if (config.fieldsFlat?.[0]?.path.length === 0) this.#configs.set(query, config);
    return query;
  }

  override buildSetOperationQuery({ leftSelect, setOperator }: SetOperation): SQL {
    const { orderBy = [] } = setOperator;
    const ordered = { ...setOperator, orderBy: orderNulls(orderBy, { table: null }, writeTermForMysql) };
    return super.buildSetOperationQuery({ leftSelect, setOperator: ordered });
  }

  /** `for share` is MySQL's alone. */
  #buildWithLock(config: SelectConfig): SQL {
    const { lockingClause, ...rest } = config;
    if (lockingClause?.strength !== "share") return super.buildSelectQuery(config);
    const { noWait, skipLocked } = lockingClause.config;
    const mode = noWait === true ? sql` nowait` : skipLocked === true ? sql` skip locked` : undefined;
    return sql`${super.buildSelectQuery(rest)} lock in share mode${mode}`;
  }

  /**
   * In MariaDB a select in FROM can't name the row that the relation belongs to. A relation to one row
   * needs no such select; where there are many rows, `json_arrayagg` sorts and limits them itself.
   */
  #buildRelation(outer: SelectConfig, inner: SelectConfig): SQL {
    const [field] = outer.fieldsFlat ?? [];
    const [start, values] = chunksOf(field?.field);
    if (field === undefined || !is(start, StringChunk)) return super.buildSelectQuery(outer);
    if (!start.value.join("").startsWith("json_arrayagg")) {
      return super.buildSelectQuery({ ...inner, fieldsFlat: [field] });
    }
    const { limit, offset, ...rest } = inner;
    // Drizzle gives the order as `row_number() over (order by …)`.
    const [, order] = chunksOf(inner.fieldsFlat?.[1]?.field);
    const orderBy = order === undefined ? undefined : sql` order by ${order}`;
    const isBounded = limit !== undefined || offset !== undefined;
    const bounds = isBounded ? sql` limit ${offset ?? 0}, ${limit ?? NO_LIMIT}` : undefined;
    const sorted = sql`json_arrayagg(${values}${orderBy}${bounds})`;
    return super.buildSelectQuery({ ...rest, fieldsFlat: [{ ...field, field: sorted }] });
  }
}

function withNullOrder(config: SelectConfig): SelectConfig {
  const { orderBy = [] } = config;
  const ordered =
    orderBy.length === 0 ? config : { ...config, orderBy: orderNulls(orderBy, config, writeTermForMysql) };
  const [all, order, ...rest] = config.fieldsFlat ?? [];
  const [start, terms, end] = chunksOf(order?.field);
  // The order of a relation's rows; see #buildRelation.
  if (all === undefined || order === undefined || !is(terms, SQL) || !isRowNumber(start)) return ordered;
  const listed = terms.queryChunks.filter((_, position) => position % 2 === 0);
  const sorted = sql.join(orderNulls(listed, config, writeTermForMysql), sql`, `);
  return {
    ...ordered,
    fieldsFlat: [
      all,
      { ...order, field: new SQL([start, sorted, ...(end === undefined ? [] : [end])]) },
      ...rest,
    ],
  };
}

function isRowNumber(chunk: unknown): chunk is StringChunk {
  return is(chunk, StringChunk) && chunk.value.join("") === "row_number() over (order by ";
}

function chunksOf(value: unknown): SQL["queryChunks"] {
  return is(value, SQL) ? value.queryChunks : [];
}
