import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { DatabaseError } from "../contract/database-error.ts";
import { findFreeSpace, isDiskFull } from "./disk.ts";
import {
  type BackupManifest,
  type BackupMember,
  formatManifest,
  MANIFEST_NAME,
  MAX_MANIFEST_SIZE,
  parseManifest,
} from "./manifest.ts";
import { readTar, type TarEntry, TarError, writeTar } from "../../files/tar.ts";

const MEGABYTE = 1_000_000;

/** A file that goes into a backup. */
export interface MemberSource {
  /** Its name in the backup. */
  readonly name: string;
  /** Where it is; it must not change any more. */
  readonly path: string;
}

/** Packs files into a new backup, with a manifest that tells their sizes and hashes. */
export async function packBackup(
  file: string,
  sources: readonly MemberSource[],
  description: Omit<BackupManifest, "format" | "members">,
  deadline?: AbortSignal,
): Promise<void> {
  const members: BackupMember[] = [];
  // oxlint-disable-next-line no-await-in-loop -- one disk reads no faster when asked for all at once
  for (const source of sources) members.push(await describeMember(source));
  deadline?.throwIfAborted();
  const manifest = Buffer.from(formatManifest({ ...description, members }));
  const entries: TarEntry[] = [
    { name: MANIFEST_NAME, size: manifest.length, content: Readable.from([manifest]) },
    ...members.map(({ name, size }, index) => ({
      name,
      size,
      content: readLazily(sources[index]?.path ?? ""),
    })),
  ];
  const output = createWriteStream(file, { flags: "wx", mode: 0o600, flush: true });
  await pipeline(
    Readable.from(writeTar(entries)),
    createGzip(),
    output,
    deadline === undefined ? {} : { signal: deadline },
  );
}

/**
 * Unpacks a backup into an empty folder, each file under the number of its place in the manifest, and checks
 * sizes and hashes. Names in the archive never become paths.
 *
 * @throws DatabaseError when it is damaged, was changed, or doesn't fit on the disk
 */
export function unpackBackup(file: string, folder: string): Promise<UnpackedBackup> {
  return readBackup(file, folder);
}

/**
 * Reads a backup to its end and checks sizes and hashes; nothing is written.
 *
 * @throws DatabaseError when it is damaged or was changed
 */
export async function checkBackup(file: string): Promise<BackupManifest> {
  return (await readBackup(file, null)).manifest;
}

async function readBackup(file: string, folder: string | null): Promise<UnpackedBackup> {
  // An error of the reading side must reach the loop below: `pipe` alone would leave it waiting.
  const input = createReadStream(file);
  const unpacked = createGunzip();
  const reading = pipeline(input, unpacked).catch(() => {});
  try {
    return await unpackEntries(readTar(unpacked), file, folder);
  } catch (error) {
    throw toUnpackError(error, file);
  } finally {
    unpacked.destroy();
    await reading;
  }
}

/** A backup whose files were unpacked and checked. */
export interface UnpackedBackup {
  readonly manifest: BackupManifest;
  /** Where each file is, by its name in the backup. */
  readonly paths: ReadonlyMap<string, string>;
}

async function unpackEntries(
  entries: AsyncIterable<TarEntry>,
  file: string,
  folder: string | null,
): Promise<UnpackedBackup> {
  let manifest: BackupManifest | null = null;
  const paths = new Map<string, string>();
  for await (const entry of entries) {
    if (manifest === null) {
      manifest = parseManifest(await readManifestText(entry), file);
      if (folder !== null) await assertSpace(manifest, file, folder);
      continue;
    }
    const member = manifest.members[paths.size];
    if (member === undefined || member.name !== entry.name || member.size !== entry.size) {
      throw new TarError(`"${entry.name}" is not what its ${MANIFEST_NAME} says`);
    }
    const path = join(folder ?? "", String(paths.size));
    await (folder === null ? readChecked(entry, member, null) : writeChecked(entry, path, member));
    paths.set(member.name, path);
  }
  if (manifest === null) throw new TarError("it is empty");
  if (paths.size !== manifest.members.length) throw new TarError("files are missing");
  return { manifest, paths };
}

async function readManifestText({ name, size, content }: TarEntry): Promise<string> {
  if (name !== MANIFEST_NAME) throw new TarError(`it doesn't begin with ${MANIFEST_NAME}`);
  if (size > MAX_MANIFEST_SIZE) throw new TarError(`its ${MANIFEST_NAME} is too large`);
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function assertSpace({ members }: BackupManifest, file: string, folder: string): Promise<void> {
  const needed = members.reduce((sum, { size }) => sum + size, 0);
  const free = await findFreeSpace(folder);
  if (needed <= free) return;
  throw new DatabaseError(
    "full",
    `Cannot restore "${file}": it needs ${Math.ceil(needed / MEGABYTE)} MB beside the database, ${Math.floor(free / MEGABYTE)} are free`,
  );
}

async function writeChecked(entry: TarEntry, path: string, member: BackupMember): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    await readChecked(entry, member, handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readChecked(
  { content }: TarEntry,
  member: BackupMember,
  into: Pick<FileHandle, "writeFile"> | null,
): Promise<void> {
  const hash = createHash("sha256");
  for await (const part of content) {
    hash.update(part);
    await into?.writeFile(part);
  }
  if (hash.digest("hex") !== member.sha256) throw new TarError(`the hash of "${member.name}" is wrong`);
}

async function describeMember({ name, path }: MemberSource): Promise<BackupMember> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const part of readLazily(path)) {
    hash.update(part);
    size += part.length;
  }
  return { name, size, sha256: hash.digest("hex") };
}

/** A stream that was opened long before it is read would miss errors. */
async function* readLazily(path: string): AsyncGenerator<Uint8Array> {
  for await (const part of createReadStream(path)) yield part as Buffer;
}

function toUnpackError(error: unknown, file: string): unknown {
  if (error instanceof DatabaseError) return error;
  if (isDiskFull(error)) {
    return new DatabaseError(
      "full",
      `Cannot restore "${file}": no space is left beside the database; nothing was changed`,
    );
  }
  const isDamaged =
    error instanceof TarError ||
    (error instanceof Error &&
      "code" in error &&
      /^(Z_|ERR_STREAM_PREMATURE|ERR_ZLIB)/.test(String(error.code)));
  if (!isDamaged) return error;
  const reason = error instanceof TarError ? error.message : "it ends too soon, or is no .tar.gz";
  return new DatabaseError(
    "corrupt",
    `Cannot restore "${file}": the backup is damaged or was changed: ${reason}`,
  );
}
