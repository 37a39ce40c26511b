import type { Accounts } from "../accounts/accounts.ts";
import type { Config } from "../config/schema.ts";
import { toRedisJobs } from "../jobs/backends.ts";
import { Jobs } from "../jobs/jobs.ts";
import { Scheduler } from "../jobs/scheduler/scheduler.ts";
import { Mail } from "../mail/mail.ts";
import type { Templates } from "../templates/templates.ts";
import { BackgroundImports } from "../resources/import-jobs/imports.ts";
import type { AppContext } from "./context.ts";
import type { PluginOptions } from "./plugins.ts";
import type { Shutdown } from "./lifetime/shutdown.ts";
import { addCleaning, type AppStores, cleanFiles } from "./stores.ts";
import { addChores, keepUp } from "./upkeep.ts";

/** What plugins have done outside of requests. */
export interface Work {
  readonly jobs: Jobs;
  /** Runs tasks when they are due. */
  readonly tasks: Scheduler;
  readonly mail: Mail;
  /** Imports files into tables of plugins. */
  readonly background: BackgroundImports;
  /** Adds all tasks of the core, for a command that runs one: a server has those that there is something to do for. */
  readonly addCoreTasks: () => Promise<void>;
  /** Ends what looks whether the core has tasks. */
  readonly endUpkeep: () => void;
}

/**
 * Builds the background jobs and the scheduler; nothing is loaded before there is a job, or a task. Where jobs are kept is
 * what the start says.
 *
 * @throws AppError config_invalid for jobs in Redis without one, and a schedule of backups that can't be read
 */
export async function createWork(
  context: AppContext,
  stores: AppStores,
  pages: MailParts & { readonly accounts: Pick<Accounts, "deletions"> },
): Promise<Work> {
  const { live, hooks, loggers, feed, presence, inspects, isCommand, monitoring } = context;
  const { database, store, storage } = stores;
  const ground = { driver: database, store, log: loggers.app };
  const isServer = !inspects && !isCommand;
  const jobs = new Jobs({
    ...ground,
    redis: inspects ? null : toRedisJobs(live.loaded.config),
    presence,
    hooks,
    concurrency: () => live.loaded.config.jobs.concurrency,
    isWorker: isServer,
    isShared: database.dialect !== "sqlite" || feed !== null,
    around: monitoring?.aroundJob,
    onAdded: monitoring?.tracing ? monitoring.noteEnqueued : undefined,
  });
  const tasks = new Scheduler({ ...ground, isTimed: isServer, around: monitoring?.aroundTask });
  cleanFiles(context, storage, tasks);
  const mail = createMail(context, stores, { ...pages, jobs, isWorker: isServer });
  mail.start();
  if (isServer) await scheduleAppBackups(context, tasks);
  const means = { stores, accounts: pages.accounts };
  return {
    jobs,
    tasks,
    mail,
    async addCoreTasks() {
      await scheduleAppBackups(context, tasks);
      await addCleaning(storage, tasks, loggers.app);
      await addChores(context, tasks, means);
    },
    background: new BackgroundImports({ ...ground, jobs, isWorker: isServer }),
    endUpkeep: keepUp(context, tasks, means),
  };
}

/** What mail is made with. */
interface MailParts {
  readonly templates: Templates;
  readonly print: (text: string) => void;
}

function createMail(
  { live, hooks, loggers }: AppContext,
  { store, secretKey }: AppStores,
  { templates, print, jobs, isWorker }: MailParts & { readonly jobs: Jobs; readonly isWorker: boolean },
): Mail {
  return new Mail({
    store,
    jobs,
    hooks,
    templates,
    print,
    isWorker,
    log: loggers.app,
    settings: () => live.loaded.config.mail,
    key: secretKey.deriveKey("mails"),
    origin: () => toOrigin(live.loaded.config.server),
    isDebug: () => live.loaded.config.app.debug,
  });
}

/** Where links of mails lead: never where a request says that it is. */
export function toOrigin({ public_url: publicUrl, host, port, tls }: Config["server"]): string {
  if (publicUrl !== null) return new URL(publicUrl).origin;
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `${tls.cert === null && tls.acme === null ? "http" : "https"}://${name}:${port}`;
}

/** Nothing of it is loaded without a schedule. */
async function scheduleAppBackups({ live, version, loggers }: AppContext, tasks: Scheduler): Promise<void> {
  if (live.loaded.config.backups.schedule === null) return;
  const { scheduleBackups } = await import("../backups/schedule.ts");
  await scheduleBackups(tasks, { loaded: () => live.loaded, version, log: loggers.app });
}

/** Waits for the jobs and tasks that run for as long as plugins may take to drain, and gives back what is left. */
export async function closeWork(
  { jobs, tasks, mail, endUpkeep }: Pick<Work, "jobs" | "tasks" | "mail" | "endUpkeep">,
  shutdown: Shutdown,
  { drainTimeoutMs = 30_000 }: Pick<PluginOptions, "drainTimeoutMs">,
): Promise<void> {
  endUpkeep();
  const signal = AbortSignal.any([shutdown.requests, AbortSignal.timeout(drainTimeoutMs)]);
  await Promise.all([jobs.close(signal), tasks.close(signal)]);
  await mail.close();
}
