import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { replaceFile } from "../../files/replace.ts";
import { DatabaseError } from "../contract/database-error.ts";

const LIST = "sqlite-databases.txt";

/**
 * Remembers which database files have been made: one that is gone must not be replaced by an empty one unasked, which
 * would serve as if there had never been anything.
 */
export class KnownFiles {
  readonly #directory: string;

  /** @param directory of what the server keeps itself */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Refuses a file that was there and is gone, or empty. @throws DatabaseError "lost" */
  assertNotGone(file: string): void {
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
    if (!this.#read().includes(this.#toName(file))) return;
    throw new DatabaseError(
      "lost",
      `Cannot open the database "${file}": it was there before, and its file is missing or empty; put it back, ` +
        'restore a backup with "xcore db restore", or start with an empty one: "xcore serve --new"',
    );
  }

  /** Remembers a file that is there now. */
  async add(file: string): Promise<void> {
    const name = this.#toName(file);
    if (this.#read().includes(name)) return;
    mkdirSync(this.#directory, { recursive: true, mode: 0o750 });
    await replaceFile(join(this.#directory, LIST), (text) => `${text ?? ""}${name}\n`);
  }

  /** The same wherever the project is moved. */
  #toName(file: string): string {
    return relative(this.#directory, file);
  }

  #read(): string[] {
    try {
      return readFileSync(join(this.#directory, LIST), "utf8").split("\n").filter(Boolean);
    } catch {
      return [];
    }
  }
}
