import { resolve } from "node:path";
import { Command } from "commander";
import { backupDatabase } from "../../db/backup/backup.ts";
import { loadBackupProject } from "../open/backup-project.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/examples.ts";

interface BackupCommandOptions {
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `xcore db backup [FILE]`: backs up the database, config.json and the plugins' manifests, while the server runs. */
export function dbBackupCommand(context: CommandContext): Command {
  return new Command("backup")
    .description(
      "Back up the database, config.json and the plugins' manifests into one file, also while the server runs. " +
        "The file may hold secrets of config.json; .env and the plugins' code are not in it",
    )
    .argument("[file]", "file to write (default: backups/xcore-<UTC time>.tar.gz in the data directory)")
    .option("--force", "replace the file when it exists")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore db backup", "xcore db backup /mnt/backups/monday.tar.gz --force"))
    .action(async (named: string | undefined, { force, json }: BackupCommandOptions, command: Command) => {
      const project = loadBackupProject(command, context);
      const file = named === undefined ? undefined : resolve(context.cwd, named);
      const backup = await backupDatabase({ ...project, file, replaces: force === true });
      if (json === true) {
        context.print(JSON.stringify(backup, null, 2));
        return;
      }
      context.print(`Backed up "${project.url.shown}" to ${backup.file} (${backup.size} bytes)`);
      context.print("Keep .env and the plugins' code elsewhere: they are not in it");
    });
}
