import { and, type SQL } from "drizzle-orm";
import type { InputProblem } from "../../errors/errors.ts";
import { invalidRequest } from "../../errors/codes.ts";
import type { Access, DeletedRows } from "../access/access.ts";
import { type ConditionOptions, NOTHING, toCondition } from "../filter/conditions.ts";
import { FilterError } from "../filter/error.ts";
import { type Expression, parseFilter } from "../filter/grammar.ts";
import type { Asking } from "../filter/moments.ts";
import { type ColumnParameter, toComparison } from "../schemas/queries.ts";

/** What of a query says which rows are wanted. */
export type Wanted = Readonly<Record<string, unknown>> & {
  readonly filter?: string | undefined;
  readonly q?: string | undefined;
  /** Rows that are deleted, too or only. */
  readonly deleted?: DeletedRows | undefined;
};

const MAX_PARSED = 200;
const MAX_WORDS = 10;
const WORDS = /\S+/g;

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
  parameters: ReadonlyMap<string, ColumnParameter>,
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
  if (problems.length > 0) throw invalidRequest(problems);
  if (q !== undefined) conditions.push(...toSearch(access, q, asking));
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

/** That each word is in one of the columns that are searched. */
function toSearch(access: Access, text: string, asking: Asking): SQL[] {
  const words = (text.match(WORDS) ?? []).slice(0, MAX_WORDS);
  const fields = access.resource.search.filter((field) => access.follow(field) !== null);
  if (fields.length === 0) return words.length === 0 ? [] : [NOTHING];
  const options: ConditionOptions = { find: (name) => access.follow(name), names: () => fields, asking };
  return words.map((word) => {
    const values = [{ type: "text" as const, text: word, at: 0 }];
    const parts = fields.map((field) => ({
      type: "comparison" as const,
      field,
      at: 0,
      operator: "~" as const,
      isAny: true,
      values,
    }));
    return toCondition({ type: "or", parts }, options);
  });
}
