import type { HookBus } from "../../hooks/bus.ts";
import { type JobDefinition, splitName } from "../definition/options.ts";
import { type JobRequest, toNewJob } from "../definition/requests.ts";
import type { JobBackend, Tx } from "../contract/backend.ts";
import type { NewBatch, NewJob } from "../contract/records.ts";
import { Watchers } from "./watchers.ts";
import { type EndedRun, Worker, type WorkerOptions } from "./worker.ts";

export interface QueueOptions extends Pick<
  WorkerOptions,
  "backend" | "log" | "concurrency" | "definitions" | "isShared" | "around"
> {
  readonly hooks: HookBus;
  /** Whether jobs are run here, and not only enqueued. */
  readonly isWorker: boolean;
  /** Told of jobs that are enqueued, while whoever does so waits. @default nobody is */
  readonly onAdded?: OnAdded | undefined;
}

/** Told of jobs that are enqueued. */
export type OnAdded = (jobs: readonly Pick<NewJob, "id" | "name">[]) => void;

/** Jobs that are added together. */
interface Added {
  readonly jobs: readonly NewJob[];
  readonly batch?: NewBatch | null;
}

/** The queue of jobs: what adds to it, and what works on it. */
export class Queue {
  readonly #backend: JobBackend;
  readonly watchers = new Watchers();
  readonly worker: Worker | null;
  readonly #hooks: HookBus;
  readonly #onAdded: OnAdded | undefined;

  constructor(options: QueueOptions) {
    this.#backend = options.backend;
    this.#hooks = options.hooks;
    this.#onAdded = options.onAdded;
    this.worker = options.isWorker
      ? new Worker({
          ...options,
          onEnded: (ended) => this.#tell(ended),
          onProgress: ({ job }) => this.watchers.tell(job.id),
        })
      : null;
    this.worker?.start();
  }

  /** Adds one job; returns its id, or that of the one which its `unique` finds. */
  async enqueue(request: JobRequest, tx?: Tx): Promise<string> {
    const job = toNewJob(request);
    const [id] = await this.#add({ jobs: [job] }, tx);
    return id as string;
  }

  /** Adds jobs, all or none; returns their ids. */
  async enqueueMany(requests: readonly JobRequest[], tx?: Tx): Promise<string[]> {
    return await this.#add({ jobs: requests.map((request) => toNewJob(request)) }, tx);
  }

  /** Adds jobs, and one that waits until all of them have ended; returns the id of that one. */
  async batch(requests: readonly JobRequest[], callback: JobRequest, tx?: Tx): Promise<string> {
    const batchId = Bun.randomUUIDv7();
    const jobs = requests.map((request) => toNewJob(request, { batchId }));
    const last = toNewJob(callback, { awaitsId: batchId, isBlocked: jobs.length > 0 });
    const batch = { id: batchId, callbackId: last.id, total: jobs.length };
    await this.#add({ jobs: [...jobs, last], batch }, tx);
    this.#wakeAfterCommit([{ ...last, until: null }], tx); // where all others are there already
    return last.id;
  }

  /** Adds jobs of which each waits for the one before it to be completed; returns their ids. */
  async chain(requests: readonly JobRequest[], tx?: Tx): Promise<string[]> {
    const unique = requests.find(({ options }) => options?.unique !== undefined);
    if (unique !== undefined) {
      const doing = `Cannot enqueue "${unique.definition.name}" in a chain`;
      throw new TypeError(`${doing}: it has a "unique", and the job which that finds leads nowhere`);
    }
    const ids = requests.map(() => Bun.randomUUIDv7());
    const jobs = requests.map((request, index) =>
      toNewJob(request, { id: ids[index] as string, isBlocked: index > 0, nextId: ids[index + 1] ?? null }),
    );
    return await this.#add({ jobs }, tx);
  }

  /** Jobs of this name may be waiting. */
  wake(name: string): void {
    this.worker?.wake(name);
  }

  /** What runs here has changed. */
  noteVersions(): void {
    this.worker?.noteVersions();
  }

  async close(signal: AbortSignal): Promise<void> {
    await this.worker?.stop(signal);
  }

  async #add({ jobs, batch = null }: Added, tx?: Tx): Promise<string[]> {
    if (jobs.length === 0) return [];
    this.#backend.afterCommit(() => {}, tx); // before anything is written: what is no transaction is refused
    const ids = await this.#backend.add(jobs, { batch, tx });
    this.#onAdded?.(jobs.map(({ name }, index) => ({ id: ids[index] as string, name })));
    this.#wakeAfterCommit(jobs, tx);
    return ids;
  }

  #wakeAfterCommit(jobs: readonly NewJob[], tx: Tx | undefined): void {
    const { worker } = this;
    if (worker === null) return;
    const wake = (): void => {
      for (const { name, until } of jobs) {
        if (until === null) worker.wake(name);
        else if (until !== "blocked") worker.expect("inMs" in until ? until.inMs : until.at - Date.now());
      }
    };
    this.#backend.afterCommit(wake, tx);
  }

  #tell(ended: readonly EndedRun[]): void {
    for (const { run, outcome } of ended) {
      const { job, definition, startedAt } = run;
      this.watchers.tell(job.id);
      if (outcome.as === "returned") continue;
      const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;
      const about = { ...splitName(job.name), id: job.id, attempt: job.attempt };
      if (outcome.as === "completed") {
        void this.#hooks.emit("job.completed", { ...about, duration_ms: durationMs });
        continue;
      }
      this.#report(definition, run, outcome);
      const { as: state, error: message } = outcome;
      void this.#hooks.emit("job.failed", { ...about, message, will_retry: state === "retried" });
    }
  }

  #report(
    { owner, attempts }: JobDefinition,
    { job, error }: EndedRun["run"],
    outcome: Exclude<EndedRun["outcome"], { as: "completed" | "returned" }>,
  ): void {
    const log = owner.log.child({ job: job.name, job_id: job.id, attempt: job.attempt });
    if (outcome.as === "incompatible") {
      log.error(`a job is set aside, its payload doesn't fit: ${outcome.error}`);
    } else if (outcome.as === "retried") {
      log.warn({ err: error }, `a job has failed: tried again in ${Math.round(outcome.inMs / 1000)} s`);
    } else {
      log.error({ err: error }, `a job is dead: try ${job.attempt} of ${attempts} has failed`);
    }
  }
}
