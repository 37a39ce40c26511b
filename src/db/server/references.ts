import { ConstraintError, MAX_COUNTED } from "../contract/database-error.ts";

/** What a foreign key has refused. */
export interface RefusedStatement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** A foreign key: whose columns refer to which. */
export interface ReferringKey {
  readonly table: string;
  readonly columns: readonly string[];
  readonly target: string;
  readonly targetColumns: readonly string[];
}

/** How a server is asked about a foreign key that has refused a statement. */
export interface ReferenceQueries {
  /** Runs it where the error came from, or behind its transaction. */
  readonly query: (
    sql: string,
    parameters: readonly unknown[],
  ) => PromiseLike<readonly Readonly<Record<string, unknown>>[]>;
  /** Returns the key, as far as the error tells; null otherwise. */
  readonly findKey: (error: ConstraintError) => Promise<ReferringKey | null>;
  /** Stands around a name. */
  readonly mark: '"' | "`";
}

/** By the errors: the values of a statement stand in no property of theirs. */
const refused = new WeakMap<ConstraintError, RefusedStatement>();
const NAME = /^\w+$/;

/** Remembers what a foreign key has refused, for `explainReference` later. Returns the same error. */
export function noteRefused(error: unknown, statement: RefusedStatement): unknown {
  if (error instanceof ConstraintError && error.side === "referred") refused.set(error, statement);
  return error;
}

/**
 * Has the error of a foreign key name the plugin whose table refers, and of a deletion say how many rows do: the server
 * has just looked for one of them in the same way. Errors of the queries for it don't count. Returns the same error.
 */
export async function explainReference(error: unknown, queries: ReferenceQueries): Promise<unknown> {
  const owner = error instanceof ConstraintError ? error.ownerQuery : null;
  if (owner === null || !(error instanceof ConstraintError)) return error;
  try {
    const [row] = await queries.query(owner, []);
    if (row !== undefined) error.nameOwner(String(row["owner"]));
  } catch {
    // Tables that no migration has made have no owner.
  }
  try {
    await tellCount(error, queries);
  } catch {
    // Such as a statement whose other half has parameters too.
  }
  return error;
}

async function tellCount(error: ConstraintError, { query, findKey, mark }: ReferenceQueries): Promise<void> {
  const statement = refused.get(error);
  refused.delete(error);
  const key = statement === undefined ? null : await findKey(error);
  const count = statement === undefined || key === null ? null : toCount(key, statement, mark);
  if (count === null) return;
  const [row] = await query(count.sql, count.parameters);
  const rows = Number(row?.["counted"]);
  if (rows > 0) error.tellCount(rows);
}

/** Null where it can't be told which rows a statement deletes, or those that refer may be among them. */
function toCount(
  { table, columns, target, targetColumns }: ReferringKey,
  { sql, parameters }: RefusedStatement,
  mark: '"' | "`",
): RefusedStatement | null {
  const names = [table, target, ...columns, ...targetColumns];
  if (table === target || columns.length === 0 || !names.every((name) => NAME.test(name))) return null;
  // A word in a text or a comment could pass for one of the statement's.
  if (/'|--|\/\*/.test(sql)) return null;
  const deletion = new RegExp(
    `^\\s*delete from [${mark}]?${target}[${mark}]?( where .*?)?(?: returning .*)?$`,
    "is",
  );
  const found = deletion.exec(sql);
  if (found === null) return null;
  const where = found[1] ?? "";
  const list = (all: readonly string[]): string => all.map((name) => `${mark}${name}${mark}`).join(", ");
  const deleted = `select ${list(targetColumns)} from ${list([target])}${where}`;
  const rows = `select 1 from ${list([table])} where (${list(columns)}) in (${deleted}) limit ${MAX_COUNTED + 1}`;
  const marks = mark === "`" ? where.split("?").length - 1 : parameters.length;
  return {
    sql: `select count(*) as counted from (${rows}) as referring`,
    parameters: parameters.slice(0, marks),
  };
}
