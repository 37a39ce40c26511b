import { spawnWorker } from "../cluster/worker-process.ts";
import { Supervisor } from "../cluster/supervisor.ts";
import type { LoadedConfig } from "../config/load.ts";
import { fail } from "../errors/codes.ts";
import { createLoggers, type Loggers } from "../log/loggers.ts";
import type { ServiceManager } from "../native/service-manager.ts";
import { type HandedOver, openCommandChannel } from "./command-channel.ts";
import { toLogFolder } from "./context.ts";
import { type Address, toListenError } from "./failure-text.ts";
import { followProcess, ignoreHarmlessSignals } from "./lifetime/process-events.ts";
import { findRedirectAddress, speaksTls } from "../web/https/https.ts";

export interface WorkersOptions {
  readonly loaded: LoadedConfig;
  /** What starts the worker of a number. */
  readonly toCommand: (number: number) => readonly string[];
  /** Makes an empty database where the one that was there is gone. */
  readonly isNew: boolean;
  /** Who has started this process, and is told how it is; null for nobody. */
  readonly manager: ServiceManager | null;
  /** Called with the server's address once the workers answer. */
  readonly onReady: (url: string) => void;
}

/**
 * Runs `server.workers` processes that answer at one port, and ends this process once they have ended: SIGTERM and SIGINT
 * stop them, SIGHUP replaces them one at a time, a crashed one is started again.
 *
 * @throws AppError config_invalid where several processes can't answer together
 * @throws AppError port_unavailable when they couldn't listen
 */
export async function runWorkers(options: WorkersOptions): Promise<never> {
  const { loaded, toCommand, isNew, manager, onReady } = options;
  ignoreHarmlessSignals();
  const { server, cache, logging } = loaded.config;
  assertPossible(loaded);
  const address = { hostname: server.host, port: server.port };
  const port = await findPort(address);
  const redirects = findRedirectAddress(loaded);
  if (redirects !== null) await findPort(redirects);
  const loggers = await createLoggers({ ...logging, directory: toLogFolder(loaded, null) });
  const log = loggers.app;
  if (cache.backend === "memory") {
    log.warn('cache.backend is "memory": each worker has a cache of its own; "redis" makes it one');
  }
  let closeChannel: (() => void) | null = null;
  const supervisor = new Supervisor({
    count: server.workers,
    address: { hostname: server.host, port },
    isNew,
    shutdownMs: server.shutdown_timeout * 1000,
    log,
    spawn: (number, order, spawning) => spawnWorker(toCommand(number), order, spawning),
  });
  followProcess({
    stop(signal) {
      closeChannel?.();
      manager?.tell("STOPPING=1", "STATUS=Stopping");
      return supervisor.stop(signal);
    },
    reload: () => void supervisor.roll(),
    end: (code) => void supervisor.hurry().then(() => end(loggers, code)),
    onError: (error) => log.error({ err: error }, "uncaught error"),
  });
  const code = await supervisor.start();
  if (code !== null) return end(loggers, code);
  const url = server.public_url ?? toUrl(loaded, port);
  log.info({ url, workers: server.workers }, `${server.workers} workers listen on ${url}`);
  closeChannel = openCommandChannel(loaded, { handOver: (steadyMs) => handOver(supervisor, steadyMs) }, log);
  manager?.tell("READY=1", `STATUS=${server.workers} workers listen on ${url}`);
  manager?.beat();
  onReady(url);
  return new Promise<never>(() => {}); // the signals end it
}

/** @throws AppError hand_over_failed */
async function handOver(supervisor: Supervisor, steadyMs: number): Promise<HandedOver> {
  const problem = await supervisor.roll(steadyMs);
  if (problem === null) return { pid: process.pid };
  throw fail("hand_over_failed", `Cannot replace the workers: ${problem}`);
}

async function end(loggers: Loggers, code: number): Promise<never> {
  await loggers.close();
  process.exit(code);
}

/** @throws AppError config_invalid */
function assertPossible({ config: { server, redis } }: LoadedConfig): void {
  const refuse = (reason: string): never => {
    throw fail("config_invalid", `Cannot run ${server.workers} workers: ${reason}`);
  };
  if (process.platform !== "linux") {
    refuse("several processes share a port on Linux only; set server.workers to 1, or run it there");
  }
  if (redis.url === null) {
    refuse(
      "they tell each other by Redis of sessions that end and of what else changes; set redis.url (or REDIS_URL), or server.workers to 1",
    );
  }
  if (process.execArgv.includes("--hot")) refuse("bun --hot swaps one process; set server.workers to 1");
}

/**
 * Finds out which port is listened on, and that nobody else does: workers would share it with a stranger unnoticed.
 *
 * @throws AppError port_unavailable
 */
async function findPort(address: Address): Promise<number> {
  try {
    const { hostname, port: wanted } = address;
    const probe = Bun.listen({ hostname, port: wanted, exclusive: true, socket: { data() {} } });
    const { port } = probe;
    probe.stop(true);
    return port;
  } catch (error) {
    throw await toListenError(error, address);
  }
}

function toUrl(loaded: LoadedConfig, port: number): string {
  const { host } = loaded.config.server;
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return new URL(`${speaksTls(loaded) ? "https" : "http"}://${name}:${port}`).origin;
}
