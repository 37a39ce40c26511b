import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { gt, valid } from "semver";
import { DatabaseError } from "../contract/database-error.ts";
import { type UnpackedBackup, unpackBackup } from "./archive.ts";
import {
  backupDatabase,
  type BackupOptions,
  type BackupProgress,
  type BackupProject,
  PROGRESS_MS,
  TIMEOUT_MS,
  tookTooLong,
} from "./backup.ts";
import { toBackupFile, withWorkFolder } from "./disk.ts";
import { createDump, type DumpFormat, type TakenDatabase } from "./dump.ts";
import type { BackupManifest } from "./manifest.ts";
import { findPlaces, listMissingPlugins } from "./project-files.ts";
import { StagedFiles } from "./staged-files.ts";

/** What a restore is about to do. */
export interface RestorePlan {
  readonly manifest: BackupManifest;
  /** The database that will be replaced, as it may be shown. */
  readonly database: string;
  /** Where what is there now will be kept: a database for SQLite, else a backup; null when nothing is there. */
  readonly keptAs: string | null;
  /** Files of the project that will be replaced, each by a file beside which the present one is kept. */
  readonly files: readonly string[];
  /** Files of the backup that stay in it. */
  readonly leftOut: readonly string[];
  readonly warnings: readonly string[];
}

export interface RestoreOptions extends BackupProject {
  /** Absolute path of the backup. */
  readonly file: string;
  /** Whether config.json and the plugins' manifests are restored as well. @default false */
  readonly withConfig?: boolean;
  /** Decides whether to go on, when everything was checked and nothing changed yet. */
  readonly confirm: (plan: RestorePlan) => Promise<boolean>;
  /** After so long it is given up, in ms; what asks isn't counted. @default 1 hour */
  readonly timeoutMs?: number | undefined;
  /** Is told of each step. */
  readonly onProgress?: BackupOptions["onProgress"];
}

/**
 * Puts a backup in the place of the database. Everything is checked before anything is replaced, and what was there is
 * kept.
 *
 * @returns what was done; null when `confirm` said no
 * @throws DatabaseError
 */
export async function restoreDatabase(options: RestoreOptions): Promise<RestorePlan | null> {
  const { url, file } = options;
  if ((await stat(file).catch(() => null))?.isFile() !== true) {
    throw new DatabaseError("unavailable", `Cannot restore "${file}": there is no such file`);
  }
  using steps = tellSteps(options);
  const dump = createDump(url, options.env);
  const directory = dump.directory ?? options.dataDirectory;
  await mkdir(directory, { recursive: true });
  return await withWorkFolder(join(directory, ".xcore-restore-"), async (folder) => {
    steps.begin("unpack");
    const backup = await unpackBackup(file, folder);
    const path = findDump(backup, dump, options);
    await using taken = await dump.take();
    steps.begin("check");
    const warnings = await withDeadline((deadline) => taken.check(path, deadline), options);
    const plan = await toPlan(backup, { taken, warnings, options });
    steps.begin(null);
    if (!(await options.confirm(plan))) return null;
    steps.begin("replace");
    await using files = await StagedFiles.write(findSources(backup, plan, options));
    await replaceDatabase(path, { taken, dump, plan, options });
    await files.put();
    return plan;
  });
}

/** Tells the present step, each second; null for waiting for somebody. */
function tellSteps({ onProgress = () => {} }: RestoreOptions) {
  let present: BackupProgress["step"] | null = null;
  const tell = (): void => {
    if (present !== null) onProgress({ step: present, bytes: null });
  };
  const timer = setInterval(tell, PROGRESS_MS);
  return {
    begin(step: BackupProgress["step"] | null): void {
      present = step;
      tell();
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** Gives something up after the time that a restore may take. @throws DatabaseError "timeout" */
async function withDeadline<T>(
  work: (deadline: AbortSignal) => Promise<T>,
  { file, timeoutMs = TIMEOUT_MS }: RestoreOptions,
): Promise<T> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    return await work(deadline);
  } catch (error) {
    throw deadline.aborted ? tookTooLong(`Cannot restore "${file}"`, timeoutMs, "it was given up") : error;
  }
}

function findDump(
  { manifest, paths }: UnpackedBackup,
  { member }: DumpFormat,
  { url, file }: RestoreOptions,
): string {
  if (manifest.dialect !== url.dialect) {
    throw new DatabaseError(
      "other",
      `Cannot restore "${file}": it is a backup of ${manifest.dialect}, and "database.url" names ${url.dialect}; a backup can't move between databases`,
    );
  }
  const path = paths.get(member);
  if (path === undefined)
    throw new DatabaseError("corrupt", `Cannot restore "${file}": "${member}" is missing`);
  return path;
}

async function toPlan(
  { manifest, paths }: UnpackedBackup,
  {
    taken,
    warnings,
    options,
  }: { taken: TakenDatabase; warnings: readonly string[]; options: RestoreOptions },
): Promise<RestorePlan> {
  const { url, backupsDirectory, pluginsDirectory, withConfig = false } = options;
  const places = findPlaces(paths.keys(), options);
  const missing = await listMissingPlugins(manifest.plugins, pluginsDirectory);
  return {
    manifest,
    database: url.shown,
    keptAs: taken.needsBackup ? toBackupFile(backupsDirectory, "before-restore", new Date()) : taken.keptAs,
    files: withConfig ? [...places.values()] : [],
    leftOut: withConfig ? [] : [...places.keys()],
    warnings: [
      ...taken.warnings,
      ...warnings,
      ...(isNewer(manifest.xcore_version, options.version)
        ? [`this xcore, ${options.version}, is older, and may refuse what it holds: start that one then`]
        : []),
      ...missing.map((plugin) => `the plugin "${plugin}" of the backup is not in the plugins directory`),
    ],
  };
}

function isNewer(version: string, than: string): boolean {
  return valid(version) !== null && valid(than) !== null && gt(version, than);
}

interface Replacement {
  readonly taken: TakenDatabase;
  readonly dump: DumpFormat;
  readonly plan: RestorePlan;
  readonly options: RestoreOptions;
}

async function replaceDatabase(path: string, { taken, dump, plan, options }: Replacement): Promise<void> {
  const kept = taken.needsBackup ? plan.keptAs : null;
  if (kept !== null) await backupDatabase({ ...options, file: kept, waits: true });
  try {
    await withDeadline((deadline) => taken.replace(path, deadline, kept), options);
  } catch (error) {
    if (taken.isAtomic || kept === null) throw error;
    throw await putBack(error, kept, { taken, dump, options });
  }
}

/** Loads the database as it was before a restore failed half-way, and returns the error to throw. */
async function putBack(
  error: unknown,
  kept: string,
  { taken, dump, options }: Omit<Replacement, "plan">,
): Promise<Error> {
  const reason = error instanceof Error ? error.message : String(error);
  try {
    await withWorkFolder(join(options.dataDirectory, ".xcore-restore-"), async (folder) => {
      const { paths } = await unpackBackup(kept, folder);
      const path = paths.get(dump.member) ?? "";
      await withDeadline((deadline) => taken.replace(path, deadline, kept), options);
    });
    return new DatabaseError("other", `${reason}; the database is as it was before`);
  } catch {
    return new DatabaseError(
      "other",
      `${reason}; the database is incomplete now, and what was there is in "${kept}": restore that file`,
    );
  }
}

/** The files of a backup that are restored, by the places where they belong. */
function findSources({ paths }: UnpackedBackup, { files }: RestorePlan, options: RestoreOptions) {
  const places = [...findPlaces(paths.keys(), options)].filter(([, place]) => files.includes(place));
  return new Map(places.map(([name, place]) => [place, paths.get(name) ?? ""]));
}
