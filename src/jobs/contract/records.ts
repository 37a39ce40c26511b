import type { CoreTables, JobState } from "../../db/schema/core-tables.ts";

/** A job that is to be enqueued. */
export interface NewJob {
  readonly id: string;
  readonly name: string;
  /** JSON. */
  readonly payload: string;
  /** What the payload had to be for whoever enqueues it, as a hash. */
  readonly version: string;
  readonly rank: number;
  /** What it waits for: nothing, a time from now, a moment in ms since the epoch, or other jobs. */
  readonly until: null | { readonly inMs: number } | { readonly at: number } | "blocked";
  readonly uniqueHash: string | null;
  readonly lane: string | null;
  readonly batchId: string | null;
  /** The batch that it waits for. */
  readonly awaitsId: string | null;
  readonly nextId: string | null;
}

export interface NewBatch {
  readonly id: string;
  readonly callbackId: string;
  readonly total: number;
}

/** Jobs of one name that a process has places for. */
export interface Wanted {
  readonly name: string;
  /** Whether one of a key runs at a time. */
  readonly hasLanes: boolean;
  readonly concurrency: number | null;
  readonly rate: { readonly max: number; readonly windowMs: number } | null;
  /** Versions that other processes run: their jobs are left to them. */
  readonly others: readonly string[];
}

/** A job that belongs to this process for now. */
export interface ClaimedJob {
  readonly id: string;
  readonly name: string;
  readonly payload: string;
  /** Null where it isn't known. */
  readonly version: string | null;
  /** Which try this is, from 1. */
  readonly attempt: number;
  readonly lane: string | null;
  readonly batchId: string | null;
  /** The batch that it has waited for. */
  readonly awaitsId: string | null;
  readonly nextId: string | null;
}

export interface Claim {
  readonly jobs: readonly ClaimedJob[];
  /** When more of a name may start that has started as many as it may, in ms from now. */
  readonly waits: ReadonlyMap<string, number>;
}

/** How a try ended. */
export type Outcome =
  | { readonly job: ClaimedJob; readonly as: "completed"; readonly keepMs: number }
  | { readonly job: ClaimedJob; readonly as: "retried"; readonly inMs: number; readonly error: string }
  | { readonly job: ClaimedJob; readonly as: "dead" | "incompatible"; readonly error: string }
  /** Given back before it was done: it doesn't count as a try. @param inMs how long nobody may have it; 0 for not at all */
  | { readonly job: ClaimedJob; readonly as: "returned"; readonly inMs: number };

/** How far a job is, as the process that runs it tells. */
export interface ToldProgress {
  readonly id: string;
  readonly worker: string;
  readonly fraction: number;
  readonly text: string | null;
}

/** A job as far as its steps need it. */
export interface Stepping {
  readonly id: string;
  readonly worker: string;
}

export type JobRow = CoreTables["jobs"]["$inferSelect"];

/** A job that waits, in whichever way. */
export type WaitingJob = Pick<JobRow, "id" | "name" | "payload">;

/** Which jobs are asked for. */
export interface JobFilter {
  readonly state?: JobState | undefined;
  readonly plugin?: string | undefined;
  /** With the plugin's: "blog:notify". */
  readonly name?: string | undefined;
}

/** A step of a job that is done. */
export interface DoneStep {
  readonly name: string;
  readonly at: Date;
}

/** Jobs that wait, in one way or the other: they may be cancelled, and begin by themselves. */
const OPEN: ReadonlySet<JobState> = new Set(["waiting", "delayed", "blocked", "running"]);

/** Whether a job has ended. */
export function hasEnded(state: JobState): boolean {
  return !OPEN.has(state);
}
