import { chmodSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import type { AppCache, CacheStats } from "../cache/cache.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { summarizePlugin } from "../plugins/admin/answers.ts";
import type { PluginManager } from "../plugins/manager.ts";

/** What `/system/plugins` says of each plugin. */
export type PluginSummaries = readonly ReturnType<typeof summarizePlugin>[];

/** What a server says, of whichever of these it is asked about. */
interface Answer {
  /** Plugins directory of the server. */
  readonly directory: string;
  readonly plugins?: PluginSummaries;
  readonly cache?: CacheStats;
  /** How many keys were deleted; null where the backend doesn't say. */
  readonly deleted?: number | null;
  /** A server of the cache that doesn't answer now: what is to be deleted is, once it does. */
  readonly waitsFor?: string;
  /** Why it can't be done. */
  readonly refusal?: string;
}

/** What commands can ask about. */
export interface ChannelParts {
  readonly plugins: PluginManager;
  readonly cache: AppCache;
}

const PLUGINS = "/";
const CACHE = "/cache";

const SOCKET = /^(\d+)-[0-9a-f]+\.sock$/;
const SETTLE_MS = 2000;
const ANSWER_MS = 5000;

/**
 * Answers commands that ask the running server which state its plugins are in, and about its cache: what a look at files
 * doesn't tell. They find its socket in the data directory, which is nobody's but its user's. Where there can be none,
 * commands look at the files.
 *
 * @returns what closes it
 */
export function openCommandChannel(loaded: LoadedConfig, parts: ChannelParts, log: Logger): () => void {
  try {
    const folder = toFolder(loaded);
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o700);
    removeStale(folder);
    const file = join(folder, `${process.pid}-${crypto.randomUUID().slice(0, 8)}.sock`);
    const server = Bun.serve({
      unix: file,
      development: false,
      async fetch(request) {
        const answer: Answer = { directory: toDirectory(loaded), ...(await toAnswer(request, parts)) };
        return Response.json(answer);
      },
    });
    server.unref();
    return () => {
      void server.stop(true);
      rmSync(file, { force: true });
    };
  } catch (error) {
    log.debug({ err: error }, "commands can't ask this server: they look at the files of plugins");
    return () => {};
  }
}

async function toAnswer(
  request: Request,
  { plugins, cache }: ChannelParts,
): Promise<Omit<Answer, "directory">> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === CACHE) {
    if (request.method !== "DELETE") return { cache: await cache.stats() };
    try {
      const deleted = await cache.clear(searchParams.get("pattern") ?? "*");
      const { available, backend } = await cache.stats();
      return available ? { deleted } : { deleted: null, waitsFor: backend };
    } catch (error) {
      return { refusal: error instanceof Error ? error.message : String(error) };
    }
  }
  // Most servers are never asked.
  const answers = await import("../plugins/admin/answers.ts");
  await Promise.race([plugins.settled(), Bun.sleep(SETTLE_MS)]);
  return { plugins: plugins.list().map((record) => answers.summarizePlugin(record)) };
}

/** Asks the server that runs for this project, if one does, which state its plugins are in; null when none answers. */
export async function askRunningServer(loaded: LoadedConfig): Promise<PluginSummaries | null> {
  return (await ask(loaded, PLUGINS))?.plugins ?? null;
}

/** Asks the server that runs for this project what its cache does; null when none answers. */
export async function askForCache(loaded: LoadedConfig): Promise<CacheStats | null> {
  return (await ask(loaded, CACHE))?.cache ?? null;
}

/**
 * Has the server that runs for this project delete what matches from its cache; null when none answers.
 *
 * @throws TypeError for a pattern that the backend can't find keys by
 */
export async function clearCache(
  loaded: LoadedConfig,
  pattern: string,
): Promise<(Pick<Answer, "waitsFor"> & { readonly deleted: number | null }) | null> {
  const answer = await ask(loaded, `${CACHE}?${new URLSearchParams({ pattern }).toString()}`, "DELETE");
  if (answer?.refusal !== undefined) throw new TypeError(answer.refusal);
  if (answer?.deleted === undefined) return null;
  const { deleted, waitsFor } = answer;
  return { deleted, ...(waitsFor !== undefined && { waitsFor }) };
}

async function ask(loaded: LoadedConfig, path: string, method = "GET"): Promise<Answer | null> {
  for (const file of listSockets(toFolder(loaded))) {
    try {
      const signal = AbortSignal.timeout(ANSWER_MS);
      // oxlint-disable-next-line no-await-in-loop -- mostly there is one
      const response = await fetch(`http://localhost${path}`, { method, unix: file, signal });
      // oxlint-disable-next-line no-await-in-loop -- as above
      const answer = (await response.json()) as Answer;
      if (answer.directory === toDirectory(loaded)) return answer;
    } catch {
      // Left behind by one that was killed, or of another version.
    }
  }
  return null;
}

function toFolder({ directory, config }: LoadedConfig): string {
  return join(resolve(directory, config.app.data_directory), "run");
}

function toDirectory({ directory, config }: LoadedConfig): string {
  return resolve(directory, config.plugins.directory);
}

/** Sockets in a folder, that of the server that was started last first. */
function listSockets(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => SOCKET.test(name))
      .map((name) => join(folder, name))
      .map((file) => ({ file, startedMs: statSync(file).mtimeMs }))
      .toSorted((a, b) => b.startedMs - a.startedMs)
      .map(({ file }) => file);
  } catch {
    return [];
  }
}

/** Removes what servers that were killed have left. */
function removeStale(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = Number(SOCKET.exec(name)?.[1]);
    if (!Number.isNaN(pid) && !isRunning(pid)) rmSync(join(folder, name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
