import { copyFile, realpath, rename, rm, stat } from "node:fs/promises";
import { describeSystemError } from "../../files/system-errors.ts";
import { DatabaseError } from "../contract/database-error.ts";
import { copyOwner, toTimestamp } from "./disk.ts";

interface StagedFile {
  /** Where it belongs, links followed. */
  readonly place: string;
  readonly written: string;
  /** A copy of what it replaces; null where nothing is there. */
  readonly kept: string | null;
}

/** Files that stand beside those which they replace, so that nothing but renaming them is left to do. */
export class StagedFiles implements AsyncDisposable {
  readonly #files: StagedFile[] = [];

  private constructor() {}

  /**
   * Writes each beside its place, with a copy of what it replaces.
   *
   * @param sources files by the places where they belong
   * @throws DatabaseError where one can't be written: nothing was changed
   */
  static async write(sources: ReadonlyMap<string, string>): Promise<StagedFiles> {
    const staged = new StagedFiles();
    const stamp = toTimestamp(new Date());
    for (const [place, source] of sources) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- a few small files
        await staged.#write(place, source, stamp);
      } catch (error) {
        // oxlint-disable-next-line no-await-in-loop -- it ends here
        await staged[Symbol.asyncDispose]();
        throw toFailure(place, error, "nothing was changed");
      }
    }
    return staged;
  }

  /** Puts each in its place. @throws DatabaseError that says what is in place by then */
  async put(): Promise<void> {
    for (let file = this.#files.shift(); file !== undefined; file = this.#files.shift()) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- in the order of the plan
        await rename(file.written, file.place);
      } catch (error) {
        this.#files.unshift(file);
        throw toFailure(file.place, error, "the database is restored all the same");
      }
    }
  }

  /** Removes those that aren't in their places. */
  async [Symbol.asyncDispose](): Promise<void> {
    const files = this.#files.splice(0).flatMap(({ written, kept }) => [written, kept ?? []].flat());
    await Promise.all(files.map((file) => rm(file, { force: true })));
  }

  async #write(named: string, source: string, stamp: string): Promise<void> {
    const place = await realpath(named).catch(() => named);
    const present = await stat(place).catch(() => null);
    const kept = present === null ? null : `${place}.before-restore-${stamp}`;
    const written = `${place}.${process.pid}.tmp`;
    this.#files.push({ place, written, kept });
    await copyFile(source, written);
    if (present === null || kept === null) return;
    await copyOwner(present, written);
    await copyFile(place, kept); // renamed, a server that watches it would miss it
  }
}

function toFailure(place: string, error: unknown, state: string): Error {
  const reason = describeSystemError(error) ?? (error instanceof Error ? error.message : String(error));
  return new DatabaseError("other", `Cannot restore "${place}": ${reason}; ${state}`, { cause: error });
}
