import type { TSchema } from "@sinclair/typebox";
import type { Column } from "drizzle-orm";
import { t } from "elysia";
import { type ColumnKind, kindOf } from "../../db/schema/column-kind.ts";
import { page } from "../../db/paging/paginate.ts";
import type { Resource } from "../definition/definition.ts";
import type { Comparison, Operator } from "../filter/grammar.ts";
import { toQuiet } from "./bodies.ts";

/** A parameter such as `amount.gte`, and what it compares. */
export interface ColumnParameter {
  readonly field: string;
  readonly operator: Operator;
  readonly kind: ColumnKind;
}

const MAX_FILTER = 4000; // characters
const MAX_WORDS = 500; // characters
const MAX_NAMES = 2000; // characters

const ORDERED = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const satisfies Record<string, Operator>;
const ORDERED_KINDS = new Set<ColumnKind["type"]>([
  "id",
  "integer",
  "bigint",
  "decimal",
  "date",
  "timestamp",
]);
const TEXT_KINDS = new Set<ColumnKind["type"]>(["text", "varchar"]);
const NUMBER_KINDS = new Set<ColumnKind["type"]>(["id", "integer", "bigint", "references", "decimal"]);

/** The columns that parameters of their own may name. */
function filterableOf({ columns, filter }: Resource): [string, Column][] {
  return [...columns].filter(
    ([name, column]) => kindOf(column).type !== "json" && (filter === null || filter.has(name)),
  );
}

/** What a resource's columns can be compared by in parameters of their own, by name: `stage`, `amount.gte`, `name.contains`. */
export function columnParametersOf(resource: Resource): Map<string, ColumnParameter> {
  const parameters = new Map<string, ColumnParameter>();
  const taken = new Set([...Object.keys(page.properties), "filter", "q", "fields", "expand", "deleted"]);
  for (const [field, column] of filterableOf(resource)) {
    const kind = kindOf(column);
    // A column may be called as a parameter of every list: then `filter` is for it.
    if (!taken.has(field)) parameters.set(field, { field, operator: "in", kind });
    parameters.set(`${field}.ne`, { field, operator: "!=", kind });
    if (TEXT_KINDS.has(kind.type)) parameters.set(`${field}.contains`, { field, operator: "~", kind });
    if (!ORDERED_KINDS.has(kind.type)) continue;
    for (const [suffix, operator] of Object.entries(ORDERED)) {
      parameters.set(`${field}.${suffix}`, { field, operator, kind });
    }
  }
  return parameters;
}

/** The comparison that a parameter of a column stands for. */
export function toComparison({ field, operator, kind }: ColumnParameter, value: unknown): Comparison {
  const values = [value].flat().map((one) => {
    const text = String(one);
    const type = text.startsWith("@")
      ? "moment"
      : kind.type === "boolean"
        ? "boolean"
        : NUMBER_KINDS.has(kind.type)
          ? "number"
          : "text";
    return { type, text, at: 0 } as const;
  });
  return { type: "comparison", field, at: 0, operator, isAny: false, values };
}

/** The query of one row: what of it is asked for. */
export function rowQueryOf({ expand }: Resource) {
  const names = [...expand].join(", ");
  return t.Object({
    fields: t.Optional(
      t.String({ maxLength: MAX_NAMES, description: "Names of the only fields: `id,title`" }),
    ),
    ...(expand.size > 0 && {
      expand: t.Optional(
        t.String({ maxLength: MAX_NAMES, description: `Rows that belong to it, some of: ${names}` }),
      ),
    }),
  });
}

/** The query of a list: pages, order, fields, search, filter, and parameters for each column. */
export function listQueryOf(resource: Resource, parameters: ReadonlyMap<string, ColumnParameter>) {
  const columns = [...parameters].map(([name, parameter]) => [
    name,
    toQuiet(resource, parameter.field, t.Optional(toSchema(parameter))),
  ]);
  return t.Object({
    ...page.properties,
    ...rowQueryOf(resource).properties,
    filter: t.Optional(
      t.String({
        maxLength: MAX_FILTER,
        description: 'A condition such as `stage = "won" && (amount > 1000 || created_at >= @today-30d)`',
      }),
    ),
    ...(resource.search.length > 0 && {
      q: t.Optional(
        t.String({ maxLength: MAX_WORDS, description: `Words to look for in ${resource.search.join(", ")}` }),
      ),
    }),
    ...(resource.deletedAt !== null && {
      deleted: t.Optional(
        t.UnionEnum(["only", "with"], { description: "Rows that are deleted, for those who may delete" }),
      ),
    }),
    ...(Object.fromEntries(columns) as Record<string, TSchema>),
  });
}

function toSchema({ field, operator, kind }: ColumnParameter): TSchema {
  const schema = toValueSchema(kind, operator);
  return operator === "in"
    ? t.Array(schema, { description: `Rows with this ${field}; sent several times, with any of them` })
    : schema;
}

function toValueSchema(kind: ColumnKind, operator: Operator): TSchema {
  if (kind.type === "enum") return t.UnionEnum(kind.values as [string, ...string[]]);
  if (kind.type === "boolean") return t.Boolean();
  if (kind.type === "decimal") return t.String({ pattern: "^-?\\d+(\\.\\d+)?$" });
  if (NUMBER_KINDS.has(kind.type)) return t.Integer();
  if (kind.type === "uuid" || kind.type === "file") return t.String({ format: "uuid" });
  if (kind.type === "date" || kind.type === "timestamp") {
    return t.String({ description: "Such as 2026-01-31, @today or @now-30d" });
  }
  return t.String(operator === "~" ? { description: "Text that it contains, whatever the case" } : {});
}
