/**
 * The data of each known event, by name. A plugin adds its own, and `on()` and `emit()` are typed from then on:
 *
 * @example
 * declare module "xcore" {
 *   interface HookEvents { "invoice.created": Invoice }
 * }
 */
export interface HookEvents {
  /** The server answers. */
  "server.started": { url: string; version: string };
  /** The server has been asked to stop and still answers what it has begun. */
  "server.stopping": { reason: string };
  /** A plugin serves for the first time. */
  "plugin.loaded": PluginLoad;
  /** A new generation of a plugin has taken over. */
  "plugin.reloaded": PluginLoad;
  /** A plugin, or its new generation, could not be loaded. */
  "plugin.failed": PluginFailure;
  /** A plugin serves no more. */
  "plugin.unloaded": { name: string; version: string; reason: "disabled" | "removed" | "stopped" };
}

/** A generation of a plugin that has begun to serve. */
export interface PluginLoad {
  name: string;
  version: string;
  /** 1 for the first, one more with each reload. */
  generation: number;
  /** Hash of the content that was loaded. */
  hash: string;
  load_ms: number;
}

/** Why a plugin could not be loaded, in terms of its own sources. */
export interface PluginFailure {
  name: string;
  /** Where in its life it failed, such as "manifest" or "setup". */
  stage: string;
  message: string;
  file: string | null;
  line: number | null;
  /** Whether the last good generation still serves. */
  serving: boolean;
}

/** A known event name, or any other. */
export type HookName = keyof HookEvents | (string & Record<never, never>);

/** The data of the event with that name; unknown for names that nobody declared and for wildcards. */
export type HookData<Name extends string> = Name extends keyof HookEvents ? HookEvents[Name] : unknown;
