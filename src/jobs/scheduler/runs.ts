import { inspect } from "node:util";
import type { Logger } from "pino";
import { outside } from "../../db/transactions/ambient.ts";
import { splitName } from "../definition/options.ts";
import type { DueRun, Ledger } from "./ledger.ts";
import type { Task } from "./task.ts";

export interface RunsOptions {
  readonly ledger: Ledger;
  readonly leaseMs: number;
  readonly log: Logger;
  /** Has a task be run by `run`, which resolves with its error or null, and passes that on. @default it runs as it is */
  readonly around?: AroundTask | undefined;
}

/** What runs of tasks go through. */
export type AroundTask = (
  task: Pick<Task, "name" | "plugin">,
  run: () => Promise<string | null>,
) => Promise<string | null>;

const NOTE_TRIES = 5;
const NOTE_PAUSE_MS = 500;

/** The runs of tasks in this process. */
export class Runs {
  readonly #options: RunsOptions;
  readonly #underWay = new Map<string, { readonly task: Task; readonly ended: Promise<unknown> }>();
  readonly #controller = new AbortController();

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  /** Runs the handler of a task, and notes what comes of it; resolves then, with its error or null. It never rejects. */
  start(task: Task, run: DueRun): Promise<string | null> {
    const { around } = this.#options;
    const work = (): Promise<string | null> => this.#run(task, run);
    const ended = outside(() => (around === undefined ? work() : around(task, work)));
    this.#underWay.set(run.runId, { task, ended });
    task.hold(ended);
    return ended.finally(() => void this.#underWay.delete(run.runId));
  }

  /** Waits for all runs until `signal` is aborted, and then tells those that are left, by their own. */
  async close(signal: AbortSignal): Promise<void> {
    const late = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const all = Promise.all([...this.#underWay.values()].map(({ ended }) => ended));
    await Promise.race([all, late]);
    this.#controller.abort(new Error("The server stops"));
    const { log, ledger } = this.#options;
    for (const [runId, { task }] of this.#underWay) {
      const { name, plugin } = task;
      log.warn({ plugin, task: name }, "a task was cut off: the server stops");
      // oxlint-disable-next-line no-await-in-loop -- few
      await ledger.end({ name, runId, durationMs: 0, error: "Cut off: the server stopped" }).catch(() => {});
    }
    this.#underWay.clear();
  }

  async #run(task: Task, { runId, dueAt }: DueRun): Promise<string | null> {
    const { name, plugin } = task;
    const startedAt = performance.now();
    const stopRenewing = task.mayOverlap ? () => {} : this.#renew(task, runId);
    let error: string | null = null;
    try {
      await task.handler({
        name: splitName(name).name,
        dueAt: new Date(dueAt),
        signal: this.#controller.signal,
        log: task.log.child({ task: name }),
      });
    } catch (thrown) {
      error = toText(thrown);
      this.#options.log.error({ err: thrown, plugin, task: name }, "task failed");
    } finally {
      stopRenewing();
    }
    const durationMs = performance.now() - startedAt;
    // One that was cut off has been noted.
    if (!this.#controller.signal.aborted) await this.#note({ name, runId, durationMs, error });
    return error;
  }

  /** Keeps the run for as long as it goes on; returns what ends that. */
  #renew({ name, plugin }: Task, runId: string): () => void {
    const { ledger, leaseMs, log } = this.#options;
    const renew = async (): Promise<void> => {
      try {
        await ledger.renew(name, runId);
      } catch (error) {
        log.warn({ err: error, plugin, task: name }, "it can't be noted now that a task still runs");
      }
    };
    const timer = setInterval(() => void renew(), leaseMs / 3).unref();
    return () => clearInterval(timer);
  }

  async #note(ended: Parameters<Ledger["end"]>[0]): Promise<void> {
    const { ledger, log } = this.#options;
    for (let tries = 1; ; tries += 1) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- until the database takes it
        await ledger.end(ended);
        return;
      } catch (error) {
        if (tries === NOTE_TRIES || this.#controller.signal.aborted) {
          log.warn({ err: error, task: ended.name }, "it can't be noted that a task has ended");
          return;
        }
        // oxlint-disable-next-line no-await-in-loop
        await Bun.sleep(NOTE_PAUSE_MS * tries);
      }
    }
  }
}

function toText(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : inspect(error);
}
