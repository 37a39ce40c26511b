import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { describeFailure } from "../../app/failure-text.ts";
import { toBackupProject } from "../../backups/project.ts";
import { type Backup, backupDatabase, type BackupProgress } from "../../db/backup/backup.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { toCount, toExamples } from "../terminal/output.ts";

interface BackupCommandOptions {
  readonly force?: boolean;
  readonly json?: boolean;
  readonly verify?: boolean;
  readonly timeout?: number;
}

/** Timers take no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const SAID_EVERY_MS = 10_000;
const STEPS: Readonly<Record<BackupProgress["step"], string>> = {
  dump: "reading the database",
  pack: "packing the backup",
  unpack: "unpacking the backup",
  check: "checking the backup",
  replace: "replacing the database",
};

/** `xcore db backup [FILE]`: backs up the database, config.json and the plugins' manifests, while the server runs. */
export function dbBackupCommand(context: CommandContext): Command {
  return new Command("backup")
    .description(
      "Back up the database, config.json and the plugins' manifests into one file, also while the server runs. " +
        "The file may hold secrets of config.json; .env and the plugins' code are not in it",
    )
    .argument("[file]", "file to write (default: xcore-<UTC time>.tar.gz in backups.directory)")
    .option("--force", "replace the file when it exists")
    .option(
      "--verify",
      "restore it into a database of its own and run a server on it; of a file that exists, only that",
    )
    .option("--json", "print JSON")
    .addOption(timeoutOption())
    .addHelpText(
      "after",
      toExamples(
        "xcore db backup",
        "xcore db backup /mnt/backups/monday.tar.gz --force",
        "xcore db backup /mnt/backups/monday.tar.gz --verify",
      ),
    )
    .action(async (named: string | undefined, options: BackupCommandOptions, command: Command) => {
      const loaded = loadFor(command, context);
      const file = named === undefined ? null : resolve(context.cwd, named);
      const isThere = options.verify === true && options.force !== true && file !== null && existsSync(file);
      const backup = isThere
        ? { file, size: statSync(file).size }
        : await make(file, loaded, { options, context });
      const verified = options.verify === true ? await verify(backup, loaded, { options, context }) : null;
      if (options.json === true) context.print(JSON.stringify({ ...backup, ...verified }, null, 2));
      if (verified !== null && !verified.verified) process.exitCode = 1;
    });
}

interface Making {
  readonly options: BackupCommandOptions;
  readonly context: CommandContext;
}

async function make(
  file: string | null,
  loaded: LoadedConfig,
  { options, context }: Making,
): Promise<Backup> {
  const project = toBackupProject(loaded, context);
  const backup = await backupDatabase({
    ...project,
    ...(file !== null && { file }),
    replaces: options.force === true,
    timeoutMs: toTimeoutMs(options.timeout),
    onProgress: createProgress(context),
  });
  if (options.json === true) return backup;
  context.print(`Backed up "${project.url.shown}" to ${backup.file} (${backup.size} bytes)`);
  context.print("Keep .env, the plugins' code and uploaded files elsewhere: they are not in it");
  return backup;
}

/** Says whether a server runs on the backup, and why it doesn't. */
async function verify({ file }: Backup, loaded: LoadedConfig, { options, context }: Making) {
  const { tryBackup } = await import("../../app/trial/backups.ts");
  const { version } = context;
  try {
    const report = await tryBackup({ loaded, version, file, timeoutMs: toTimeoutMs(options.timeout) });
    if (options.json !== true) {
      for (const warning of report.warnings) context.warn(`Warning: ${warning}`);
      context.print(
        `Verified ${file}: of ${report.created_at}, by xcore ${report.xcore_version}; a server ran on it, with ${toCount(report.users, "user")}, and ${toCount(report.rows, "row")} in ${toCount(report.tables, "table")}`,
      );
    }
    return { verified: true as const, ...report };
  } catch (error) {
    if (options.json !== true) throw error;
    return { verified: false as const, error: describeFailure(error) };
  }
}

/** After how many seconds a backup or a restore is given up. */
export function timeoutOption(): Option {
  return new Option("--timeout <seconds>", "give it up after so long (default: 3600)").argParser((text) => {
    const seconds = /^\d{1,7}$/.test(text) ? Number(text) : 0;
    if (seconds > 0) return seconds;
    throw new InvalidArgumentError("It is a number of seconds, from 1 to 9999999.");
  });
}

export function toTimeoutMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.min(seconds * 1000, MAX_TIMER_MS);
}

/** Says how far it has come: each step on a terminal, and every ten seconds what takes long. */
export function createProgress({ warn }: Pick<CommandContext, "warn">): (progress: BackupProgress) => void {
  const startedAt = performance.now();
  let saidAt = startedAt;
  let said: BackupProgress["step"] | null = null;
  return ({ step, bytes }) => {
    const now = performance.now();
    const isNews = step !== said && process.stderr.isTTY;
    if (!isNews && now - saidAt < SAID_EVERY_MS) return;
    [said, saidAt] = [step, now];
    const amount = bytes === null || bytes === 0 ? "" : `, ${Math.round(bytes / 1_000_000)} MB`;
    warn(`${STEPS[step]}${amount}, after ${Math.round((now - startedAt) / 1000)} s`);
  };
}
