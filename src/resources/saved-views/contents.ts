import { AppError, type InputProblem, toPointer } from "../../errors/errors.ts";
import { toHint } from "../../errors/suggestion.ts";
import type { Access } from "../access/access.ts";
import { toRowsCondition, type Wanted } from "../reading/conditions.ts";
import { columnParametersOf } from "../schemas/queries.ts";

/** What a list is asked for by, as its address has it. */
export type SavedQuery = Record<string, string | string[]>;

/** What a view shows. */
export interface Contents {
  /** In order; null for those that the list shows of itself. */
  readonly columns: string[] | null;
  readonly query: SavedQuery;
}

/** What of a view there is to whoever asks. */
export interface Fitting extends Contents {
  /** Columns and parameters that are left out. */
  readonly missing: string[];
}

const MAX_PER_PAGE = 100;
const PER_PAGE = /^[1-9]\d{0,2}$/;
const SORT = /^-?/;

/** What is wrong with the contents of a view: columns and parameters that its list doesn't have for whoever asks. */
export function checkContents(access: Access, { columns, query }: Partial<Contents>): InputProblem[] {
  const names = [...access.visible.keys()];
  const unknown = (columns ?? []).flatMap((name, at) =>
    access.visible.has(name)
      ? []
      : [
          {
            path: `/body/columns/${at}`,
            code: "unknown",
            message: `There is no column "${name}"${toHint(name, names)}`,
          },
        ],
  );
  const check = toQueryCheck(access);
  const refused = Object.entries(query ?? {}).flatMap(([name, value]): InputProblem[] => {
    const message = check(name, value);
    return message === null ? [] : [{ path: toPointer(["body", "query", name]), code: "invalid", message }];
  });
  return [...unknown, ...refused];
}

/** Leaves out of a view what its list doesn't have any more, or not for whoever asks. */
export function fitContents(access: Access, { columns, query }: Contents): Fitting {
  const check = toQueryCheck(access);
  const gone = (columns ?? []).filter((name) => !access.visible.has(name));
  const kept = (columns ?? []).filter((name) => access.visible.has(name));
  const entries = Object.entries(query);
  const refused = entries.filter(([name, value]) => check(name, value) !== null);
  return {
    columns: kept.length === 0 ? null : kept,
    query: Object.fromEntries(entries.filter((entry) => !refused.includes(entry))),
    missing: [...new Set([...gone, ...refused.map(([name]) => name)])],
  };
}

/** Returns what says of a parameter of a list why it isn't taken; null for one that is. */
function toQueryCheck(access: Access): (name: string, value: string | readonly string[]) => string | null {
  const { resource } = access;
  const parameters = columnParametersOf(resource);
  const shown = [...parameters].flatMap(([name, { field }]) => (access.find(field) === null ? [] : [name]));
  const sortable = resource.sort.filter((name) => access.visible.has(name));
  const toProblem = (wanted: Wanted): string | null => {
    try {
      toRowsCondition(access, wanted, { parameters });
      return null;
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error;
      return error.errors?.[0]?.message ?? error.message;
    }
  };
  return (name, value) => {
    if (parameters.has(name)) return toProblem({ [name]: value });
    if (typeof value !== "string") return "Expected one text";
    switch (name) {
      case "filter":
        return toProblem({ filter: value });
      case "q":
        return resource.search.length === 0 ? "Nothing is searched here" : toProblem({ q: value });
      case "sort": {
        const wrong = value.split(",").find((one) => !sortable.includes(one.trim().replace(SORT, "")));
        return wrong === undefined ? null : `Can't sort by "${wrong}"${toHint(wrong, sortable)}`;
      }
      case "per_page":
        return PER_PAGE.test(value) && Number(value) <= MAX_PER_PAGE
          ? null
          : `Expected a number from 1 to ${MAX_PER_PAGE}`;
      case "deleted":
        return (value === "only" || value === "with") && resource.deletedAt !== null
          ? toProblem({ deleted: value })
          : "Nothing is deleted here so that it is kept";
      default:
        return `The list has no parameter "${name}"${toHint(name, shown)}`;
    }
  };
}
