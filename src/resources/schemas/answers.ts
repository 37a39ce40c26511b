import { type TObject, type TSchema, Type } from "@sinclair/typebox";
import { type Column, getTableName, type Table } from "drizzle-orm";
import { t } from "elysia";
import { kindOf } from "../../db/schema/column-kind.ts";
import { DOCUMENTED } from "../../errors/plain-schema.ts";
import { columnsOf } from "../access/access.ts";
import type { Resource } from "../definition/definition.ts";
import type { Resources } from "../definition/registry.ts";
import { type Relation, relationsOf } from "../definition/relations.ts";
import { toStoredSchema } from "./values.ts";

type Shown = Pick<Resource, "columns" | "fields" | "relations" | "files">;

const ShownFile = t.Object({
  id: t.String({ format: "uuid" }),
  name: t.String(),
  type: t.String(),
  size: t.Integer(),
  url: t.String({ description: "Where whoever may see the row reads it" }),
});

/**
 * The schema of a row as it is answered: fields that not everybody sees, and relations, may be missing.
 *
 * @param resources say what is shown of the rows that belong to it, once the documentation is asked for
 */
export function answerSchemaOf(resource: Resource, resources: Pick<Resources, "ofTable">): TObject {
  return toRow(resource, [...resource.expand], resources);
}

/**
 * What a route answers with, for the documentation alone: nothing is checked by it, and nothing cleaned, which would look at each row of a
 * page that goes from the database straight to JSON.
 */
export function toDescribed(make: () => TSchema): TSchema {
  return t.NoValidate(Type.Unsafe({ [DOCUMENTED]: make }));
}

/** The schema of a column's values in answers, which are written by JSON.stringify: nothing is left to encode. */
export function toAnswered(column: Column): TSchema {
  const isMoment = kindOf(column).type === "timestamp";
  return isMoment ? Type.Unsafe({ type: "string", format: "date-time" }) : toStoredSchema(column);
}

/** @param paths of the relations that can be asked for, from this row on: "company", "company.parent" */
function toRow(
  { columns, fields, relations, files }: Shown,
  paths: readonly string[],
  resources: Pick<Resources, "ofTable">,
): TObject {
  const properties = [...columns].map(([name, column]): [string, TSchema] => {
    const own = files?.columns.has(name) === true ? ShownFile : toAnswered(column);
    const schema = column.notNull ? own : t.Nullable(own);
    const isForAll = fields.get(name)?.read ?? true;
    return [name, isForAll === true ? schema : t.Optional(schema)];
  });
  // One that is only gone through is shown as well.
  const names = new Set(paths.map((path) => path.split(".")[0] ?? ""));
  const expanded = [...names].flatMap((name): [string, TSchema][] => {
    const relation = relations.get(name);
    if (relation === undefined) return [];
    const inner = paths.filter((path) => path.startsWith(`${name}.`));
    const schema = toRelated(
      relation,
      inner.map((path) => path.slice(name.length + 1)),
      resources,
    );
    return [[name, t.Optional(schema)]];
  });
  return t.Object(Object.fromEntries([...properties, ...expanded]));
}

/** Its resource may be declared later, and nobody is checked by it: it is made for the documentation alone. */
function toRelated(
  { table, isMany }: Relation,
  paths: readonly string[],
  resources: Pick<Resources, "ofTable">,
): TSchema {
  const make = (): TSchema => {
    const row = toRow(resources.ofTable(table) ?? toOpen(table), paths, resources);
    return isMany ? t.Array(row) : t.Nullable(row);
  };
  return Type.Unsafe({ description: `Of ${getTableName(table)}`, [DOCUMENTED]: make });
}

/** Of a table that no resource has rules for. */
function toOpen(table: Table): Shown {
  const columns = columnsOf(table);
  return { columns, fields: new Map(), relations: relationsOf(columns.values()), files: null };
}
