import { Elysia, t } from "elysia";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { Origin, User } from "../../accounts/identity/principal.ts";
import { writeAudit } from "../../accounts/people/audit.ts";
import type { CoreStore } from "../../accounts/people/store.ts";
import { listOf, page } from "../../db/paging/paginate.ts";
import type { Scheduler } from "./scheduler.ts";
import { listTasks, readTask, type TaskSource } from "./task-list.ts";

export interface TaskRoutesOptions {
  readonly tasks: Scheduler;
  readonly store: CoreStore;
  readonly guards: Guards;
  readonly originOf: (request: Request) => Origin;
}

const Time = t.Nullable(t.String({ format: "date-time" }));
export const Task = t.Object({
  id: t.String({ description: "Plugin and name: blog:recount" }),
  plugin: t.String(),
  name: t.String(),
  expression: t.String(),
  timezone: t.String(),
  state: t.UnionEnum(["scheduled", "running", "paused", "inactive"], {
    description: "inactive: its plugin doesn't serve here, or doesn't have it any more",
  }),
  next_run_at: Time,
  last_run_at: Time,
  last_duration_ms: t.Nullable(t.Integer()),
  last_failed_at: Time,
  last_error: t.Nullable(t.String()),
  runs: t.Integer(),
  failures: t.Integer(),
  skips: t.Integer({ description: "How often it was due while an earlier run went on" }),
});
const Id = t.Object({ id: t.String({ maxLength: 130, description: "blog:recount" }) });
const READ = { permission: "tasks:read" } as const;

interface Context {
  readonly params: { readonly id: string };
  readonly request: Request;
  readonly user: User;
}

/** Serves the scheduled tasks below `/system/tasks`, and what administrators do to them. */
export function taskRoutes({ tasks, store, guards, originOf }: TaskRoutesOptions) {
  const source: TaskSource = { store, nextOf: ({ name }) => tasks.nextOf(name) };
  const note = (action: string, { params, request, user }: Context) =>
    writeAudit(store.db, store.tables, {
      action,
      actor: user,
      target: { type: "task", id: params.id },
      origin: originOf(request),
    });
  const pause = async (isPaused: boolean, context: Context) => {
    await readTask(source, context.params.id);
    await tasks.setPaused(context.params.id, isPaused);
    await note(isPaused ? "task.paused" : "task.resumed", context);
    return readTask(source, context.params.id);
  };
  const run = async (context: Context) => {
    await readTask(source, context.params.id);
    await tasks.run(context.params.id);
    await note("task.run", context);
    return readTask(source, context.params.id);
  };
  // One for each route: Elysia takes the guard out of the options that it is given.
  const change = (summary: string) => ({
    permission: "tasks:manage" as const,
    params: Id,
    response: { 200: Task },
    detail: { summary },
  });
  return new Elysia({ name: "xcore/tasks", prefix: "/system/tasks", detail: { tags: ["system"] } })
    .use(guards)
    .get("", ({ query }) => listTasks(source, query), {
      ...READ,
      query: page,
      response: { 200: listOf(Task) },
      detail: { summary: "Scheduled tasks; sort by id, last_run_at, runs or failures" },
    })
    .post("/:id/run", async ({ status, ...context }) => status(202, await run(context)), {
      ...change("Run a task now, also one that is paused"),
      response: { 202: Task },
    })
    .post("/:id/pause", (context) => pause(true, context), change("Pause a task on all instances"))
    .post(
      "/:id/resume",
      (context) => pause(false, context),
      change("Let a paused task go on; what it has missed isn't caught up with"),
    );
}
