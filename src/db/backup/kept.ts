import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseError } from "../contract/database-error.ts";
import { unpackBackup } from "./archive.ts";
import { withWorkFolder } from "./disk.ts";
import type { BackupManifest } from "./manifest.ts";

/** Names that backups may have: none of them leads elsewhere. */
export const BACKUP_NAME = String.raw`^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.tar\.gz$`;

/** A backup in the folder where those are put that nobody has named. */
export interface KeptBackup {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly createdAt: Date;
}

/** Returns the folder of the backups that nobody has named. */
export function backupFolderOf(dataDirectory: string): string {
  return join(dataDirectory, "backups");
}

/** Lists the backups in a folder, the latest first. */
export async function listBackups(folder: string): Promise<KeptBackup[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => new RegExp(BACKUP_NAME).test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const file = await stat(join(folder, name)).catch(() => null);
      return file?.isFile() === true ? [{ name, size: file.size, createdAt: file.mtime }] : [];
    }),
  );
  return found.flat().toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
}

/**
 * Unpacks a backup beside the others and checks sizes and hashes; nothing of it is kept.
 *
 * @returns what it says of itself
 * @throws DatabaseError when it isn't there, is damaged or was changed
 */
export async function verifyBackup(folder: string, name: string): Promise<BackupManifest> {
  const file = join(folder, name);
  if ((await stat(file).catch(() => null))?.isFile() !== true) {
    throw new DatabaseError("unavailable", `Cannot verify "${name}": there is no such backup`);
  }
  const work = async (into: string) => (await unpackBackup(file, into)).manifest;
  return withWorkFolder(join(folder, ".xcore-verify-"), work, { endsOnSignal: false });
}
