import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import { ECHO_MS } from "../../native/loop-watch.ts";

/** They would end the process where nobody listens. */
const HARMLESS = ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

export interface ProcessEventHandlers {
  /** A signal asked the process to end: does the work that comes before, and returns the exit code. */
  readonly stop: (signal: NodeJS.Signals) => Promise<number>;
  /** A signal asked for the configuration to be read again. */
  readonly reload: () => void;
  /** Ends the process. */
  readonly end: (code: number) => void;
  /** Nobody caught this error. */
  readonly onError: (error: unknown) => void;
}

/** Keeps the signals that aren't meant to end a server from ending it, while it starts too. */
export function ignoreHarmlessSignals(): void {
  for (const signal of HARMLESS) if (process.listenerCount(signal) === 0) process.on(signal, () => {});
}

/**
 * Ends the process after `stop` when SIGTERM or SIGINT comes, and at once when another one follows. SIGHUP reloads, or
 * ends the process as well where it comes because its terminal was closed. An error that nobody caught is reported and
 * ends nothing: one plugin's forgotten promise must not take down the others.
 *
 * @returns its undo
 */
export function followProcess({ stop, reload, end, onError }: ProcessEventHandlers): () => void {
  let askedAt: number | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (askedAt !== null) {
      if (performance.now() - askedAt > ECHO_MS) end(128 + constants.signals[signal]);
      return;
    }
    askedAt = performance.now();
    void stop(signal)
      .catch((error: unknown) => {
        onError(error);
        return 1;
      })
      .then(end);
  };
  const handlers = {
    SIGTERM: onSignal,
    SIGINT: onSignal,
    SIGHUP: (signal: NodeJS.Signals) => (isTerminalClosed() ? onSignal(signal) : reload()),
    uncaughtException: onError,
    unhandledRejection: onError,
  };
  for (const [event, handler] of Object.entries(handlers)) process.on(event, handler);
  return () => {
    for (const [event, handler] of Object.entries(handlers)) process.off(event, handler);
  };
}

/** Whether the terminal that the process was started in is gone. */
function isTerminalClosed(): boolean {
  if (process.platform === "win32") return true; // it has the signal for nothing else
  if (!process.stdout.isTTY) return false;
  try {
    closeSync(openSync("/dev/tty", "r"));
    return false;
  } catch {
    return true;
  }
}
