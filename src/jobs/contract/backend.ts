import type { Logger } from "pino";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { Page, PageQuery } from "../../db/paging/paginate.ts";
import type { JobState } from "../../db/schema/core-tables.ts";
import type {
  Claim,
  DoneStep,
  JobFilter,
  JobRow,
  NewBatch,
  NewJob,
  Outcome,
  Stepping,
  ToldProgress,
  WaitingJob,
  Wanted,
} from "./records.ts";

export type Tx = Transaction;

/**
 * Where jobs are kept until they are done. A job belongs to the process that claims it for the length of a lease, and for
 * as long as that renews it; what ends without a word gives it back.
 */
export interface JobBackend extends JobChanges, JobSteps, JobVersions {
  /** How long a job belongs to the process that runs it without a word of it, in ms. */
  readonly leaseMs: number;

  /** Adds jobs, all or none; returns the id of each, or that of the one which its `unique` finds. */
  add(jobs: readonly NewJob[], options?: AddOptions): Promise<string[]>;
  /**
   * Calls `work` once what was added by the transaction is there; at once without one.
   *
   * @throws TypeError for a `tx` that is none: what it would write may never be committed, or is already
   */
  afterCommit(work: () => void, tx?: Tx): void;

  /**
   * Notes how tries of a process have ended, and gives it jobs, at most `places`: first those of the highest priority, then
   * the oldest. What it has lost meanwhile stays as others have it. Where it fails, it is asked again with the same outcomes.
   */
  exchange(exchange: Exchange): Promise<Claim>;
  /** How the jobs of a batch have ended. */
  readBatch(id: string): Promise<{ readonly total: number; readonly failed: number } | null>;
  /** Renews the leases of these jobs; returns those that don't belong to the process any more. */
  renew(worker: string, ids: readonly string[]): Promise<string[]>;
  /** Notes how far a job is. */
  saveProgress(told: ToldProgress): Promise<void>;
  /** Makes what looks for jobs that nobody of this process tells of. */
  createLookout(options: LookoutOptions): JobLookout;

  /** Whether an error says that what keeps the jobs is away, and no more: the log has been told. */
  isAbsence(error: unknown): boolean;
  /** Lets go of what it holds; nothing else is called after it. */
  close(): Promise<void>;
}

export interface AddOptions {
  /** The batch that the jobs are of. */
  readonly batch?: NewBatch | null;
  /** What they are part of: they are there if and only if it commits. */
  readonly tx?: Tx | undefined;
}

/** What a process tells of its tries, and has places for. */
export interface Exchange {
  readonly worker: string;
  readonly outcomes: readonly Outcome[];
  readonly wanted: readonly Wanted[];
  readonly places: number;
}

/** The checkpoints of jobs: they are in the database, whose writes they are committed with. */
export interface JobSteps {
  /** What the steps of a job have come to, as JSON; null for nothing. */
  readSteps(id: string): Promise<Map<string, string | null>>;
  /** Notes a step as done whose work is no part of the database. */
  keepStep(job: Stepping, step: { readonly name: string; readonly result: string | null }): Promise<void>;
  /**
   * Runs `work` in a transaction that also notes the step as done; returns what came of it, as JSON.
   *
   * @throws Error when the job doesn't belong to the process any more: nothing is kept
   */
  commitStep(
    db: Database,
    job: Stepping,
    step: { readonly name: string; readonly work: (tx: Tx) => Promise<string | null> },
  ): Promise<string | null>;
}

/** What the payloads of jobs must be for the processes that run them: in the database, wherever jobs are. */
export interface JobVersions {
  /** Says which versions of which names a process runs: that holds for the length of a lease. */
  keepVersions(worker: string, versions: ReadonlyMap<string, string>): Promise<void>;
  /** The versions of each name that other processes run. */
  readVersions(worker: string): Promise<Map<string, Set<string>>>;
}

/** What people see of jobs, and do to them. */
export interface JobChanges {
  /** A page of jobs, the newest first. */
  list(filter: JobFilter, query: PageQuery): Promise<Page<JobRow>>;
  /** The jobs of a plugin that wait, in whichever way, at most so many: in pieces of a few, since each payload may have 1 MB. */
  listWaiting(plugin: string, limit: number): AsyncIterable<readonly WaitingJob[]>;
  /** A job; null where there is none. */
  find(id: string): Promise<JobRow | null>;
  /** The steps of a job that are done, in the order in which they were. */
  listSteps(id: string): Promise<DoneStep[]>;
  /**
   * Has a job run again that has failed, was cancelled or set aside, or that waits for its time; what its steps have done
   * stays done. Returns the state that it was in, null where there is none.
   */
  retry(id: string): Promise<JobState | null>;
  /** Cancels a job that hasn't ended, with those of its chain behind it, or deletes one that has; null where there is none. */
  cancel(id: string): Promise<"cancelled" | "deleted" | null>;
}

export interface LookoutOptions {
  readonly worker: string;
  readonly log: Logger;
  /** Ids of the jobs that the process holds. */
  readonly held: () => readonly string[];
  /** Is told when there may be jobs, of any name. */
  readonly wake: () => void;
}

/** Looks, now and then, for delayed jobs, lost ones, and those of other processes. */
export interface JobLookout {
  start(): void;
  stop(): void;
  /** Something is due at a moment of its own. */
  expect(inMs: number): void;
}
