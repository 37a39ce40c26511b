import type { Column } from "drizzle-orm";
import { isPermissionName } from "../../accounts/identity/permission-name.ts";
import { kindOf } from "../../db/schema/column-kind.ts";
import { assertKnown, refuse } from "./names.ts";
import type { TransitionOptions } from "./options.ts";

/** A step that rows take from state to state. */
export interface Transition {
  readonly name: string;
  readonly from: readonly string[];
  readonly to: string;
  /** What it asks for; null for what all changes do. */
  readonly permission: string | null;
}

/** The states of rows, and the ways between them. */
export interface Workflow {
  /** The column of the state. */
  readonly column: Column;
  readonly transitions: readonly Transition[];
  /** All that there are. */
  readonly states: readonly string[];
  /** What importing rows in any state asks for; null where nobody may. */
  readonly importPermission: string | null;
}

interface Declared {
  readonly tableName: string;
  readonly columns: ReadonlyMap<string, Column>;
  /** What new rows are given by the resource itself. */
  readonly made: ReadonlyMap<string, unknown>;
}

interface AnyWorkflow {
  readonly field: string;
  readonly transitions: Readonly<Record<string, TransitionOptions<string>>>;
  readonly import?: string | undefined;
}

const NAME = /^[a-z][a-z0-9_-]{0,62}$/;

/** What else stands behind a row's path, or the resource's, and the events that every row has. */
const TAKEN = new Set(
  [
    "restore history revert attachments comments activity batch aggregate export import changes explain",
    "creating created updating updated deleting deleted restoring restored",
  ].flatMap((names) => names.split(" ")),
);

/**
 * Reads what a resource says of its states.
 *
 * @throws TypeError for columns and states that aren't there, and for names that are taken
 */
export function toWorkflow(
  { tableName, columns, made }: Declared,
  { field, transitions, import: imported }: AnyWorkflow,
): Workflow {
  assertKnown(tableName, field, [...columns.keys()]);
  const column = columns.get(field) as Column;
  const kind = kindOf(column);
  if (kind.type !== "enum" && kind.type !== "varchar")
    throw refuse(tableName, `the state "${field}" must be an enum or a varchar`);
  if (!column.hasDefault && !made.has(field))
    throw refuse(tableName, `the state "${field}" needs a default, which new rows have`);
  const named = Object.entries(transitions).map(([name, { from, to, permission = null }]): Transition => {
    assertName(tableName, name);
    assertPermission(tableName, name, permission);
    const transition = { name, from: typeof from === "string" ? [from] : from, to, permission };
    if (kind.type === "enum")
      for (const state of [...transition.from, to]) assertKnown(tableName, state, kind.values);
    return transition;
  });
  if (named.length === 0) throw refuse(tableName, `"workflow" has no transitions`);
  const importPermission = imported ?? null;
  assertPermission(tableName, "import", importPermission);
  const states = kind.type === "enum" ? kind.values : statesOf(column, named);
  return { column, transitions: named, states, importPermission };
}

function statesOf(column: Column, transitions: readonly Transition[]): string[] {
  const all = transitions.flatMap(({ from, to }) => [...from, to]);
  return [...new Set([...(typeof column.default === "string" ? [column.default] : []), ...all])];
}

function assertPermission(tableName: string, of: string, permission: unknown): void {
  if (permission === null || (typeof permission === "string" && isPermissionName(permission))) return;
  throw refuse(
    tableName,
    `${JSON.stringify(permission)}, the permission of "${of}", isn't one such as "deals:close"`,
  );
}

function assertName(tableName: string, name: string): void {
  if (!NAME.test(name)) throw refuse(tableName, `the transition "${name}" isn't a word such as "win"`);
  if (TAKEN.has(name)) throw refuse(tableName, `no transition can be called "${name}", which is taken`);
}
