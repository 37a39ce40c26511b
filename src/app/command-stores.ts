import type { Logger } from "pino";
import type { LoadedConfig } from "../config/load.ts";
import { openPluginStores, type PluginStores } from "../plugins/remote/stores.ts";
import { createCommandLog } from "./command-log.ts";

/** Opens the cache and the vendor folder of a project for a command. Warnings go to standard error. */
export function openCommandStores(
  loaded: LoadedConfig,
  { warn }: { readonly warn: (line: string) => void },
): PluginStores & { readonly log: Logger } {
  const log = createCommandLog(warn);
  return { ...openPluginStores(loaded, { log, isOffline: () => loaded.config.plugins.offline }), log };
}
