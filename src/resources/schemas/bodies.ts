import type { TObject, TSchema } from "@sinclair/typebox";
import { t } from "elysia";
import { kindOf } from "../../db/schema/column-kind.ts";
import { CLOSED, QUIET } from "../../errors/plain-schema.ts";
import type { Resource } from "../definition/definition.ts";
import { bodyOf, patchOf } from "./tables.ts";

/** The schema of the key of a row, in a path. */
export function keySchemaOf({ key }: Resource): TSchema {
  const { type } = kindOf(key);
  if (type === "uuid") return t.String({ format: "uuid" });
  return ["id", "integer", "bigint", "references"].includes(type) ? t.Integer() : t.String({ minLength: 1 });
}

/** The schema of a new row: what clients can't set is refused, as is whatever else it doesn't name. */
export function newSchemaOf(resource: Resource): TObject {
  return toSettable(resource, bodyOf, unsettableOf(resource, true));
}

/** The schema of a new row that is imported in a state. */
export function importedSchemaOf(resource: Resource): TObject {
  const { workflow } = resource;
  if (workflow === null) return newSchemaOf(resource);
  const { name } = workflow.column;
  const schema = toSettable(
    resource,
    bodyOf,
    unsettableOf(resource, true).filter((one) => one !== name),
  );
  const state = t.Optional(t.UnionEnum(workflow.states as [string, ...string[]]));
  return { ...schema, properties: { ...schema.properties, [name]: state } };
}

/** The schema of a change. */
export function changeSchemaOf(resource: Resource): TObject {
  return toSettable(resource, patchOf, unsettableOf(resource, false));
}

function unsettableOf(
  { columns, fields, made, deletedAt, workflow, numbering }: Resource,
  isNew: boolean,
): string[] {
  const ours = new Set([deletedAt, workflow?.column, numbering?.column]);
  return [...columns]
    .filter(([name, column]) => {
      const isGenerated = column.primary && column.hasDefault;
      const isOurs = ours.has(column) || (isNew ? made.has(name) : column.primary);
      return !isGenerated && (isOurs || fields.get(name)?.write === false);
    })
    .map(([name]) => name);
}

/** What else a row has is refused, as what can only be read. */
function toSettable(
  resource: Resource,
  make: typeof bodyOf | typeof patchOf,
  unsettable: readonly string[],
): TObject {
  const schema = make(resource.table, { omit: unsettable as never[] }) as TObject;
  const readOnly = [...resource.columns.keys()].filter((name) => !(name in schema.properties));
  const properties = Object.entries(schema.properties).map(([name, one]) => [
    name,
    toQuiet(resource, name, one),
  ]);
  return close({ ...schema, properties: Object.fromEntries(properties) }, readOnly);
}

/** What isn't there to everybody is suggested to nobody: who asks isn't known yet. */
export function toQuiet({ fields }: Resource, name: string, schema: TSchema): TSchema {
  return (fields.get(name)?.read ?? true) === true ? schema : { ...schema, [QUIET]: true };
}

/** The same schema, that refuses what it doesn't name. */
export function close(schema: TObject, readOnly: readonly string[] = []): TObject {
  return { ...schema, additionalProperties: false, [CLOSED]: readOnly };
}
