import { chmodSync, mkdirSync, readdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import type { AppCache, CacheStats } from "../cache/cache.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { summarizePlugin } from "../plugins/admin/answers.ts";
import { fail } from "../errors/codes.ts";
import { isRunning } from "../files/temporary-folder.ts";
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
  readonly handedOver?: HandedOver;
  /** Why it can't be done. */
  readonly refusal?: string;
}

/** What runs in place of the server that was asked. */
export interface HandedOver {
  /** The process that the service is by now: another one, or the one that keeps the workers, which are others. */
  readonly pid: number;
}

/** What commands can ask about: a process answers what it has, and they ask the next one for the rest. */
export interface ChannelParts {
  readonly plugins?: PluginManager;
  readonly cache?: AppCache;
  /** Has a new process take over, which has `steadyMs` to prove itself. @throws AppError hand_over_failed */
  readonly handOver?: (steadyMs: number) => Promise<HandedOver>;
}

const PLUGINS = "/";
const CACHE = "/cache";
const HAND_OVER = "/hand-over";

/** As it was when this process began: its file may be another one by now. */
const EXECUTABLE = toRealPath(process.execPath);
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
      ...({ idleTimeout: 0 } as object), // a new process may take a while; Bun's types know it for ports only
      async fetch(request) {
        const answer: Answer = { directory: toDirectory(loaded), ...(await toAnswer(request, parts)) };
        return Response.json(answer);
      },
    });
    server.unref();
    return () => {
      void server.stop(); // who asked for the end waits for its answer
      rmSync(file, { force: true });
    };
  } catch (error) {
    log.debug({ err: error }, "commands can't ask this server: they look at the files of plugins");
    return () => {};
  }
}

async function toAnswer(
  request: Request,
  { plugins, cache, handOver }: ChannelParts,
): Promise<Omit<Answer, "directory">> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === HAND_OVER) {
    if (handOver === undefined || request.method !== "POST") return {};
    const executable = searchParams.get("executable");
    if (executable !== null && executable !== EXECUTABLE) return {};
    try {
      return { handedOver: await handOver(Number(searchParams.get("steady_ms"))) };
    } catch (error) {
      return { refusal: toMessage(error) };
    }
  }
  if (pathname === CACHE) {
    if (cache === undefined) return {};
    if (request.method !== "DELETE") return { cache: await cache.stats() };
    try {
      const deleted = await cache.clear(searchParams.get("pattern") ?? "*");
      const { available, backend } = await cache.stats();
      return available ? { deleted } : { deleted: null, waitsFor: backend };
    } catch (error) {
      return { refusal: toMessage(error) };
    }
  }
  if (plugins === undefined) return {};
  // Most servers are never asked.
  const answers = await import("../plugins/admin/answers.ts");
  await Promise.race([plugins.settled(), Bun.sleep(SETTLE_MS)]);
  return { plugins: plugins.list().map((record) => answers.summarizePlugin(record)) };
}

/** Asks the server that runs for this project, if one does, which state its plugins are in; null when none answers. */
export async function askRunningServer(loaded: LoadedConfig): Promise<PluginSummaries | null> {
  return (await ask(loaded, PLUGINS, { knows: "plugins" }))?.plugins ?? null;
}

/** Asks the server that runs for this project what its cache does; null when none answers. */
export async function askForCache(loaded: LoadedConfig): Promise<CacheStats | null> {
  return (await ask(loaded, CACHE, { knows: "cache" }))?.cache ?? null;
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
  const path = `${CACHE}?${new URLSearchParams({ pattern }).toString()}`;
  const answer = await ask(loaded, path, { method: "DELETE", knows: "deleted" });
  if (answer?.refusal !== undefined) throw new TypeError(answer.refusal);
  if (answer?.deleted === undefined) return null;
  const { deleted, waitsFor } = answer;
  return { deleted, ...(waitsFor !== undefined && { waitsFor }) };
}

export interface HandOverRequest {
  /** How long the new process has to go on until the one before it stops. */
  readonly steadyMs: number;
  /** Real path of the executable that the server has to run from. @default any */
  readonly executable?: string;
}

/**
 * Has the server that runs for this project hand over to a new process; null when none answers.
 *
 * @throws AppError hand_over_failed: the server goes on as it was
 */
export async function askToHandOver(
  loaded: LoadedConfig,
  { steadyMs, executable }: HandOverRequest,
): Promise<HandedOver | null> {
  const query = new URLSearchParams({
    steady_ms: String(steadyMs),
    ...(executable !== undefined && { executable }),
  });
  const path = `${HAND_OVER}?${query.toString()}`;
  const answer = await ask(loaded, path, { method: "POST", knows: "handedOver", timeoutMs: null });
  if (answer?.refusal !== undefined) throw fail("hand_over_failed", answer.refusal);
  return answer?.handedOver ?? null;
}

interface Question {
  readonly method?: "GET" | "POST" | "DELETE";
  /** What an answer has where its process knows it. */
  readonly knows: keyof Answer;
  /** null waits for as long as the server is there. */
  readonly timeoutMs?: number | null;
}

async function ask(
  loaded: LoadedConfig,
  path: string,
  { method = "GET", knows, timeoutMs = ANSWER_MS }: Question,
): Promise<Answer | null> {
  for (const file of listSockets(toFolder(loaded))) {
    try {
      const limit = timeoutMs === null ? { timeout: false } : { signal: AbortSignal.timeout(timeoutMs) };
      // oxlint-disable-next-line no-await-in-loop -- mostly there is one
      const response = await fetch(`http://localhost${path}`, { method, unix: file, ...limit });
      // oxlint-disable-next-line no-await-in-loop -- as above
      const answer = (await response.json()) as Answer;
      const isKnown = answer[knows] !== undefined || answer.refusal !== undefined;
      if (answer.directory === toDirectory(loaded) && isKnown) return answer;
    } catch {
      // Left behind by one that was killed, or of another version.
    }
  }
  return null;
}

function toRealPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function toMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
