import { resolve } from "node:path";
import type { LoadedConfig } from "../config/load.ts";

/** Keys that a running server can't apply, and that differ from those it was started with. */
export function findRestartKeys(running: LoadedConfig, next: LoadedConfig): string[] {
  const { server: from, logging: fromLog, database: fromDatabase } = running.config;
  const { server: to, logging: toLog, database: toDatabase } = next.config;
  const keys = {
    "server.host": from.host !== to.host,
    "server.port": from.port !== to.port,
    security: !Bun.deepEquals(running.config.security, next.config.security),
    "app.name": running.config.app.name !== next.config.app.name,
    "app.data_directory": running.config.app.data_directory !== next.config.app.data_directory,
    "database.url": fromDatabase.url !== toDatabase.url,
    "database.pool_size": fromDatabase.pool_size !== toDatabase.pool_size,
    "database.echo": fromDatabase.echo !== toDatabase.echo,
    "logging.directory":
      resolve(running.directory, fromLog.directory) !== resolve(next.directory, toLog.directory),
    "logging.console": fromLog.console !== toLog.console,
    "logging.max_bytes": fromLog.max_bytes !== toLog.max_bytes,
    "logging.backup_count": fromLog.backup_count !== toLog.backup_count,
  };
  return Object.entries(keys).flatMap(([key, differs]) => (differs ? [key] : []));
}
