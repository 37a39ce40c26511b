import { and, asc, type Column, eq, inArray, type SQL } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import { AppError, type InputProblem } from "../../errors/errors.ts";
import { toForbidden } from "../../accounts/identity/guards.ts";
import { fail, invalidRequest, withPaths } from "../../errors/codes.ts";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { Access } from "../access/access.ts";
import type { LiveChanges } from "../changes/live.ts";
import type { HistoryTable } from "../history/entries.ts";
import type { Row } from "../reading/expand.ts";
import { findRow, missing } from "../reading/rows.ts";
import { isNumberedBy } from "../definition/numbering.ts";
import type { Resource } from "../definition/definition.ts";
import type { Transition } from "../definition/workflow.ts";
import type { RowEvents, Writing } from "./events.ts";
import { noteWritten, tellWritten, toStep } from "./notes.ts";
import type { NumberTable } from "./numbers.ts";
import { assertReachable, keepKey } from "./keys.ts";
import { assertKept, toKeptRules } from "./kept-rules.ts";
import { assertReferences, ruledReferences } from "./references.ts";
import { assertState } from "./states.ts";

export interface WriterOptions {
  readonly driver: Pick<Driver, "afterCommit" | "dialect">;
  readonly events: RowEvents;
  /** Where it is kept what was done to rows. */
  readonly history: HistoryTable;
  /** Where it is kept which numbers are taken. */
  readonly numbers: NumberTable;
  /** Is told of rows that have changed, once that is committed. */
  readonly changes: Pick<LiveChanges, "note">;
  /** Removes what is kept beside a row that is deleted for good. */
  readonly forget: (tx: Transaction, id: unknown) => Promise<void>;
}

/** One write among those of a transaction. */
export interface Work {
  readonly tx: Transaction;
  readonly access: Access;
  /** JSON Pointer of its values in the request: "/body", "/body/3". */
  readonly at: string;
  /** Whether `tx` is none: it is the only statement. @default false */
  readonly isAlone?: boolean;
  /** Whether new rows may have states that others come to by steps. @default false */
  readonly isImport?: boolean;
  /** What a change is called in the history. @default "update" */
  readonly as?: "revert";
  /** The step of a workflow that a change is. */
  readonly transition?: Transition;
}

/** What a client has given is now, and whether the row is new. */
export interface Merged {
  readonly row: Row;
  readonly isNew: boolean;
}

/** Writes rows of resources, each by its rules and checks, and tells of them once they are committed. */
export class Writer {
  readonly #options: WriterOptions;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Makes a row of what a client has given, and nothing else; a transaction takes longer than one statement. @throws AppError */
  createAlone(given: Row, { db, access }: { readonly db: Database; readonly access: Access }): Promise<Row> {
    const isOneStatement =
      access.resource.check === null &&
      !access.resource.hasHistory &&
      access.resource.files === null &&
      access.resource.numbering === null &&
      access.rule("read") === undefined &&
      access.rule("update") === undefined;
    if (isOneStatement)
      return this.create(given, { tx: db as Transaction, access, at: "/body", isAlone: true });
    return db.transaction((tx) => this.create(given, { tx, access, at: "/body" }));
  }

  /** Makes a row of what a client has given. @throws AppError */
  async create(given: Row, work: Work): Promise<Row> {
    const { tx, access, at } = work;
    const { resource } = access;
    const values = toNewRow(given, work);
    // Asked first what there is to wait for: mostly nothing, and each promise takes as long as all the rest of this.
    const references = ruledReferences(access);
    if (references.length > 0) await assertReferences([given], references, work);
    if (this.#isAsked("creating", resource)) await this.#prepare("creating", values, null, work);
    assertReachable(resource, values, at);
    if (resource.numbering !== null) await this.#number(values, null, work);
    const written = tx.insert(resource.table as PgTable).values(onlyColumns(access, values) as never);
    const [row] = (await locate(at, () => written.returning())) as Row[];
    if (row === undefined) throw new Error(`The database gave nothing for a new ${resource.singular}`);
    if (resource.files !== null) await resource.files.claim({ before: null, after: row }, work);
    const rules = toKeptRules(access);
    if (rules !== undefined) await assertKept(access, [row], { tx, rules });
    const note = { rows: [{ before: null, after: row }], work };
    if (resource.hasHistory) await noteWritten(this.#options, "created", note);
    else tellWritten(this.#options, "created", note);
    return row;
  }

  /** Whether nobody asks about each new row, so that several can be made at once. */
  canMakeMany({ resource }: Access): boolean {
    return resource.numbering === null && resource.files === null && !this.#isAsked("creating", resource);
  }

  /** Makes rows by one statement, where `canMakeMany` says so: all of them, or none. @throws AppError */
  async createMany(all: readonly Row[], work: Work): Promise<Row[]> {
    const { tx, access, at } = work;
    const { resource } = access;
    const values = all.map((given) => onlyColumns(access, toNewRow(given, work)));
    for (const one of values) assertReachable(resource, one, at);
    await assertReferences(all, ruledReferences(access), work);
    const written = tx.insert(resource.table as PgTable).values(values);
    const rows = (await locate(at, () => written.returning())) as Row[];
    const rules = toKeptRules(access);
    if (rules !== undefined) await assertKept(access, rows, { tx, rules });
    const made = rows.map((row) => ({ before: null, after: row }));
    await noteWritten(this.#options, "created", { rows: made, work });
    return rows;
  }

  /**
   * Changes a row as a client has asked.
   *
   * @param onFound looks at the row before it is changed
   * @throws AppError not_found, authorization_error, validation_error
   */
  async change(id: unknown, given: Row, work: Work, onFound: (row: Row) => void = () => {}): Promise<Row> {
    const before = await this.#find(id, "update", work);
    onFound(before);
    assertWritable(work.access, given, work.at);
    return this.#update(before, given, work);
  }

  /**
   * Changes the row that has the unique values of what a client has given, or makes one.
   *
   * @param isSecond whether it is known that there is such a row
   * @throws AppError conflict as create does, where it isn't there to whoever asks
   */
  async merge(
    given: Row,
    unique: readonly Column[],
    { work, isSecond }: { readonly work: Work; readonly isSecond: boolean },
  ): Promise<Merged> {
    const { tx, access } = work;
    const { resource } = access;
    const isSame = (row: Row): SQL | undefined =>
      and(...unique.map((column) => eq(column, row[column.name])), access.rows("read"));
    // Where there is none, MySQL would hold what is around it: of two that then make it, neither could.
    const found = isSecond
      ? await this.#lock(tx, access, isSame(given))
      : await findRow(tx, resource, isSame(given));
    if (found === undefined) return { row: await this.create(given, work), isNew: true };
    const kept = new Set([resource.key, resource.workflow?.column]);
    const changes = Object.entries(given).filter(([name]) => !kept.has(resource.columns.get(name)));
    const row = await this.change(found[resource.key.name], Object.fromEntries(changes), work, (before) => {
      if (unique.every(({ name }) => Bun.deepEquals(before[name], found[name]))) return;
      throw fail("conflict", `The ${resource.singular} has changed at the same time: send it again`);
    });
    return { row, isNew: false };
  }

  /**
   * Takes a row by a step of its workflow.
   *
   * @throws AppError not_found, authorization_error, validation_error, or conflict with the row, as `current`, where it is in another state
   */
  async step(
    id: unknown,
    transition: Transition,
    work: Work,
    onFound: (row: Row) => void = () => {},
  ): Promise<Row> {
    const before = await this.#find(id, "update", work);
    onFound(before);
    const { name } = assertState(work.access, before, transition);
    return this.#update(before, { [name]: transition.to }, { ...work, transition });
  }

  /** Like change, to values that are found once nobody else can change the row. */
  async revert(
    id: unknown,
    toValues: (before: Row) => Promise<Row>,
    work: Work,
    onFound: (row: Row) => void,
  ): Promise<Row> {
    const before = await this.#find(id, "update", work);
    onFound(before);
    const values = await toValues(before);
    assertWritable(work.access, values, work.at);
    return this.#update(before, values, { ...work, as: "revert" });
  }

  async #update(before: Row, given: Row, work: Work): Promise<Row> {
    const { tx, access, at } = work;
    const { resource } = access;
    const values = { ...given };
    await assertReferences([given], ruledReferences(access), { ...work, before });
    await this.#prepare("updating", values, before, work);
    keepKey(resource, values, before);
    await this.#number(values, before, work);
    const set = onlyColumns(access, values);
    if (Object.keys(set).length === 0) return before;
    const written = tx
      .update(resource.table as PgTable)
      .set(set)
      .where(eq(resource.key, before[resource.key.name]));
    const [after] = (await locate(at, () => written.returning())) as Row[];
    if (after === undefined) throw missing(resource, before[resource.key.name]);
    if (resource.files !== null) await resource.files.claim({ before, after }, work);
    const rules = toKeptRules(access);
    if (rules !== undefined) await assertKept(access, [after], { tx, rules });
    await noteWritten(this.#options, "updated", { rows: [{ before, after }], work });
    return after;
  }

  /** Deletes a row. @throws AppError not_found, authorization_error, conflict where others refer to it */
  async remove(id: unknown, work: Work, onFound: (row: Row) => void = () => {}): Promise<void> {
    const { tx, access } = work;
    const { resource } = access;
    const before = await this.#find(id, "delete", work);
    onFound(before);
    await this.#options.events.ask("deleting", { before, values: {}, actor: access.asker.user });
    const isIt = eq(resource.key, before[resource.key.name]);
    const table = resource.table as PgTable;
    const { deletedAt } = resource;
    const gone = deletedAt === null ? null : { [deletedAt.name]: new Date() };
    if (gone === null) await tx.delete(table).where(isIt);
    else await tx.update(table).set(gone).where(isIt);
    if (gone === null && resource.discussion.isOpen)
      await this.#options.forget(tx, before[resource.key.name]);
    await noteWritten(this.#options, "deleted", {
      rows: [{ before, after: null, kept: gone && { ...before, ...gone } }],
      work,
    });
  }

  /** Puts a row back that was deleted, where such rows are kept. @throws AppError not_found */
  async restore(id: unknown, work: Work, onFound: (row: Row) => void = () => {}): Promise<Row> {
    const { tx, access } = work;
    const { resource, asker } = access;
    const { deletedAt } = resource;
    if (deletedAt === null) throw missing(resource, id);
    const before = await this.#lock(tx, access, and(eq(resource.key, id), access.rowsWithDeleted("only")));
    if (before === undefined) throw missing(resource, id);
    onFound(before);
    await this.#options.events.ask("restoring", { before, values: {}, actor: asker.user });
    const written = tx
      .update(resource.table as PgTable)
      .set({ [deletedAt.name]: null })
      .where(eq(resource.key, before[resource.key.name]));
    const [after] = (await written.returning()) as Row[];
    if (after === undefined) throw missing(resource, id);
    await noteWritten(this.#options, "restored", { rows: [{ before, after }], work });
    return after;
  }

  /**
   * Holds rows until the transaction ends, in the order of their keys: of two that wrote the same ones in orders of their own, the
   * database would give one up.
   */
  async hold(ids: readonly unknown[], { tx, access }: Work): Promise<void> {
    if (this.#options.driver.dialect === "sqlite" || ids.length < 2) return;
    const { key, table } = access.resource;
    const query = tx
      .select({ key: key as PgColumn })
      .from(table as PgTable)
      .where(and(inArray(key, [...ids]), access.rows("read")))
      .orderBy(asc(key));
    await query.for("update");
  }

  /** The row, held until the transaction ends. */
  async #find(id: unknown, verb: "update" | "delete", { tx, access }: Work): Promise<Row> {
    const { resource } = access;
    const isOne = eq(resource.key, id);
    const [read, allowed] = [access.rows("read"), access.rule(verb)];
    const row = await this.#lock(tx, access, and(isOne, read));
    if (row === undefined) throw missing(resource, id);
    if (allowed === undefined || resource.rows.read === resource.rows[verb]) return row;
    if ((await findRow(tx, resource, and(isOne, allowed))) !== undefined) return row;
    throw toForbidden(`You may see this ${resource.singular}, and not ${verb} it`);
  }

  /** A server's other transactions wait for this one; SQLite has one that writes at a time. */
  async #lock(tx: Transaction, { resource }: Access, condition: SQL | undefined): Promise<Row | undefined> {
    if (this.#options.driver.dialect === "sqlite") return findRow(tx, resource, condition);
    const query = tx
      .select()
      .from(resource.table as PgTable)
      .where(condition)
      .limit(1);
    const [row] = await (query as unknown as { for(strength: "update"): PromiseLike<Row[]> }).for("update");
    return row;
  }

  /** Whether anybody is to be asked about a write. */
  #isAsked(event: Writing, resource: Resource): boolean {
    return resource.check !== null || this.#options.events.isHeard(event);
  }

  /** Asks those who listen, and the resource's own check. */
  async #prepare(event: Writing, values: Row, before: Row | null, work: Work): Promise<void> {
    const { tx, access, at } = work;
    const { resource, asker } = access;
    await this.#options.events.ask(event, { before, values, actor: asker.user, ...toStep(work) });
    const { check } = resource;
    if (check === null) return;
    const found = await check({
      value: { ...before, ...values },
      before,
      db: tx,
      user: asker.user,
    });
    const errors = Object.entries(found ?? {}).flatMap(([name, message]): InputProblem[] =>
      message === undefined ? [] : [{ path: `${at}/${name}`, code: "check", message }],
    );
    if (errors.length > 0) throw invalidRequest(errors);
  }

  /** Gives a row its number, right before it is written: until it is committed nobody else gets one. */
  async #number(values: Row, before: Row | null, { tx, access }: Work): Promise<void> {
    const { numbering } = access.resource;
    if (numbering === null || !isNumberedBy(access.resource, values, before)) return;
    const { takeNumber } = await import("./numbers.ts");
    values[numbering.column.name] = await takeNumber(tx, this.#options.numbers, numbering);
  }
}

/** What a client has given for a new row, and what they don't choose. */
function toNewRow(given: Row, { access, at, isImport = false }: Work): Row {
  const { resource, asker } = access;
  const state = isImport && access.mayImportStates ? resource.workflow?.column.name : undefined;
  assertWritable(access, given, at, state);
  const values = { ...given };
  for (const [name, make] of resource.made) {
    if (name !== state || !(name in given)) values[name] = make(asker);
  }
  return values;
}

/** @throws AppError validation_error for fields that whoever asks may not set */
function assertWritable(access: Access, given: Row, at: string, besides?: string): void {
  const errors = Object.keys(given)
    .filter((name) => name !== besides && !access.mayWrite(name))
    .map((name) => ({ path: `${at}/${name}`, code: "read_only", message: "You can't set this" }));
  if (errors.length > 0) throw invalidRequest(errors);
}

/** What handlers have added beside columns is nothing to the database. */
function onlyColumns({ resource }: Access, values: Row): Row {
  const kept: Row = {};
  for (const name in values) {
    if (values[name] !== undefined && resource.columns.has(name)) kept[name] = values[name];
  }
  return kept;
}

/** Says of what the database refuses where in the request it stands. */
async function locate<T>(at: string, write: () => PromiseLike<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (at === "/body" || !(error instanceof AppError) || error.errors === undefined) throw error;
    throw withPaths(error, (path) => path.replace(/^\/body/, at));
  }
}
