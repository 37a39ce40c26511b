import { resolve } from "node:path";
import { Command } from "commander";
import { backupDatabase, type BackupProject } from "../../db/backup/backup.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { parseDatabaseUrl } from "../../db/contract/database-url.ts";

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

/** Returns the project that `db backup` and `db restore` work on, as the configuration says. */
export function loadBackupProject(command: Command, context: CommandContext): BackupProject {
  const { config, directory, file, exists } = loadFor(command, context);
  return {
    url: parseDatabaseUrl(config.database.url, directory),
    configFile: exists ? file : null,
    pluginsDirectory: resolve(directory, config.plugins.directory),
    dataDirectory: resolve(directory, config.app.data_directory),
    version: context.version,
    env: context.env,
  };
}
