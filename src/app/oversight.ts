import { join } from "node:path";
import type { LoadedConfig } from "../config/load.ts";
import { guardProcess } from "../plugins/given/globals.ts";
import type { App } from "./app.ts";
import { toLogFolder } from "./context.ts";

export interface WatchOptions {
  readonly initial: LoadedConfig;
  /** Number of this process among those that answer together; null for the only one. */
  readonly worker: number | null;
  /** How many seconds stopping may take, by now. */
  readonly shutdownTimeout: () => number;
}

/** Has what holds the event loop told from now on; returns what ends that. */
export async function watchLoop(
  { loggers, web, activity, database }: App,
  { initial, worker, shutdownTimeout }: WatchOptions,
): Promise<() => void> {
  const { logging, server } = initial.config;
  const { Watchdog } = await import("./lifetime/watchdog.ts");
  const watchdog = new Watchdog({
    log: loggers.app,
    logFile: join(toLogFolder(initial, worker), "app.log"),
    worker,
    console: logging.console,
    timeout: server.watchdog_timeout,
    shutdownTimeout,
  });
  await watchdog.start();
  web.onRequest = watchdog.note;
  activity.note = watchdog.noteRun;
  void database.limitStatements?.(); // beside the loading of plugins
  return () => watchdog.stop();
}

/** Keeps code from ending the process, and tells of each try; returns its undo. */
export function guardEnding({ loggers, stackTraces }: App): () => void {
  return guardProcess((call) => {
    const error = new Error(call);
    const thrower = stackTraces.throwerOf(error);
    const who = thrower === null ? "code" : "plugin";
    loggers.app.error(
      { ...thrower, place: stackTraces.placeOf(error) },
      `${who} called ${call}: refused, the server goes on`,
    );
  });
}
