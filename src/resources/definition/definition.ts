import { type Column, getTableColumns, getTableName, type Table } from "drizzle-orm";
import type { TableMakers } from "../../db/contract/driver.ts";
import type { User } from "../../accounts/identity/principal.ts";
import { declarationOf, kindOf, searchIndexOf } from "../../db/schema/column-kind.ts";
import { assertKnown, refuse } from "./names.ts";
import type { RowFiles } from "../files/columns.ts";
import { type Numbering, toNumbering } from "./numbering.ts";
import type { Asker, FieldRule, ResourceOptions, RowRule, Verb } from "./options.ts";
import { referencesOf, type Relation, relationsOf, toManyRelation } from "./relations.ts";
import { type Discussion, toDiscussion } from "./discussion.ts";
import { type Screens, toScreens } from "./screens.ts";
import { toWorkflow, type Workflow } from "./workflow.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- of any table
export type AnyOptions = ResourceOptions<any, User | null>;

/** A table as an API, as its declaration has been understood. */
export interface Resource {
  readonly plugin: string;
  /** Its path below the plugin's prefix, without a slash: "deals". */
  readonly name: string;
  /** One of its rows: "deal". */
  readonly singular: string;
  readonly table: Table;
  readonly tableName: string;
  readonly columns: ReadonlyMap<string, Column>;
  /** What tells its rows apart. */
  readonly key: Column;
  /** Columns that no two rows have the same values in, the key among them. */
  readonly uniqueKeys: readonly (readonly Column[])[];
  /** The columns that refer to rows of other tables, each with the column there. */
  readonly references: ReadonlyMap<Column, Column>;
  readonly relations: ReadonlyMap<string, Relation>;
  /** Null where it asks for nobody. */
  readonly permission: string | null;
  /** Whether reading asks for nobody. */
  readonly isPublic: boolean;
  readonly rows: { readonly [Key in Verb]: RowRule<User | null> | null };
  readonly fields: ReadonlyMap<string, FieldRule<User | null>>;
  /** What makes values of new rows, by column. */
  readonly made: ReadonlyMap<string, (asker: Asker<User | null>) => unknown>;
  readonly search: readonly string[];
  /** Whether an index of words serves the search in the table's own columns. */
  readonly hasSearchIndex: boolean;
  readonly expand: ReadonlySet<string>;
  /** Null for all columns, and those of the relations that may be asked for. */
  readonly filter: ReadonlySet<string> | null;
  readonly sort: readonly string[];
  readonly check: NonNullable<AnyOptions["check"]> | null;
  /** The column that says when a row was deleted; null where rows are deleted for good. */
  readonly deletedAt: Column | null;
  /** Whether it is kept what was done to its rows. */
  readonly hasHistory: boolean;
  /** For how long, such as "2y"; null for ever. */
  readonly keepsHistory: string | null;
  /** The states of its rows; null where they have none. */
  readonly workflow: Workflow | null;
  /** The numbers of its rows; null where they have none. */
  readonly numbering: Numbering | null;
  /** The files of its rows; null where they have none. */
  readonly files: RowFiles | null;
  /** What is taken beside its rows. */
  readonly discussion: Discussion;
  /** How its screens are arranged. */
  readonly screens: Screens;
}

const UNSORTED = new Set(["json", "file"]);
const PATH = /^[a-z][a-z0-9_-]{0,62}$/;
const PERMISSION = /^[a-z][a-z0-9_]{0,63}$/;

/**
 * Reads the declaration of a resource.
 *
 * @throws TypeError for a table without a primary key of one column, and for names that aren't there
 */
export function toResource(
  { plugin, uniqueKeysOf }: { readonly plugin: string } & Pick<TableMakers, "uniqueKeysOf">,
  table: Table,
  options: AnyOptions,
): Resource {
  const tableName = getTableName(table);
  const columns = new Map(Object.entries<Column>(getTableColumns(table)));
  const key = keyOf(tableName, columns);
  const { path = tableName.replace(new RegExp(`^${plugin}_`), ""), permission = path } = options;
  if (!PATH.test(path)) throw refuse(tableName, `its path "${path}" isn't a word such as "deals"`);
  if (permission !== null && !PERMISSION.test(permission))
    throw refuse(
      tableName,
      `its permission "${permission}" isn't a word such as "deals", to which :read is added`,
    );
  const references = referencesOf(columns.values());
  const relations = relationsOf(columns.values());
  for (const [name, column] of Object.entries<Column>(options.relations ?? {})) {
    relations.set(name, toManyRelation(name, column, table));
  }
  const names = [...columns.keys()];
  assertNames(tableName, options, { columns: names, relations: [...relations.keys()] });
  const { rows, workflow: states, numbered } = options;
  const ruleOf = (verb: Verb) => (typeof rows === "function" ? rows : (rows?.[verb] ?? null));
  const made = new Map(Object.entries(options.create ?? {}) as [string, () => unknown][]);
  const workflow = states === undefined ? null : toWorkflow({ tableName, columns, made }, states);
  return {
    plugin,
    name: path,
    singular: options.name ?? toSingular(path),
    table,
    tableName,
    columns,
    key,
    uniqueKeys: uniqueKeysOf(table).map((unique) => unique.columns),
    references,
    relations,
    permission,
    isPublic: permission === null || options.public === true,
    rows: { read: ruleOf("read"), update: ruleOf("update"), delete: ruleOf("delete") },
    fields: new Map(Object.entries(options.fields ?? {}) as [string, FieldRule<User | null>][]),
    made,
    search: options.search ?? [],
    hasSearchIndex: hasSearchIndex(tableName, table, options),
    expand: new Set(options.expand),
    filter: options.filter === undefined ? null : new Set(options.filter),
    sort: options.sort ?? names.filter((name) => !UNSORTED.has(kindOf(columns.get(name) as Column).type)),
    check: options.check ?? null,
    deletedAt: deletedAtOf(tableName, columns, options.softDelete),
    ...toHistory(tableName, options.history),
    workflow,
    files: null,
    discussion: toDiscussion({ tableName, columns }, options),
    screens: toScreens({ tableName, columns, made: new Set(made.keys()) }, options.admin),
    numbering: numbered === undefined ? null : toNumbering({ tableName, columns, workflow }, numbered),
  };
}

function keyOf(tableName: string, columns: ReadonlyMap<string, Column>): Column {
  for (const column of columns.values()) {
    if (declarationOf(column) === undefined)
      throw refuse(tableName, `"${column.name}" isn't a column of "xcore/schema"`);
  }
  const key = [...columns.values()].find(({ primary }) => primary);
  if (key !== undefined) return key;
  throw refuse(tableName, "it has no primary key of one column, such as id()");
}

const DELETED_AT = "deleted_at";

function deletedAtOf(
  tableName: string,
  columns: ReadonlyMap<string, Column>,
  asked: boolean | string = false,
): Column | null {
  if (asked === false) return null;
  const name = asked === true ? DELETED_AT : asked;
  const column = columns.get(name);
  if (column !== undefined && kindOf(column).type === "timestamp" && !column.notNull) return column;
  throw refuse(tableName, `"softDelete" needs a column that may be null, ${name}: timestamp()`);
}

const KEEP = /^[1-9]\d{0,3}(?:d|w|mo|y)$/;

function toHistory(
  tableName: string,
  asked: AnyOptions["history"] = false,
): Pick<Resource, "hasHistory" | "keepsHistory"> {
  if (typeof asked === "boolean") return { hasHistory: asked, keepsHistory: null };
  for (const name of Object.keys(asked)) assertKnown(tableName, name, ["keep"]);
  const { keep = null } = asked;
  if (keep !== null && !(typeof keep === "string" && KEEP.test(keep)))
    throw refuse(
      tableName,
      `"history" is kept for ${JSON.stringify(keep)}: expected such as "90d", "12w", "18mo" or "2y"`,
    );
  return { hasHistory: true, keepsHistory: keep };
}

/** @throws TypeError unless the table declares an index of all of its columns that are searched */
function hasSearchIndex(
  tableName: string,
  table: Table,
  { searchIndex = false, search = [] }: Pick<AnyOptions, "searchIndex" | "search">,
): boolean {
  if (!searchIndex) return false;
  const own = search.filter((name) => !name.includes("."));
  if (own.length === 0) throw refuse(tableName, '"searchIndex" needs one of its columns in "search"');
  const index = searchIndexOf(table);
  if (index !== null && own.every((name) => index.columns.includes(name))) return true;
  const declared = `searchIndex("${index?.name ?? `${tableName}_search`}").on(${own.map((name) => `t.${name}`).join(", ")})`;
  throw refuse(
    tableName,
    `"searchIndex" needs an index of all columns in "search": return ${declared} from the third argument of table(), and run xcore db generate`,
  );
}

function assertNames(
  tableName: string,
  { fields = {}, create = {}, sort = [], expand = [], search = [], filter = [] }: AnyOptions,
  known: { readonly columns: readonly string[]; readonly relations: readonly string[] },
): void {
  for (const name of [...Object.keys(fields), ...Object.keys(create), ...sort])
    assertKnown(tableName, name, known.columns);
  for (const way of expand) assertKnown(tableName, way.split(".")[0] ?? "", known.relations);
  for (const way of [...search, ...filter])
    assertKnown(tableName, way.split(".")[0] ?? "", way.includes(".") ? known.relations : known.columns);
}

/** As English has it mostly: companies, addresses, deals. */
function toSingular(plural: string): string {
  if (plural.endsWith("ies")) return `${plural.slice(0, -3)}y`;
  if (/(?:s|x|ch|sh)es$/.test(plural)) return plural.slice(0, -2);
  return plural.endsWith("s") && !plural.endsWith("ss") ? plural.slice(0, -1) : plural;
}
