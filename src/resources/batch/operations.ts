import { ConstraintError } from "../../db/contract/database-error.ts";
import type { Database, Transaction } from "../../db/contract/database.ts";
import { AppError, type InputProblem } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import type { Access } from "../access/access.ts";
import type { Resources } from "../definition/registry.ts";
import type { Row } from "../reading/expand.ts";
import { nameReferring } from "../writing/references.ts";
import type { Writer } from "../writing/writer.ts";

/** Writes that are made together, or none of them. */
export interface Operations {
  /** Keys of rows. */
  readonly delete?: readonly unknown[];
  /** The key of a row, and what becomes of it. */
  readonly update?: readonly Row[];
  readonly create?: readonly Row[];
}

/** What became of operations, each at the place where it was asked for. */
export interface Done {
  readonly create: Row[];
  readonly update: Row[];
  readonly delete: unknown[];
}

interface Ground {
  readonly db: Database;
  readonly writer: Writer;
  readonly access: Access;
  /** All that are served. */
  readonly resources: Resources;
}

/** Problems that an answer lists. */
const MAX_PROBLEMS = 64;

/**
 * Deletes, changes and makes rows, in this order and in one transaction: a new row may have the unique value of one that
 * goes.
 *
 * @throws AppError validation_error with what is wrong with each, by its place: "/body/create/3/title"
 */
export async function runOperations(
  asked: Operations,
  { db, writer, access, resources }: Ground,
): Promise<Done> {
  const { name: key } = access.resource.key;
  return db.transaction(async (tx) => {
    const problems: InputProblem[] = [];
    const run = async <Given, T>(
      verb: keyof Operations,
      all: readonly Given[],
      work: (given: Given, at: string, inner: Transaction) => Promise<T>,
    ): Promise<T[]> => {
      const done: T[] = [];
      for (const [index, given] of all.entries()) {
        const at = `/body/${verb}/${index}`;
        // A savepoint each: what comes after one that fails is tried as well, so that all mistakes are told at once.
        // oxlint-disable-next-line no-await-in-loop -- one after another
        const made = await tx
          .transaction((inner) => work(given, at, inner))
          .catch((error: unknown) => {
            if (problems.length < MAX_PROBLEMS)
              problems.push(...toProblems(nameReferring(error, resources), at));
          });
        if (made !== undefined) done.push(made);
      }
      return done;
    };
    const ids = [...(asked.delete ?? []), ...(asked.update ?? []).map((given) => given[key])];
    await writer.hold(ids, { tx, access, at: "/body" });
    const deleted = await run("delete", asked.delete ?? [], async (id, at, inner) => {
      await writer.remove(id, { tx: inner, access, at });
      return id;
    });
    const updated = await run("update", asked.update ?? [], ({ [key]: id, ...given }, at, inner) =>
      writer.change(id, given, { tx: inner, access, at }),
    );
    const created = await run("create", asked.create ?? [], (given, at, inner) =>
      writer.create(given, { tx: inner, access, at }),
    );
    if (problems.length === 0) return { create: created, update: updated, delete: deleted };
    throw fail("validation_error", "Nothing was written: see errors for what can't be", {
      errors: problems.slice(0, MAX_PROBLEMS),
    });
  });
}

/**
 * What is wrong with one operation of several, by its place in the request.
 *
 * @throws what isn't for clients, as it is
 */
export function toProblems(error: unknown, at: string): InputProblem[] {
  if (!(error instanceof AppError) || error.status >= 500) throw error;
  const { errors = [], code, message } = error;
  const columns = error instanceof ConstraintError && error.constraint === "unique" ? error.columns : [];
  if (columns.length > 0) return columns.map((name) => ({ path: `${at}/${name}`, code: "unique", message }));
  if (errors.length === 0) return [{ path: at, code, message }];
  return errors.map((problem) => ({ ...problem, path: locate(problem.path, at) }));
}

/** Hooks, and the database, say where something stands in the body of a single write. */
function locate(path: string, at: string): string {
  if (at !== "" && (path === at || path.startsWith(`${at}/`))) return path;
  return path === "" ? at : path.replace(/^\/body(?=\/|$)/, at);
}
