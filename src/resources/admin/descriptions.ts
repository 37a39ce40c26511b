import type { Column } from "drizzle-orm";
import { getTableName } from "drizzle-orm";
import { t } from "elysia";
import { type ColumnKind, declarationOf, kindOf, targetOf } from "../../db/schema/column-kind.ts";
import type { Access } from "../access/access.ts";
import { fullNameOf } from "../definition/names.ts";
import type { Relation } from "../definition/relations.ts";
import type { Resources } from "../definition/registry.ts";
import { titleOf } from "../definition/titles.ts";
import { changeSchemaOf, newSchemaOf } from "../schemas/bodies.ts";

const KINDS = [
  "id",
  "uuid",
  "text",
  "integer",
  "bigint",
  "boolean",
  "timestamp",
  "date",
  "json",
  "references",
  "varchar",
  "decimal",
  "enum",
  "file",
] as const;
const VERBS = ["read", "create", "update", "delete"] as const;

const Reference = t.Object({
  table: t.String(),
  column: t.String(),
  resource: t.Nullable(t.String({ description: "The one that serves the table" })),
  title: t.Nullable(t.String({ description: "The column there by which people tell its rows apart" })),
});

const ColumnDescription = t.Object({
  name: t.String(),
  label: t.String(),
  kind: t.UnionEnum(KINDS as unknown as [string, ...string[]]),
  length: t.Optional(t.Integer({ description: "Of varchar, in characters" })),
  precision: t.Optional(t.Integer({ description: "Of decimal: digits in all" })),
  scale: t.Optional(t.Integer({ description: "Of decimal: digits behind the point" })),
  values: t.Optional(t.Array(t.String(), { description: "Of enum" })),
  types: t.Optional(t.Nullable(t.Array(t.String(), { description: "Of file: media types; null for any" }))),
  max_size: t.Optional(
    t.Nullable(t.Integer({ description: "Of file, in bytes; null for storage.max_size" })),
  ),
  is_nullable: t.Boolean(),
  has_default: t.Boolean(),
  default: t.Union([t.String(), t.Number(), t.Boolean(), t.Null()], {
    description: "What a new row has without one; null for none, and for what is found out only then",
  }),
  is_unique: t.Boolean(),
  is_required: t.Boolean({ description: "Whether a new row must be given one" }),
  may_create: t.Boolean({ description: "Whether whoever asks may give it to a new row" }),
  may_update: t.Boolean({ description: "Whether whoever asks may change it" }),
  references: t.Nullable(Reference),
  shown_by: t.Array(t.Object({ column: t.String(), values: t.Array(t.String()) }), {
    description:
      'When a form shows its field: where each of these columns has one of the values, as text, "" for none',
  }),
});

const RelationDescription = t.Object({
  name: t.String(),
  label: t.String(),
  is_many: t.Boolean(),
  column: t.String({ description: "The column here" }),
  references: Reference,
});

export const ResourceDescription = t.Object({
  name: t.String({ description: "The plugin's and its own: crm.deals" }),
  plugin: t.String(),
  path: t.String({ description: "Where it is served: /crm/deals" }),
  label: t.String(),
  icon: t.String({ description: "Of the menu" }),
  singular: t.String({ description: "One of its rows, in the names of events: deal" }),
  table: t.String(),
  key: t.String({ description: "The column that tells its rows apart" }),
  title: t.Nullable(t.String({ description: "The column by which people tell its rows apart" })),
  permission: t.Nullable(t.String({ description: "To which :read, :write and :delete are added" })),
  verbs: t.Array(t.UnionEnum(VERBS as unknown as [string, ...string[]]), {
    description: "What whoever asks may do, with those rows that its rules allow",
  }),
  columns: t.Array(ColumnDescription, { description: "Those that whoever asks may see" }),
  relations: t.Array(RelationDescription),
  search: t.Array(t.String(), { description: "What `q` looks in" }),
  expand: t.Array(t.String()),
  filterable: t.Array(t.String()),
  sortable: t.Array(t.String()),
  unique: t.Array(t.Array(t.String()), { description: "Columns that no two rows have the same values in" }),
  soft_delete: t.Boolean({ description: "Whether deleted rows are kept" }),
  history: t.Boolean({ description: "Whether it is kept who changed what" }),
  comments: t.Boolean({ description: "Whether its rows take comments" }),
  attachments: t.Boolean({ description: "Whether its rows take files beside them" }),
  numbered: t.Nullable(t.String({ description: "The column with the number of each row" })),
  list: t.Nullable(
    t.Array(t.String(), { description: "Columns that a list shows; null where none were chosen" }),
  ),
  form: t.Nullable(
    t.Array(t.Object({ title: t.Nullable(t.String()), fields: t.Array(t.String()) }), {
      description: "Columns of a form, put together; null where none were chosen",
    }),
  ),
  templates: t.Object(
    { list: t.Optional(t.String()), form: t.Optional(t.String()) },
    { description: "Of the plugin, in the place of screens" },
  ),
  workflow: t.Nullable(
    t.Object({
      field: t.String(),
      transitions: t.Array(
        t.Object({
          name: t.String({ description: "POST /{id}/{name} takes it" }),
          label: t.String(),
          from: t.Array(t.String()),
          to: t.String(),
          permission: t.Nullable(t.String()),
          may_use: t.Boolean(),
        }),
      ),
    }),
  ),
});

export type ResourceDescription = typeof ResourceDescription.static;

/** Whether whoever asks may read any rows of a resource. */
export function mayRead({ resource: { permission }, asker }: Access): boolean {
  return permission === null || asker.can(`${permission}:read`);
}

/** What there is of a resource to whoever asks. */
export function describeResource(
  access: Access,
  { path, resources }: { readonly path: string; readonly resources: Resources },
): ResourceDescription {
  const { resource, visible } = access;
  const { plugin, name, singular, tableName, key, permission, deletedAt } = resource;
  return {
    name: fullNameOf(resource),
    plugin,
    path,
    label: resource.screens.label ?? toLabel(name),
    icon: resource.screens.icon,
    singular,
    table: tableName,
    key: key.name,
    title: titleOf(visible, resource.screens.title),
    permission,
    verbs: verbsOf(access),
    columns: describeColumns(access, resources),
    relations: [...resource.relations.values()]
      .filter(({ from }) => visible.has(from.name))
      .map((relation) => describeRelation(relation, access, resources)),
    search: resource.search.filter((one) => access.follow(one) !== null),
    expand: [...resource.expand],
    filterable: access.names(),
    sortable: resource.sort.filter((one) => visible.has(one)),
    unique: resource.uniqueKeys
      .map((columns) => columns.map((column) => column.name))
      .filter((names) => names.every((one) => visible.has(one))),
    soft_delete: deletedAt !== null,
    history: resource.hasHistory,
    comments: resource.discussion.hasComments,
    attachments: resource.discussion.attachments !== null,
    numbered: resource.numbering?.column.name ?? null,
    list: resource.screens.list?.filter((one) => visible.has(one)) ?? null,
    form:
      resource.screens.form?.map(({ title, fields }) => ({
        title,
        fields: fields.filter((one) => visible.has(one)),
      })) ?? null,
    templates: resource.screens.templates,
    workflow: describeWorkflow(access),
  };
}

function describeWorkflow({ resource, asker }: Access): ResourceDescription["workflow"] {
  const { workflow, permission } = resource;
  if (workflow === null) return null;
  const mayWrite = permission === null || asker.can(`${permission}:write`);
  return {
    field: workflow.column.name,
    transitions: workflow.transitions.map(({ name, from, to, permission: needed }) => ({
      name,
      label: toLabel(name),
      from: [...from],
      to,
      permission: needed,
      may_use: needed === null ? mayWrite : asker.can(needed),
    })),
  };
}

function verbsOf({ resource: { permission }, asker }: Access): ResourceDescription["verbs"] {
  const asked = { read: "read", create: "write", update: "write", delete: "delete" } as const;
  return VERBS.filter((verb) => permission === null || asker.can(`${permission}:${asked[verb]}`));
}

function describeColumns(access: Access, resources: Resources): ResourceDescription["columns"] {
  const { resource, visible } = access;
  const [created, updated] = [newSchemaOf(resource), changeSchemaOf(resource)];
  return [...visible].map(([name, column]) => {
    const mayWrite = access.mayWrite(name);
    return {
      name,
      label: toLabel(name),
      kind: kindOf(column).type,
      ...toLimits(kindOf(column)),
      is_nullable: !column.notNull,
      has_default: column.hasDefault,
      default: declarationOf(column)?.default ?? null,
      is_unique: column.isUnique || column.primary,
      is_required: created.required?.includes(name) === true,
      may_create: mayWrite && name in created.properties,
      may_update: mayWrite && name in updated.properties,
      references: toReference(targetOf(column), access, resources),
      shown_by: (resource.screens.show.get(name) ?? [])
        .filter((condition) => visible.has(condition.column))
        .map((condition) => ({ column: condition.column, values: [...condition.values] })),
    };
  });
}

/** What else a kind says of values. */
function toLimits(kind: ColumnKind): object {
  if (kind.type === "file") return { types: kind.types && [...kind.types], max_size: kind.maxSize };
  const { type: _, ...limits } = kind;
  return "values" in limits ? { values: [...limits.values] } : limits;
}

function describeRelation(
  { name, isMany, from, to }: Relation,
  access: Access,
  resources: Resources,
): ResourceDescription["relations"][number] {
  return {
    name,
    label: toLabel(name),
    is_many: isMany,
    column: from.name,
    references: toReference(to, access, resources) as NonNullable<ReturnType<typeof toReference>>,
  };
}

function toReference(column: Column | null, access: Access, resources: Resources) {
  if (column === null) return null;
  const resource = resources.ofTable(column.table);
  return {
    table: getTableName(column.table),
    column: column.name,
    resource: resource === null ? null : fullNameOf(resource),
    title: titleOf(access.columnsOf(column.table), resource?.screens.title),
  };
}

/** How people call what has such a name: "company_id" is a "Company". */
export function toLabel(name: string): string {
  const words = name.replace(/_id$/, "").replaceAll(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
