import type { Principal, User } from "../../accounts/identity/principal.ts";
import { assertNotViewing } from "../../accounts/identity/session-owner.ts";
import { fail } from "../../errors/codes.ts";
import { hasEnded } from "../../jobs/contract/records.ts";
import type { JobDefinition, Jobs } from "../../jobs/jobs.ts";
import type { Access } from "../access/access.ts";
import { type ImportOptions, toPlan } from "../import/plan.ts";
import type { ImportReport } from "../import/report.ts";
import { type ImportFile, openSource } from "../import/source.ts";
import type { BackgroundImports } from "./imports.ts";
import type { ImportJobGround } from "./job.ts";
import { type ImportError, type ImportRow, readError, readReport } from "./store.ts";

export interface ImportDeskOptions extends ImportJobGround {
  readonly definition: JobDefinition;
  readonly jobs: Jobs;
  readonly background: BackgroundImports;
  readonly mayDo: (user: User, permission: string) => boolean;
}

/** An import as who asked for it sees it. */
export interface ImportStatus {
  readonly id: string;
  /** As `GET /system/jobs/{id}` shows it. */
  readonly job_id: string;
  readonly state: "waiting" | "running" | "completed" | "failed" | "cancelled";
  /** From 0 to 1. */
  readonly progress: number;
  readonly progress_text: string | null;
  readonly created_at: string;
  readonly ended_at: string | null;
  readonly report: ImportReport | null;
  readonly error: ImportError | null;
}

/** Of somebody, at once. */
const MAX_OPEN = 20;
const STATES = {
  waiting: "waiting",
  delayed: "waiting",
  blocked: "waiting",
  running: "running",
  completed: "failed", // without having done it
  dead: "failed",
  incompatible: "failed",
  cancelled: "cancelled",
} as const;

/**
 * Has a file be imported in the background, where its columns fit.
 *
 * @throws AppError validation_error, conflict for too many that wait
 */
export async function beginImport(
  file: ImportFile,
  { options, principal }: { readonly options: ImportOptions; readonly principal: Principal | null },
  { store, db, resource, jobs, background, definition, accessOf }: ImportDeskOptions,
): Promise<ImportStatus> {
  // It would go on after the view has ended.
  if (principal !== null) assertNotViewing(principal);
  await assertFits(file, options, accessOf(principal?.user ?? null));
  const asker = principal === null ? null : { userId: principal.user.id, apiKeyId: principal.apiKeyId };
  const userId = asker?.userId ?? null;
  background.need();
  const queue = await jobs.queue();
  const id = Bun.randomUUIDv7();
  const { plugin, name } = resource;
  const jobId = await background.begin(userId, async () => {
    await assertFew(userId, store);
    return db.transaction(async (tx) => {
      const made = await queue.enqueue({ definition, payload: { import: id } }, tx);
      await store.add(tx, { id, jobId: made, plugin, resource: name, asker, options, file });
      return made;
    });
  });
  const created = new Date().toISOString();
  return {
    id,
    job_id: jobId,
    state: "waiting",
    progress: 0,
    progress_text: null,
    created_at: created,
    ended_at: null,
    report: null,
    error: null,
  };
}

/** How far an import is. @throws AppError not_found for those of others, but for who may see jobs */
export async function readImport(
  id: string,
  user: User | null,
  options: ImportDeskOptions,
): Promise<ImportStatus> {
  let row = await find(id, { user, permission: "jobs:read" }, options);
  const backend = await options.jobs.backend();
  const job = row.ended_at === null ? await backend.find(row.job_id) : null;
  // It may have ended meanwhile.
  if (job === null || hasEnded(job.state)) row = (await options.store.find(id)) ?? row;
  const worker = options.jobs.isLoaded ? (await options.jobs.queue()).worker : null;
  // What a transaction does isn't in the database yet.
  const live = worker?.find(row.job_id)?.progress ?? null;
  const isDone = row.outcome === "completed";
  return {
    id,
    job_id: row.job_id,
    state: row.outcome ?? (job === null ? "failed" : STATES[job.state]),
    progress: isDone ? 1 : (live?.fraction ?? (job?.progress ?? 0) / 1000),
    progress_text: isDone ? null : (live?.text ?? job?.progress_text ?? null),
    created_at: row.created_at.toISOString(),
    ended_at: row.ended_at?.toISOString() ?? null,
    report: readReport(row),
    error: readError(row),
  };
}

/**
 * Cancels an import, or forgets one that has ended.
 *
 * @throws AppError not_found for those of others, but for who may manage jobs; conflict for one that has ended meanwhile
 */
export async function removeImport(id: string, user: User | null, options: ImportDeskOptions): Promise<void> {
  const { jobs, store, db } = options;
  const row = await find(id, { user, permission: "jobs:manage" }, options);
  if (row.ended_at !== null) return store.remove([id]);
  // First here: what it is about to write is taken back, for which the database would make all else wait.
  if (jobs.isLoaded) (await jobs.queue()).worker?.end(row.job_id, "cancelled");
  await (await jobs.backend()).cancel(row.job_id);
  const isCancelled = await db.transaction((tx) => store.end(tx, id, { outcome: "cancelled" }));
  if (!isCancelled) throw fail("conflict", "Cannot cancel the import: it has ended meanwhile");
}

async function find(
  id: string,
  { user, permission }: { readonly user: User | null; readonly permission: string },
  { store, resource, mayDo }: ImportDeskOptions,
): Promise<ImportRow> {
  const row = await store.find(id);
  const isHere = row?.plugin === resource.plugin && row.resource === resource.name;
  const isTheirs = row?.user_id === null || row?.user_id === user?.id;
  if (row !== null && isHere && (isTheirs || (user !== null && mayDo(user, permission)))) return row;
  throw fail("not_found", `Cannot find import "${id}"`);
}

/** @throws AppError conflict */
async function assertFew(userId: number | null, store: ImportJobGround["store"]): Promise<void> {
  if ((await store.countOpen(userId)) < MAX_OPEN) return;
  const reason = `you have ${MAX_OPEN} imports that haven't ended; wait, or cancel some`;
  throw fail("conflict", `Cannot import it: ${reason}`);
}

/** That a mistake in its columns is told at once. @throws AppError validation_error */
async function assertFits(file: ImportFile, options: ImportOptions, access: Access): Promise<void> {
  const { header } = await openSource(file);
  toPlan(access, header, options);
}
