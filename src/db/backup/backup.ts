import { existsSync } from "node:fs";
import { mkdir, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DatabaseError } from "../contract/database-error.ts";
import type { DatabaseUrl } from "../contract/database-url.ts";
import { packBackup } from "./archive.ts";
import { isDiskFull, toBackupFile, withWorkFolder } from "./disk.ts";
import { createDump } from "./dump.ts";
import { collectProjectFiles } from "./project-files.ts";
import type { Environment } from "./programs.ts";

/** What backups and restores work on. */
export interface BackupProject {
  readonly url: DatabaseUrl;
  /** Absolute path of config.json; null when there is none. */
  readonly configFile: string | null;
  /** Absolute. */
  readonly pluginsDirectory: string;
  /** Absolute; backups that nobody named go to `backups` in it. */
  readonly dataDirectory: string;
  readonly version: string;
  /** Where the programs of the database are looked for: its PATH. */
  readonly env: Environment;
}

export interface BackupOptions extends BackupProject {
  /** Absolute path of the backup. @default `backups/xcore-<UTC time>.tar.gz` in the data directory */
  readonly file?: string | undefined;
  /** Whether a file of that name may be replaced. @default false */
  readonly replaces?: boolean;
}

/** A backup that was made. */
export interface Backup {
  readonly file: string;
  /** In bytes. */
  readonly size: number;
}

/**
 * Backs up the database, config.json as it is on disk, and the plugins' manifests into one file that only its owner may
 * read: config.json may hold secrets. `.env` is not in it. The server goes on meanwhile. When it fails, nothing is left
 * behind.
 *
 * @throws DatabaseError
 */
export async function backupDatabase(options: BackupOptions): Promise<Backup> {
  const createdAt = new Date();
  const file = options.file ?? toBackupFile(options.dataDirectory, "xcore", createdAt);
  assertFree(file, options.replaces);
  await mkdir(dirname(file), { recursive: true });
  try {
    return await withWorkFolder(join(dirname(file), ".xcore-backup-"), async (folder) => {
      const dump = createDump(options.url, options.env);
      const database = { name: dump.member, path: join(folder, "database") };
      await dump.dump(database.path);
      const { sources, plugins } = await collectProjectFiles(options, join(folder, "project"));
      const packed = join(folder, "packed");
      await packBackup(packed, [database, ...sources], {
        xcore_version: options.version,
        dialect: options.url.dialect,
        created_at: createdAt.toISOString(),
        plugins,
      });
      const { size } = await stat(packed);
      assertFree(file, options.replaces);
      await rename(packed, file);
      return { file, size };
    });
  } catch (error) {
    throw isDiskFull(error)
      ? new DatabaseError("full", `Cannot back up to "${file}": no space is left there; nothing was kept`)
      : error;
  }
}

function assertFree(file: string, replaces = false): void {
  if (!existsSync(file) || replaces) return;
  throw new DatabaseError(
    "other",
    `Cannot back up to "${basename(file)}": the file exists; choose another name, or replace it with --force`,
  );
}
