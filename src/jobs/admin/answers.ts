import { t } from "elysia";
import { JOB_STATES, type JobState } from "../../db/schema/core-tables.ts";
import type { DoneStep, JobRow } from "../contract/records.ts";
import { splitName } from "../definition/options.ts";

const Time = t.String({ format: "date-time" });

export const State = t.Unsafe<JobState>(t.Union(JOB_STATES.map((state) => t.Literal(state))));

/** A job as it is listed. */
export const Job = t.Object({
  id: t.String({ format: "uuid" }),
  plugin: t.String(),
  name: t.String(),
  state: State,
  priority: t.Integer(),
  attempt: t.Integer({ description: "How many tries have begun" }),
  lost: t.Integer({ description: "How often the process that ran it has ended without a word" }),
  progress: t.Nullable(t.Number({ description: "From 0 to 1" })),
  progress_text: t.Nullable(t.String()),
  error: t.Nullable(t.String({ description: "Why it last failed, or was set aside" })),
  due_at: t.Nullable(t.String({ format: "date-time", description: "Of one that is delayed" })),
  created_at: Time,
  started_at: t.Nullable(Time),
  ended_at: t.Nullable(Time),
});

export const JobDetails = t.Object({
  ...Job.properties,
  payload: t.Unknown(),
  next_id: t.Nullable(t.String({ description: "The job of its chain that waits for it" })),
  steps: t.Array(t.Object({ name: t.String(), at: Time }), { description: "Those that are done" }),
});

/** Says of a job what everybody may know who sees jobs. */
export function toAnswer(row: JobRow): typeof Job.static {
  const { id, state, attempt, lost, progress, progress_text, error, due_at: due } = row;
  return {
    id,
    ...splitName(row.name),
    state,
    priority: row.rank === 0 ? 0 : -row.rank,
    attempt,
    lost,
    progress: progress === null ? null : progress / 1000,
    progress_text,
    error,
    due_at: state === "delayed" && due !== null ? new Date(due).toISOString() : null,
    created_at: row.created_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    ended_at: row.ended_at?.toISOString() ?? null,
  };
}

export function toDetails(job: JobRow, steps: readonly DoneStep[]): typeof JobDetails.static {
  return {
    ...toAnswer(job),
    payload: JSON.parse(job.payload) as unknown,
    next_id: job.next_id,
    steps: steps.map(({ name, at }) => ({ name, at: at.toISOString() })),
  };
}
