import type { JobChanges } from "../contract/backend.ts";
import { hasEnded, type JobRow } from "../contract/records.ts";
import { fail } from "../definition/error-codes.ts";
import { type JobDefinition, splitName } from "../definition/options.ts";

/** Finds a kind of jobs by "plugin:name", or by its name alone where only one plugin has it. @throws AppError not_found */
export function findDefinition(definitions: ReadonlyMap<string, JobDefinition>, name: string): JobDefinition {
  const exact = definitions.get(name);
  if (exact !== undefined) return exact;
  const same = [...definitions.values()].filter((one) => splitName(one.name).name === name);
  const [only] = same;
  if (only !== undefined && same.length === 1) return only;
  const all = [...definitions.keys()].join(", ");
  const hint = all === "" ? "no plugin defines any" : `there are ${all}`;
  const reason = same.length > 1 ? "several plugins have one: name it as plugin:name" : hint;
  throw fail("not_found", `Cannot enqueue "${name}": ${reason}`);
}

/** @throws AppError not_found */
export async function readJob(backend: JobChanges, id: string): Promise<JobRow> {
  const job = await backend.find(id);
  if (job === null) throw noJob(id);
  return job;
}

/** Has a job run again. @throws AppError not_found, job_not_ended, conflict for one that is completed */
export async function retry(backend: JobChanges, id: string): Promise<void> {
  const was = await backend.retry(id);
  if (was === null) throw noJob(id);
  if (was === "completed")
    throw fail("conflict", `Cannot retry job "${id}": it is completed; enqueue another one`);
  if (!hasEnded(was) && was !== "delayed") {
    throw fail("job_not_ended", `Cannot retry job "${id}": it is ${was}`);
  }
}

/** Cancels a job, or deletes one that has ended. @throws AppError not_found */
export async function cancel(backend: JobChanges, id: string): Promise<"cancelled" | "deleted"> {
  const done = await backend.cancel(id);
  if (done === null) throw noJob(id);
  return done;
}

function noJob(id: string) {
  return fail("not_found", `Cannot find job "${id}": there is none`);
}
