import type { TSchema } from "@sinclair/typebox";
import type { Logger } from "pino";
import type { AppCache } from "../../cache/cache.ts";
import type { Database } from "../../db/contract/database.ts";
import type { Driver } from "../../db/contract/driver.ts";
import { page, paginate } from "../../db/paging/paginate.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import { AppError } from "../../errors/errors.ts";
import type { EmitArguments, HookBus } from "../../hooks/bus.ts";
import type { HookName } from "../../hooks/events.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import type { Meter } from "../../metrics/meter.ts";
import type { Mail, MailOwner } from "../../mail/mail.ts";
import type { LiveChanges } from "../../resources/changes/live.ts";
import type { BackgroundImports } from "../../resources/import-jobs/imports.ts";
import type { Resources } from "../../resources/definition/registry.ts";
import type { Resource } from "../../resources/resources.ts";
import type { Scheduler } from "../../jobs/scheduler/scheduler.ts";
import type { Storage } from "../../storage/storage.ts";
import type * as sdk from "../../sdk/xcore.ts";
import { type ModuleExports, withKnownExports } from "./host-modules.ts";
import { createPluginCache } from "./cache.ts";
import { createPluginCli, type PluginCommands } from "./commands.ts";
import { type Cards, createPluginDashboard } from "./dashboard.ts";
import { createPluginJobs } from "./jobs.ts";
import { createPluginMail } from "./mail.ts";
import { createPluginAuth, type PluginAccounts } from "./accounts.ts";
import { createPluginRouter } from "../../sdk/router.ts";
import { createPluginResources } from "./resources.ts";
import { createPluginStorage } from "./storage.ts";
import type { Scope, Undo } from "./scope.ts";

export { type Card, Cards } from "./dashboard.ts";
export { prepareResources } from "./resources.ts";
export { createPluginTemplates, type MadeTemplates } from "./templates.ts";

/** Everything that `src/sdk/xcore.ts` promises to plugins. */
type Xcore = typeof sdk;

export interface XcoreModuleOptions {
  readonly name: string;
  readonly scope: Scope;
  readonly hooks: HookBus;
  readonly commands: PluginCommands;
  readonly cards: Cards;
  /** Path below which the plugin is served, such as "/blog". */
  readonly prefix: string;
  readonly jobs: Jobs;
  readonly tasks: Scheduler;
  readonly mail: Mail;
  /** Renders a mail from the plugin's templates. */
  readonly renderMail: MailOwner["render"];
  /** Is told of each event before the plugin listens to it; throws for one that it may not listen to. */
  readonly onListen: (event: string) => void;
  /** Is told of each kind of jobs that the plugin defines, and of what their payload must be. */
  readonly onDefine: (name: string, payload: TSchema | null) => void;
  readonly driver: Driver;
  readonly db: Database;
  readonly core: CoreDeclaration;
  readonly resources: Resources;
  readonly changes: LiveChanges;
  readonly background: BackgroundImports;
  /** Is told of each permission that a resource asks for. */
  readonly onPermission: (name: string, description: string) => void;
  /** Is told of each template that a resource of it has for a screen. */
  readonly onTemplate: (name: string, place: string) => void;
  readonly storage: Storage;
  /** Where a resource is served, once it is. */
  readonly pathOf: (resource: Resource) => string;
  readonly cache: Pick<AppCache, "namespace">;
  /** Of the plugin's code and all that it depends on. */
  readonly version: string;
  /** Measures what it does; null: nobody does. */
  readonly meter: Meter | null;
  readonly accounts: PluginAccounts;
  readonly log: Logger;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly templates: sdk.PluginTemplates;
}

/** Builds what `import … from "xcore"` gives one generation of a plugin, with its own scope behind it. */
export function createXcoreModule(options: XcoreModuleOptions): ModuleExports {
  const { db, cache, accounts, log, settings } = options;
  const jobs = createPluginJobs(options);
  const xcore: Xcore = {
    createRouter: () => createPluginRouter(accounts.guards),
    hooks: createPluginHooks(options),
    cli: createPluginCli(options.name, options),
    dashboard: createPluginDashboard(options, options),
    // Its rows have the types that plugins declare: the host knows nothing of them.
    db: db as Xcore["db"],
    jobs: jobs as Xcore["jobs"],
    mail: createPluginMail(options.name, options.mail, options.renderMail),
    ...createPluginCache(cache, options),
    storage: createPluginStorage(options.name, options.storage),
    paginate,
    page,
    ...createPluginResources({ ...options, schedule: jobs }),
    config: settings as sdk.PluginConfig,
    log,
    AppError,
    auth: createPluginAuth(accounts),
    users: accounts.users,
    templates: options.templates,
  };
  return withKnownExports("xcore", xcore);
}

function createPluginHooks({ name: source, scope, hooks, onListen }: XcoreModuleOptions): sdk.PluginHooks {
  return {
    on(event, handler, options = {}) {
      // A copy: the options may have changed when the generation takes over.
      const kept = { ...options, source };
      let undo: Undo | null = null;
      const handleOnce: typeof handler = (happened) => {
        undo?.(); // or the scope would hold everything that ever waited once
        return handler(happened);
      };
      const isOnce = kept.once === true && typeof handler === "function";
      const register = () => hooks.on(event, isOnce ? handleOnce : handler, kept);
      // A mistake must fail the plugin here, not the takeover.
      register()();
      onListen(event);
      undo = scope.register(register);
      return undo;
    },
    emit<Name extends HookName>(event: Name, ...[data, options]: EmitArguments<Name>) {
      return hooks.emit(event, ...([data, { ...options, source }] as unknown as EmitArguments<Name>));
    },
  };
}
