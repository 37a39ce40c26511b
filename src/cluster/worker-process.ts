/** What a worker is told before it starts. */
export interface WorkerOrder {
  /** Where all listen, whatever the configuration says by now. */
  readonly hostname: string;
  readonly port: number;
  /** Makes an empty database where the one that was there is gone. */
  readonly isNew: boolean;
  /** The link to the page that makes the first administrator: all workers know it, one shows it. */
  readonly setup: { readonly token: string; readonly ageMs: number; readonly isShown: boolean };
}

/** How a process ended. */
export interface WorkerEnd {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

/** Says how a process ended, after "ended". */
export function describeEnd({ code, signal }: WorkerEnd): string {
  return signal === null ? `with exit code ${code}` : `by ${signal}`;
}

/** A worker as its supervisor sees it. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves once it answers at its port: true, or false when it has ended before. */
  readonly ready: Promise<boolean>;
  readonly ended: Promise<WorkerEnd>;
  /** Has it let new connections go to another worker, the `successor`-th that has begun to listen, and then stop. */
  retire(successor: number): void;
  kill(signal: NodeJS.Signals): void;
}

type ToWorker = { readonly start: WorkerOrder } | { readonly retire: number };
const READY = "xcore:ready";

/** Starts a worker; it dies with the process that started it, since the channel between them is closed then. */
export function spawnWorker(command: readonly string[], order: WorkerOrder): WorkerProcess {
  const ready = Promise.withResolvers<boolean>();
  const ended = Promise.withResolvers<WorkerEnd>();
  const child = Bun.spawn([...command], {
    stdio: ["ignore", "inherit", "inherit"],
    serialization: "json",
    ipc(message) {
      if (message === READY) ready.resolve(true);
    },
    onExit({ exitCode, signalCode }) {
      ready.resolve(false);
      ended.resolve({ code: exitCode, signal: signalCode === null ? null : String(signalCode) });
    },
  });
  const tell = (message: ToWorker): void => {
    try {
      child.send(message);
    } catch {
      // It has ended, which is told elsewhere.
    }
  };
  tell({ start: order });
  return {
    pid: child.pid,
    ready: ready.promise,
    ended: ended.promise,
    retire: (successor) => tell({ retire: successor }),
    kill: (signal) => child.kill(signal),
  };
}

/** A supervisor as its worker sees it. */
export interface WorkerChannel {
  readonly order: WorkerOrder;
  tellReady(): void;
  /** @param handler told to stop, after letting new connections go to the `successor`-th; null when the supervisor is gone */
  onRetire(handler: (successor: number | null) => void): void;
}

/**
 * Waits for what the supervisor tells this process, which is one of its workers.
 *
 * @throws TypeError when no supervisor has started it
 */
export async function joinSupervisor(): Promise<WorkerChannel> {
  if (process.send === undefined) throw new TypeError("Cannot run as a worker: --worker is for xcore itself");
  const first = Promise.withResolvers<WorkerOrder>();
  const retired = Promise.withResolvers<number | null>();
  process.on("message", (message: ToWorker) => {
    if ("start" in message) first.resolve(message.start);
    else retired.resolve(message.retire);
  });
  process.once("disconnect", () => retired.resolve(null));
  return {
    order: await first.promise,
    tellReady: () => void process.send?.(READY),
    onRetire: (handler) => void retired.promise.then(handler),
  };
}
