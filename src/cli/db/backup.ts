import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { toBackupProject } from "../../backups/project.ts";
import { backupDatabase, type BackupProgress } from "../../db/backup/backup.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";

interface BackupCommandOptions {
  readonly force?: boolean;
  readonly json?: boolean;
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
    .option("--json", "print JSON")
    .addOption(timeoutOption())
    .addHelpText("after", toExamples("xcore db backup", "xcore db backup /mnt/backups/monday.tar.gz --force"))
    .action(
      async (named: string | undefined, { force, json, timeout }: BackupCommandOptions, command: Command) => {
        const project = toBackupProject(loadFor(command, context), context);
        const file = named === undefined ? undefined : resolve(context.cwd, named);
        const backup = await backupDatabase({
          ...project,
          file,
          replaces: force === true,
          timeoutMs: toTimeoutMs(timeout),
          onProgress: createProgress(context),
        });
        if (json === true) {
          context.print(JSON.stringify(backup, null, 2));
          return;
        }
        context.print(`Backed up "${project.url.shown}" to ${backup.file} (${backup.size} bytes)`);
        context.print("Keep .env and the plugins' code elsewhere: they are not in it");
      },
    );
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
