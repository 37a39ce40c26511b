import { statSync } from "node:fs";
import { mkdir, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { describeSystemError } from "../../files/system-errors.ts";
import { DatabaseError } from "../contract/database-error.ts";
import type { DatabaseUrl } from "../contract/database-url.ts";
import { packBackup } from "./archive.ts";
import { assertRoom, isDiskFull, toBackupFile, withWorkFolder } from "./disk.ts";
import { createDump } from "./dump.ts";
import { collectProjectFiles } from "./project-files.ts";
import type { Environment } from "./programs.ts";

/** After so long a backup, a restore or the putting back of one is given up. */
export const TIMEOUT_MS = 3_600_000;
/** How often is told how far it has come. */
export const PROGRESS_MS = 1000;
const PAUSE_MS = 500;
/** Of the bytes of a dump, how many are needed for it and what is packed of it. */
const ROOM = 1.25;

/** What backups and restores work on. */
export interface BackupProject {
  readonly url: DatabaseUrl;
  /** Absolute path of config.json; null when there is none. */
  readonly configFile: string | null;
  /** Absolute. */
  readonly pluginsDirectory: string;
  /** Absolute. */
  readonly dataDirectory: string;
  /** Absolute; backups that nobody named go there. */
  readonly backupsDirectory: string;
  readonly version: string;
  /** Where the programs of the database are looked for: its PATH. */
  readonly env: Environment;
}

export interface BackupOptions extends BackupProject {
  /** Absolute path of the backup. @default `xcore-<UTC time>.tar.gz` in the folder of backups */
  readonly file?: string | undefined;
  /** Waits for another backup into the same folder, rather than being refused. @default false */
  readonly waits?: boolean;
  /** Whether a file of that name may be replaced. @default false */
  readonly replaces?: boolean;
  /** Whether a signal ends the process meanwhile; false for a server, which ends by itself. @default true */
  readonly endsOnSignal?: boolean;
  /** After so long it is given up, in ms. @default 1 hour */
  readonly timeoutMs?: number | undefined;
  /** Is told how far it has come, each second and at each step. */
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
}

/** How far a backup or a restore has come. */
export interface BackupProgress {
  readonly step: "dump" | "pack" | "unpack" | "check" | "replace";
  /** What the step has written so far; null where that can't be told. */
  readonly bytes: number | null;
}

/** A backup that was made. */
export interface Backup {
  readonly file: string;
  /** In bytes. */
  readonly size: number;
}

/**
 * Backs up the database, config.json as it is on disk, and the plugins' manifests into one file that only its owner may
 * read: config.json may hold secrets. `.env` is not in it, nor are uploaded files. The server goes on meanwhile. When it
 * fails, nothing is left behind. One is made in a folder at a time.
 *
 * @throws DatabaseError
 */
export async function backupDatabase(options: BackupOptions): Promise<Backup> {
  const createdAt = new Date();
  const { timeoutMs = TIMEOUT_MS, onProgress = () => {} } = options;
  const deadline = AbortSignal.timeout(timeoutMs);
  const file = options.file ?? toBackupFile(options.backupsDirectory, "xcore", createdAt);
  try {
    assertFree(file, options);
    await mkdir(dirname(file), { recursive: true });
    const { endsOnSignal = true } = options;
    const work = async (folder: string) => {
      const dump = createDump(options.url, options.env);
      await assertRoom(
        folder,
        Math.ceil((await dump.estimate(deadline)) * ROOM),
        `Cannot back up to "${file}"`,
      );
      const database = { name: dump.member, path: join(folder, "database") };
      await watchGrowth(database.path, { step: "dump", onProgress }, () =>
        dump.dump(database.path, deadline),
      );
      const { sources, plugins } = await collectProjectFiles(options, join(folder, "project"));
      const packed = join(folder, "packed");
      const description = {
        xcore_version: options.version,
        dialect: options.url.dialect,
        created_at: createdAt.toISOString(),
        plugins,
      };
      await watchGrowth(packed, { step: "pack", onProgress }, () =>
        packBackup(packed, [database, ...sources], description, deadline),
      );
      const { size } = await stat(packed);
      assertFree(file, options);
      await rename(packed, file);
      return { file, size };
    };
    return await whenAlone(options, deadline, () =>
      withWorkFolder(join(dirname(file), ".xcore-backup-"), work, {
        endsOnSignal,
        alone: () => new UnderWayError(),
      }),
    );
  } catch (error) {
    if (deadline.aborted) throw tookTooLong(`Cannot back up to "${file}"`, timeoutMs, "nothing was kept");
    if (isDiskFull(error))
      throw new DatabaseError(
        "full",
        `Cannot back up to "${file}": no space is left there; nothing was kept`,
      );
    const reason = describeSystemError(error);
    if (reason === null) throw error;
    const what = `Cannot back up to "${file}": ${reason}; name a file in a folder that this user may write to`;
    throw new DatabaseError("other", what, { cause: error });
  }
}

/** Another one is waited for where that is asked for, else it is refused. */
async function whenAlone<T>(
  { waits = false }: BackupOptions,
  deadline: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after another
      return await work();
    } catch (error) {
      if (!waits || !(error instanceof UnderWayError)) throw error;
    }
    deadline.throwIfAborted();
    // oxlint-disable-next-line no-await-in-loop -- those that collide don't collide again
    await Bun.sleep(PAUSE_MS * (1 + Math.random()));
  }
}

/** Another backup into the same folder is under way. */
export class UnderWayError extends DatabaseError {
  constructor() {
    super("busy", "Cannot back up: another backup into the same folder is under way; wait for it");
  }
}

/** The error of what was given up. */
export function tookTooLong(action: string, timeoutMs: number, state: string): DatabaseError {
  const seconds = Math.round(timeoutMs / 1000);
  return new DatabaseError(
    "timeout",
    `${action}: it took longer than ${seconds} s; ${state}; give it more with --timeout, or see why the database doesn't answer`,
  );
}

interface Growth {
  readonly step: BackupProgress["step"];
  readonly onProgress: (progress: BackupProgress) => void;
}

/** Tells each second how large a file has become while `work` writes it. */
async function watchGrowth(
  file: string,
  { step, onProgress }: Growth,
  work: () => Promise<void>,
): Promise<void> {
  const report = (): void =>
    onProgress({ step, bytes: statSync(file, { throwIfNoEntry: false })?.size ?? 0 });
  report();
  const timer = setInterval(report, PROGRESS_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
}

/** @throws DatabaseError where something is in the way, or would be lost */
function assertFree(file: string, { replaces = false, url, configFile }: BackupOptions): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return;
  const refuse = (reason: string): DatabaseError =>
    new DatabaseError("other", `Cannot back up to "${basename(file)}": ${reason}`);
  if (found.isDirectory()) throw refuse("it is a folder; name a file in it, such as xcore.tar.gz");
  if (!found.isFile()) throw refuse("it is a pipe or a device; name a file");
  if (!replaces) throw refuse("the file exists; choose another name, or replace it with --force");
  const own = [...(url.dialect === "sqlite" ? [url.file, `${url.file}-wal`] : []), configFile];
  const isOwn = own.some((one) => {
    const other = one === null ? undefined : statSync(one, { throwIfNoEntry: false });
    return other !== undefined && other.dev === found.dev && other.ino === found.ino;
  });
  if (isOwn) throw refuse("it is what would be backed up; choose another name");
}
