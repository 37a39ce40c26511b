import { ConstraintError, DatabaseError, type DatabaseFault } from "../contract/database-error.ts";
import type { Caller } from "../contract/driver.ts";
import { outside } from "../transactions/ambient.ts";
import { abandoned, isAbandoned, noteWritten } from "../transactions/callers.ts";

/** A row, and whoever waits for it to be written. */
interface WaitingRow<Row> {
  readonly row: Row;
  readonly caller: Caller | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Rows of a statement, at most. */
const MOST = 200;
/** Statements under way, at most: one that isn't answered must not hold up all. */
const MOST_AT_ONCE = 4;
/** What is about a row, and not about the server. */
const OF_A_ROW: ReadonlySet<DatabaseFault> = new Set(["not_null", "check", "value", "parameter"]);

/**
 * Writes of one kind that share statements: those that come in one turn of the event loop, and while others are under way.
 * Each is acknowledged once it is committed, and one that is refused fails alone.
 */
export class GatheredWrites<Row> {
  readonly #write: (rows: readonly Row[]) => Promise<unknown>;
  #waiting: WaitingRow<Row>[] = [];
  #isPlanned = false;
  #underWay = 0;

  /** @param write writes rows with one statement */
  constructor(write: (rows: readonly Row[]) => Promise<unknown>) {
    this.#write = write;
  }

  /** Has a row written for `caller`. */
  add(row: Row, caller: Caller | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ row, caller, resolve, reject });
      this.#plan();
    });
  }

  #plan(): void {
    if (this.#isPlanned || this.#underWay === MOST_AT_ONCE) return;
    this.#isPlanned = true;
    // What one of them is part of is nothing to the others.
    outside(() => setImmediate(() => void this.#run()));
  }

  async #run(): Promise<void> {
    this.#isPlanned = false;
    const rows = this.#waiting.splice(0, MOST).filter(({ caller, reject }) => {
      if (!isAbandoned(caller)) return true;
      reject(abandoned());
      return false;
    });
    this.#underWay += 1;
    if (rows.length > 0) await this.#writeAll(rows);
    this.#underWay -= 1;
    if (this.#waiting.length > 0) this.#plan();
  }

  async #writeAll(rows: readonly WaitingRow<Row>[]): Promise<void> {
    try {
      await this.#write(rows.map(({ row }) => row));
    } catch (error) {
      if (rows.length === 1 || !isOfOneRow(error)) for (const { reject } of rows) reject(error);
      else await Promise.all(rows.map((row) => this.#writeAll([row])));
      return;
    }
    for (const { caller, resolve } of rows) {
      noteWritten(caller);
      resolve();
    }
  }
}

function isOfOneRow(error: unknown): boolean {
  return error instanceof ConstraintError || (error instanceof DatabaseError && OF_A_ROW.has(error.fault));
}
