/** How a process ended. */
export interface ProcessEnd {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

/** Says how a process ended, after "ended". */
export function describeEnd({ code, signal }: ProcessEnd): string {
  return signal === null ? `with exit code ${code}` : `by ${signal}`;
}

/** A process that is told things, and tells some. */
export interface ChildProcess<Told> {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  /** Tells it something; nothing happens when it has ended. */
  readonly tell: (message: Told) => void;
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** What goes over a channel, as JSON: what the process is told, and what it tells. */
interface Messages {
  readonly told: unknown;
  readonly tells: unknown;
}

/** Starts a process with a channel to it. */
export function spawnChild<Channel extends Messages>(
  command: readonly string[],
  {
    environment,
    onMessage,
    onEnd,
  }: {
    /** @default that of this process */
    readonly environment?: NodeJS.ProcessEnv;
    readonly onMessage: (message: Channel["tells"]) => void;
    /** Called before `ended` resolves. */
    readonly onEnd: () => void;
  },
): ChildProcess<Channel["told"]> {
  const ended = Promise.withResolvers<ProcessEnd>();
  const child = Bun.spawn([...command], {
    stdio: ["ignore", "inherit", "inherit"],
    ...(environment && { env: environment }),
    serialization: "json",
    ipc: onMessage,
    onExit({ exitCode, signalCode }) {
      onEnd();
      ended.resolve({ code: exitCode, signal: signalCode === null ? null : String(signalCode) });
    },
  });
  return {
    pid: child.pid,
    ended: ended.promise,
    tell: (message) => {
      try {
        child.send(message);
      } catch {
        // It has ended, which is told elsewhere.
      }
    },
    kill: (signal) => child.kill(signal),
  };
}
