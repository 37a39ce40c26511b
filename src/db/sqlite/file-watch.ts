import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { Logger } from "pino";
import { DatabaseError } from "../contract/database-error.ts";

const CHECK_MS = 500;
// What is committed stands in the log beside the file until it is carried over.
const ENDINGS = ["", "-wal", "-shm"] as const;
/** What a log begins with, in either order of bytes. https://sqlite.org/fileformat2.html#walformat */
const LOG_STARTS = new Set([0x377f0682, 0x377f0683]);

type Loss = "missing" | "replaced" | "emptied";

/**
 * Sees whether the files of the open database are where they were, with what they held. The connections go on with files
 * that were deleted, moved, replaced or cut to nothing: what is written to them is lost with the process.
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
      `Cannot write to the database: its file "${this.#file}" was deleted, moved, replaced or emptied; put it back`,
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

  #findLost(): { readonly path: string; readonly state: Loss } | null {
    for (const ending of ENDINGS) {
      const path = this.#file + ending;
      const found = look(path);
      const seen = this.#seen.get(path);
      if (seen !== undefined && found?.identity !== seen) {
        return { path, state: found === null ? "missing" : "replaced" };
      }
      if (found === null) continue;
      if (seen === undefined) this.#seen.set(path, found.identity);
      else if (isEmptied(path, ending, found.size)) return { path, state: "emptied" };
    }
    return null;
  }
}

/** Null where there is no such file, or nobody can tell. */
function look(path: string): { readonly identity: string; readonly size: bigint } | null {
  try {
    const { dev, ino, size } = statSync(path, { bigint: true });
    return { identity: `${dev}:${ino}`, size };
  } catch {
    return null;
  }
}

/**
 * Whether somebody else has cut a file: of the database nothing is left, or its log goes on behind zeros, so that a start
 * takes nothing of it. The database itself mustn't be opened here, which would end the locks of SQLite on it.
 */
function isEmptied(path: string, ending: (typeof ENDINGS)[number], size: bigint): boolean {
  if (ending === "") return size === 0n;
  if (ending === "-shm" || size === 0n) return false;
  return !startsAsLog(path) && !startsAsLog(path); // twice: it may have been written at that moment
}

function startsAsLog(path: string): boolean {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const start = Buffer.alloc(4);
    return readSync(file, start, 0, 4, 0) === 4 && LOG_STARTS.has(start.readUInt32BE(0));
  } catch {
    return true; // nobody can tell
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
