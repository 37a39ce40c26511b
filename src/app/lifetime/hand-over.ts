import { readFileSync } from "node:fs";
import type { Logger } from "pino";
import { type HandOverOrder, spawnSuccessor, type Successor } from "../../cluster/successor.ts";
import { describeEnd } from "../../cluster/child-process.ts";
import { fail } from "../../errors/codes.ts";
import type { AppError } from "../../errors/errors.ts";
import { findListening, leaveTo, type ListeningSockets } from "../../native/listening-socket.ts";

const READY_MS = 30_000; // in which a new process is to answer, and to be healthy
/** What engines, or images, run as process 1. */
const CONTAINER_INITS = /^(?:docker-init|podman-init|tini(?:-static)?|dumb-init|catatonit|sh|bash|dash)$/;
const KILL_AFTER_MS = 10_000;

export interface HandOverOptions {
  readonly log: Logger;
  /** What starts the new process. */
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly order: HandOverOrder;
  /** Ports beside that of the order where both listen. */
  readonly otherPorts: readonly number[];
  /** How long the new process has to go on until this one relies on it, in ms. */
  readonly steadyMs: number;
  /** Names of the plugins that serve here. */
  readonly listServing: () => readonly string[];
  /** Asks clients to use their connections no more, or takes that back. */
  readonly setLeaving: (isLeaving: boolean) => void;
  /** Aborted when this process is told to stop. */
  readonly signal: AbortSignal;
}

/** A new process that has taken over. */
export interface HandedOver {
  readonly pid: number;
  readonly version: string;
  /** Tells it that it is the only one from now on. */
  readonly confirm: () => void;
  /** Resolves once nobody is refused when this process closes its sockets. */
  readonly leave: () => Promise<void>;
}

/** What this process listens on, by port. */
type Ports = ReadonlyMap<number, ListeningSockets>;

/**
 * Starts a new process beside this one, with the executable, the configuration and the plugins as they are by now, and
 * lets it have all new connections once it is healthy. This process listens on until it relies on the new one: where that
 * ends, the system gives it the connections back at once.
 *
 * @throws AppError hand_over_failed, once the new process has ended: this one goes on as if nothing had been
 */
export async function handOver(options: HandOverOptions): Promise<HandedOver> {
  const { command, order, otherPorts, environment, log } = options;
  assertPossible();
  const ports = new Map<number, ListeningSockets>();
  for (const port of [order.port, ...otherPorts]) {
    // oxlint-disable-next-line no-await-in-loop -- one, or two
    const sockets = await findListening(port);
    if (sockets !== null && sockets.count > 0) ports.set(port, sockets);
  }
  if (!ports.has(order.port)) throw refuse("the system doesn't let two processes listen on one port");
  for (const sockets of ports.values()) sockets.share(true);
  log.info("starting a new process that is to take over");
  const successor = spawnSuccessor(command, { order, environment });
  try {
    return await follow(successor, ports, options);
  } catch (error) {
    options.setLeaving(false);
    await endProcess(successor);
    for (const sockets of ports.values()) {
      sockets.prefer(null);
      sockets.share(false);
    }
    log.error({ err: error }, "nothing is handed over: this process goes on");
    throw error;
  }
}

/** @throws AppError hand_over_failed where the system, or whoever has started this process, would end both */
function assertPossible(): void {
  if (process.platform !== "linux") {
    throw refuse("two processes listen on one port on Linux only; stop it and start it again");
  }
  if (process.pid === 1 || isChildOfContainer()) {
    throw refuse("its container ends with it; start another container, and stop this one once that answers");
  }
  if (process.execArgv.includes("--hot")) throw refuse("bun --hot swaps the code within one process");
}

/** Whether what a container has started for it waits for this process alone. */
function isChildOfContainer(): boolean {
  if (process.ppid !== 1) return false;
  try {
    return CONTAINER_INITS.test(readFileSync("/proc/1/comm", "utf8").trim());
  } catch {
    return false; // hidden, as in a service of systemd
  }
}

async function follow(
  successor: Successor,
  ports: Ports,
  { log, steadyMs, setLeaving, listServing, signal }: HandOverOptions,
): Promise<HandedOver> {
  const readiness = await becomeReady(successor, signal);
  const serving = new Set(readiness.serving);
  const missing = listServing().filter((name) => !serving.has(name));
  if (missing.length > 0) {
    throw refuse(
      `plugins that serve can't in the new process: ${missing.join(", ")}; logs/manager.log says why`,
    );
  }
  // Of all sockets of a port the new process has the last. Where it has none, they go on as before.
  if (readiness.isSameAddress) for (const sockets of ports.values()) sockets.prefer(sockets.count);
  setLeaving(true);
  if (steadyMs > 0) {
    log.info(`process ${successor.pid} answers, and takes over if it is well after ${steadyMs / 1000} s`);
    await goOn(successor, steadyMs, signal);
  }
  if (signal.aborted) throw refuse(STOPPING);
  return {
    pid: successor.pid,
    version: readiness.version,
    confirm: () => successor.confirm(),
    async leave() {
      if (!readiness.isSameAddress) return;
      await Promise.all([...ports].map(([port, { count }]) => leaveTo(port, count)));
    },
  };
}

async function becomeReady(successor: Successor, signal: AbortSignal) {
  const readiness = await orStopped(orLate(successor.ready, READY_MS), signal);
  if (readiness === "late") {
    throw refuse(`the new process isn't healthy after ${READY_MS / 1000} s; logs/app.log says why`);
  }
  if (readiness === null) {
    throw refuse(`the new process ended ${describeEnd(await successor.ended)}; logs/app.log may say why`);
  }
  if (typeof readiness === "string") throw refuse(`the new process says: ${readiness}`);
  return readiness;
}

/** @throws AppError hand_over_failed where the new process ends, or isn't healthy when the time is over */
async function goOn(successor: Successor, steadyMs: number, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  const end = await orStopped(orLate(successor.ended, steadyMs), signal);
  if (end !== "late") {
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    throw refuse(`the new process ended ${describeEnd(end)}, ${seconds} s after it took over`);
  }
  if ((await orStopped(orLate(successor.isHealthy(), READY_MS), signal)) !== true) {
    throw refuse(`the new process isn't healthy any more, ${steadyMs / 1000} s after it took over`);
  }
}

async function endProcess(successor: Successor): Promise<void> {
  successor.kill("SIGTERM");
  if ((await orLate(successor.ended, KILL_AFTER_MS)) === "late") successor.kill("SIGKILL");
  await successor.ended;
}

const STOPPING = "this server is told to stop";

function refuse(reason: string): AppError {
  return fail("hand_over_failed", `Cannot hand over to a new process: ${reason}`);
}

/** @throws AppError hand_over_failed once `signal` is aborted */
async function orStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const stop = (): void => stopped.reject(refuse(STOPPING));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function orLate<T>(work: Promise<T>, ms: number): Promise<T | "late"> {
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
