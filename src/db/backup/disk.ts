import { rmSync, type Stats } from "node:fs";
import { chmod, chown, mkdtemp, rm, statfs } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { isFault } from "../contract/database-error.ts";

const FULL_CODES: readonly unknown[] = ["ENOSPC", "EDQUOT", "EFBIG"];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A moment as it stands in names of files: "2026-01-31T08-30-00-123Z". */
export function toTimestamp(date: Date): string {
  return date.toISOString().replaceAll(/[:.]/g, "-");
}

/** Where a backup is put when nobody named a file. */
export function toBackupFile(dataDirectory: string, prefix: string, date: Date): string {
  return join(dataDirectory, "backups", `${prefix}-${toTimestamp(date)}.tar.gz`);
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

/** Gives a file the mode and, where root does it, the owner of the file that it replaces: the server must read it. */
export async function copyOwner({ mode, uid, gid }: Stats, file: string): Promise<void> {
  await chmod(file, mode);
  if (process.getuid?.() === 0) await chown(file, uid, gid);
}

/**
 * Runs `work` with a new folder that only its owner may enter, and removes it at the end, also when a signal ends the
 * process meanwhile: what it holds is as large and as secret as the database.
 *
 * @param prefix path of the folder but for its last letters
 */
export async function withWorkFolder<T>(prefix: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(prefix);
  const onSignal = (signal: (typeof SIGNALS)[number]): void => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await work(folder);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    await rm(folder, { recursive: true, force: true });
  }
}
