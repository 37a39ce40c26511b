import {
  and,
  type Column,
  getTableColumns,
  getTableName,
  isNotNull,
  isNull,
  or,
  type SQL,
  type Table,
} from "drizzle-orm";
import { toForbidden } from "../../accounts/identity/guards.ts";
import type { User } from "../../accounts/identity/principal.ts";
import { isComparable } from "../filter/values.ts";
import { type Field, NOTHING, type Step } from "../filter/conditions.ts";
import type { Resource } from "../definition/definition.ts";
import type { RowFiles } from "../files/columns.ts";
import type { Asker, FieldAccess, Verb } from "../definition/options.ts";
import { type Relation, relationsOf } from "../definition/relations.ts";
import type { Resources } from "../definition/registry.ts";

/** Of accounts, all that a plugin's readers are told. */
const USER_COLUMNS = ["id", "email", "full_name"];
const USERS = "users";
const MAX_STEPS = 3;

/** Rows that are deleted: the only ones, or beside the others. */
export type DeletedRows = "only" | "with";

/** What a table shows to whoever asks: its resource's rules, where there is one. */
export interface View {
  readonly table: Table;
  readonly columns: ReadonlyMap<string, Column>;
  readonly relations: ReadonlyMap<string, Relation>;
  /** Which rows there are; undefined for all. */
  readonly rows: SQL | undefined;
  /** The files of its rows; null where they have none that are known. */
  readonly files: RowFiles | null;
}

/** What somebody may do with the rows and fields of a resource, for one request. */
export class Access {
  readonly resource: Resource;
  readonly asker: Asker<User | null>;
  readonly #resources: Resources;
  readonly #rows = new Map<Verb, SQL | undefined>();
  readonly #views = new Map<Table, View>();
  #visible: ReadonlyMap<string, Column> | null = null;

  constructor(resource: Resource, asker: Asker<User | null>, resources: Resources) {
    this.resource = resource;
    this.asker = asker;
    this.#resources = resources;
  }

  /** Which rows there are for a verb; undefined for all. */
  rows(verb: Verb): SQL | undefined {
    return and(this.rule(verb), toUndeleted(this.resource));
  }

  /** Like rows, whether they are deleted or not. */
  rule(verb: Verb): SQL | undefined {
    if (this.resource.rows[verb] === null) return undefined;
    if (!this.#rows.has(verb)) this.#rows.set(verb, toCondition(this.resource, verb, this.asker));
    return this.#rows.get(verb);
  }

  /**
   * Which rows there are to be read, those that are deleted among them.
   *
   * @throws AppError authorization_error for whoever may not delete
   */
  rowsWithDeleted(deleted: DeletedRows | undefined): SQL | undefined {
    const { deletedAt } = this.resource;
    if (deleted === undefined || deletedAt === null) return this.rows("read");
    if (!this.mayDelete) throw toForbidden("Deleted rows are for those who may delete");
    const gone = and(isNotNull(deletedAt), this.rule("delete"));
    return and(this.rule("read"), deleted === "only" ? gone : or(isNull(deletedAt), gone));
  }

  /** Whether any rows may be made and changed, and be said something of. */
  get mayChange(): boolean {
    const { permission } = this.resource;
    return permission === null || this.asker.can(`${permission}:write`);
  }

  /** Whether any rows may be deleted. */
  get mayDelete(): boolean {
    const { permission } = this.resource;
    return permission === null || this.asker.can(`${permission}:delete`);
  }

  /** The columns that may be seen, by name: who may write and not read is answered with keys. */
  get visible(): ReadonlyMap<string, Column> {
    return (this.#visible ??= this.#findVisible());
  }

  /** Whether all columns may be seen. */
  get seesAll(): boolean {
    return this.visible.size === this.resource.columns.size;
  }

  /** What may be seen of a row: itself, where that is all of it. */
  pick(row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    if (this.seesAll) return row;
    return Object.fromEntries([...this.visible.keys()].map((name) => [name, row[name]]));
  }

  /** Whether a field may be set. */
  mayWrite(name: string): boolean {
    const { workflow, numbering } = this.resource;
    if (name === workflow?.column.name || name === numbering?.column.name) return false;
    return isAllowed(this.resource.fields.get(name)?.write, this.asker);
  }

  /** Whether new rows may be imported in any state. */
  get mayImportStates(): boolean {
    const needed = this.resource.workflow?.importPermission ?? null;
    return needed !== null && this.asker.can(needed);
  }

  /** The columns that may be seen of a table that a relation leads to, where any of its rows may be. */
  columnsOf(table: Table): ReadonlyMap<string, Column> {
    const resource = this.#resources.ofTable(table);
    return resource === null ? columnsOf(table) : visibleOf(resource, this.asker);
  }

  /** What is shown of a table that a relation leads to. */
  viewOf(table: Table): View {
    const known = this.#views.get(table);
    if (known !== undefined) return known;
    const view = this.#makeView(table);
    this.#views.set(table, view);
    return view;
  }

  /** Which rows of a table may be referred to; undefined for all. It takes no permission to read them. */
  referable(table: Table): SQL | undefined {
    const resource = this.#resources.ofTable(table);
    if (resource === null) return undefined;
    return and(toCondition(resource, "read", this.asker), toUndeleted(resource));
  }

  /** What a name in a filter stands for; null for one that isn't there to whoever asks. */
  find(name: string): Field | null {
    const { filter, expand } = this.resource;
    const parts = name.split(".");
    const column = parts.pop() ?? "";
    const isListed = filter === null ? parts.length === 0 || expand.has(parts.join(".")) : filter.has(name);
    return isListed ? this.#follow(parts, column) : null;
  }

  /** Like find, for names that the resource itself has given. */
  follow(name: string): Field | null {
    const parts = name.split(".");
    return this.#follow(parts, parts.pop() ?? "");
  }

  /** The names that a filter may have. */
  names(): string[] {
    const { filter, expand } = this.resource;
    const all = filter ?? [
      ...this.resource.columns.keys(),
      ...[...expand].flatMap((path) => this.#columnsBehind(path).map((column) => `${path}.${column}`)),
    ];
    return [...all].filter((name) => this.find(name) !== null);
  }

  #columnsBehind(path: string): string[] {
    const steps = this.#steps(path.split("."));
    return steps === null ? [] : [...(steps.view?.columns.keys() ?? [])];
  }

  #follow(parts: readonly string[], name: string): Field | null {
    const found = this.#steps(parts);
    const column = (found?.view?.columns ?? this.visible).get(name);
    if (found === null || column === undefined || !isComparable(column)) return null;
    return { column, steps: found.steps };
  }

  #steps(parts: readonly string[]): { steps: Step[]; view: View | null } | null {
    if (parts.length > MAX_STEPS) return null;
    const steps: Step[] = [];
    let { relations, columns }: Pick<View, "relations" | "columns"> = {
      relations: this.resource.relations,
      columns: this.visible,
    };
    let view: View | null = null;
    for (const part of parts) {
      const relation = relations.get(part);
      if (relation === undefined || !columns.has(relation.from.name)) return null;
      view = this.viewOf(relation.table);
      // What refers back may be hidden itself.
      if (relation.isMany && !view.columns.has(relation.to.name)) return null;
      steps.push({ from: relation.from, to: relation.to, isMany: relation.isMany, rows: view.rows });
      ({ relations, columns } = view);
    }
    return { steps, view };
  }

  #findVisible(): ReadonlyMap<string, Column> {
    const { resource, asker } = this;
    const { key } = resource;
    return mayRead(resource, asker) ? visibleOf(resource, asker) : new Map([[key.name, key]]);
  }

  #makeView(table: Table): View {
    const resource = this.#resources.ofTable(table);
    if (resource === null) return toOpenView(table);
    const { relations } = resource;
    const rows = mayRead(resource, this.asker)
      ? and(toCondition(resource, "read", this.asker), toUndeleted(resource))
      : NOTHING;
    return { table, columns: visibleOf(resource, this.asker), relations, rows, files: resource.files };
  }
}

/** The columns of a table that may be shown where its resource, if there is one, doesn't hide them. */
export function columnsOf(table: Table): ReadonlyMap<string, Column> {
  const all = Object.entries<Column>(getTableColumns(table));
  const isOfUsers = getTableName(table) === USERS;
  return new Map(isOfUsers ? all.filter(([name]) => USER_COLUMNS.includes(name)) : all);
}

/** Nobody has made rules for it. */
function toOpenView(table: Table): View {
  const columns = columnsOf(table);
  return { table, columns, relations: relationsOf(columns.values()), rows: undefined, files: null };
}

function toUndeleted({ deletedAt }: Resource): SQL | undefined {
  return deletedAt === null ? undefined : isNull(deletedAt);
}

function toCondition(resource: Resource, verb: Verb, asker: Asker<User | null>): SQL | undefined {
  const rule = resource.rows[verb];
  if (rule === null) return undefined;
  const condition = rule(asker);
  if (condition === false) return NOTHING;
  if (condition === undefined || typeof condition === "object") return condition;
  throw new TypeError(
    `The rule "rows" of the resource "${resource.name}" must return a condition, undefined for all rows or false for none`,
  );
}

function mayRead({ permission, isPublic }: Resource, { can }: Asker<User | null>): boolean {
  return isPublic || can(`${permission}:read`);
}

function visibleOf(
  { columns, fields, key }: Resource,
  asker: Asker<User | null>,
): ReadonlyMap<string, Column> {
  if (fields.size === 0) return columns;
  return new Map(
    [...columns].filter(([name, column]) => column === key || isAllowed(fields.get(name)?.read, asker)),
  );
}

function isAllowed(access: FieldAccess<User | null> | undefined, asker: Asker<User | null>): boolean {
  if (access === undefined || typeof access === "boolean") return access ?? true;
  return typeof access === "string" ? asker.can(access) : access(asker);
}
