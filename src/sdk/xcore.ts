import type { Elysia } from "elysia";
import type { Logger } from "pino";
import type { AppError as HostAppError } from "../errors/app-error.ts";
import type { HookBus } from "../hooks/bus.ts";

export type { AppErrorOptions, InputProblem } from "../errors/app-error.ts";
export * from "../hooks/events.ts";

/** The hook bus as a plugin uses it: what it listens to is undone with the plugin. */
export type PluginHooks = Pick<HookBus, "on" | "emit">;

/** Settings of a plugin: `config` of its manifest, overridden by `plugins.settings.<name>` of config.json. */
export interface PluginConfig {
  readonly [key: string]: unknown;
}

/**
 * Creates the router of a plugin: an Elysia app. Its prefix and tags come from the manifest.
 *
 * @example export default createRouter().get("/", () => ({ message: "Hello!" }));
 */
export declare const createRouter: () => Elysia;

/** Listens to and emits events; see docs/hooks.md. */
export declare const hooks: PluginHooks;

/** This plugin's settings, frozen. */
export declare const config: PluginConfig;

/** This plugin's log: each line carries the plugin's name. */
export declare const log: Logger;

/** An error whose code, status and message the client may see. */
export declare const AppError: typeof HostAppError;
export type AppError = HostAppError;
