import { join, resolve } from "node:path";
import { Presence } from "../log/presence.ts";
import type { RequestEntry } from "../log/request-line.ts";
import { Traffic } from "../metrics/traffic.ts";
import { redirectRefused } from "../accounts/browser/navigation.ts";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import type { JsonObject } from "../config/json/values.ts";
import type { LoadedConfig } from "../config/load.ts";
import { namePlugin } from "../db/contract/database-error.ts";
import { createHookBus, type HookBus } from "../hooks/bus.ts";
import type { ConsoleStream } from "../log/console-sink.ts";
import { Callers } from "../db/transactions/callers.ts";
import { createLoggers, type Loggers } from "../log/loggers.ts";
import { createDisplayPath } from "../files/paths.ts";
import { Cards } from "../plugins/given/xcore-module.ts";
import { Activity } from "../plugins/runtime/host.ts";
import { LiveChanges } from "../resources/changes/live.ts";
import { Resources } from "../resources/definition/registry.ts";
import { StackTraces } from "../plugins/failure/stack-traces.ts";
import { createChangeFeed, followHooks, toOthersBy } from "./cluster.ts";
import { Shutdown } from "./lifetime/shutdown.ts";
import { createErrorAnswer, type ErrorAnswer, type Refused } from "../web/error-answers.ts";
import type { WorkerPlace } from "./monitoring/figures.ts";
import { createMonitoring, type Monitoring } from "./monitoring/monitoring.ts";
import { Site } from "../web/clients/site.ts";
import { RateLimits } from "../web/throttling/rate-limits.ts";

/**
 * Loads the configuration with keys that were set on all instances, and where that is given, as if this were the text of
 * config.json.
 *
 * @throws ConfigError
 */
export type LoadShared = (shared: JsonObject, text?: string) => LoadedConfig;

export interface ContextOptions {
  readonly loaded: LoadedConfig;
  /**
   * Reads config.json again, with keys that were set on all instances over its own.
   *
   * @default what it is started with stays
   * @throws ConfigError
   */
  readonly load?: LoadShared;
  readonly version: string;
  /** Loads plugins only to look at them: no database, no `setup`, no watching, no log. */
  readonly inspects?: boolean;
  /** Runs a command of a plugin: no log files, no watching, and what plugins print goes to the terminal. */
  readonly isCommand?: boolean;
  /** Makes an empty database where the one that was there is gone. */
  readonly isNew?: boolean;
  /** This process as one of those that answer together; null for the only one. @default null */
  readonly worker?: WorkerPlace | null;
  /** What the console part of the log is written to. @default process.stdout */
  readonly stdout?: ConsoleStream;
}

/** What changes while an app runs, or is there only once all is built. */
export interface LiveParts {
  loaded: LoadedConfig;
  /** What the log says of who makes a request that is refused. */
  describeAsker: (request: Request) => object;
  /** Is told of requests that are refused. */
  onRefused: (refused: Refused) => void;
  /** In which language whoever makes a request reads titles of problems. */
  languageOf: (request: Request) => string;
}

/** What all parts of an app are built with. */
export interface AppContext {
  readonly version: string;
  readonly inspects: boolean;
  readonly isCommand: boolean;
  readonly isNew: boolean;
  /** The configuration that applies now. */
  readonly live: LiveParts;
  readonly load: LoadShared;
  readonly loggers: Loggers;
  /** Whether Redis, or what else the process is connected with, is there. */
  readonly presence: Presence;
  /** By which instances tell each other of changes; null without Redis. */
  readonly feed: ChangeFeed | null;
  readonly hooks: HookBus;
  readonly stackTraces: StackTraces;
  /** Absolute folder of the log files of this process. */
  readonly logFolder: string;
  /** This process as one of those that answer together; null for the only one. */
  readonly worker: WorkerPlace | null;
  /** Path to show for a file: relative to the folder of config.json. */
  readonly toDisplayPath: (file: string) => string;
  readonly answerError: ErrorAnswer;
  /** Which request code works for. */
  readonly callers: Callers;
  /** How many requests clients may make. */
  readonly limits: RateLimits;
  /** How browsers reach the server. */
  readonly site: Site;
  readonly shutdown: Shutdown;
  readonly activity: Activity;
  /** Measures what is done; null: nothing is measured. */
  readonly monitoring: Monitoring | null;
  /** The requests of the last minutes. */
  readonly traffic: Traffic<RequestEntry>;
  /** What plugins show on the dashboard. */
  readonly cards: Cards;
  /** The tables of plugins that are served as APIs. */
  readonly resources: Resources;
  /** What changes in their tables. */
  readonly changes: LiveChanges;
}

/** Opens the logs, and builds what everything else reports to. */
export async function createContext(options: ContextOptions): Promise<AppContext> {
  const { loaded, load = () => loaded, version } = options;
  const { inspects = false, isCommand = false, isNew = false, worker = null } = options;
  const live: LiveParts = { loaded, describeAsker: () => ({}), onRefused: () => {}, languageOf: () => "en" };
  const stackTraces = new StackTraces();
  const loggers = await openLoggers(options, stackTraces);
  const activity = new Activity();
  const presence = new Presence(loggers.app);
  const feed = inspects ? null : await createChangeFeed(loaded, loggers.app, presence);
  const monitoring =
    inspects || isCommand ? null : await createMonitoring(loaded, { version, log: loggers.app });
  const hooks = createHookBus({
    ...toOthersBy(feed),
    ...(monitoring && { around: monitoring.aroundHook }),
    onCall: (source, event) => activity.note?.(source, `a hook of ${event}`),
    onError: (error, { event, source, reason }) => {
      if (source !== null) namePlugin(error, source);
      loggers.app.error({ err: error, event, plugin: source, reason }, "hook handler failed");
    },
  });
  monitoring?.follow(hooks);
  if (feed !== null) followHooks(feed, hooks, loggers.app);
  const answerError = createErrorAnswer({
    log: loggers.app,
    accessLog: loggers.access,
    isDebug: () => live.loaded.config.app.debug,
    describeAsker: (request) => live.describeAsker(request),
    onRefused: (refused) => live.onRefused(refused),
    languageOf: (request) => live.languageOf(request),
    redirect: redirectRefused,
  });
  const kind = { version, inspects, isCommand, isNew, worker };
  return {
    ...kind,
    live,
    load,
    loggers,
    presence,
    feed,
    hooks,
    stackTraces,
    logFolder: toLogFolder(loaded, worker?.number ?? null),
    toDisplayPath: createDisplayPath(loaded.directory),
    answerError,
    callers: new Callers(),
    limits: new RateLimits(loaded.config.server.rate_limit),
    site: new Site(),
    shutdown: new Shutdown(),
    activity,
    monitoring,
    traffic: new Traffic(),
    cards: new Cards(),
    resources: new Resources(),
    changes: new LiveChanges(feed, loggers.app),
  };
}

function openLoggers(
  { loaded, inspects = false, isCommand = false, worker = null, stdout }: ContextOptions,
  stackTraces: StackTraces,
): Promise<Loggers> {
  const { logging } = loaded.config;
  return createLoggers({
    ...logging,
    level: inspects ? "silent" : logging.level,
    worker: worker?.number ?? null,
    directory: inspects || isCommand ? null : toLogFolder(loaded, worker?.number ?? null),
    mapStack: (stack) => stackTraces.map(stack),
    ...(stdout && { stdout }),
  });
}

/** The folder of a process's log files: no two processes may write one file. */
export function toLogFolder({ directory, config }: LoadedConfig, worker: number | null): string {
  const folder = resolve(directory, config.logging.directory);
  return worker === null ? folder : join(folder, `worker-${worker}`);
}
