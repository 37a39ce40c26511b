import { ConstraintError } from "../../db/contract/database-error.ts";
import type { Database, Transaction } from "../../db/contract/database.ts";
import { kindOf } from "../../db/schema/column-kind.ts";
import type { Access } from "../access/access.ts";
import { toProblems } from "../batch/operations.ts";
import type { Row } from "../reading/expand.ts";
import type { Writer } from "../writing/writer.ts";
import { type ImportOptions, type Plan, toPlan } from "./plan.ts";
import { type ImportReport, ImportTally, type RowOutcome } from "./report.ts";
import { type PlannedRow, RowPlanner, type SeenKeys } from "./rows.ts";
import { type ImportFile, openSource, type Source, type SourceRow, unreadable } from "./source.ts";

/** What an import is done with. */
export interface ImportGround {
  /** Or the transaction that it is part of. */
  readonly db: Database;
  readonly writer: Writer;
  readonly access: Access;
}

/** Who waits for an import. */
export interface ImportFollower {
  /** Aborted when it is to be given up. */
  readonly signal: AbortSignal;
  /** Is told how far it is, from 0 to 1, and how many rows that are. */
  readonly onProgress: (part: number, rows: number) => void;
}

/** Thrown to take a transaction back whose report is told all the same. */
class TakenBack extends Error {}

/** Rows that are written together. */
const PIECE = 500;
/** Rows with mistakes, of a file whose others are imported: each takes longer than one without. */
const MAX_FAILED = 20_000;
/** Parameters of a statement, of which the databases take 32,766 and more. */
const MAX_PARAMETERS = 30_000;

/**
 * Writes the rows of a file, all in one transaction, by the rules, hooks and checks of single writes.
 *
 * @returns what has become of them; of a dry run, and of a file with mistakes that aren't to be skipped, nothing is written
 * @throws AppError validation_error for a file that can't be read, or whose columns don't fit
 */
export async function importFile(
  file: ImportFile,
  { options, follower }: { readonly options: ImportOptions; readonly follower?: ImportFollower },
  ground: ImportGround,
): Promise<ImportReport> {
  const source = await openSource(file);
  const tally = new ImportTally(options.isDry);
  const run = ImportRun.create(source, { ...ground, options, tally, format: file.format, seen: new Map() });
  try {
    await ground.db.transaction(async (tx) => {
      for await (const rows of inPieces(source.pieces, run.size)) {
        follower?.signal.throwIfAborted();
        await run.write(rows, tx);
        follower?.onProgress(source.readPart(), tally.total);
        if (tally.isFull && !options.skips) break;
      }
      if (options.isDry || (tally.failed > 0 && !options.skips)) throw new TakenBack();
    });
  } catch (error) {
    if (!(error instanceof TakenBack)) throw error;
  }
  return tally.toReport();
}

function sizeOf({ resource }: Access): number {
  return Math.max(1, Math.min(PIECE, Math.floor(MAX_PARAMETERS / resource.columns.size)));
}

/** Cuts what comes in pieces of any size into pieces of one. */
export async function* inPieces(
  pieces: AsyncIterable<readonly SourceRow[]>,
  size: number,
): AsyncGenerator<readonly SourceRow[]> {
  let held: SourceRow[] = [];
  for await (const rows of pieces) {
    held = held.length === 0 ? [...rows] : [...held, ...rows];
    let from = 0;
    for (; from + size <= held.length; from += size) yield held.slice(from, from + size);
    held = held.slice(from);
  }
  if (held.length > 0) yield held;
}

interface RunOptions extends Pick<ImportGround, "writer" | "access">, Pick<ImportFile, "format"> {
  readonly options: ImportOptions;
  readonly tally: ImportTally;
  readonly seen: SeenKeys;
}

type Planned<Does extends PlannedRow["does"]> = Extract<PlannedRow, { does: Does }>;

/** One import under way, with the rights of a moment. */
export class ImportRun {
  readonly #options: RunOptions & { readonly plan: Plan };
  readonly #planner: RowPlanner;

  private constructor(options: RunOptions & { readonly plan: Plan }) {
    this.#options = options;
    this.#planner = new RowPlanner(options);
  }

  /** @throws AppError validation_error for columns that don't fit */
  static create({ header }: Pick<Source, "header">, options: RunOptions): ImportRun {
    return new ImportRun({ ...options, plan: toPlan(options.access, header, options.options) });
  }

  /** How many rows are best written together. */
  get size(): number {
    return sizeOf(this.#options.access);
  }

  /** Takes note of rows that were written before. */
  pass(rows: readonly SourceRow[]): void {
    this.#planner.pass(rows);
  }

  /** @throws AppError validation_error for more mistakes than are skipped */
  async write(rows: readonly SourceRow[], tx: Transaction): Promise<void> {
    const { tally } = this.#options;
    const planned = await this.#planner.plan(rows, tx);
    for (const row of planned) if (row.does === "fail") tally.noteProblems(row.line, row.problems);
    await this.#update(
      planned.filter((row): row is Planned<"update"> => row.does === "update"),
      tx,
    );
    await this.#create(
      planned.filter((row): row is Planned<"create"> => row.does === "create"),
      tx,
    );
    if (tally.failed > MAX_FAILED) throw unreadable(`more than ${MAX_FAILED} of its rows can't be imported`);
  }

  async #update(rows: readonly Planned<"update">[], tx: Transaction): Promise<void> {
    const { writer, access } = this.#options;
    const { key } = access.resource;
    for (const { line, values, before } of rows) {
      if (isSame(values, before, access)) this.#options.tally.note(line, "unchanged");
      else {
        // oxlint-disable-next-line no-await-in-loop -- one after another, each with a savepoint
        await this.#try(line, async () => {
          await tx.transaction((inner) =>
            writer.change(before[key.name], values, { tx: inner, access, at: "" }),
          );
          return "updated";
        });
      }
    }
  }

  async #create(rows: readonly Planned<"create">[], tx: Transaction): Promise<void> {
    const { writer, access, tally } = this.#options;
    if (rows.length > 1 && writer.canMakeMany(access)) {
      const isDone = await tx
        .transaction((inner) =>
          writer.createMany(
            rows.map(({ values }) => values),
            { tx: inner, access, at: "", isImport: true },
          ),
        )
        .then(() => true)
        .catch((error: unknown) => {
          toProblems(error, ""); // throws what isn't about the rows
          return false;
        });
      if (isDone) {
        for (const { line } of rows) tally.note(line, "created");
        return;
      }
    }
    for (const { line, values } of rows) {
      // oxlint-disable-next-line no-await-in-loop
      await this.#try(line, () => this.#createOne(values, tx));
    }
  }

  /** Makes a row, or changes the one that somebody else has made meanwhile. @returns what it has become */
  async #createOne(values: Row, tx: Transaction): Promise<RowOutcome> {
    const { writer, access, plan } = this.#options;
    const work = (inner: Transaction) => ({ tx: inner, access, at: "", isImport: true });
    try {
      await tx.transaction((inner) => writer.create(values, work(inner)));
      return "created";
    } catch (error) {
      const isTaken = error instanceof ConstraintError && error.constraint === "unique";
      if (!isTaken || plan.key === null || (values[plan.key.name] ?? null) === null) throw error;
      const { column } = plan.key;
      const { isNew } = await tx.transaction((inner) =>
        writer.merge(values, [column], { work: work(inner), isSecond: true }),
      );
      return isNew ? "created" : "updated";
    }
  }

  /** Has a row written in a savepoint: what is wrong with it is noted, and others go on. */
  async #try(line: number, work: () => Promise<RowOutcome>): Promise<void> {
    const { tally } = this.#options;
    try {
      tally.note(line, await work());
    } catch (error) {
      tally.noteProblems(line, this.#planner.toRowProblems(line, toProblems(error, "")));
    }
  }
}

function isSame(values: Row, before: Row, { resource: { columns } }: Access): boolean {
  return Object.entries(values).every(([name, value]) => {
    const column = columns.get(name);
    const was = before[name];
    if (column === undefined || typeof value !== "string" || kindOf(column).type !== "decimal")
      return Bun.deepEquals(value, was);
    // The database has as many digits as the column.
    return was !== null && column.mapToDriverValue(value) === column.mapToDriverValue(was);
  });
}
