import { Elysia } from "elysia";
import type { Logger } from "pino";
import { AppError } from "../errors/app-error.ts";
import type { EmitArguments, HookBus } from "../hooks/bus.ts";
import type { HookName } from "../hooks/events.ts";
import type * as sdk from "../sdk/xcore.ts";
import type { ModuleExports } from "./host-modules.ts";
import type { Scope } from "./scope.ts";

/** Everything that `src/sdk/xcore.ts` promises to plugins. */
type Xcore = typeof sdk;

export interface XcoreModuleOptions {
  readonly name: string;
  readonly scope: Scope;
  readonly hooks: HookBus;
  readonly log: Logger;
  readonly settings: sdk.PluginConfig;
}

/** Builds what `import … from "xcore"` gives one generation of a plugin, with its own scope behind it. */
export function createXcoreModule({ name, scope, hooks, log, settings }: XcoreModuleOptions): ModuleExports {
  const xcore: Xcore = {
    createRouter: () => new Elysia(),
    hooks: createPluginHooks(name, scope, hooks),
    config: settings,
    log,
    AppError,
  };
  return { ...xcore, __esModule: true };
}

function createPluginHooks(source: string, scope: Scope, hooks: HookBus): sdk.PluginHooks {
  return {
    on(event, handler, options = {}) {
      const register = () => hooks.on(event, handler, { ...options, source });
      // A mistake must fail the plugin here, not the takeover.
      register()();
      return scope.register(register);
    },
    emit<Name extends HookName>(event: Name, ...[data, options]: EmitArguments<Name>) {
      return hooks.emit(event, ...([data, { ...options, source }] as unknown as EmitArguments<Name>));
    },
  };
}
