import type { Logger } from "pino";
import type { AppCache } from "../../cache/cache.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { Upgrade } from "../../db/migrations/upgrade.ts";
import type { QueryWatch } from "../../db/contract/statements.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import type { HookBus } from "../../hooks/bus.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import type { Mail } from "../../mail/mail.ts";
import type { Scheduler } from "../../jobs/scheduler/scheduler.ts";
import type { Meter } from "../../metrics/meter.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { TemplateRoute } from "../../metrics/route-templates.ts";
import type { Tracing } from "../../metrics/tracing.ts";
import type { LiveChanges } from "../../resources/changes/live.ts";
import type { BackgroundImports } from "../../resources/import-jobs/imports.ts";
import type { Resources } from "../../resources/definition/registry.ts";
import type { Templates } from "../../templates/templates.ts";
import type { Resource } from "../../resources/resources.ts";
import type { Storage } from "../../storage/storage.ts";
import type { ErrorAnswer } from "../../web/error-answers.ts";
import type { Drained, InFlight, Mount } from "../../web/mounts.ts";
import type { BundleCache } from "../build/bundle-cache.ts";
import type { Turns } from "../build/turns.ts";
import type { StackTraces } from "../failure/stack-traces.ts";
import type { PluginCommands } from "../given/commands.ts";
import type { Cards } from "../given/xcore-module.ts";
import type { PluginAccounts } from "../given/accounts.ts";
import type { PackageStore } from "../packages/store.ts";

/** What generations need of the host. */
export interface PluginHost {
  readonly given: PluginServices;
  readonly web: PluginWeb;
  readonly lifeCycle: PluginLifeCycle;
}

/** The generation whose code has thrown something. */
export interface Thrower {
  readonly plugin: string;
  readonly generation: number;
}

/** What plugins are given to work with. */
export interface PluginServices {
  readonly hooks: HookBus;
  /** Log that plugins write to. */
  readonly log: Logger;
  /** Makes the `console` of a plugin with this log. */
  readonly createConsole: (log: Logger) => Console;
  /** The commands of all plugins. */
  readonly commands: PluginCommands;
  /** What plugins show on the dashboard. */
  readonly cards: Cards;
  readonly jobs: Jobs;
  readonly tasks: Scheduler;
  readonly mail: Mail;
  /** What tables of plugins are served as. */
  readonly resources: Resources;
  readonly changes: LiveChanges;
  /** Has files be imported into them by jobs. */
  readonly background: BackgroundImports;
  /** Where a resource is served, once it is. */
  readonly pathOf: (resource: Resource) => string;
  /** Gets what code of a plugin throws where nobody can catch it, such as in a timer. */
  readonly onUncaught: (error: unknown, thrower: Thrower) => void;
  /** Whether plugins may end the process, as those of a command may. */
  readonly mayEnd: boolean;
  readonly database: Driver;
  /** Measures what they do; null: nothing is measured. */
  readonly monitoring: PluginMonitoring | null;
  readonly cache: Pick<AppCache, "namespace">;
  readonly storage: Storage;
  readonly accounts: PluginAccounts;
  readonly templates: Pick<Templates, "forPlugin" | "setTheme">;
  /** What plugins see of the core's tables: one declaration for all, so that their relations meet. */
  readonly core: CoreDeclaration;
}

/** Measures what plugins do. */
export interface PluginMonitoring {
  readonly metrics: Pick<Metrics, "meterOf" | "serve">;
  /** Returns what has the statements of a version of a plugin be run. */
  watchQueries(meter: Meter): QueryWatch;
  /** Returns what answers the requests of a mount, with each of them a span where traces are wanted. */
  traceRequests(meter: Meter, fetch: Mount["fetch"], routes: () => readonly TemplateRoute[]): Mount["fetch"];
  /** Null where nobody wants traces. */
  readonly tracing: Pick<Tracing, "traceparent"> | null;
}

/** How the requests of plugins are served. */
export interface PluginWeb {
  readonly answerError: ErrorAnswer;
  /** Whether the client of a request still waits for the rest of its response. */
  readonly isOpen: (request: Request) => boolean;
  /** Waits for the requests of a mount that takes no more. */
  readonly drain: (inFlight: InFlight, limits: Parameters<InFlight["drain"]>[1]) => Promise<Drained>;
  readonly serverFor: (owner: Pick<Mount, "plugin" | "inFlight">) => Bun.Server<unknown> | null;
}

/** How plugins are loaded and disposed of. */
export interface PluginLifeCycle {
  /** Log of the plugins' lives. */
  readonly log: Logger;
  /** Where npm dependencies of plugins are installed. */
  readonly packages: PackageStore;
  /** Where bundles are kept; null: nowhere. */
  readonly bundles: BundleCache | null;
  /** Whether pending migrations are applied before a plugin serves. */
  readonly autoMigrate: () => boolean;
  /** What is done before tables that are there are migrated. */
  readonly upgrade: Upgrade;
  readonly stackTraces: StackTraces;
  /** What loads share. */
  readonly turns: Turns;
  readonly activity: Activity;
  /** Path to show for a file. */
  readonly toDisplayPath: (file: string) => string;
  /** False to load plugins only to look at them: nothing is migrated, and `setup` isn't called. */
  readonly runsSetup: boolean;
  readonly setupTimeoutMs: number;
  readonly drainTimeoutMs: number;
  /** How long the server waits while it stops. */
  readonly shutdown: {
    /** Aborted when requests are waited for no longer. */
    readonly requests: AbortSignal;
    /** Aborted when teardowns are waited for no longer. */
    readonly teardowns: AbortSignal;
  };
}

/** Tells who watches the event loop what code of plugins runs. Nobody may. */
export class Activity {
  /** Begins to watch; called once, before code of a plugin first runs. */
  begin: (() => Promise<void>) | null = null;
  /** Told of the plugin and what of it runs next, such as "setup()". */
  note: ((plugin: string, what: string) => void) | null = null;
  #begun: Promise<void> | null = null;

  /** Resolves when it is watched what runs. */
  watched(): Promise<void> {
    if (this.begin === null) return Promise.resolve();
    return (this.#begun ??= this.begin());
  }
}
