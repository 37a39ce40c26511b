import type { TObject, TSchema } from "@sinclair/typebox";
import type { Column } from "drizzle-orm";
import { t } from "elysia";
import { type ColumnKind, kindOf } from "../../db/schema/column-kind.ts";
import { DATE_PARTS } from "../../db/schema/portable-sql.ts";
import { columnsOf } from "../access/access.ts";
import type { Resource } from "../definition/definition.ts";
import { toAnswered } from "../schemas/answers.ts";
import { close } from "../schemas/bodies.ts";
import { type ColumnParameter, listQueryOf } from "../schemas/queries.ts";

export const FUNCTIONS = ["sum", "avg", "min", "max"] as const;

/** What is made of the values of a column, over the rows of a group. */
export type Function = (typeof FUNCTIONS)[number];

export const DEFAULT_GROUPS = 100;
const MAX_GROUPS = 1000;
const MAX_NAMES = 1000; // characters

const OWN = new Set<string>(["count", "group", "sort", "limit", ...FUNCTIONS]);

/** Of a list, what says how its rows are shown. */
const OF_LISTS = ["page", "per_page", "total", "after", "fields", "expand", "sort"];

const NUMBERS = new Set<ColumnKind["type"]>(["integer", "bigint", "decimal"]);
const ORDERED = new Set<ColumnKind["type"]>([...NUMBERS, "id", "date", "timestamp", "varchar", "text"]);

/** Whether a function can be made of a column. */
export function canBe(name: Function, column: Column): boolean {
  return (name === "sum" || name === "avg" ? NUMBERS : ORDERED).has(kindOf(column).type);
}

/** Whether rows can be grouped by the values of a column. */
export function canGroup(column: Column): boolean {
  return kindOf(column).type !== "json";
}

/** Whether rows can be grouped by the months of a column. */
export function hasDates(column: Column): boolean {
  const { type } = kindOf(column);
  return type === "date" || type === "timestamp";
}

/** The parameters of columns that an aggregation has too: for a column that is called as one of its own, `filter` is there. */
export function rowParametersOf(
  parameters: ReadonlyMap<string, ColumnParameter>,
): ReadonlyMap<string, ColumnParameter> {
  return new Map([...parameters].filter(([name]) => !OWN.has(name)));
}

/** The query of an aggregation: which rows, as of a list, and what of them. */
export function aggregateQueryOf(
  resource: Resource,
  parameters: ReadonlyMap<string, ColumnParameter>,
): TObject {
  const { properties } = listQueryOf(resource, parameters) as TObject;
  const ofRows = Object.entries(properties).filter(([name]) => !OF_LISTS.includes(name));
  const ofColumns = FUNCTIONS.flatMap((name): [string, TSchema][] => {
    const names = namesOf(resource, (column) => canBe(name, column));
    const description = `Columns to take the ${name} of, at most 20 in all; some of: ${names.join(", ")}`;
    const schema = t.String({ minLength: 1, maxLength: MAX_NAMES, description });
    return names.length === 0 ? [] : [[name, t.Optional(schema)]];
  });
  return close(
    t.Object({ ...Object.fromEntries(ofRows), ...toParameters(), ...Object.fromEntries(ofColumns) }),
  );
}

/** What of the rows is asked for. */
function toParameters() {
  return {
    count: t.Optional(
      t.UnionEnum(["", "true", "false"], {
        description: "Whether to count the rows of each group; without anything else asked for, they are",
      }),
    ),
    group: t.Optional(
      t.String({
        minLength: 1,
        maxLength: MAX_NAMES,
        description:
          "What to group by: at most 5 names such as `stage,closed_at.month,company.name`; of dates `.day`, `.month`, `.quarter` or `.year`, in UTC",
      }),
    ),
    sort: t.Optional(
      t.String({
        maxLength: MAX_NAMES,
        description:
          'What to sort the groups by: names of `group`, "count", or such as "-sum.amount"; "-" sorts downwards',
      }),
    ),
    limit: t.Optional(
      t.Integer({
        minimum: 1,
        maximum: MAX_GROUPS,
        default: DEFAULT_GROUPS,
        description: "Groups at most; `has_more` says whether there are others",
      }),
    ),
  };
}

/** The answer of an aggregation. */
export function aggregateAnswerOf(resource: Resource): TSchema {
  const ofColumns = FUNCTIONS.flatMap((name): [string, TSchema][] => {
    const values = namesOf(resource, (column) => canBe(name, column)).map((one): [string, TSchema] => [
      one,
      t.Optional(toResult(name, resource.columns.get(one) as Column)),
    ]);
    return values.length === 0 ? [] : [[name, t.Optional(t.Object(Object.fromEntries(values)))]];
  });
  return t.Object({
    items: t.Array(
      t.Object({
        group: t.Object(toGroups(resource), {
          additionalProperties: true, // rows further away have resources of their own
          description: "The values that its rows have in common, by the names asked for",
        }),
        count: t.Optional(t.Integer({ description: "How many rows it has" })),
        ...Object.fromEntries(ofColumns),
      }),
    ),
    has_more: t.Boolean({ description: "Whether there are more groups than these" }),
  });
}

function toGroups(resource: Resource): Record<string, TSchema> {
  const groups = Object.entries(toParts("", resource.columns));
  for (const path of resource.expand) {
    const relation = resource.relations.get(path);
    if (relation === undefined || relation.isMany) continue;
    const names = [...columnsOf(relation.table)].filter(([name]) => isListed(resource, `${path}.${name}`));
    groups.push(...Object.entries(toParts(`${path}.`, new Map(names))));
  }
  return Object.fromEntries(groups);
}

function isListed({ filter }: Resource, name: string): boolean {
  return filter === null || filter.has(name);
}

function toParts(prefix: string, columns: ReadonlyMap<string, Column>): Record<string, TSchema> {
  const groups = [...columns].filter(([, column]) => canGroup(column));
  return Object.fromEntries(
    groups.flatMap(([name, column]): [string, TSchema][] => [
      [`${prefix}${name}`, t.Optional(t.Nullable(toAnswered(column)))],
      ...(hasDates(column) ? DATE_PARTS : []).map((part): [string, TSchema] => [
        `${prefix}${name}.${part}`,
        t.Optional(t.Nullable(t.String())),
      ]),
    ]),
  );
}

/** Sums and averages have digits that no number of JavaScript has. */
function toResult(name: Function, column: Column): TSchema {
  if (name === "min" || name === "max") return t.Nullable(toAnswered(column));
  return t.Nullable(t.String({ description: `The ${name}, exactly, as a decimal` }));
}

function namesOf({ columns }: Resource, isOne: (column: Column) => boolean): string[] {
  return [...columns].filter(([, column]) => isOne(column)).map(([name]) => name);
}
