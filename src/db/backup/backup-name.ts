import { join } from "node:path";

/** A moment as it stands in names of files: "2026-01-31T08-30-00-123Z". */
export function toTimestamp(date: Date): string {
  return date.toISOString().replaceAll(/[:.]/g, "-");
}

/** Where a backup is put when nobody named a file. */
export function toBackupFile(dataDirectory: string, prefix: string, date: Date): string {
  return join(dataDirectory, "backups", `${prefix}-${toTimestamp(date)}.tar.gz`);
}
