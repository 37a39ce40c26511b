import { rmSync, type Stats } from "node:fs";
import { chmod, chown, mkdtemp, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { constants } from "node:os";
import { basename, dirname, join } from "node:path";
import { Database } from "bun:sqlite";
import { DatabaseError, isFault } from "../contract/database-error.ts";
import { toSqliteFault } from "../sqlite/connection/faults.ts";

const FULL_CODES: readonly unknown[] = ["ENOSPC", "EDQUOT", "EFBIG"];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const LOCK = "lock";
/** Stands before the name of a folder that isn't locked yet. */
const NEW = "new-";
/** Age at which a folder without a lock was left behind. */
const STALE_MS = 3_600_000;

/** A moment as it stands in names of files: "2026-01-31T08-30-00-123Z". */
export function toTimestamp(date: Date): string {
  return date.toISOString().replaceAll(/[:.]/g, "-");
}

/** Where a backup is put when nobody named a file; `note` stands at the end of its name. */
export function toBackupFile(directory: string, prefix: string, date: Date, note = ""): string {
  return join(directory, `${prefix}-${toTimestamp(date)}${note}.tar.gz`);
}

/** Whether writing failed because the disk, the quota or the size of files is used up. */
export function isDiskFull(error: unknown): boolean {
  if (isFault(error, "full")) return true;
  return error instanceof Error && "code" in error && FULL_CODES.includes(error.code);
}

/** Bytes that may still be written in a folder. */
export async function findFreeSpace(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** @throws DatabaseError "full" where so many bytes don't fit */
export async function assertRoom(folder: string, bytes: number, action: string): Promise<void> {
  const free = await findFreeSpace(folder);
  if (bytes <= free) return;
  throw new DatabaseError(
    "full",
    `${action}: it needs about ${toMegabytes(Math.ceil, bytes)} in "${folder}", and ${toMegabytes(Math.floor, free)} are free; make room, or choose another folder with backups.directory`,
  );
}

function toMegabytes(round: (value: number) => number, bytes: number): string {
  return `${round(bytes / 1_000_000)} MB`;
}

/** Gives a file the mode and, where root does it, the owner of the file that it replaces: the server must read it. */
export async function copyOwner({ mode, uid, gid }: Stats, file: string): Promise<void> {
  await chmod(file, mode);
  if (process.getuid?.() === 0) await chown(file, uid, gid);
}

/**
 * Runs `work` with a new folder that only its owner may enter, and removes it at the end, also when a signal ends the
 * process meanwhile: what it holds is as large and as secret as the database. Those that killed processes have left
 * beside it are removed.
 *
 * @param prefix path of the folder but for its last letters
 * @param options.endsOnSignal false for a server, which ends by itself: what it leaves then, the next run removes
 * @param options.alone what is thrown where another process, or other work of this one, has a folder of the prefix
 */
export async function withWorkFolder<T>(
  prefix: string,
  work: (folder: string) => Promise<T>,
  { endsOnSignal = true, alone }: { readonly endsOnSignal?: boolean; readonly alone?: () => Error } = {},
): Promise<T> {
  await sweep(prefix);
  const { folder, lock } = await makeLocked(prefix);
  if (alone !== undefined && (await findOthers(prefix)).length > 1) {
    lock.close();
    await rm(folder, { recursive: true, force: true });
    throw alone();
  }
  const onSignal = (signal: (typeof SIGNALS)[number]): void => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(128 + constants.signals[signal]);
  };
  if (endsOnSignal) for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await work(folder);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    lock.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Makes a folder with a lock of SQLite in it, which ends with the process, however it ends: numbers of processes come again. */
async function makeLocked(prefix: string): Promise<{ folder: string; lock: Database }> {
  const made = await mkdtemp(prefix + NEW);
  let lock: Database | null = null;
  try {
    lock = new Database(join(made, LOCK), { create: true, readwrite: true });
    lock.run("begin exclusive");
    const folder = prefix + made.slice(prefix.length + NEW.length);
    await rename(made, folder);
    return { folder, lock };
  } catch (thrown) {
    lock?.close();
    await rm(made, { recursive: true, force: true });
    const error = toSqliteFault(thrown);
    if (!isDiskFull(error)) throw error;
    throw new DatabaseError(
      "full",
      `Cannot make a folder in "${dirname(prefix)}": no space is left there; nothing was changed`,
      { cause: thrown },
    );
  }
}

/** Names of the folders of a prefix. */
async function findOthers(prefix: string): Promise<string[]> {
  const names = await readdir(dirname(prefix)).catch(() => []);
  return names.filter((name) => name.startsWith(basename(prefix)));
}

async function sweep(prefix: string): Promise<void> {
  const directory = dirname(prefix);
  const removals = (await findOthers(prefix)).map(async (name) => {
    const folder = join(directory, name);
    const isNew = name.slice(basename(prefix).length).startsWith(NEW);
    if (isNew ? Date.now() - (await stat(folder)).mtimeMs > STALE_MS : await isLeft(folder)) {
      await rm(folder, { recursive: true, force: true });
    }
  });
  await Promise.allSettled(removals);
}

/** Whether the process that made a folder has ended. */
async function isLeft(folder: string): Promise<boolean> {
  const { mtimeMs } = await stat(folder);
  try {
    using lock = new Database(join(folder, LOCK), { create: false, readwrite: true });
    lock.run("pragma busy_timeout = 0");
    lock.run("begin exclusive");
    return true;
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "SQLITE_CANTOPEN";
    return isMissing && Date.now() - mtimeMs > STALE_MS;
  }
}
