import { Elysia, t } from "elysia";
import type { Guards } from "../accounts/identity/guards.ts";
import type { Origin } from "../accounts/identity/principal.ts";
import { type AuditEntry, writeAudit } from "../accounts/people/audit.ts";
import type { CoreStore } from "../accounts/people/store.ts";
import { listOf, page } from "../db/paging/paginate.ts";
import { Job, JobDetails, State, toAnswer } from "./admin/answers.ts";
import { createJobDesk, type JobDesk } from "./admin/desk.ts";
import { followJob } from "./admin/events.ts";
import { findDefinition, readJob } from "./admin/verbs.ts";
import { hasEnded } from "./contract/records.ts";
import { MAX_DELAY, MAX_PRIORITY } from "./definition/requests.ts";
import type { Jobs } from "./jobs.ts";
import { Watchers } from "./queue/watchers.ts";

export interface JobRoutesOptions {
  readonly jobs: Jobs;
  readonly store: CoreStore;
  readonly guards: Guards;
  readonly originOf: (request: Request) => Origin;
}

type Asking = { readonly user: { readonly id: number; readonly email: string }; readonly request: Request };

const READ = { permission: "jobs:read" } as const;
const MANAGE = { permission: "jobs:manage" } as const;
const Id = t.Object({ id: t.String({ format: "uuid" }) });
const NewJob = t.Object({
  name: t.String({ minLength: 1, maxLength: 130, description: "Such as blog:notify" }),
  payload: t.Optional(t.Unknown()),
  delay: t.Optional(t.Number({ minimum: 0, maximum: MAX_DELAY, description: "In seconds" })),
  unique: t.Optional(t.String({ maxLength: 10_000 })),
  priority: t.Optional(t.Integer({ minimum: -MAX_PRIORITY, maximum: MAX_PRIORITY })),
});

/** Serves the background jobs below `/system/jobs`. */
export function jobRoutes(options: JobRoutesOptions) {
  return new Elysia({ name: "xcore/jobs", prefix: "/system/jobs", detail: { tags: ["system"] } })
    .use(readRoutes(options))
    .use(changeRoutes(options));
}

function readRoutes({ jobs, guards }: JobRoutesOptions) {
  const desk = openDesk(jobs);
  const nobody = new Watchers();
  return new Elysia({ name: "xcore/jobs/read" })
    .use(guards)
    .get(
      "",
      async ({ query: { state, plugin, name, ...query } }) =>
        (await desk()).list({ state, plugin, name }, query),
      {
        ...READ,
        query: t.Object({
          ...page.properties,
          state: t.Optional(State),
          plugin: t.Optional(t.String({ maxLength: 64, pattern: "^[a-z0-9_]+$" })),
          name: t.Optional(t.String({ maxLength: 130, description: "Such as blog:notify" })),
        }),
        response: { 200: listOf(Job) },
        detail: { summary: "Background jobs, the newest first" },
      },
    )
    .get("/:id", async ({ params }) => (await desk()).read(params.id), {
      ...READ,
      params: Id,
      response: { 200: JobDetails },
      detail: { summary: "One job, with its payload and its steps" },
    })
    .get(
      "/:id/events",
      async ({ params: { id }, request: { signal } }) => {
        const backend = await jobs.backend();
        await readJob(backend, id);
        const queue = jobs.isLoaded ? await jobs.queue() : null;
        const read = async () => {
          const job = await backend.find(id).catch(() => null);
          if (job === null) return null;
          const live = queue?.worker?.find(id)?.progress ?? null;
          const answer = toAnswer(job);
          const progress = live === null ? {} : { progress: live.fraction, progress_text: live.text };
          return { answer: { ...answer, ...progress }, hasEnded: hasEnded(job.state) };
        };
        return followJob({ read, id, watchers: queue?.watchers ?? nobody, signal });
      },
      {
        ...READ,
        params: Id,
        detail: { summary: "What becomes of a job, as server-sent events `job`, until it has ended" },
      },
    );
}

function changeRoutes({ jobs, store, guards, originOf }: JobRoutesOptions) {
  const desk = openDesk(jobs);
  const note = createNote({ store, originOf });
  return new Elysia({ name: "xcore/jobs/changes" })
    .use(guards)
    .post(
      "",
      async ({ body: { name, payload, ...asked }, status, ...context }) => {
        const definition = findDefinition(jobs.definitions, name);
        const id = await (await jobs.queue()).enqueue({ definition, payload, options: asked });
        await note("job.enqueued", id, context, { name: definition.name });
        return status(201, await (await desk()).read(id));
      },
      {
        ...MANAGE,
        idempotent: true,
        body: NewJob,
        response: { 201: JobDetails },
        detail: { summary: "Enqueue a job that a plugin defines" },
      },
    )
    .post(
      "/:id/retry",
      async ({ params: { id }, ...context }) => {
        const opened = await desk();
        await opened.retry(id);
        await note("job.retried", id, context);
        if (jobs.isLoaded) (await jobs.queue()).worker?.wakeAll();
        return opened.read(id);
      },
      {
        ...MANAGE,
        params: Id,
        response: { 200: JobDetails },
        detail: {
          summary: "Run a job again that is dead, cancelled or incompatible, or at once one that is delayed",
        },
      },
    )
    .delete(
      "/:id",
      async ({ params: { id }, status, ...context }) => {
        const done = await (await desk()).cancel(id);
        if (jobs.isLoaded) (await jobs.queue()).worker?.end(id, "cancelled");
        await note(done === "cancelled" ? "job.cancelled" : "job.deleted", id, context);
        return status(204, undefined);
      },
      {
        ...MANAGE,
        params: Id,
        response: { 204: t.Void() },
        detail: { summary: "Cancel a job, with those of its chain behind it, or delete one that has ended" },
      },
    );
}

/** Opens the jobs once somebody asks for them. */
function openDesk(jobs: Jobs): () => Promise<JobDesk> {
  return async () => createJobDesk(await jobs.backend());
}

/** Returns what writes into the audit log that somebody has changed a job. */
function createNote({ store, originOf }: Pick<JobRoutesOptions, "store" | "originOf">) {
  return (action: string, id: string, { user: actor, request }: Asking, after?: AuditEntry["after"]) =>
    writeAudit(store.db, store.tables, {
      action,
      actor,
      target: { type: "job", id },
      origin: originOf(request),
      ...(after && { after }),
    });
}
