import { resolve } from "node:path";
import type { LoadedConfig } from "../config/load.ts";
import type { BackupProject } from "../db/backup/backup.ts";
import { parseDatabaseUrl } from "../db/contract/database-url.ts";

/** Returns what backups work on, as the configuration says. */
export function toBackupProject(
  { config, directory, file, exists }: LoadedConfig,
  { version, env = process.env }: Pick<BackupProject, "version"> & Partial<Pick<BackupProject, "env">>,
): BackupProject {
  return {
    url: parseDatabaseUrl(config.database.url, directory),
    configFile: exists ? file : null,
    pluginsDirectory: resolve(directory, config.plugins.directory),
    dataDirectory: resolve(directory, config.app.data_directory),
    backupsDirectory: resolve(directory, config.backups.directory),
    version,
    env,
  };
}
