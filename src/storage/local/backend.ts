import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import {
  assertContentName,
  isContentName,
  type Backend,
  type ByteRange,
  type Content,
} from "../contract/backend.ts";
import { fail } from "../contract/error-codes.ts";

const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;
/** Not where a link leads: only a file that isn't there yet. */
const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const UNFINISHED = "unfinished";
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const ABSENT = new Set(["ENOENT", "ENOTDIR"]);

/**
 * Keeps contents in a folder, and never outside of it. One is written beside where it belongs, brought to the disk, and moved there in one
 * step: whoever reads finds all of it or nothing, also when the process or the machine ends meanwhile.
 */
export class LocalBackend implements Backend {
  readonly #directory: string;
  #root: Promise<string> | null = null;

  /** @param directory is made once something is written */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async write(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const root = await attempt(() => this.#openRoot());
    const place = placeOf(name);
    const file = join(root, place);
    const unfinished = join(root, UNFINISHED, `${name}.${crypto.randomUUID().slice(0, 8)}`);
    await attempt(() => makeFolders(root, dirname(place).split(sep)));
    await attempt(() => makeFolders(root, [UNFINISHED]));
    const handle = await attempt(() => open(unfinished, NEW, OWNER_ONLY));
    try {
      // What the chunks themselves throw isn't the disk's.
      for await (const chunk of chunks) await attempt(() => writeAll(handle, chunk));
      await attempt(() => handle.sync());
      await handle.close();
      await attempt(() => rename(unfinished, file));
    } catch (error) {
      await handle.close().catch(() => {});
      await rm(unfinished, { force: true }).catch(() => {}); // the reason of the failure counts
      throw error;
    }
  }

  async read(name: string, range: ByteRange | null): Promise<Content | null> {
    assertContentName(name);
    try {
      const root = await realpath(this.#directory);
      const file = join(root, placeOf(name));
      // A link, of the file or of a folder above it, would lead out.
      if ((await realpath(file)) !== file || !(await stat(file)).isFile()) return null;
      const all = Bun.file(file);
      return range === null ? all : all.slice(range.start, range.end);
    } catch (error) {
      if (ABSENT.has(codeOf(error))) return null;
      throw toError(error);
    }
  }

  async remove(name: string): Promise<void> {
    assertContentName(name);
    try {
      const root = await realpath(this.#directory);
      const file = join(root, placeOf(name));
      if ((await realpath(dirname(file))) === dirname(file)) await rm(file, { force: true });
    } catch (error) {
      if (!ABSENT.has(codeOf(error))) throw toError(error);
    }
  }

  async *list(): AsyncGenerator<string> {
    for (const outer of await this.#foldersOf("")) {
      // oxlint-disable-next-line no-await-in-loop -- a folder at a time
      for (const inner of await this.#foldersOf(outer)) {
        // oxlint-disable-next-line no-await-in-loop
        for (const name of await namesOf(join(this.#directory, outer, inner)))
          if (isContentName(name)) yield name;
      }
    }
  }

  async #foldersOf(folder: string): Promise<string[]> {
    const names = await namesOf(join(this.#directory, folder));
    return names.filter((name) => /^[0-9a-f]{2}$/.test(name));
  }

  async sweep(before: Date): Promise<void> {
    const folder = join(this.#directory, UNFINISHED);
    for (const name of await namesOf(folder)) {
      const file = join(folder, name);
      // oxlint-disable-next-line no-await-in-loop -- there are few
      const stats = await lstat(file).catch(() => null);
      // oxlint-disable-next-line no-await-in-loop
      if (stats !== null && stats.mtime < before) await rm(file, { force: true }).catch(() => {});
    }
  }

  /** With links resolved: whoever runs the server may have the folder elsewhere. */
  #openRoot(): Promise<string> {
    this.#root ??= makeRoot(this.#directory).catch((error: unknown) => {
      this.#root = null;
      throw error;
    });
    return this.#root;
  }
}

async function namesOf(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** Two folders deep, by the end of an id, which is random: its beginning is the time. */
function placeOf(name: string): string {
  assertContentName(name);
  return join(name.slice(34, 36), name.slice(32, 34), name);
}

async function makeRoot(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: OWNER_ONLY_FOLDER });
  return realpath(directory);
}

/** One after another: nothing is made where a link leads. */
async function makeFolders(root: string, names: readonly string[]): Promise<void> {
  let folder = root;
  for (const name of names) {
    folder = join(folder, name);
    // oxlint-disable-next-line no-await-in-loop -- each stands in the one before
    const stats = await lstat(folder).catch(() => null);
    if (stats?.isDirectory() === true) continue;
    if (stats !== null) throw new Error(`Cannot use "${folder}": it isn't a folder`);
    // oxlint-disable-next-line no-await-in-loop
    await mkdir(folder, { mode: OWNER_ONLY_FOLDER }).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error; // somebody else has just made it
    });
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength;) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { bytesWritten } = await handle.write(chunk, at);
    at += bytesWritten;
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toError(error);
  }
}

function toError(error: unknown): Error {
  if (FULL.has(codeOf(error)))
    return fail("storage_full", "Cannot keep the file: the disk is full", { cause: error });
  return fail("storage_unavailable", "Cannot use the folder of the files", {
    cause: error,
    headers: { "retry-after": "10" },
  });
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | null)?.code);
}
