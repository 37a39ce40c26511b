import type { TObject } from "@sinclair/typebox";
import { type Column, getTableName } from "drizzle-orm";
import { closestWord, toHint } from "../../errors/suggestion.ts";
import { fail, invalidRequest } from "../../errors/codes.ts";
import type { InputProblem } from "../../errors/errors.ts";
import type { Access, View } from "../access/access.ts";
import { changeSchemaOf, importedSchemaOf, newSchemaOf } from "../schemas/bodies.ts";

/** How a file is imported. */
export interface ImportOptions {
  /** Tries it and takes it back. */
  readonly isDry: boolean;
  /** Whether rows with mistakes are left out, in place of all. */
  readonly skips: boolean;
  /** The column by whose value rows that are there are found, and changed; null where all are new. */
  readonly key: string | null;
  /** Columns by the headers that stand for them; "" for what is left out. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What a column of a file is for. */
export interface Target {
  readonly header: string;
  /** Its place in each row. */
  readonly at: number;
  /** The column of the resource that it sets. */
  readonly name: string;
  /** By which its cells are read. */
  readonly column: Column;
  /** Of a row of another table: where its key is looked up by this column. */
  readonly reference: { readonly view: View; readonly to: Column } | null;
}

/** How the columns of a file become those of rows. */
export interface Plan {
  readonly targets: readonly Target[];
  /** Columns of the file, used or not. */
  readonly width: number;
  /** By which rows that are there are found. */
  readonly key: Target | null;
  readonly newSchema: TObject;
  readonly changeSchema: TObject;
}

/**
 * Finds out what the columns of a file are for.
 *
 * @throws AppError validation_error for names that aren't there, or can't be set, and for a key that isn't unique
 */
export function toPlan(access: Access, header: readonly string[], options: ImportOptions): Plan {
  const { resource } = access;
  const state = access.mayImportStates ? resource.workflow?.column.name : undefined;
  const newSchema = state === undefined ? newSchemaOf(resource) : importedSchemaOf(resource);
  const changeSchema = changeSchemaOf(resource);
  const key = options.key === null ? null : toKey(access, options.key);
  const settable = new Set(
    [...Object.keys(newSchema.properties), ...Object.keys(changeSchema.properties)].filter(
      (name) => name === state || access.mayWrite(name),
    ),
  );
  const problems: InputProblem[] = [];
  const targets: Target[] = [];
  for (const [at, text] of header.entries()) {
    const asked = options.headers.get(text) ?? text;
    if (asked === "") continue;
    const found = toTarget(access, asked, { settable, key });
    if (found === null) problems.push(toUnknown(text, asked, { access, settable }));
    else if (targets.some(({ name }) => name === found.name))
      problems.push({
        path: "/header",
        code: "repeated",
        message: `Two columns of the file set "${found.name}": leave one out with ?map=${text}:`,
      });
    else targets.push({ header: text, at, ...found });
  }
  for (const text of options.headers.keys()) {
    if (header.includes(text)) continue;
    problems.push({
      path: "/query/map",
      code: "unknown_name",
      message: `The file has no column ${JSON.stringify(text)}`,
    });
  }
  const keyTarget = key === null ? null : targets.find(({ column }) => column === key);
  if (keyTarget === undefined)
    problems.push({ path: "/query/key", code: "missing", message: "The file has no such column" });
  if (problems.length > 0)
    throw fail("validation_error", "The columns of the file don't fit: see errors", {
      errors: problems.slice(0, 64),
    });
  return { targets, width: header.length, key: keyTarget ?? null, newSchema, changeSchema };
}

function toKey(access: Access, name: string): Column {
  const column = access.visible.get(name);
  const isUnique = column !== undefined && (column.primary || column.isUnique);
  if (column !== undefined && isUnique) return column;
  const names = [...access.visible].filter(([, one]) => one.primary || one.isUnique).map(([one]) => one);
  const message = `Expected a unique column: ${names.map((one) => `"${one}"`).join(", ")}${toHint(name, names)}`;
  throw invalidRequest([{ path: "/query/key", code: "unknown_name", message }]);
}

type Found = Pick<Target, "name" | "column" | "reference">;

function toTarget(
  access: Access,
  asked: string,
  { settable, key }: { readonly settable: ReadonlySet<string>; readonly key: Column | null },
): Found | null {
  const { columns, relations } = access.resource;
  const own = columns.get(asked);
  if (own !== undefined) {
    return settable.has(asked) || own === key ? { name: asked, column: own, reference: null } : null;
  }
  const [name = "", field = "", ...deeper] = asked.split(".");
  const relation = relations.get(name);
  if (relation === undefined || relation.isMany || deeper.length > 0) return null;
  // What can't be filtered by can't be guessed by names either.
  if (!settable.has(relation.from.name) || access.find(asked) === null) return null;
  const view = access.viewOf(relation.table);
  const column = view.columns.get(field);
  if (column === undefined || !(column.isUnique || column.primary)) return null;
  return { name: relation.from.name, column, reference: { view, to: relation.to } };
}

function toUnknown(
  text: string,
  asked: string,
  { access, settable }: { readonly access: Access; readonly settable: ReadonlySet<string> },
): InputProblem {
  const shown = JSON.stringify(text.slice(0, 100));
  const skip = `leave it out with ?map=${text.slice(0, 100)}:`;
  if (access.resource.columns.has(asked))
    return {
      path: "/header",
      code: "read_only",
      message: `The column ${shown} ${toReason(access, asked)}: ${skip}`,
    };
  const meant = closestWord(
    asked,
    [...settable].filter((name) => access.visible.has(name)),
  );
  const hint = meant === undefined ? `or ${skip}` : `did you mean "${meant}"?`;
  const message = `There is no column ${shown} in "${getTableName(access.resource.table)}", name one as in ?map=${text.slice(0, 100)}:column, ${hint}`;
  return { path: "/header", code: "unknown_column", message };
}

function toReason({ resource: { workflow } }: Access, name: string): string {
  if (workflow?.column.name !== name) return "can't be set";
  const needed = workflow.importPermission;
  const why =
    needed === null ? `the resource lets no import set it` : `importing it takes the permission "${needed}"`;
  return `is a state that rows come to by steps, and ${why}`;
}
