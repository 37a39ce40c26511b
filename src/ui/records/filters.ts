import type { ApiProblem } from "../shell/api.ts";
import { text } from "../shell/words.ts";
import { isNumber } from "./cells.ts";
import type { ListQuery } from "./list-query.ts";
import { type Choice, choicesOf } from "./choices.ts";
import type { Column, Records } from "./records.ts";

/** How the rows of a column are narrowed down. */
export interface ColumnFilter {
  readonly column: string;
  readonly label: string;
  readonly kind: "choices" | "range" | "contains" | "relation";
  /** Of choices and relations. */
  readonly choices: readonly Choice[];
  /** Parameters, with what they are now. */
  readonly from: { readonly name: string; readonly value: string };
  readonly to: { readonly name: string; readonly value: string };
  /** Of the fields, as HTML calls it. */
  readonly type: "text" | "date" | "number";
}

/** What is wrong with a filter: what stands before that character, it, and what stands behind. */
export interface FilterFault {
  readonly message: string;
  readonly before: string;
  readonly at: string;
  readonly after: string;
}

/** What a list is narrowed down by at the moment, with where it isn't any more. */
export interface Chip {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
  readonly href: string;
}

const TEXT = new Set(["varchar", "text"]);
const SIGNS: ReadonlyMap<string, string> = new Map([
  ["gt", ">"],
  ["gte", "\u2265"],
  ["lt", "<"],
  ["lte", "\u2264"],
  ["ne", "\u2260"],
  ["contains", "~"],
]);
const MAX_CHIPS = 50;
const POSITION = /\bat character (\d+)/;

/** The fields to narrow a list down with, for each column that takes it. */
export function toFilters(records: Records, query: ListQuery): Promise<ColumnFilter[]> {
  const columns = records.about.columns.filter(
    ({ name, kind }) => kind !== "json" && kind !== "file" && records.about.filterable.includes(name),
  );
  return Promise.all(columns.map((column) => toFilter(records, column, query)));
}

async function toFilter(records: Records, column: Column, query: ListQuery): Promise<ColumnFilter> {
  const { name, label, kind, values, references } = column;
  const field = (suffix: string) => {
    const parameter = suffix === "" ? name : `${name}.${suffix}`;
    return { name: parameter, value: query.params.get(parameter) ?? "" };
  };
  const none = {
    column: name,
    label,
    choices: [],
    from: field("gte"),
    to: field("lte"),
    type: "text",
  } as const;
  const chosen = query.params.getAll(name);
  if (kind === "enum" || kind === "boolean") {
    const all = values?.map((value) => ({ value, label: value })) ?? [
      { value: "true", label: text("yes") },
      { value: "false", label: text("no") },
    ];
    const choices = all.map((one) => ({ ...one, isChosen: chosen.includes(one.value) }));
    return { ...none, kind: "choices", choices };
  }
  if (references !== null) {
    const choices = await choicesOf(records, references, { chosen });
    if (choices !== null) return { ...none, kind: "relation", choices, from: field("") };
  }
  if (kind === "date" || kind === "timestamp") {
    const isPlain = [none.from, none.to].every(({ value }) => /^(?:\d{4}-\d\d-\d\d)?$/.test(value));
    return { ...none, kind: "range", type: isPlain ? "date" : "text" };
  }
  if (TEXT.has(kind)) return { ...none, kind: "contains", from: field("contains") };
  if (isNumber(column)) return { ...none, kind: "range", type: "number" };
  return { ...none, kind: "contains", from: field("") };
}

/** What narrows a list down, one by one: the first of it, for each leads to the list with all the others. */
export function toChips(records: Records, query: ListQuery): Chip[] {
  const columnOf = (name: string) => records.column(name.split(".")[0] ?? "");
  const narrowing = [...query.params].filter(([name]) => name === "filter" || columnOf(name) !== null);
  return narrowing.slice(0, MAX_CHIPS).map(([name, value]) => {
    const column = columnOf(name);
    return {
      label: column?.label ?? text("Filter"),
      operator: column === null ? "" : (SIGNS.get(name.split(".")[1] ?? "") ?? "="),
      value,
      href: query.without(name, value),
    };
  });
}

/** What the API says of the filter that was typed; null where that isn't what is wrong. */
export function toFault({ errors = [] }: ApiProblem, filter: string): FilterFault | null {
  const problem = errors.find(({ path, code }) => path === "/query/filter" && code === "filter");
  if (problem === undefined) return null;
  const [, found = ""] = POSITION.exec(problem.message) ?? [];
  const at = found === "" ? filter.length : Number(found) - 1;
  return {
    message: problem.message,
    before: filter.slice(0, at),
    at: filter.slice(at, at + 1),
    after: filter.slice(at + 1),
  };
}
