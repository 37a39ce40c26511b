import type { Logger } from "pino";
import type { HookBus } from "../hooks/bus.ts";
import type { PluginError } from "./failure/failure.ts";
import type { Generation } from "./runtime/generation.ts";
import { findStraySettings, findUndeclaredPermissions } from "./inventory/mistakes.ts";
import type { PluginRecord } from "./inventory/record.ts";

export type UnloadReason = "disabled" | "removed" | "stopped";

/** Tells the log and the hooks what happens to plugins. */
export class PluginReport {
  readonly #log: Logger;
  readonly #hooks: HookBus;
  readonly #tellsMistakes: boolean;

  /** @param tellsMistakes whether it warns of what is wrong without keeping a plugin from serving */
  constructor(log: Logger, hooks: HookBus, tellsMistakes: boolean) {
    this.#log = log;
    this.#hooks = hooks;
    this.#tellsMistakes = tellsMistakes;
  }

  loaded(generation: Generation, previous: Generation | null): void {
    const { manifest, number, hash, loadMs } = generation;
    const { name, version } = manifest;
    const load_ms = Math.round(loadMs * 10) / 10;
    const event = previous === null ? "plugin.loaded" : "plugin.reloaded";
    const fields = { plugin: name, version, generation: number, hash: hash.slice(0, 12), load_ms };
    this.#log.info(fields, previous === null ? "plugin loaded" : "plugin reloaded");
    void this.#hooks.emit(event, { name, version, generation: number, hash, load_ms });
  }

  /** Settings of plugins that aren't there do nothing: their name is mistyped, or they have been forgotten. */
  strayed(settings: Readonly<Record<string, unknown>>, records: readonly PluginRecord[]): void {
    if (!this.#tellsMistakes) return;
    for (const message of findStraySettings(settings, records)) this.#log.warn(message);
  }

  /** A route that asks for a permission which no plugin declares is closed to nearly everybody, by a mistake. */
  undeclared(record: PluginRecord, records: readonly PluginRecord[]): void {
    if (!this.#tellsMistakes) return;
    for (const message of findUndeclaredPermissions(record, records)) {
      this.#log.warn({ plugin: record.name }, message);
    }
  }

  unloaded(generation: Generation, reason: UnloadReason): void {
    const { name, version } = generation.manifest;
    this.#log.info({ plugin: name, version, generation: generation.number, reason }, "plugin unloaded");
    void this.#hooks.emit("plugin.unloaded", { name, version, reason });
  }

  failed(record: PluginRecord, failure: PluginError): void {
    const { name } = record;
    const serving = record.current !== null;
    const { stage, message, file, line, location } = failure;
    const rest = serving ? `; generation ${record.current?.number} keeps serving` : "";
    const text = `plugin failed: ${location === null ? "" : `${location}: `}${message}${rest}${toRetryText(record)}`;
    // The stack helps where the plugin's code threw; elsewhere the message and the place say it all.
    const cause = failure.cause === undefined ? {} : { err: failure.cause };
    this.#log.error({ plugin: name, stage, serving, ...cause }, text);
    void this.#hooks.emit("plugin.failed", { name, stage, message, file, line, serving });
  }
}

function toRetryText({ retryAt }: PluginRecord): string {
  if (retryAt === null) return "";
  return `; it is loaded again in ${Math.max(0, Math.round((retryAt.getTime() - Date.now()) / 1000))} s`;
}
