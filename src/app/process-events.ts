import { constants } from "node:os";

const ECHO_MS = 500; // npx passes a Ctrl+C on that the terminal has sent already

export interface ProcessEventHandlers {
  /** A signal asked the process to end: does the work that comes before. */
  readonly stop: (signal: NodeJS.Signals) => Promise<void>;
  /** Nobody caught this error. */
  readonly onError: (error: unknown) => void;
}

/**
 * Ends the process after `stop` when SIGTERM or SIGINT comes, and at once when another one follows. An error
 * that nobody caught is reported and ends nothing: one plugin's forgotten promise must not take down the others.
 *
 * @returns its undo
 */
export function followProcess({ stop, onError }: ProcessEventHandlers): () => void {
  let askedAt: number | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (askedAt !== null) {
      if (performance.now() - askedAt > ECHO_MS) process.exit(128 + constants.signals[signal]);
      return;
    }
    askedAt = performance.now();
    void stop(signal)
      .then(() => 0)
      .catch((error: unknown) => {
        onError(error);
        return 1;
      })
      .then((code) => process.exit(code));
  };
  const handlers = {
    SIGTERM: onSignal,
    SIGINT: onSignal,
    uncaughtException: onError,
    unhandledRejection: onError,
  };
  for (const [event, handler] of Object.entries(handlers)) process.on(event, handler);
  return () => {
    for (const [event, handler] of Object.entries(handlers)) process.off(event, handler);
  };
}
