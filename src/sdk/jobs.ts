import type { StaticDecode, StaticEncode, TSchema } from "@sinclair/typebox";
import type { Transaction } from "../db/contract/database.ts";
import type { JobContext, JobOptions } from "../jobs/definition/options.ts";
import type { EnqueueOptions as Enqueuing } from "../jobs/definition/requests.ts";
import type { TaskContext, TaskOptions } from "../jobs/scheduler/task.ts";

export type { TaskContext, TaskOptions } from "../jobs/scheduler/task.ts";
export type { JobBackoff, JobContext, JobRate } from "../jobs/definition/options.ts";

/**
 * The payloads of jobs that `enqueue` is typed with, by name: enter yours by interface merging. Without it, a payload may
 * be anything to TypeScript; what a job's schema says is checked in any case.
 *
 * @example declare module "xcore" { interface JobPayloads { charge: { invoice_id: number } } }
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- made for merging
export interface JobPayloads {}

/** A known job, or any other. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- until somebody merges
export type JobName = keyof JobPayloads | (string & Record<never, never>);

/** The payload of the job with that name. */
export type JobPayload<Name extends string> = Name extends keyof JobPayloads ? JobPayloads[Name] : unknown;

/** What a plugin says of its jobs when it defines them. */
export interface DefineOptions<Schema extends TSchema = TSchema> extends Omit<
  JobOptions<StaticDecode<Schema>>,
  "payload"
> {
  /** What the payload must be, such as `t.Object({ … })`. @default any JSON */
  readonly payload?: Schema;
}

/** How a job is enqueued. */
export interface EnqueueOptions<Tx = Transaction> extends Enqueuing {
  /** Makes it part of a transaction: it is enqueued if and only if that commits. */
  readonly tx?: Tx;
}

/** One of several jobs that are enqueued together. */
export interface JobItem<Name extends JobName = JobName> extends Enqueuing {
  readonly name: Name;
  readonly payload?: JobPayload<Name>;
}

/** Makes jobs part of a transaction. */
export interface JobsOptions<Tx = Transaction> {
  readonly tx?: Tx;
}

/** Work that is done later, whatever happens meanwhile: see docs/jobs.md. */
export interface PluginJobs<Tx = Transaction> {
  /**
   * Says what is done for jobs of a name. A handler that throws is run again; one that a crash interrupts too.
   *
   * @returns takes it back
   * @throws TypeError, RangeError for options that can't be
   */
  define<const Schema extends TSchema = TSchema>(
    name: string,
    handler: (job: JobContext<StaticDecode<Schema>, Tx>) => unknown,
    options?: DefineOptions<Schema>,
  ): () => void;
  /**
   * Adds a job. Its name is one that this plugin defines, or `plugin:name`.
   *
   * @returns its id; with `unique`, that of the one which is there already
   * @throws TypeError for a name that nobody defines, a payload that isn't JSON, and options that can't be
   * @throws AppError validation_error for a payload that isn't what the job's schema says, job_payload_too_large
   */
  enqueue<Name extends JobName>(
    name: Name,
    payload?: JobPayload<Name>,
    options?: EnqueueOptions<Tx>,
  ): Promise<string>;
  /** Adds jobs, all or none; returns their ids. @throws as `enqueue` */
  enqueueMany(jobs: readonly JobItem[], options?: JobsOptions<Tx>): Promise<string[]>;
  /**
   * Adds jobs, and `callback`, which runs once all of them have ended: completed, dead, cancelled or set aside. Its
   * handler finds in `batch` how many there were, and how many of them weren't completed.
   *
   * @returns the id of `callback`
   * @throws as `enqueue`
   */
  batch(jobs: readonly JobItem[], callback: JobItem, options?: JobsOptions<Tx>): Promise<string>;
  /** Adds jobs that run one after another, each once the one before is completed; returns their ids. @throws as `enqueue` */
  chain(jobs: readonly JobItem[], options?: JobsOptions<Tx>): Promise<string[]>;
  /**
   * Has a task run whenever a cron expression says so, on one of the instances. What it throws is noted and logged, and
   * it runs again when it is next due.
   *
   * @param expression minute, hour, day, month and weekday, and seconds in front where there are six: "0 3 * * *" is three o'clock
   * @returns takes it back
   * @throws TypeError, RangeError for an expression that can't be read or never comes, and for options that can't be
   *
   * @example jobs.cron("cleanup", "0 3 * * *", () => removeDrafts(), { timezone: "Europe/Paris", catchUp: true });
   */
  cron(
    name: string,
    expression: string,
    handler: (task: TaskContext) => unknown,
    options?: TaskOptions,
  ): () => void;
}

/** A payload as it is given to `enqueue`, by its schema. */
export type PayloadOf<Schema> = Schema extends TSchema ? StaticEncode<Schema> : never;
