import type { HookBus } from "../hooks/bus.ts";
import { openBackend, type BackendOptions } from "./backends.ts";
import type { JobBackend } from "./contract/backend.ts";
import type { JobDefinition } from "./definition/options.ts";
import type { OnAdded, Queue } from "./queue/queue.ts";
import type { AroundJob } from "./queue/worker.ts";

export type { JobDefinition, JobOwner } from "./definition/options.ts";
export { type PortableSchema, toPortableSchema } from "./definition/portable-schemas.ts";
export type { AroundJob } from "./queue/worker.ts";
export type { JobRequest } from "./definition/requests.ts";

export interface JobsOptions extends BackendOptions {
  readonly hooks: HookBus;
  /** How many jobs run at once in this process. */
  readonly concurrency: () => number;
  /** Whether jobs are run here, and not only enqueued. */
  readonly isWorker: boolean;
  /** Whether other processes run jobs of the same database, which may have other versions of plugins. */
  readonly isShared: boolean;
  /** Has tries of jobs be run. @default they run as they are */
  readonly around?: AroundJob | undefined;
  /** Told of jobs that are enqueued. @default nobody is */
  readonly onAdded?: OnAdded | undefined;
}

/**
 * Background jobs. Nothing is loaded, and nothing looks for jobs, before one is defined or enqueued.
 *
 * A job is run at least once: that it has ended is noted after its handler has, and a process that ends between both
 * leaves it to be run again, once its lease is over.
 */
export class Jobs {
  readonly #options: JobsOptions;
  readonly #definitions = new Map<string, JobDefinition>();
  #opening: Promise<JobBackend> | null = null;
  #loading: Promise<Queue> | null = null;
  #isClosed = false;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** The jobs that can run here, by qualified name. */
  get definitions(): ReadonlyMap<string, JobDefinition> {
    return this.#definitions;
  }

  /** Whether the queue is at work. */
  get isLoaded(): boolean {
    return this.#loading !== null;
  }

  /** Has jobs of this kind run from now on, until the undo is called; those that run by then end as they have begun. */
  register(definition: JobDefinition): () => void {
    const { name } = definition;
    this.#definitions.set(name, definition);
    if (!this.#isClosed && this.#options.isWorker) {
      void this.queue().then((queue) => {
        queue.noteVersions();
        queue.wake(name);
      });
    }
    return () => {
      if (this.#definitions.get(name) !== definition) return;
      this.#definitions.delete(name);
      void this.#loading?.then((queue) => queue.noteVersions());
    };
  }

  /** Opens where jobs are kept, if it isn't yet; nothing looks for jobs there. */
  backend(): Promise<JobBackend> {
    return (this.#opening ??= openBackend(this.#options));
  }

  /** Loads the queue, if it isn't yet. */
  queue(): Promise<Queue> {
    return (this.#loading ??= this.#load());
  }

  /** Takes no more jobs, waits for those that run until `signal` is aborted, and gives back what is left. */
  async close(signal: AbortSignal): Promise<void> {
    this.#isClosed = true;
    await (await this.#loading)?.close(signal);
    await (await this.#opening)?.close();
  }

  async #load(): Promise<Queue> {
    const { hooks, log, concurrency, isWorker, isShared, around, onAdded } = this.#options;
    const [backend, { Queue: Loaded }] = await Promise.all([this.backend(), import("./queue/queue.ts")]);
    return new Loaded({
      backend,
      hooks,
      log,
      concurrency,
      definitions: this.#definitions,
      isWorker: isWorker && !this.#isClosed,
      isShared,
      around,
      onAdded,
    });
  }
}
