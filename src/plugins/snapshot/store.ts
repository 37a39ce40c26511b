import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import { makeTemporaryFolder } from "../../files/temporary-folder.ts";
import { PluginError } from "../failure/failure.ts";
import { computeIntegrity, integrityToHex, isIntegrity } from "./integrity.ts";
import { findNameClash, isFilePath, isUrlName, signatureNameOf, type Snapshot } from "./snapshot.ts";
import {
  DamagedSnapshotError,
  type OpenedSnapshot,
  readSnapshot,
  signaturesOf,
  toOpened,
  writeSnapshot,
} from "./kept.ts";

export type { OpenedSnapshot };

export interface SnapshotStoreOptions {
  /** Folder that fetched plugins are kept in, absolute; made when it is needed. */
  readonly cache: string;
  /** Folder of the plugins that the project brings with it, looked at first; written by `copyToVendor` alone. */
  readonly vendor: string;
  readonly log: Logger;
}

/** What one of the two folders holds of a snapshot. */
export interface KeptCopy {
  readonly isVendored: boolean;
  /** What it holds; null when that is damaged. */
  readonly snapshot: Snapshot | null;
  /** What is wrong with it; null when every byte is right. */
  readonly damage: string | null;
}

/** One of the two folders that snapshots are kept in. */
interface Shelf {
  readonly directory: string;
  readonly isVendored: boolean;
}

const MAX_TRIES = 3;

/**
 * Fetched plugins on disk, by their integrity: `sources/<SHA-256 in hex>`. They are written beside and renamed into
 * place, so that any number of processes can share the folders, and read with every byte checked.
 */
export class SnapshotStore {
  readonly #cache: Shelf;
  readonly #vendor: Shelf;
  readonly #log: Logger;

  constructor({ cache, vendor, log }: SnapshotStoreOptions) {
    this.#cache = { directory: cache, isVendored: false };
    this.#vendor = { directory: vendor, isVendored: true };
    this.#log = log;
  }

  /**
   * Finds a snapshot, the project's own first, and checks it. What is damaged doesn't count: it is logged, and thrown
   * away when it is in the cache.
   *
   * @throws PluginError when it is there but may not be read
   */
  async find(integrity: string): Promise<OpenedSnapshot | null> {
    if (!isIntegrity(integrity)) return null;
    return (await this.#open(this.#vendor, integrity)) ?? (await this.#open(this.#cache, integrity));
  }

  /**
   * Checks the copies that there are of a snapshot, and leaves damaged ones where they are.
   *
   * @throws PluginError for one that may not be read
   */
  async examine(integrity: string): Promise<KeptCopy[]> {
    const copies: KeptCopy[] = [];
    for (const shelf of isIntegrity(integrity) ? [this.#vendor, this.#cache] : []) {
      const directory = directoryOf(shelf, integrity);
      const { isVendored } = shelf;
      try {
        // oxlint-disable-next-line no-await-in-loop -- there are two
        const snapshot = await readSnapshot(directory, integrity);
        if (snapshot !== null) copies.push({ isVendored, snapshot, damage: null });
      } catch (error) {
        if (!(error instanceof DamagedSnapshotError)) throw toReadError(directory, error);
        copies.push({ isVendored, snapshot: null, damage: error.message });
      }
    }
    return copies;
  }

  /**
   * Keeps a snapshot in the cache, and its signatures where it is there already.
   *
   * @param integrity what it must be
   * @throws PluginError when it is something else, holds names that not every system can keep, or can't be written
   */
  async put(snapshot: Snapshot, integrity?: string): Promise<OpenedSnapshot> {
    const found = computeIntegrity(snapshot);
    if (integrity !== undefined && integrity !== found) {
      throw new PluginError("fetch", `Cannot keep a plugin: expected ${integrity}, found ${found}`);
    }
    assertNames(snapshot);
    return this.#write(this.#cache, found, snapshot);
  }

  /**
   * Copies a snapshot from the cache into the project.
   *
   * @throws PluginError when there is none, or when it can't be written
   */
  async copyToVendor(integrity: string): Promise<OpenedSnapshot> {
    const cached = isIntegrity(integrity) ? await this.#open(this.#cache, integrity) : null;
    const opened = cached ?? (await this.find(integrity));
    if (opened === null) {
      throw new PluginError("fetch", `Cannot copy ${integrity}: it isn't in ${this.#cache.directory}`);
    }
    if (opened.isVendored) return opened;
    const vendored = await this.#write(this.#vendor, integrity, opened.snapshot);
    await this.#guardFromGit();
    return vendored;
  }

  /**
   * Removes the snapshots from the project that nothing pins any more.
   *
   * @param pins integrities of those that stay
   * @returns the SHA-256 of those that are gone, in hex
   */
  async pruneVendor(pins: readonly string[]): Promise<string[]> {
    const kept = new Set(pins.map(integrityToHex));
    const folder = join(this.#vendor.directory, "sources");
    const names = await readdir(folder).catch(() => []);
    const unpinned = names.filter((name) => !kept.has(name)).toSorted();
    await Promise.all(unpinned.map((name) => rm(join(folder, name), { recursive: true, force: true })));
    return unpinned;
  }

  /** Replaces the signatures of a snapshot in the cache; does nothing when it isn't there. */
  async setSignatures(integrity: string, signatures: Uint8Array): Promise<void> {
    if (!isIntegrity(integrity)) return;
    const directory = directoryOf(this.#cache, integrity);
    if (await isThere(directory)) await this.#writeSignatures(this.#cache, directory, signatures);
  }

  async #open(shelf: Shelf, integrity: string): Promise<OpenedSnapshot | null> {
    const directory = directoryOf(shelf, integrity);
    try {
      const snapshot = await readSnapshot(directory, integrity);
      return snapshot === null ? null : toOpened({ ...shelf, directory }, integrity, snapshot);
    } catch (error) {
      if (!(error instanceof DamagedSnapshotError)) throw toReadError(directory, error);
      const advice = shelf.isVendored ? "run `xcore plugin vendor` again" : "it is fetched again";
      this.#log.warn({ integrity, directory, reason: error.message }, `kept plugin is damaged; ${advice}`);
      if (!shelf.isVendored) await this.#throwAway(shelf, directory, integrity);
      return null;
    }
  }

  async #write(shelf: Shelf, integrity: string, snapshot: Snapshot): Promise<OpenedSnapshot> {
    const directory = directoryOf(shelf, integrity);
    for (let tries = 1; ; tries++) {
      // oxlint-disable-next-line no-await-in-loop -- again only when what was in the way is gone
      const kept = await this.#keep(shelf, directory, integrity, snapshot, tries);
      if (kept !== null) return kept;
    }
  }

  /** Returns null when what stood in its place was damaged and is gone. */
  async #keep(
    shelf: Shelf,
    directory: string,
    integrity: string,
    snapshot: Snapshot,
    tries: number,
  ): Promise<OpenedSnapshot | null> {
    const there = await this.#open(shelf, integrity);
    if (there !== null) {
      const { signatures } = snapshot;
      if (signatures === null || isSame(signatures, there.snapshot.signatures)) return there;
      await this.#writeSignatures(shelf, directory, signatures);
      return toOpened({ ...shelf, directory }, integrity, { ...there.snapshot, signatures });
    }
    try {
      await withTemporary(shelf, async (folder) => {
        const written = join(folder, "new");
        await writeSnapshot(written, snapshot);
        await mkdir(dirname(directory), { recursive: true });
        await rename(written, directory);
      });
      return toOpened({ ...shelf, directory }, integrity, snapshot);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isTaken = code === "ENOTEMPTY" || code === "EEXIST" || code === "EPERM";
      if (!isTaken || tries === MAX_TRIES) throw toWriteError(shelf.directory, error);
      if (shelf.isVendored) await this.#throwAway(shelf, directory, integrity);
      return null;
    }
  }

  /** A repository's rules for its own files must not leave out or rewrite what is checked byte by byte. */
  async #guardFromGit(): Promise<void> {
    const { directory } = this.#vendor;
    await writeFile(join(directory, ".gitignore"), "!*\n/tmp/\n");
    await writeFile(join(directory, ".gitattributes"), "* -text\n");
  }

  async #writeSignatures(shelf: Shelf, directory: string, signatures: Uint8Array): Promise<void> {
    try {
      await withTemporary(shelf, async (folder) => {
        const written = join(folder, "signatures");
        await writeFile(written, signatures);
        await rename(written, signaturesOf(directory));
      });
    } catch (error) {
      throw toWriteError(shelf.directory, error);
    }
  }

  /** Moves a damaged snapshot out of the way in one step, so that nobody finds half of it, and deletes it. */
  async #throwAway(shelf: Shelf, directory: string, integrity: string): Promise<void> {
    try {
      await withTemporary(shelf, async (folder) => {
        const damaged = join(folder, "damaged");
        await rename(directory, damaged);
        // Another process may have put a whole snapshot in its place meanwhile.
        const snapshot = await readSnapshot(damaged, integrity).catch(() => null);
        if (snapshot !== null) await rename(damaged, directory);
      });
    } catch (error) {
      if (!(await isThere(directory))) return; // another process was faster
      this.#log.warn({ err: error, directory }, "cannot delete a damaged plugin");
    }
  }
}

function directoryOf({ directory }: Shelf, integrity: string): string {
  return join(directory, "sources", integrityToHex(integrity));
}

/** Runs `act` with a temporary folder on the same disk. */
async function withTemporary(shelf: Shelf, act: (folder: string) => Promise<void>): Promise<void> {
  const tmp = join(shelf.directory, "tmp");
  const folder = await makeTemporaryFolder(tmp);
  try {
    await act(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
    if (shelf.isVendored) await rmdir(tmp).catch(() => {}); // the project's own folder: another may be using it
  }
}

function assertNames({ entry, files, redirects }: Snapshot): void {
  const names = [...files.keys()];
  const odd = names.find((name) => (isUrlName(name) ? URL.parse(name)?.href !== name : !isFilePath(name)));
  if (odd !== undefined) throw refuse(`the name ${JSON.stringify(odd)} can't be used`);
  const clash = findNameClash(names.filter((name) => !isUrlName(name)));
  if (clash !== null) {
    throw refuse(`"${clash[0]}" and "${clash[1]}" can't stand beside each other; rename one of them`);
  }
  const missing = [entry, ...redirects.values()].find((name) => !files.has(name));
  if (missing !== undefined) throw refuse(`it doesn't hold "${missing}"`);
  if (files.has(signatureNameOf(entry))) throw refuse("its signature file is no file of its own");
}

function refuse(reason: string): PluginError {
  return new PluginError("fetch", `Cannot keep a plugin: ${reason}`);
}

function toReadError(directory: string, cause: unknown): PluginError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const advice = "let the user that xcore runs as read it";
  return new PluginError("fetch", `Cannot read ${directory}: ${code ?? message}; ${advice}`, { cause });
}

function toWriteError(directory: string, cause: unknown): PluginError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new PluginError(
    "fetch",
    `Cannot keep plugins in ${directory}: ${code ?? message}; ${advise(code)}`,
    {
      cause,
    },
  );
}

function advise(code: string | undefined): string {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return "make room on that disk";
    case "ENOTDIR":
    case "EEXIST":
      return "a file stands where the folder should be: move it away";
    case "ENAMETOOLONG":
      return "a file of the plugin has too long a name: its author must shorten it";
    default:
      return "let the user that xcore runs as write there";
  }
}

function isSame(a: Uint8Array, b: Uint8Array | null): boolean {
  return b !== null && Buffer.compare(a, b) === 0;
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
