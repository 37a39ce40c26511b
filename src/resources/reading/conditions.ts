import { and, type SQL } from "drizzle-orm";
import type { InputProblem } from "../../errors/errors.ts";
import { invalidRequest } from "../../errors/codes.ts";
import type { Access, DeletedRows } from "../access/access.ts";
import { type ConditionOptions, toCondition } from "../filter/conditions.ts";
import { FilterError } from "../filter/error.ts";
import { type Expression, parseFilter } from "../filter/grammar.ts";
import { type ColumnParameter, toComparison } from "../schemas/queries.ts";
import { toSearch } from "./search.ts";

/** What of a query says which rows are wanted. */
export type Wanted = Readonly<Record<string, unknown>> & {
  readonly filter?: string | undefined;
  readonly q?: string | undefined;
  /** Rows that are deleted, too or only. */
  readonly deleted?: DeletedRows | undefined;
};

export interface WantedOptions {
  /** Those of columns that a query may have. */
  readonly parameters: ReadonlyMap<string, ColumnParameter>;
  /** Words of `q` that an index may look for; for others the condition looks at the rows alone. @default none */
  readonly indexed?: readonly string[];
}

const MAX_PARSED = 200;

/** Filters as they were read: clients send the same ones again and again. */
const parsed = new Map<string, Expression>();

/**
 * The condition of the rows that a query asks for, among those that there are to whoever asks.
 *
 * @throws AppError validation_error that says what is wrong with which parameter
 */
export function toRowsCondition(
  access: Access,
  query: Wanted,
  { parameters, indexed = [] }: WantedOptions,
): SQL | undefined {
  const asking = { userId: access.asker.user?.id ?? null, now: new Date() };
  const options: ConditionOptions = {
    find: (name) => access.find(name),
    names: () => access.names(),
    asking,
  };
  const problems: InputProblem[] = [];
  const conditions: (SQL | undefined)[] = [access.rowsWithDeleted(query.deleted)];
  const add = (name: string, read: () => Expression): void => {
    try {
      conditions.push(toCondition(read(), options));
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      problems.push({ path: `/query/${name}`, code: "filter", message: error.message });
    }
  };
  const { filter, q } = query;
  if (filter !== undefined) add("filter", () => parse(filter));
  for (const name in query) {
    const parameter = parameters.get(name);
    if (parameter !== undefined && query[name] !== undefined)
      add(name, () => toComparison(parameter, query[name]));
  }
  // Of the databases one finds nothing by it, and another one fails.
  if (q?.includes("\0") === true)
    problems.push({
      path: "/query/q",
      code: "invalid",
      message: "Expected text without the character U+0000",
    });
  if (problems.length > 0) throw invalidRequest(problems);
  if (q !== undefined) conditions.push(...toSearch(access, q, { asking, indexed }));
  return and(...conditions);
}

function parse(filter: string): Expression {
  const known = parsed.get(filter);
  if (known !== undefined) return known;
  const expression = parseFilter(filter);
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(filter, expression);
  return expression;
}
