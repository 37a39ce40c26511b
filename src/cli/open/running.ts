import type { App } from "../../app/app.ts";
import type { JsonObject } from "../../config/json/values.ts";
import type { LoadedConfig } from "../../config/load.ts";
import type { CommandContext } from "./command-context.ts";

/**
 * Runs the app for a command as the server runs it, but for the web server: with the database open, the plugins loaded
 * and set up, and their hooks in effect. Logs go to standard error; of the life of plugins only what went wrong.
 *
 * @throws whatever `work` throws, or what nobody caught meanwhile, with its stack in terms of the sources
 */
export async function withRunningApp(
  load: (shared?: JsonObject) => LoadedConfig,
  { version }: CommandContext,
  work: (app: App) => unknown,
): Promise<void> {
  const { createApp } = await import("../../app/app.ts");
  const uncaught = Promise.withResolvers<never>();
  const app = await createApp({
    loaded: load(),
    load,
    version,
    isCommand: true,
    stdout: process.stderr,
    onUncaught: uncaught.reject,
    print() {},
  });
  process.on("uncaughtException", uncaught.reject);
  process.on("unhandledRejection", uncaught.reject);
  try {
    app.loggers.manager.level = "warn";
    await app.plugins.start();
    await app.plugins.settled();
    await Promise.race([work(app), uncaught.promise]);
  } catch (error) {
    if (error instanceof Error) error.stack = app.stackTraces.map(String(error.stack));
    throw error;
  } finally {
    process.off("uncaughtException", uncaught.reject);
    process.off("unhandledRejection", uncaught.reject);
    await app.close();
  }
}
