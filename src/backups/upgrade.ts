import { basename, join } from "node:path";
import type { Logger } from "pino";
import type { LoadedConfig } from "../config/load.ts";
import type { BackupOptions } from "../db/backup/backup.ts";
import { DatabaseError } from "../db/contract/database-error.ts";
import type { Upgrade } from "../db/migrations/upgrade.ts";
import { toBackupProject } from "./project.ts";

export interface UpgradeOptions {
  /** As it is then. */
  readonly loaded: () => LoadedConfig;
  readonly version: string;
  readonly log: Logger;
  /** Whether a signal ends the process meanwhile. @default true */
  readonly endsOnSignal?: boolean;
}

/** What is done about the data of another version by a process that may migrate it. */
export interface StartingUpgrade extends Upgrade {
  /** From now on what is migrated isn't backed up before: plugins that are changed while the server runs. */
  end(): void;
}

/**
 * Has a process back up the database once, before the first time that it migrates what has been there: the tables of the
 * core, or of a plugin. Nothing is loaded before.
 */
export function createUpgrade(options: UpgradeOptions): StartingUpgrade {
  const { loaded, version } = options;
  let made: Promise<void> | null = null;
  let isOver = false;
  return {
    version,
    backUp(writtenBy) {
      if (isOver || !loaded().config.backups.before_migration) return Promise.resolve();
      return (made ??= backUp(options, writtenBy).catch((error: unknown) => {
        made = null;
        throw error;
      }));
    },
    async findBackup() {
      const { backupsDirectory } = toBackupProject(loaded(), options);
      const { listBackups, pickOwn } = await import("../db/backup/kept.ts");
      const names = (await listBackups(backupsDirectory)).map(({ name }) => name);
      const [latest] = pickOwn(names, "before-migration");
      return latest === undefined ? null : join(loaded().config.backups.directory, latest);
    },
    end() {
      isOver = true;
    },
  };
}

async function backUp(
  { loaded, version, log, endsOnSignal }: UpgradeOptions,
  writtenBy: string | null,
): Promise<void> {
  const [{ backupDatabase }, { toBackupFile }, { pruneBackups, verifyBackup }] = await Promise.all([
    import("../db/backup/backup.ts"),
    import("../db/backup/disk.ts"),
    import("../db/backup/kept.ts"),
  ]);
  const project = toBackupProject(loaded(), { version });
  const note = `${writtenBy === null ? "" : `-${toNamePart(writtenBy)}`}-to-${toNamePart(version)}`;
  const file = toBackupFile(project.backupsDirectory, "before-migration", new Date(), note);
  const made: BackupOptions = {
    ...project,
    file,
    waits: true,
    ...(endsOnSignal !== undefined && { endsOnSignal }),
  };
  log.info({ file }, "backing up the database before it is migrated");
  try {
    const { size } = await backupDatabase(made);
    await verifyBackup(project.backupsDirectory, basename(file));
    log.info({ file, size }, "the database is backed up");
  } catch (error) {
    throw toRefusal(error);
  }
  const { keep } = loaded().config.backups;
  const kind = "before-migration";
  await pruneBackups(project.backupsDirectory, { kind, keep, newest: basename(file) }).catch(
    (error: unknown) => {
      log.warn({ err: error }, "old backups can't be deleted");
    },
  );
}

/** Says what to do where nothing is migrated as it can't be backed up. */
function toRefusal(cause: unknown): DatabaseError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DatabaseError(
    cause instanceof DatabaseError ? cause.fault : "other",
    `Cannot migrate the database, for it can't be backed up before: ${reason}. Nothing was changed. Mend that, or make a backup in your own way and set backups.before_migration to false`,
    { cause },
  );
}

/** What a version may have in the name of a file. */
function toNamePart(version: string): string {
  return version.replaceAll(/[^\w.-]/g, "_");
}
