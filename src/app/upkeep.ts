import type { Logger } from "pino";
import { hasOldAudit, pruneAudit } from "../accounts/people/audit.ts";
import type { Accounts } from "../accounts/accounts.ts";
import { hasLeaving } from "../accounts/people/users.ts";
import type { Scheduler } from "../jobs/scheduler/scheduler.ts";
import type { AppContext } from "./context.ts";
import { type AppStores, CORE_TASKS } from "./stores.ts";

const LOOKS_MS = 3_600_000;
/** After the start, which has enough to do. */
const FIRST_LOOK_MS = 1000;

/** What the core has a task for once there is something to do. */
interface Chore {
  readonly name: string;
  readonly schedule: string;
  readonly isDue: () => Promise<boolean>;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** What chores are done with. */
interface Means {
  readonly stores: Pick<AppStores, "store">;
  readonly accounts: Pick<Accounts, "deletions">;
}

/**
 * Has tasks do what there is to be done: delete entries of the audit log that are older than they are to be kept, and accounts
 * whose owners want it. A server without has no task. Returns what ends that.
 */
export function keepUp(context: AppContext, tasks: Scheduler, means: Means): () => void {
  const { loggers, inspects, isCommand } = context;
  if (inspects || isCommand) return () => {};
  const log = loggers.app;
  let chores = listChores(context, means);
  const look = async (chore: Chore): Promise<void> => {
    if (!(await chore.isDue())) return;
    chores = chores.filter((one) => one !== chore);
    await tasks.prepare();
    tasks.register(toTask(chore, tasks, log));
  };
  const lookNow = (): void => {
    for (const chore of chores)
      void look(chore).catch((error: unknown) =>
        log.warn({ err: error, task: chore.name }, "it can't be told whether there is something to do"),
      );
  };
  const first = setTimeout(lookNow, FIRST_LOOK_MS).unref();
  const timer = setInterval(lookNow, LOOKS_MS).unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}

/** Adds all of these tasks, whether or not there is something for them to do. */
export async function addChores(context: AppContext, tasks: Scheduler, means: Means): Promise<void> {
  await tasks.prepare();
  for (const chore of listChores(context, means)) tasks.register(toTask(chore, tasks, context.loggers.app));
}

function listChores({ live, loggers }: AppContext, { stores: { store }, accounts }: Means): readonly Chore[] {
  const { audit_retention_days: days } = live.loaded.config.security;
  const log = loggers.app;
  const deleting: Chore = {
    name: "delete_accounts",
    schedule: "11 * * * *",
    isDue: () => hasLeaving(store),
    async run(signal) {
      const accountsDeleted = await (await accounts.deletions()).deleteDue(signal);
      if (accountsDeleted > 0)
        log.info({ accounts: accountsDeleted }, "accounts were deleted, as their owners wanted");
    },
  };
  if (days === null) return [deleting];
  const pruning: Chore = {
    name: "prune_audit",
    schedule: "41 3 * * *",
    isDue: () => hasOldAudit(store, days),
    async run(signal) {
      const entries = await pruneAudit(store, days, signal);
      if (entries > 0) log.info({ entries, days }, "old entries of the audit log were deleted");
    },
  };
  return [deleting, pruning];
}

function toTask(
  { name, schedule, run }: Chore,
  tasks: Scheduler,
  log: Logger,
): Parameters<Scheduler["register"]>[0] {
  return {
    name: `${CORE_TASKS}:${name}`,
    plugin: CORE_TASKS,
    schedule: tasks.schedule(schedule, null),
    mayOverlap: false,
    catchesUp: true,
    handler: ({ signal }) => run(signal),
    log,
    hold() {},
  };
}
