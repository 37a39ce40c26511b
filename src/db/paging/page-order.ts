import { type AnyColumn, asc, Column, desc, getTableColumns, is, type SQL, sql, Table } from "drizzle-orm";
import { fail } from "../../errors/codes.ts";
import { toHint } from "../../errors/suggestion.ts";
import { declarationOf } from "../schema/column-kind.ts";
import {
  columnOf,
  comparedBy,
  directionOf,
  type Expression,
  identify,
  tableOf,
  toOperand,
} from "../drizzle/expressions.ts";
import { parseTerm } from "../drizzle/null-order.ts";
import { createCursors, type Cursors, type Term } from "./cursors.ts";
import { listFields, type Select, type SelectConfig, type SelectJoin } from "../drizzle/select-parts.ts";

/** Names that clients may sort by, each with what it stands for. */
export type SortNames = readonly string[] | Readonly<Record<string, Expression>>;

/** In which order the rows of a list are. */
export interface PageOrder {
  readonly orderBy: SQL[];
  /** By which its pages can be gone on with; null where the query's own order has words that can't be read. */
  readonly cursors: Cursors | null;
}

const NOT_SORTABLE = new Set<string | undefined>(["json", "buffer"]);

/**
 * Returns the order of a page: what the client's `sort` names, else the query's own order; made total by the
 * primary key. Names are looked up and never become SQL.
 *
 * @throws AppError `validation_error` for a name that isn't offered
 */
export function toPageOrder(select: Select, sort: string, names?: SortNames): PageOrder {
  const { config } = select;
  const terms = parseSort(sort, toSortable(config, names));
  const own = terms.length === 0 ? (config.orderBy ?? []) : [];
  // In the direction of the last term, one index serves both.
  const direction = terms.at(-1)?.direction ?? directionOf(own.at(-1));
  const used = new Set([...terms.map(({ field }) => field), ...own].flatMap(columnOf).map(identify));
  const rest = listTieBreakers(config)
    .filter((field) => !columnOf(field).some((column) => used.has(identify(column))))
    .map((field): Term => ({ field, direction }));
  const ordered = [...terms, ...rest];
  return {
    orderBy: [...own.map((term) => sql`${term}`), ...ordered.map(toSql)],
    cursors: createCursors(select, [...own.map(parseTerm), ...ordered]),
  };
}

function toSortable({ fields }: SelectConfig, names: SortNames | undefined): Sortable {
  const selected = listFields(fields).filter(([, field]) => isSortable(field));
  if (names === undefined) return new Map(selected);
  if (!isNameList(names)) {
    return new Map(Object.entries(names).map(([name, field]) => [name, toOperand(field)]));
  }
  const known = new Map(selected);
  return new Map(
    names.map((name) => {
      const field = known.get(name);
      if (field !== undefined) return [name, field];
      throw new TypeError(
        `Cannot sort by "${name}": the query doesn't select it; write { "${name}": column }`,
      );
    }),
  );
}

type Sortable = ReadonlyMap<string, Expression>;

/** Whether names stand for the columns that are called so. */
export function isNameList(names: SortNames): names is readonly string[] {
  return Array.isArray(names);
}

function isSortable(field: Expression): boolean {
  if (!is(field, Column)) return true;
  return !NOT_SORTABLE.has(field.dataType) && !NOT_SORTABLE.has(declarationOf(field)?.kind.type);
}

function parseSort(sort: string, sortable: Sortable): Term[] {
  const terms = new Map<string, Term>();
  const unknown: string[] = [];
  for (const part of sort.split(",").filter((one) => one !== "")) {
    const direction = part.startsWith("-") ? "desc" : "asc";
    const name = direction === "desc" ? part.slice(1) : part;
    const field = sortable.get(name);
    if (field === undefined) unknown.push(name);
    else if (!terms.has(name)) terms.set(name, { field, direction });
  }
  if (unknown.length === 0) return [...terms.values()];
  const allowed = [...sortable.keys()].map((name) => `"${name}"`).join(", ");
  throw fail("validation_error", `Cannot sort by "${unknown.join('", "')}": no such name`, {
    errors: unknown.map((name) => ({
      path: "/query/sort",
      code: "unknown_name",
      message: `Expected ${allowed === "" ? "no name" : `one of ${allowed}`}, not "${name}"${toHint(name, sortable.keys())}`,
    })),
  });
}

/** Lists what tells any two rows apart, as far as that is known. */
function listTieBreakers({ groupBy = [], distinct, fields, table, joins = [] }: SelectConfig): Expression[] {
  if (groupBy.length > 0) return [...groupBy];
  const sources = [table, ...joins.filter((join) => !isToOne(join)).map((join) => join.table)];
  const keys = sources.map((source) => (is(source, Table) ? keyOf(source) : null));
  if (!distinct && keys.every((key) => key !== null)) return keys.flat();
  return listFields(fields).flatMap(([, field]) => (isSortable(field) ? [field] : []));
}

/** The primary key, or every column of a table that has none of one column. */
function keyOf(table: Table): AnyColumn[] {
  const columns = Object.values<AnyColumn>(getTableColumns(table));
  const key = columns.find(({ primary }) => primary);
  return key === undefined ? columns.filter(isSortable) : [key];
}

/** Whether a join adds one row at most: `eq(articles.author_id, users.id)`. MySQL can't sort by two tables fast. */
function isToOne({ table, on, joinType }: SelectJoin): boolean {
  if (!is(table, Table) || on === undefined || (joinType !== "inner" && joinType !== "left")) return false;
  const compared = comparedBy(on);
  if (compared === null || tableOf(compared[0]) === tableOf(compared[1])) return false;
  const key = Object.values<AnyColumn>(getTableColumns(table)).find(({ primary }) => primary);
  return key !== undefined && compared.some((side) => identify(side) === identify(key));
}

/** The dialect sees to rows without a value. */
function toSql({ field, direction }: Term): SQL {
  return direction === "asc" ? asc(field) : desc(field);
}
