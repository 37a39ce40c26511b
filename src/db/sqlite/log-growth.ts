import { statSync } from "node:fs";
import type { Logger } from "pino";
import { DatabaseError } from "../contract/database-error.ts";

/** How large the log beside the file of a database may grow, in bytes. */
export interface LogLimits {
  /** From here on it is told. */
  readonly warned: number;
  /** From here on nothing is written. */
  readonly refused: number;
}

export interface LogGrowthOptions {
  readonly file: string;
  readonly log: Logger;
  /** @default 256 MB, and 1 GB */
  readonly limits?: LogLimits | undefined;
}

const CHECK_MS = 500;
const MEGABYTE = 1_000_000;
const LIMITS: LogLimits = { warned: 256 * MEGABYTE, refused: 1000 * MEGABYTE };
/** A reader that is as quick as ours are may be in the way once. */
const PATIENCE = 2;

/**
 * Bounds the log (WAL) of an open database: behind a process that reads for long, such as a copy or a shell in a
 * transaction, nothing of it can be carried over into the file, and it grows with each write until the disk is full.
 */
export class LogGrowth {
  readonly #file: string;
  readonly #log: Logger;
  readonly #limits: LogLimits;
  #timer: NodeJS.Timeout | null = null;
  #isChecking = false;
  /** How often in a row the log couldn't be emptied. */
  #failures = 0;
  #isTold = false;
  #isRefusing = false;

  constructor({ file, log, limits = LIMITS }: LogGrowthOptions) {
    this.#file = file;
    this.#log = log;
    this.#limits = limits;
  }

  /** Looks at the log from now on; `empty` carries it over into the file, and says whether nothing was in the way. */
  start(empty: () => Promise<boolean>): void {
    this.#timer = setInterval(() => void this.#check(empty), CHECK_MS);
    this.#timer.unref();
  }

  /** Refuses what would have the log grow further. @throws DatabaseError "busy" */
  assertRoom(): void {
    if (!this.#isRefusing) return;
    throw new DatabaseError(
      "busy",
      `Cannot write to the database: its log "${this.#file}-wal" has reached ${toMegabytes(this.#limits.refused)} MB behind a process that reads without end; end that process`,
    );
  }

  /** Looks no more, and refuses nothing. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#isRefusing = false;
  }

  async #check(empty: () => Promise<boolean>): Promise<void> {
    if (this.#isChecking) return;
    const size = sizeOf(`${this.#file}-wal`);
    if (size < this.#limits.warned) {
      this.#note(size, true);
      return;
    }
    this.#isChecking = true;
    // Whoever writes for so long that nobody else gets a turn is told elsewhere.
    const isEmptied = await empty().catch(() => false);
    this.#isChecking = false;
    if (this.#timer !== null) this.#note(size, isEmptied);
  }

  #note(size: number, isEmptied: boolean): void {
    this.#failures = isEmptied ? 0 : this.#failures + 1;
    this.#isRefusing = this.#failures >= PATIENCE && size >= this.#limits.refused;
    if (this.#isTold === this.#failures >= PATIENCE) return;
    if (this.#failures > 0) {
      this.#isTold = true;
      this.#log.warn(
        { file: `${this.#file}-wal`, bytes: size },
        "the log of the database grows behind a process that reads for long: end it " +
          `(fuser ${this.#file} names it), for at ${toMegabytes(this.#limits.refused)} MB nothing is written until it has ended`,
      );
    } else {
      this.#isTold = false;
      this.#log.info({ file: `${this.#file}-wal` }, "the log of the database was emptied");
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function toMegabytes(bytes: number): number {
  return Math.round(bytes / MEGABYTE);
}
