import pino from "pino";
import { openCoreStore } from "../../src/accounts/people/store.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { prepareCoreTables } from "../../src/db/migrations/core.ts";
import { createHookBus } from "../../src/hooks/bus.ts";
import {
  type JobContext,
  type JobDefinition,
  type JobOptions,
  toDefinition,
} from "../../src/jobs/definition/options.ts";
import type { EnqueueOptions, JobRequest } from "../../src/jobs/definition/requests.ts";
import type { RedisJobs } from "../../src/jobs/backends.ts";
import type { JobRow } from "../../src/jobs/contract/records.ts";
import { Jobs } from "../../src/jobs/jobs.ts";

export interface JobHostOptions {
  readonly concurrency?: number;
  readonly leaseMs?: number;
  /** Whether jobs run here, and aren't enqueued alone. @default true */
  readonly isWorker?: boolean;
  /** Whether other hosts have other versions of its jobs. @default false */
  readonly isShared?: boolean;
  /** @default null: jobs are in the database alone */
  readonly redis?: RedisJobs | null;
  /** Lines of the log go there. @default nowhere */
  readonly onLog?: (line: Record<string, unknown>) => void;
}

/** Background jobs on a database, without an app around them. */
export class JobHost implements AsyncDisposable {
  readonly jobs: Jobs;
  readonly driver: Driver;
  readonly store: ReturnType<typeof openCoreStore>;
  readonly hooks = createHookBus({ onError: (error) => expectNone(error) });
  readonly #log: pino.Logger;

  private constructor(
    driver: Driver,
    {
      concurrency = 4,
      leaseMs = 30_000,
      isWorker = true,
      isShared = false,
      redis = null,
      onLog,
    }: JobHostOptions,
  ) {
    this.driver = driver;
    this.store = openCoreStore(driver);
    this.#log = pino(
      { level: onLog === undefined ? "silent" : "debug" },
      { write: (line: string) => onLog?.(JSON.parse(line) as Record<string, unknown>) },
    );
    this.jobs = new Jobs({
      driver,
      store: this.store,
      redis,
      hooks: this.hooks,
      log: this.#log,
      concurrency: () => concurrency,
      isWorker,
      isShared,
      leaseMs,
    });
  }

  static async create(driver: Driver, options: JobHostOptions = {}): Promise<JobHost> {
    await prepareCoreTables(driver, { migrates: true, log: pino({ level: "silent" }) });
    return new JobHost(driver, options);
  }

  define(
    name: string,
    // oxlint-disable-next-line typescript/no-explicit-any -- a test knows its payloads
    handler: (job: JobContext<any>) => unknown,
    options: JobOptions<never> = {},
  ): JobDefinition {
    const definition = this.prepare(name, handler, options);
    this.jobs.register(definition);
    return definition;
  }

  /** A definition that isn't registered. */
  prepare(
    name: string,
    // oxlint-disable-next-line typescript/no-explicit-any -- a test knows its payloads
    handler: (job: JobContext<any>) => unknown,
    options: JobOptions<never> = {},
  ): JobDefinition {
    const owner = { plugin: "test", db: this.driver.toDatabase({}), log: this.#log, hold() {} };
    return toDefinition(owner, name, handler, options);
  }

  async enqueue(definition: JobDefinition, payload?: unknown, options?: EnqueueOptions): Promise<string> {
    return (await this.jobs.queue()).enqueue({ definition, payload, options });
  }

  async enqueueMany(requests: readonly JobRequest[]): Promise<string[]> {
    return (await this.jobs.queue()).enqueueMany(requests);
  }

  /** Resolves with the data of the next event of this name that matches. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  next(name: string, matches: (data: any) => boolean = () => true): Promise<any> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const undo = this.hooks.on(name, ({ data }) => {
      if (!matches(data)) return;
      undo();
      resolve(data);
    });
    return promise;
  }

  /** A job as it is where it is kept. */
  async row(id: string): Promise<JobRow | undefined> {
    return (await (await this.jobs.backend()).find(id)) ?? undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.jobs.close(AbortSignal.abort());
  }
}

function expectNone(error: unknown): never {
  throw error;
}
