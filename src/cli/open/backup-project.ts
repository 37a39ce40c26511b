import { resolve } from "node:path";
import type { Command } from "commander";
import type { BackupProject } from "../../db/backup/backup.ts";
import { parseDatabaseUrl } from "../../db/contract/database-url.ts";
import { type CommandContext, loadFor } from "./command-context.ts";

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
