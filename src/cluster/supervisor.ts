import { constants } from "node:os";
import type { Logger } from "pino";
import { describeEnd, type ProcessEnd } from "./child-process.ts";
import type { WorkerFigures, WorkerOrder, WorkerProcess } from "./worker-process.ts";

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 30_000;
const STEADY_MS = 60_000; // a worker that has run for so long doesn't count as one that fails again and again
const KILL_AFTER_MS = 1000; // beyond what a worker gives itself
const READY_MS = 60_000; // in which a worker answers that replaces another
const STOPPING = "the workers are stopped";

export interface SupervisorOptions {
  /** How many workers run. */
  readonly count: number;
  /** Where all listen. */
  readonly address: Pick<WorkerOrder, "hostname" | "port">;
  /** Makes an empty database where the one that was there is gone. */
  readonly isNew: boolean;
  /** How long a worker that stops may take, in ms. */
  readonly shutdownMs: number;
  readonly log: Logger;
  /** Starts the worker of a number. */
  readonly spawn: (number: number, order: WorkerOrder, options: SpawnOptions) => WorkerProcess;
}

interface SpawnOptions {
  /** Asks all but this one for what they have measured. */
  readonly askOthers: () => Promise<readonly WorkerFigures[]>;
}

interface Worker {
  readonly number: number;
  readonly process: WorkerProcess;
  readyAt: number | null;
  /** Why its end is no crash; null while it is to run. */
  ending: "replaced" | "replacing" | "stopped" | null;
}

/**
 * Keeps workers running that answer at one port: starts a crashed one again, later the more often it fails, replaces
 * them one at a time, and stops them all. They have the numbers from 1 on, with one more for the one that replaces
 * another: no two that run at the same time have the same.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #workers = new Set<Worker>();
  /** When a number is started again. */
  readonly #restarts = new Map<number, Timer>();
  readonly #failures = new Map<number, number>();
  #setup = createSetupToken();
  #rolling: Promise<string | null> | null = null;
  #rollsAgain = false;
  /** Told of each worker that ends by itself. */
  #onCrash: (problem: string) => void = () => {};
  #stopping: Promise<number> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Starts the first worker, which prepares what all need, such as the database, and then the others. Returns null once
   * they answer, or the exit code of the first that couldn't: the others are stopped then.
   */
  async start(): Promise<number | null> {
    const { count, isNew } = this.#options;
    const launched = [this.#launch(1, { isNew, isShown: true }, "stopped")];
    if (await launched[0]?.process.ready) {
      for (let number = 2; number <= count; number += 1) launched.push(this.#launch(number, {}, "stopped"));
    }
    const areReady = await Promise.all(launched.map((worker) => worker.process.ready));
    const failed = launched[areReady.indexOf(false)];
    if (failed === undefined) {
      for (const worker of launched) this.#keep(worker);
      return null;
    }
    const code = toExitCode(await failed.process.ended);
    await this.stop("a worker can't start");
    return code === 0 ? 1 : code;
  }

  /**
   * Replaces the workers one at a time, each once its successor answers; another call meanwhile does it once more. Resolves
   * with null, or with why some are those of before.
   *
   * @param steadyMs how long none of them may end by itself once all are replaced @default 0
   */
  async roll(steadyMs = 0): Promise<string | null> {
    if (this.#rolling !== null) this.#rollsAgain = true;
    this.#rolling ??= this.#rollAll().finally(() => {
      this.#rolling = null;
    });
    const problem = await this.#rolling;
    return problem === null && steadyMs > 0 ? this.#watch(steadyMs) : problem;
  }

  /** Stops all workers; resolves with the highest of their exit codes. */
  stop(reason: string): Promise<number> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  /** Ends workers that are stopping at once, with what they have to log; resolves when none is left. */
  async hurry(): Promise<void> {
    for (const worker of this.#workers) worker.process.kill("SIGTERM");
    await this.#ended([...this.#workers], KILL_AFTER_MS);
  }

  async #stop(reason: string): Promise<number> {
    const { log, shutdownMs } = this.#options;
    log.info({ reason, workers: this.#workers.size }, "stopping the workers");
    for (const timer of this.#restarts.values()) clearTimeout(timer);
    this.#restarts.clear();
    const workers = [...this.#workers];
    for (const worker of workers) {
      worker.ending = "stopped";
      worker.process.kill("SIGTERM");
    }
    const ends = await this.#ended(workers, shutdownMs + KILL_AFTER_MS);
    // One that was still starting ends by the signal itself.
    return Math.max(0, ...ends.map((end) => (end.signal === "SIGTERM" ? 0 : toExitCode(end))));
  }

  /** Waits until workers have ended, and kills those that are left after `timeoutMs`. */
  async #ended(workers: readonly Worker[], timeoutMs: number): Promise<ProcessEnd[]> {
    const kill = (): void => {
      for (const worker of workers) worker.process.kill("SIGKILL");
    };
    const timer = setTimeout(kill, timeoutMs);
    const ends = await Promise.all(workers.map((worker) => worker.process.ended));
    clearTimeout(timer);
    return ends;
  }

  #launch(
    number: number,
    { isNew = false, isShown = false }: { isNew?: boolean; isShown?: boolean },
    ending: Worker["ending"] = null,
  ): Worker {
    const { address, spawn, log } = this.#options;
    const { token, madeAt } = this.#setup;
    const ageMs = performance.now() - madeAt;
    const askOthers = (): Promise<readonly WorkerFigures[]> => this.#askOthers(number);
    const process = spawn(number, { ...address, isNew, setup: { token, ageMs, isShown } }, { askOthers });
    const worker: Worker = { number, process, readyAt: null, ending };
    this.#workers.add(worker);
    log.debug({ worker: number, pid: process.pid }, `worker ${number} is started`);
    void process.ready.then((isReady) => {
      if (isReady) worker.readyAt = performance.now();
    });
    void process.ended.then((end) => this.#noteEnd(worker, end));
    return worker;
  }

  /** Asks those that answer, but the worker of a number, for what they have measured. */
  #askOthers(number: number): Promise<readonly WorkerFigures[]> {
    const others = [...this.#workers].filter((worker) => worker.number !== number && worker.readyAt !== null);
    return Promise.all(
      others.map(async (other) => ({ worker: other.number, figures: await other.process.askFigures() })),
    );
  }

  /** Has a worker that answers started again when it ends. */
  #keep(worker: Worker): void {
    if (this.#stopping !== null) return;
    worker.ending = null;
    if (this.#workers.has(worker)) return;
    void worker.process.ended.then((end) => this.#restartAfter(worker, end));
  }

  #noteEnd(worker: Worker, end: ProcessEnd): void {
    this.#workers.delete(worker);
    if (worker.ending === null) this.#restartAfter(worker, end);
  }

  #restartAfter({ number, process, readyAt }: Worker, end: ProcessEnd): void {
    if (this.#stopping !== null) return;
    const wasSteady = readyAt !== null && performance.now() - readyAt >= STEADY_MS;
    const failures = (wasSteady ? 0 : (this.#failures.get(number) ?? 0)) + 1;
    this.#failures.set(number, failures);
    this.#onCrash(`worker ${number} ended ${describeEnd(end)}`);
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), LAST_DELAY_MS);
    this.#options.log.error(
      { worker: number, pid: process.pid, exit_code: end.code, signal: end.signal },
      `worker ${number} ended ${describeEnd(end)}; it is started again in ${delayMs / 1000} s`,
    );
    const timer = setTimeout(() => {
      this.#restarts.delete(number);
      this.#launch(number, {});
    }, delayMs);
    this.#restarts.set(number, timer);
  }

  /** Resolves with the first that ends by itself, or with null when the time is over. */
  async #watch(ms: number): Promise<string | null> {
    const crash = Promise.withResolvers<string | null>();
    this.#onCrash = crash.resolve;
    const timer = setTimeout(() => crash.resolve(null), ms);
    const problem = await crash.promise;
    clearTimeout(timer);
    this.#onCrash = () => {};
    return problem;
  }

  async #rollAll(): Promise<string | null> {
    const { log } = this.#options;
    do {
      this.#rollsAgain = false;
      this.#setup = createSetupToken();
      this.#failures.clear();
      log.info("replacing the workers, one at a time");
      let isShown = true;
      for (const worker of [...this.#workers].toSorted((a, b) => a.number - b.number)) {
        // oxlint-disable-next-line no-await-in-loop -- one at a time
        const problem = await this.#replace(worker, isShown);
        if (problem !== null) return problem;
        isShown = false;
      }
      log.info("the workers are replaced");
    } while (this.#rollsAgain && this.#stopping === null);
    return null;
  }

  /** @returns why no other is to be replaced, or null */
  async #replace(worker: Worker, isShown: boolean): Promise<string | null> {
    if (this.#stopping !== null) return STOPPING;
    const { log, shutdownMs } = this.#options;
    const next = this.#launch(this.#freeNumber(), { isShown }, "replacing");
    const timer = setTimeout(() => next.process.kill("SIGTERM"), READY_MS);
    const isReady = await next.process.ready;
    clearTimeout(timer);
    if (!isReady) {
      if (this.#stopping !== null) return STOPPING;
      const how = describeEnd(await next.process.ended);
      const problem = `worker ${next.number}, which was to replace worker ${worker.number}, ended ${how}: those that run go on`;
      log.error({ worker: next.number }, problem);
      return problem;
    }
    this.#keep(next);
    // It may have crashed meanwhile, and wait for its next start.
    clearTimeout(this.#restarts.get(worker.number));
    this.#restarts.delete(worker.number);
    if (this.#stopping !== null) return STOPPING;
    if (!this.#workers.has(worker)) return null;
    worker.ending = "replaced";
    const others = [...this.#workers].filter((one) => one !== worker && one.readyAt !== null);
    // The last that has begun to listen; with others missing it isn't known which number that is.
    worker.process.retire(others.length === this.#options.count ? others.length : -1);
    await this.#ended([worker], shutdownMs + KILL_AFTER_MS);
    log.info({ worker: next.number }, `worker ${next.number} has replaced worker ${worker.number}`);
    return null;
  }

  #freeNumber(): number {
    const taken = new Set([...[...this.#workers].map(({ number }) => number), ...this.#restarts.keys()]);
    let number = 1;
    while (taken.has(number)) number += 1;
    return number;
  }
}

/** A link that is as old as this lets in nobody once it is past its time. */
function createSetupToken(): { readonly token: string; readonly madeAt: number } {
  const token = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
  return { token, madeAt: performance.now() };
}

function toExitCode({ code, signal }: ProcessEnd): number {
  return code ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
