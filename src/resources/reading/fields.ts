import { invalidRequest } from "../../errors/codes.ts";
import { toHint } from "../../errors/suggestion.ts";
import type { Access } from "../access/access.ts";

/** What of each row is asked for. */
export interface Wanted {
  readonly fields?: string | undefined;
  readonly expand?: string | undefined;
}

/** Relations to follow, and those behind them. */
export type Tree = ReadonlyMap<string, Tree>;

/** How rows are shown. */
export interface Shape {
  /** Null for all columns that there are. */
  readonly columns: readonly string[] | null;
  readonly expand: Tree;
  /** Whether there may be files among them, which are shown with more than their ids. */
  readonly hasFiles: boolean;
}

const NOTHING: Tree = new Map();

/**
 * Reads which fields, and which rows that belong to a row, are asked for.
 *
 * @throws AppError validation_error for a name that isn't there to whoever asks
 */
export function toShape(access: Access, { fields, expand }: Wanted): Shape {
  const { resource, visible } = access;
  return {
    columns:
      fields === undefined
        ? access.seesAll
          ? null
          : [...visible.keys()]
        : toNames("fields", fields, visible),
    expand:
      expand === undefined
        ? NOTHING
        : toTree(toNames("expand", expand, resource.expand, toExpandable(access))),
    hasFiles: resource.files !== null,
  };
}

/** Whether rows are shown as they are. */
export function isAsTheyAre({ columns, expand, hasFiles }: Shape): boolean {
  return columns === null && expand.size === 0 && !hasFiles;
}

interface Names {
  has(name: string): boolean;
  keys(): IterableIterator<string>;
}

/** The relations of which whoever asks may see by what they are related. */
function toExpandable({ resource, seesAll, visible }: Access): ReadonlySet<string> {
  const { expand, relations } = resource;
  if (seesAll) return expand;
  return new Set(
    [...expand].filter((path) => {
      const relation = relations.get(path.split(".")[0] ?? "");
      return relation !== undefined && visible.has(relation.from.name);
    }),
  );
}

function toNames(parameter: string, text: string, known: Names, told: Names = known): string[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return names;
  const all = Array.from(told.keys(), (name) => `"${name}"`).join(", ");
  const message = `Expected ${all === "" ? "nothing" : `some of ${all}`}, not ${JSON.stringify(unknown.slice(0, 40))}${toHint(unknown, told.keys())}`;
  throw invalidRequest([{ path: `/query/${parameter}`, code: "unknown_name", message }]);
}

function toTree(paths: readonly string[]): Tree {
  const tree = new Map<string, Map<string, Tree>>();
  for (const path of paths) {
    let at = tree as Map<string, Tree>;
    for (const name of path.split(".")) {
      const next = (at.get(name) ?? new Map()) as Map<string, Tree>;
      at.set(name, next);
      at = next;
    }
  }
  return tree;
}
