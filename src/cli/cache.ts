import { Command } from "commander";
import { clearCaches, createCommandCache, hasOtherCaches } from "../app/cache.ts";
import { askForCache, clearCache } from "../app/command-channel.ts";
import type { AppCache } from "../cache/cache.ts";
import type { LoadedConfig } from "../config/load.ts";
import { fail } from "../cache/flights.ts";
import { type CommandContext, loadFor } from "./open/command-context.ts";
import { toExamples, toTable } from "./terminal/output.ts";

/** `xcore cache`: looks at the cache, and clears it. */
export function cacheCommand(context: CommandContext): Command {
  return new Command("cache")
    .description("Look at the cache, and clear it; of the server that runs, or in Redis or Memcached")
    .addHelpText("after", toExamples("xcore cache stats", "xcore cache clear", 'xcore cache clear "shop:*"'))
    .addCommand(clearCommand(context))
    .addCommand(statsCommand(context));
}

function clearCommand(context: CommandContext): Command {
  return new Command("clear")
    .description("Delete what is cached: all of it, or the keys that match")
    .argument("[pattern]", 'keys with the name of their plugin, "*" for any characters', "*")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore cache clear", 'xcore cache clear "shop:customers:*"'))
    .action(async (pattern: string, options: { json?: boolean }, command: Command) => {
      const loaded = loadFor(command, context);
      if (pattern === "") {
        const instead = 'name the keys, such as "shop:*", or leave the pattern out for all of them';
        throw fail("validation_error", `Cannot clear "": ${instead}`);
      }
      const running = await clearCache(loaded, pattern).catch(refuse);
      if (running?.waitsFor !== undefined)
        throw fail(
          "cache_unavailable",
          `Cannot clear the cache now: ${running.waitsFor} doesn't answer; the server deletes what matches once it does`,
        );
      const { deleted } = running ?? (await clearAlone(loaded, pattern).catch(refuse));
      if (options.json) return context.print(JSON.stringify({ deleted }));
      const done = deleted === null ? "Cleared" : `Deleted ${deleted} ${deleted === 1 ? "key" : "keys"}`;
      if (!hasOtherCaches(loaded)) context.print(done);
      else if (running === null) context.print("Told all instances to clear");
      else context.print(`${done}, and told the other instances to`);
    });
}

/** Where no server runs for the project: in what instances share, or by telling them. */
async function clearAlone(
  loaded: LoadedConfig,
  pattern: string,
): Promise<{ readonly deleted: number | null }> {
  if (!hasOtherCaches(loaded)) return { deleted: await withCache(loaded, (cache) => clear(cache, pattern)) };
  if (await clearCaches(loaded, pattern)) return { deleted: null };
  throw fail("cache_unavailable", "Cannot clear the cache of the instances: Redis doesn't answer");
}

/** A pattern that the backend can't find keys by is no error of the program: its stack tells nobody anything. */
function refuse(error: unknown): never {
  throw error instanceof TypeError ? fail("validation_error", error.message) : error;
}

function statsCommand(context: CommandContext): Command {
  return new Command("stats")
    .description("Tell what the cache does")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore cache stats", "xcore cache stats --json"))
    .action(async (options: { json?: boolean }, command: Command) => {
      const loaded = loadFor(command, context);
      const stats = (await askForCache(loaded)) ?? (await withCache(loaded, (cache) => cache.stats()));
      if (options.json) context.print(JSON.stringify(stats, null, 2));
      else context.print(toTable(Object.entries(stats).map(([name, value]) => [name, String(value)])));
    });
}

async function clear(cache: AppCache, pattern: string): Promise<number | null> {
  const { backend, available } = await cache.stats();
  if (available) return await cache.clear(pattern);
  throw fail("cache_unavailable", `Cannot clear the cache: ${backend} doesn't answer`);
}

/**
 * Opens the cache that instances share.
 *
 * @throws AppError not_found for one that only a server has, in its memory
 */
async function withCache<T>(loaded: LoadedConfig, work: (cache: AppCache) => Promise<T>): Promise<T> {
  if (loaded.config.cache.backend === "memory") {
    throw fail(
      "not_found",
      "Cannot ask the cache: it is in the memory of the server, and none runs for this project",
    );
  }
  const cache = await createCommandCache(loaded);
  try {
    return await work(cache);
  } finally {
    cache.close();
  }
}
