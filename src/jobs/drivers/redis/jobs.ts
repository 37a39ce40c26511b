import type { JobJson } from "bullmq";
import type { ClaimedJob, JobRow, NewJob } from "../../contract/records.ts";
import { type HeldJob, isId } from "./ground.ts";

/** A job as Redis gets it. */
export interface HandedJob extends Pick<NewJob, "id" | "name" | "payload" | "rank"> {
  /** How long it waits, in ms. */
  readonly delayMs: number;
  /** How many tries have begun before. */
  readonly attempt: number;
  readonly isKept: boolean;
  /** What its payload had to be when it was enqueued, as a hash. */
  readonly version: string | null;
  /** The batch that it has waited for. */
  readonly awaitsId: string | null;
  /** In ms since the epoch. */
  readonly createdAt: number;
}

/** What stands beside what BullMQ knows of a job. */
interface Extra {
  readonly attempt: number;
  readonly isKept: boolean;
  readonly version: string | null;
  readonly awaitsId: string | null;
}

/** BullMQ's priorities are from 1, the first to run, and 0 stands for none: it would overtake all others. */
const RANK_SHIFT = 1001;

export function toPriority(rank: number): number {
  return rank + RANK_SHIFT;
}

function toRank(priority: number | undefined): number {
  if (priority === undefined || !Number.isInteger(priority)) return 0;
  return Math.max(-1000, Math.min(priority - RANK_SHIFT, 1000));
}

/** What BullMQ adds. */
export function toBullJob({ id, name, payload, rank, delayMs, createdAt, ...extra }: HandedJob): JobJson {
  const opts = {
    priority: toPriority(rank),
    ...(delayMs > 0 && { delay: Math.round(delayMs) }),
    xcore: extra satisfies Extra,
  };
  const unused = { progress: 0, attemptsMade: 0, attemptsStarted: 0, stalledCounter: 0 };
  return {
    ...unused,
    id,
    name,
    data: payload,
    opts,
    timestamp: createdAt,
    failedReason: "",
    returnvalue: "",
  };
}

/** A job that this process has claimed; null for what others have put there, or have taken from it. */
export function toClaimed(name: string, job: JobJson): { job: ClaimedJob; held: HeldJob } | null {
  if (!isId(job.id) || typeof job.name !== "string") return null;
  const { attempt, isKept, version, awaitsId } = readExtra(job);
  return {
    job: {
      id: job.id,
      name,
      payload: job.data,
      version,
      attempt: attempt + toCount(job.attemptsMade) + 1,
      lane: null,
      batchId: null,
      awaitsId,
      nextId: null,
    },
    held: { name, isKept, rank: toRank(job.priority), createdAt: toMoment(job.timestamp) ?? Date.now() },
  };
}

/** Where a job is in Redis. */
export interface Place {
  readonly name: string;
  readonly state: "waiting" | "delayed" | "running" | "completed";
  /** When it is due, of one that is delayed; in ms since the epoch. */
  readonly dueAt: number | null;
}

/** A job as the database would have it. */
export function toRow(job: JobJson, { name, state, dueAt }: Place): JobRow {
  const told = job.progress as { fraction?: unknown; text?: unknown } | number;
  const fraction = typeof told === "object" && typeof told.fraction === "number" ? told.fraction : null;
  const text = typeof told === "object" && typeof told.text === "string" ? told.text : null;
  const tries = readExtra(job).attempt + toCount(job.attemptsMade) + (state === "running" ? 1 : 0);
  const startedAt = toMoment(job.processedOn);
  const endedAt = toMoment(job.finishedOn);
  return {
    id: job.id,
    name,
    state,
    rank: toRank(job.priority),
    due_at: dueAt,
    payload: job.data,
    version: readExtra(job).version,
    attempt: tries,
    lost: toCount(job.stalledCounter),
    worker: null,
    unique_hash: null,
    lane: null,
    held_lane: null,
    batch_id: null,
    awaits_id: readExtra(job).awaitsId,
    next_id: null,
    progress: fraction === null ? null : Math.round(fraction * 1000),
    progress_text: text,
    error: job.failedReason === "" ? null : (job.failedReason ?? null),
    created_at: new Date(toMoment(job.timestamp) ?? 0),
    started_at: startedAt === null ? null : new Date(startedAt),
    ended_at: endedAt === null ? null : new Date(endedAt),
  };
}

/** Nothing that Redis says is taken for what it should be. */
function readExtra(job: JobJson): Extra {
  const found = (job.opts as { xcore?: unknown }).xcore;
  const { attempt, isKept, version, awaitsId } = (
    typeof found === "object" && found !== null ? found : {}
  ) as Partial<Record<keyof Extra, unknown>>;
  return {
    attempt: toCount(attempt),
    isKept: isKept === true,
    version: typeof version === "string" && version.length <= MAX_VERSION ? version : null,
    awaitsId: isId(awaitsId) ? awaitsId : null,
  };
}

const MAX_VERSION = 64;

function toCount(value: unknown): number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value < 1e6 ? value : 0;
}

const LAST_MOMENT = 8.64e15;

function toMoment(value: unknown): number | null {
  return typeof value === "number" && value >= 0 && value <= LAST_MOMENT ? value : null;
}
