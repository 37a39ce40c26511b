import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseError } from "../contract/database-error.ts";
import { checkBackup } from "./archive.ts";
import type { BackupManifest } from "./manifest.ts";

/** Names that backups may have: none of them leads elsewhere. */
export const BACKUP_NAME = String.raw`^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.tar\.gz$`;

/** Backups that the server makes by itself, by what their names begin with: old ones of these go. */
export type OwnKind = "scheduled" | "before-migration";

const OWN_NAME = /^(scheduled|before-migration)-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z(?:-[\w.-]+)?\.tar\.gz$/;

/** A backup in the folder where those are put that nobody has named. */
export interface KeptBackup {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly createdAt: Date;
}

/** Lists the backups in a folder, the latest first. Links aren't followed. */
export async function listBackups(folder: string): Promise<KeptBackup[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => new RegExp(BACKUP_NAME).test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const file = await lstat(join(folder, name)).catch(() => null);
      return file?.isFile() === true ? [{ name, size: file.size, createdAt: file.mtime }] : [];
    }),
  );
  return found.flat().toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
}

/** Of names, those of backups of a kind, the latest first: their names have the time. */
export function pickOwn(names: readonly string[], kind: OwnKind): string[] {
  return names.filter((name) => OWN_NAME.exec(name)?.[1] === kind).toSorted((a, b) => (a < b ? 1 : -1));
}

/**
 * Removes the oldest backups of a kind, and nothing that is called otherwise.
 *
 * @param newest the one that was made and checked now: without it nothing may go
 * @returns the names of those that are gone
 */
export async function pruneBackups(
  folder: string,
  { kind, keep, newest }: { readonly kind: OwnKind; readonly keep: number; readonly newest: string },
): Promise<string[]> {
  const present = await listBackups(folder);
  const names = pickOwn(
    present.map(({ name }) => name),
    kind,
  );
  if (!names.includes(newest)) return [];
  const old = names.slice(keep).filter((name) => name !== newest);
  await Promise.all(old.map((name) => rm(join(folder, name), { force: true })));
  return old;
}

/**
 * Reads a backup and checks sizes and hashes; nothing is written.
 *
 * @returns what it says of itself
 * @throws DatabaseError when it isn't there, is damaged or was changed
 */
export async function verifyBackup(folder: string, name: string): Promise<BackupManifest> {
  const file = join(folder, name);
  if ((await lstat(file).catch(() => null))?.isFile() !== true) {
    throw new DatabaseError("unavailable", `Cannot verify "${name}": there is no such backup`);
  }
  return checkBackup(file);
}
