import { createReadStream } from "node:fs";
import { basename } from "node:path";
import type { Logger } from "pino";
import type { LoadedConfig } from "../config/load.ts";
import { backupDatabase } from "../db/backup/backup.ts";
import { toBackupFile } from "../db/backup/disk.ts";
import { pickOwn, pruneBackups, verifyBackup } from "../db/backup/kept.ts";
import { redactText } from "../log/redact.ts";
import { fail } from "../storage/contract/error-codes.ts";
import { Bucket, type S3Settings } from "../storage/s3/bucket.ts";
import { toBackupProject } from "./project.ts";

const KIND = "scheduled";
/** Uploads that are older were cut off. */
const UPLOAD_MS = 86_400_000;

/**
 * Makes a backup as the schedule says, reads it again, copies it to the bucket if there is one, and removes the oldest of both
 * places. What was made before stays until the new one is known to be good.
 *
 * @throws DatabaseError, or AppError storage_unavailable for the bucket
 */
export async function makeScheduledBackup({
  loaded,
  version,
  log,
}: {
  readonly loaded: LoadedConfig;
  readonly version: string;
  readonly log: Logger;
}): Promise<void> {
  const project = toBackupProject(loaded, { version });
  const { keep, s3 } = loaded.config.backups;
  const folder = project.backupsDirectory;
  const file = toBackupFile(folder, KIND, new Date());
  const name = basename(file);
  const { size } = await backupDatabase({ ...project, file, waits: true, endsOnSignal: false });
  await verifyBackup(folder, name);
  const removed = await pruneBackups(folder, { kind: KIND, keep, newest: name });
  log.info({ file, size, removed: removed.length }, "the database is backed up");
  if (s3 === null) return;
  try {
    await copyToBucket(s3, { file, name, size, keep });
  } catch (error) {
    throw toBucketFailure(error, file, s3);
  }
  log.info({ backup: name, bucket: s3.bucket }, "the backup is in the bucket");
}

/** Says that there is a backup all the same, and what keeps it from the bucket. */
function toBucketFailure(error: unknown, file: string, { bucket, endpoint }: S3Settings): Error {
  const { cause } = error as Error;
  const reason =
    cause instanceof Error ? cause.message : error instanceof Error ? error.message : String(error);
  return fail(
    "storage_unavailable",
    `Cannot copy the backup to the bucket "${bucket}"${endpoint === null ? "" : ` at ${redactText(endpoint)}`}: ${redactText(reason)}; it is in ${file}`,
    { cause: error },
  );
}

async function copyToBucket(
  settings: S3Settings,
  {
    file,
    name,
    size,
    keep,
  }: { readonly file: string; readonly name: string; readonly size: number; readonly keep: number },
): Promise<void> {
  const bucket = new Bucket(settings);
  await bucket.sweep(new Date(Date.now() - UPLOAD_MS), (other) => pickOwn([other], KIND).length > 0);
  await bucket.write(name, createReadStream(file), size);
  const objects = await Array.fromAsync(bucket.list());
  const arrived = objects.find((object) => object.name === name)?.size;
  if (arrived !== size) {
    throw new Error(
      `The backup has ${size} bytes, and ${arrived ?? 0} of them are in the bucket "${settings.bucket}"`,
    );
  }
  const names = objects.map((object) => object.name);
  for (const old of pickOwn(names, KIND).slice(keep)) {
    // oxlint-disable-next-line no-await-in-loop -- one a day
    if (old !== name) await bucket.remove(old);
  }
}
