import { basename, extname } from "node:path";
import { AppError } from "../errors/app-error.ts";
import { InFlight } from "../web/in-flight.ts";
import type { Mount } from "../web/mounts.ts";
import { PluginError } from "./failure.ts";
import type { Generation } from "./generation.ts";
import type { Manifest } from "./manifest.ts";
import type { Candidate } from "./resolve.ts";
import type { PluginSource } from "./sources.ts";

export type PluginState = "loading" | "serving" | "failed" | "disabled";

/** Everything that the host knows of one plugin. */
export class PluginRecord {
  source: PluginSource;
  /** What its manifest says now, or why it can't be used. */
  declared: Manifest | PluginError;
  /** The generation that serves, null when none does. */
  current: Generation | null = null;
  /** Why the latest attempt failed; the current generation, if there is one, is then the last good one. */
  failure: PluginError | null = null;
  failedAt: Date | null = null;
  /** How many generations have been attempted. */
  attempts = 0;

  constructor(source: PluginSource, declared: Manifest | PluginError) {
    this.source = source;
    this.declared = declared;
  }

  get id(): string {
    return this.source.path;
  }

  /** The manifest that counts: the declared one, or that of the serving generation while it can't be used. */
  get manifest(): Manifest | null {
    return this.declared instanceof PluginError ? (this.current?.manifest ?? null) : this.declared;
  }

  get name(): string {
    return this.manifest?.name ?? basename(this.source.basename, extname(this.source.basename));
  }

  get state(): PluginState {
    if (this.failure !== null) return "failed";
    if (this.manifest?.active === false) return "disabled";
    return this.current === null ? "loading" : "serving";
  }

  /** The plugin as the others see it, null when its manifest has never been readable. */
  toCandidate(toDisplayPath: (file: string) => string): Candidate | null {
    const { id, manifest } = this;
    if (manifest === null) return null;
    const { path, basename: folder } = this.source;
    const serving = this.current?.manifest ?? null;
    return { id, manifest, basename: folder, shown: toDisplayPath(path), serving };
  }
}

/** Answers below the prefix of a plugin that should serve and doesn't; null when it has no prefix to answer. */
export function toUnavailableMount(record: PluginRecord): Mount | null {
  const { manifest, name } = record;
  if (manifest === null || record.current !== null || !manifest.active) return null;
  return {
    prefix: manifest.api_prefix,
    plugin: name,
    inFlight: new InFlight(),
    fetch: () => {
      throw record.failure === null
        ? new AppError("plugin_unavailable", 503, `Plugin "${name}" is being loaded: try again in a moment`, {
            headers: { "retry-after": "1" },
          })
        : new AppError(
            "plugin_unavailable",
            503,
            `Plugin "${name}" failed to load: see /system/plugins/${name}`,
          );
    },
  };
}
