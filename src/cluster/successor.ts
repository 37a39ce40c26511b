import { type ProcessEnd, spawnChild } from "./child-process.ts";
import { fail } from "../errors/codes.ts";

/** Where a server listens that hands over to another process. */
export interface HandOverOrder {
  readonly hostname: string;
  readonly port: number;
  /** What its configuration said of the port, such as 0 for any. */
  readonly configuredPort: number;
}

/** What a process says that is ready to take over. */
export interface Readiness {
  readonly version: string;
  /** Whether it listens where it was told to: its configuration may say another address by now. */
  readonly isSameAddress: boolean;
  /** Names of the plugins that serve in it. */
  readonly serving: readonly string[];
}

type ToSuccessor = { readonly start: HandOverOrder } | { readonly ask: "health" | "confirm" };
type FromSuccessor =
  | { readonly ready: Readiness }
  | { readonly problem: string }
  | { readonly isHealthy: boolean };

/** A process that is to take over, as the one sees it that hands over. */
export interface Successor {
  readonly pid: number;
  /** Resolves once it answers; with why it doesn't, as far as it says so, when it has ended before. */
  readonly ready: Promise<Readiness | string | null>;
  readonly ended: Promise<ProcessEnd>;
  /** Asks whether it is still healthy; false when it has ended. */
  isHealthy(): Promise<boolean>;
  /** Tells it that it is the only one from now on. */
  confirm(): void;
  kill(signal: NodeJS.Signals): void;
}

/** Starts a process that is to take over; it goes on when this one ends. */
export function spawnSuccessor(
  command: readonly string[],
  { order, environment }: { readonly order: HandOverOrder; readonly environment: NodeJS.ProcessEnv },
): Successor {
  const ready = Promise.withResolvers<Readiness | string | null>();
  const health = Promise.withResolvers<boolean>();
  const { pid, ended, tell, kill } = spawnChild<{ told: ToSuccessor; tells: FromSuccessor }>(command, {
    environment,
    onMessage(message) {
      if ("ready" in message) ready.resolve(message.ready);
      else if ("isHealthy" in message) health.resolve(message.isHealthy);
      else ready.resolve(message.problem);
    },
    onEnd() {
      ready.resolve(null);
      health.resolve(false);
    },
  });
  tell({ start: order });
  return {
    pid,
    ready: ready.promise,
    ended,
    isHealthy() {
      tell({ ask: "health" });
      return health.promise;
    },
    confirm: () => tell({ ask: "confirm" }),
    kill,
  };
}

/** The process that hands over, as the one sees it that takes over. */
export interface Predecessor {
  readonly order: HandOverOrder;
  tellReady(readiness: Readiness): void;
  /** Says why this process can't take over. */
  tellProblem(problem: string): void;
  /** What is asked whether this process is healthy. */
  checkHealth: () => Promise<boolean>;
  /** Resolves once this process is the one that counts: it was told so, or the other is gone. */
  readonly confirmed: Promise<void>;
  /** Resolves once the other is gone. */
  readonly gone: Promise<void>;
}

/**
 * Waits for what the process says that this one is to take over from.
 *
 * @throws AppError hand_over_failed when no server has started it
 */
export async function joinPredecessor(): Promise<Predecessor> {
  if (process.send === undefined) {
    throw fail(
      "hand_over_failed",
      "Cannot take over: --successor is for xcore itself; run xcore service restart",
    );
  }
  const order = Promise.withResolvers<HandOverOrder>();
  const confirmed = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  process.on("message", (message: ToSuccessor) => {
    if ("start" in message) order.resolve(message.start);
    else if (message.ask === "confirm") confirmed.resolve();
    else void predecessor.checkHealth().then((isHealthy) => report({ isHealthy }));
  });
  process.once("disconnect", () => {
    gone.resolve();
    confirmed.resolve();
  });
  const predecessor: Predecessor = {
    order: await order.promise,
    checkHealth: async () => false,
    tellReady: (readiness) => report({ ready: readiness }),
    tellProblem: (problem) => report({ problem }),
    confirmed: confirmed.promise,
    gone: gone.promise,
  };
  return predecessor;
}

function report(message: FromSuccessor): void {
  // Whoever has started this process may be gone: then nobody waits for it.
  if (process.connected) process.send?.(message);
}
