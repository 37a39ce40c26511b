import { statSync } from "node:fs";
import type { Logger } from "pino";
import { DatabaseError } from "../contract/database-error.ts";

const CHECK_MS = 500;
// What is committed stands in the log beside the file until it is carried over.
const ENDINGS = ["", "-wal", "-shm"] as const;

/**
 * Sees whether the files of the open database are where they were. The connections go on with files that were deleted,
 * moved or replaced: what is written to them is lost with the process.
 */
export class FileWatch {
  readonly #file: string;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  /** The identity of each file that has been seen, by its path. */
  readonly #seen = new Map<string, string>();
  #isLost = false;

  /** @param file that is open */
  constructor(file: string, log: Logger) {
    this.#file = file;
    this.#log = log;
    this.#findLost();
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    this.#timer.unref();
  }

  /** Refuses to write what would be lost. @throws DatabaseError "lost" */
  assertThere(): void {
    if (!this.#isLost) return;
    throw new DatabaseError(
      "lost",
      `Cannot write to the database: its file "${this.#file}" was deleted, moved or replaced; put it back`,
    );
  }

  /** Looks no more, and refuses nothing. */
  close(): void {
    clearInterval(this.#timer);
    this.#isLost = false;
  }

  #check(): void {
    const lost = this.#findLost();
    if (this.#isLost === (lost !== null)) return;
    this.#isLost = lost !== null;
    if (lost === null) {
      this.#log.warn({ file: this.#file }, "the file of the database is back: it is written again");
      return;
    }
    this.#log.error(
      { file: lost.path, state: lost.state },
      "the file of the database is not where it was: nothing is written until it is back, for it would be lost; " +
        "docs/operations.md says how to save what is in it before the server is stopped",
    );
  }

  #findLost(): { readonly path: string; readonly state: "missing" | "replaced" } | null {
    for (const ending of ENDINGS) {
      const path = this.#file + ending;
      const found = identify(path);
      const seen = this.#seen.get(path);
      if (seen === undefined && found !== null) this.#seen.set(path, found);
      else if (seen !== undefined && found !== seen) {
        return { path, state: found === null ? "missing" : "replaced" };
      }
    }
    return null;
  }
}

/** Null where there is no such file, or nobody can tell. */
function identify(path: string): string | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}
