import type { Logger } from "pino";
import type { JobBackend } from "../contract/backend.ts";
import type { Run } from "./run.ts";

export interface LeasesOptions {
  readonly backend: JobBackend;
  readonly worker: string;
  readonly log: Logger;
  /** Ids of the jobs that the process holds. */
  readonly held: () => readonly string[];
  /** Is told of each that doesn't belong to the process any more. */
  readonly lose: (id: string) => void;
}

const PROGRESS_MS = 500;

/** Keeps the jobs that a process runs, for as long as it runs them, and notes how far they are. */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #told = new Set<Run>();
  #timer: NodeJS.Timeout | null = null;
  #saving: NodeJS.Timeout | null = null;
  #isRenewing = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** Begins to renew what is held, until nothing is. */
  start(): void {
    this.#timer ??= setInterval(() => void this.#renew(), this.#options.backend.leaseMs / 3).unref();
  }

  stop(): void {
    clearInterval(this.#timer ?? undefined);
    clearTimeout(this.#saving ?? undefined);
    this.#timer = null;
    this.#saving = null;
  }

  /** Has it noted soon how far a job is. */
  noteProgress(run: Run): void {
    this.#told.add(run);
    this.#saving ??= setTimeout(() => void this.#save(), PROGRESS_MS).unref();
  }

  async #renew(): Promise<void> {
    if (this.#isRenewing) return;
    const held = this.#options.held();
    if (held.length === 0) {
      clearInterval(this.#timer ?? undefined);
      this.#timer = null;
      return;
    }
    this.#isRenewing = true;
    const { backend, worker, log, lose } = this.#options;
    try {
      for (const id of await backend.renew(worker, held)) lose(id);
    } catch (error) {
      if (backend.isAbsence(error)) return;
      log.warn({ err: error }, "the leases of running jobs can't be renewed now");
    } finally {
      this.#isRenewing = false;
    }
  }

  async #save(): Promise<void> {
    this.#saving = null;
    const { backend, worker, log } = this.#options;
    const told = [...this.#told];
    this.#told.clear();
    try {
      for (const { job, progress, isOver } of told) {
        if (progress === null || isOver) continue;
        // oxlint-disable-next-line no-await-in-loop -- a few, and nobody waits
        await backend.saveProgress({ id: job.id, worker, ...progress });
      }
    } catch (error) {
      log.warn({ err: error }, "it can't be noted how far jobs are");
    }
  }
}
