import type { Columns } from "./columns.ts";
import type { Constraints } from "./constraints.ts";
import type { TableFunction } from "./tables.ts";

/** Where a job is in its life. */
export const JOB_STATES = [
  "waiting", // for a free place
  "delayed", // until a moment, of its own or of its next try
  "blocked", // behind the jobs of its batch or its chain
  "running",
  "completed",
  "dead", // every try has failed
  "cancelled",
  "incompatible", // its payload doesn't fit what its plugin expects by now
] as const;
export type JobState = (typeof JOB_STATES)[number];

type Schema = Columns & Constraints & { readonly table: TableFunction };

/** Declares the tables of background jobs. Moments are in ms since the epoch, by the clock of the database. */
export function createJobTables(schema: Schema) {
  return { jobs: () => createJobs(schema), ...createParts(schema) };
}

function createJobs(schema: Schema) {
  const { bigint, enumOf, index, integer, table, text, timestamp, uuid, varchar } = schema;
  return table(
    "jobs",
    {
      id: uuid().primaryKey(),
      /** Of the plugin that defines it, and its own: "blog:notify". */
      name: varchar(130).notNull(),
      state: enumOf(JOB_STATES).notNull(),
      /** Its priority, negated: the lowest is the next. */
      rank: integer().notNull().default(0),
      /** When something is due: a delayed job to wait, a running one to be taken for lost, an ended one to be deleted. */
      due_at: bigint(),
      /** JSON. */
      payload: text().notNull(),
      /** SHA-256 of what its payload had to be for whoever enqueued it. */
      version: varchar(64),
      /** How many tries have begun. */
      attempt: integer().notNull().default(0),
      /** How often the process that ran it has ended without a word. */
      lost: integer().notNull().default(0),
      /** The process that runs it. */
      worker: uuid(),
      /** SHA-256 of what no other job that hasn't ended may have. */
      unique_hash: varchar(64).unique(),
      /** SHA-256 of what no other may run with at the same time, and the same while it runs. */
      lane: varchar(64),
      held_lane: varchar(64).unique(),
      /** The batch that is to hear of its end. */
      batch_id: uuid(),
      /** The batch that it waits for, or has waited for. */
      awaits_id: uuid(),
      /** The job that waits for it. */
      next_id: uuid(),
      /** In thousandths. */
      progress: integer(),
      progress_text: varchar(255),
      /** Why it last failed, or was set aside. */
      error: text(),
      created_at: timestamp().notNull().defaultNow(),
      started_at: timestamp(),
      ended_at: timestamp(),
    },
    (t) => [index("jobs_waiting").on(t.name, t.state, t.rank, t.id), index("jobs_due").on(t.state, t.due_at)],
  );
}

/** What belongs to jobs. */
function createParts({ bigint, integer, primaryKey, table, text, timestamp, uuid, varchar }: Schema) {
  /** Steps of jobs that have been done, and what came of them. */
  const jobSteps = () =>
    table(
      "job_steps",
      {
        job_id: uuid().notNull(),
        name: varchar(128).notNull(),
        /** JSON. */
        result: text(),
        created_at: timestamp().notNull().defaultNow(),
      },
      (t) => [primaryKey({ columns: [t.job_id, t.name] })],
    );
  /** Jobs that another one waits for, together. */
  const jobBatches = () =>
    table("job_batches", {
      id: uuid().primaryKey(),
      callback_id: uuid().notNull(),
      total: integer().notNull(),
      /** How many haven't ended. */
      pending: integer().notNull(),
      /** How many of those that have ended weren't completed. */
      failed: integer().notNull().default(0),
    });
  /** What all instances count of jobs that may only start so often, or so many at once. */
  const jobLimits = () =>
    table("job_limits", {
      name: varchar(130).primaryKey(),
      /** When the present window began. */
      window_at: bigint().notNull().default(0),
      /** How many have started in it. */
      started: integer().notNull().default(0),
    });
  /** What the payloads of each name must be for a process that runs them. */
  const jobVersions = () =>
    table(
      "job_versions",
      {
        worker: uuid().notNull(),
        name: varchar(130).notNull(),
        /** SHA-256. */
        version: varchar(64).notNull(),
        /** When the process has last said so. */
        seen_at: bigint().notNull(),
      },
      (t) => [primaryKey({ columns: [t.worker, t.name] })],
    );
  return { jobSteps, jobBatches, jobLimits, jobVersions };
}
