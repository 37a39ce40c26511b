import type { Logger } from "pino";
import type { JobDefinition } from "../definition/options.ts";
import type { JobBackend, JobLookout } from "../contract/backend.ts";
import type { ClaimedJob, Outcome, Wanted } from "../contract/records.ts";
import { outside } from "../../db/transactions/ambient.ts";
import { Leases } from "./leases.ts";
import { type EndReason, Run } from "./run.ts";
import { Steps } from "./steps.ts";

/** A try that has ended, and been noted so. */
export interface EndedRun {
  readonly run: Run;
  readonly outcome: Outcome;
}

export interface WorkerOptions {
  readonly backend: JobBackend;
  readonly log: Logger;
  /** How many jobs run at once in this process. */
  readonly concurrency: () => number;
  /** The jobs that may run here, by qualified name. */
  readonly definitions: ReadonlyMap<string, JobDefinition>;
  readonly onEnded: (ended: readonly EndedRun[]) => void;
  readonly onProgress: (run: Run) => void;
}

const RETRY_MS = 1000;

/**
 * Runs jobs in this process: claims as many as there are places for, together with the notes of how those before
 * have ended, whenever it is woken.
 */
export class Worker {
  readonly id = Bun.randomUUIDv7();
  readonly #options: WorkerOptions;
  readonly #running = new Map<string, Run>();
  /** Ended, and yet to be noted. */
  #ended: EndedRun[] = [];
  /** Names of which jobs may be waiting. */
  readonly #awake = new Set<string>();
  readonly #leases: Leases;
  readonly #lookout: JobLookout;
  #isScheduled = false;
  #turn: Promise<void> = Promise.resolve();
  #isStopping = false;
  #stopped: Promise<void> | null = null;
  #isFailing = false;
  #idle: (() => void) | null = null;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { backend, log } = options;
    const held = (): string[] => [...this.#running.keys(), ...this.#ended.map(({ run }) => run.job.id)];
    this.#leases = new Leases({ backend, worker: this.id, log, held, lose: (id) => this.end(id, "lost") });
    this.#lookout = backend.createLookout({ worker: this.id, log, held, wake: () => this.wakeAll() });
  }

  /** Begins to look for jobs. */
  start(): void {
    outside(() => this.#lookout.start());
    this.wakeAll();
  }

  /** Jobs of this name may be waiting. */
  wake(name: string): void {
    if (!this.#options.definitions.has(name)) return;
    this.#awake.add(name);
    this.#schedule();
  }

  wakeAll(): void {
    for (const name of this.#options.definitions.keys()) this.#awake.add(name);
    this.#schedule();
  }

  /** A job is due at a moment of its own. */
  expect(inMs: number): void {
    outside(() => this.#lookout.expect(inMs));
  }

  /** The try of a job that runs here. */
  find(id: string): Run | undefined {
    return this.#running.get(id);
  }

  /** Ends the try of a job that runs here, whatever its handler still does. */
  end(id: string, reason: Exclude<EndReason, "timeout">): void {
    const messages = {
      cancelled: "The job was cancelled",
      lost: "The job doesn't belong to this process any more",
      stopped: "The server stops",
    };
    this.#running.get(id)?.end(reason, messages[reason]);
  }

  /** Takes no more jobs, waits for those that run until `signal` is aborted, and gives back the others. */
  stop(signal: AbortSignal): Promise<void> {
    return (this.#stopped ??= this.#stop(signal));
  }

  async #stop(signal: AbortSignal): Promise<void> {
    this.#isStopping = true;
    this.#lookout.stop();
    if (this.#running.size > 0) {
      const idle = Promise.withResolvers<void>();
      this.#idle = idle.resolve;
      const giveBack = (): void => {
        for (const id of this.#running.keys()) this.end(id, "stopped");
      };
      if (signal.aborted) giveBack();
      else signal.addEventListener("abort", giveBack, { once: true });
      await idle.promise;
      signal.removeEventListener("abort", giveBack);
    }
    this.#leases.stop();
    await this.#turn;
    await this.#exchange().catch((error: unknown) => {
      this.#options.log.error({ err: error }, "it can't be noted how jobs have ended: they are run again");
    });
  }

  /** All that happens in one turn of the event loop is done together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    outside(() => setImmediate(() => this.#next()));
  }

  #next(): void {
    this.#turn = this.#turn.then(async () => {
      this.#isScheduled = false;
      try {
        await this.#exchange();
        this.#isFailing = false;
      } catch (error) {
        if (!this.#isFailing)
          this.#options.log.error({ err: error }, "the queue of jobs can't be worked on; tried again");
        this.#isFailing = true;
        setTimeout(() => this.wakeAll(), RETRY_MS).unref();
      }
    });
  }

  /** Notes what has ended, and starts what there are places for. */
  async #exchange(): Promise<void> {
    const ended = this.#ended;
    const places = this.#isStopping ? 0 : this.#options.concurrency() - this.#running.size;
    const wanted = places > 0 ? this.#takeAwake() : [];
    if (ended.length === 0 && wanted.length === 0) return;
    this.#ended = [];
    const outcomes = ended.map(({ outcome }) => outcome);
    try {
      const claimed = await this.#options.backend.exchange({ worker: this.id, outcomes, wanted, places });
      this.#follow(ended);
      const names = new Set(claimed.jobs.map(({ name }) => name));
      const isFull = claimed.jobs.length >= places;
      for (const { name } of wanted) if (isFull || names.has(name)) this.#awake.add(name);
      for (const [name, ms] of claimed.waits) setTimeout(() => this.wake(name), ms).unref();
      for (const job of claimed.jobs) this.#start(job);
      if (!isFull && names.size > 0) this.#schedule();
    } catch (error) {
      this.#ended = [...ended, ...this.#ended];
      for (const { name } of wanted) this.#awake.add(name);
      throw error;
    }
  }

  #takeAwake(): Wanted[] {
    const wanted = [...this.#awake].flatMap((name) => {
      const definition = this.#options.definitions.get(name);
      if (definition === undefined) return [];
      const { concurrency, rate, keyOf } = definition;
      return [{ name, concurrency, rate, hasLanes: keyOf !== null }];
    });
    this.#awake.clear();
    return wanted;
  }

  #start(job: ClaimedJob): void {
    const definition = this.#options.definitions.get(job.name);
    const { backend, onProgress } = this.#options;
    const run = new Run({
      job,
      definition: definition as JobDefinition,
      steps: new Steps(backend, { id: job.id, worker: this.id }),
      readBatch: (id) => backend.readBatch(id),
      onProgress: (one) => {
        this.#leases.noteProgress(one);
        onProgress(one);
      },
    });
    // Its plugin has gone while it was claimed.
    if (definition === undefined || this.#isStopping) {
      this.#ended.push({ run, outcome: { job, as: "returned" } });
      this.#schedule();
      return;
    }
    this.#running.set(job.id, run);
    this.#leases.start();
    const work = run.run().then((outcome) => {
      this.#running.delete(job.id);
      if (outcome !== null) this.#ended.push({ run, outcome });
      // Others of its name, or of its key, may have waited for this one.
      if (definition.concurrency !== null || definition.keyOf !== null) this.wake(job.name);
      this.#schedule();
      if (this.#running.size === 0) this.#idle?.();
    });
    definition.owner.hold(work);
  }

  #follow(ended: readonly EndedRun[]): void {
    if (ended.length === 0) return;
    for (const { outcome } of ended) if (outcome.as === "retried") this.#lookout.expect(outcome.inMs);
    // Others may have waited for them.
    if (ended.some(({ run: { job } }) => job.batchId !== null || job.nextId !== null)) this.wakeAll();
    this.#options.onEnded(ended);
  }
}
