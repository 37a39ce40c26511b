import { type ProcessEnd, spawnChild } from "./child-process.ts";
import { fail } from "../errors/codes.ts";

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

/** What a worker has measured, as JSON; null where it hasn't told that in time. */
export interface WorkerFigures {
  readonly worker: number;
  readonly figures: unknown;
}

/** A worker as its supervisor sees it. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves once it answers at its port: true, or false when it has ended before. */
  readonly ready: Promise<boolean>;
  readonly ended: Promise<ProcessEnd>;
  /** Has it let new connections go to another worker, the `successor`-th that has begun to listen, and then stop. */
  retire(successor: number): void;
  /** Asks for what it has measured; null when it doesn't answer in time. */
  askFigures(): Promise<unknown>;
  kill(signal: NodeJS.Signals): void;
}

type ToWorker =
  | { readonly start: WorkerOrder }
  | { readonly retire: number }
  | { readonly ask: number }
  | { readonly others: readonly WorkerFigures[]; readonly to: number };
type FromWorker =
  | typeof READY
  | { readonly figures: unknown; readonly to: number }
  | { readonly askOthers: number };
const READY = "xcore:ready";
const FIGURES_MS = 1000;

/**
 * Starts a worker; it dies with the process that started it, since the channel between them is closed then.
 *
 * @param options `askOthers` asks all but this one for what they have measured
 */
export function spawnWorker(
  command: readonly string[],
  order: WorkerOrder,
  { askOthers }: { readonly askOthers: () => Promise<readonly WorkerFigures[]> },
): WorkerProcess {
  const questions = new Questions<unknown>();
  const ready = Promise.withResolvers<boolean>();
  const { pid, ended, tell, kill } = spawnChild<{ told: ToWorker; tells: FromWorker }>(command, {
    onMessage(message) {
      if (message === READY) ready.resolve(true);
      else if ("figures" in message) questions.answer(message.to, message.figures);
      else void askOthers().then((others) => tell({ others, to: message.askOthers }));
    },
    onEnd: () => ready.resolve(false),
  });
  tell({ start: order });
  return {
    pid,
    ready: ready.promise,
    ended,
    retire: (successor) => tell({ retire: successor }),
    askFigures: () => questions.ask((ask) => tell({ ask }), null),
    kill,
  };
}

/** A supervisor as its worker sees it. */
export interface WorkerChannel {
  readonly order: WorkerOrder;
  tellReady(): void;
  /** @param handler told to stop, after letting new connections go to the `successor`-th; null when the supervisor is gone */
  onRetire(handler: (successor: number | null) => void): void;
  /** @param handler asked for what this process has measured, which is JSON */
  onAsked(handler: () => Promise<unknown>): void;
  /** Asks all others for what they have measured. */
  askOthers(): Promise<readonly WorkerFigures[]>;
}

/**
 * Waits for what the supervisor tells this process, which is one of its workers.
 *
 * @throws AppError config_invalid when no supervisor has started it
 */
export async function joinSupervisor(): Promise<WorkerChannel> {
  if (process.send === undefined) {
    throw fail(
      "config_invalid",
      "Cannot run as a worker: --worker is for xcore itself; for several processes use --workers",
    );
  }
  const first = Promise.withResolvers<WorkerOrder>();
  const retired = Promise.withResolvers<number | null>();
  const questions = new Questions<readonly WorkerFigures[]>();
  let read: (() => Promise<unknown>) | null = null;
  process.on("message", (message: ToWorker) => {
    if ("start" in message) first.resolve(message.start);
    else if ("retire" in message) retired.resolve(message.retire);
    else if ("others" in message) questions.answer(message.to, message.others);
    else {
      const told = Promise.resolve(read?.() ?? null).catch(() => null); // whoever asked sees that this one is missing
      void told.then((figures) => send({ figures, to: message.ask }));
    }
  });
  process.once("disconnect", () => retired.resolve(null));
  return {
    order: await first.promise,
    tellReady: () => send(READY),
    onRetire: (handler) => void retired.promise.then(handler),
    onAsked: (handler) => void (read = handler),
    // Twice the time: the supervisor waits for those that don't answer.
    askOthers: () => questions.ask((askOthers) => send({ askOthers }), [], FIGURES_MS * 2),
  };
}

function send(message: FromWorker): void {
  process.send?.(message);
}

/** Questions to another process that have no answer yet. */
class Questions<Answer> {
  readonly #open = new Map<number, (answer: Answer) => void>();
  #asked = 0;

  /** Sends a question by its number, and resolves with the answer; with `otherwise` where none comes in time. */
  async ask(pose: (number: number) => void, otherwise: Answer, timeoutMs = FIGURES_MS): Promise<Answer> {
    const number = (this.#asked += 1);
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => resolve(otherwise), timeoutMs);
    this.#open.set(number, resolve);
    pose(number);
    const answer = await promise;
    clearTimeout(timer);
    this.#open.delete(number);
    return answer;
  }

  answer(number: number, answer: Answer): void {
    this.#open.get(number)?.(answer);
  }
}
