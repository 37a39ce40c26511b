import { type Logger, pino } from "pino";
import type { CoreStore } from "../accounts/people/store.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { SharedStates } from "../plugins/shared-states.ts";
import { COMMAND_WAIT_MS, createChangeFeed, openSharedStates } from "./cluster.ts";
import { openPluginStores, type PluginStores } from "../plugins/remote/sources.ts";

/** Opens the cache and the vendor folder of a project for a command. Warnings go to standard error. */
export function openCommandStores(
  loaded: LoadedConfig,
  { warn }: { readonly warn: (line: string) => void },
): PluginStores & { readonly log: Logger } {
  const log = createCommandLog(warn);
  return { ...openPluginStores(loaded, { log, isOffline: () => loaded.config.plugins.offline }), log };
}

/**
 * Opens what is asked of plugins on all instances for a command that changes it; null without Redis, where the files of
 * plugins are all there is.
 *
 * @throws DatabaseError
 */
export async function openCommandStates(
  loaded: LoadedConfig,
  { store, log }: { readonly store: CoreStore; readonly log: Logger },
): Promise<{ readonly shared: SharedStates; readonly close: () => Promise<{ isTold: boolean }> } | null> {
  const feed = await createChangeFeed(loaded, log);
  const shared = await openSharedStates(feed, { store, log });
  if (feed === null || shared === null) return null;
  return {
    shared,
    /** Tells the instances what has changed; `isTold` is false while Redis is away. */
    async close() {
      shared.close();
      return { isTold: await feed.close(COMMAND_WAIT_MS) };
    },
  };
}

/** Creates the log of a command: warnings go to standard error, one line each, as its user should read them. */
function createCommandLog(warn: (line: string) => void): Logger {
  return pino({ level: "warn", base: null }, { write: (line: string) => warn(toText(line)) });
}

function toText(line: string): string {
  const { msg, plugin, reason, err } = JSON.parse(line) as Record<string, unknown>;
  const cause = reason ?? (err as { message?: unknown } | undefined)?.message;
  const subject = typeof plugin === "string" ? `${plugin}: ` : "";
  return `${subject}${String(msg)}${typeof cause === "string" ? `: ${cause}` : ""}`;
}
