import { basename, extname } from "node:path";
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
  /** Whether it is to be loaded anew even if nothing has changed. */
  mustReload = false;

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

  /** Makes `generation` the one that serves; returns the one before. */
  replace(generation: Generation): Generation | null {
    const previous = this.current;
    this.current = generation;
    this.failure = null;
    this.mustReload = false;
    return previous;
  }

  /** The plugin as the others see it, null when its manifest has never been readable. */
  toCandidate(toDisplayPath: (file: string) => string): Candidate | null {
    const { id, manifest } = this;
    if (manifest === null) return null;
    const { path, basename: folder, kind } = this.source;
    const shown = toDisplayPath(path);
    const manifestFile = kind === "folder" ? `${shown}/plugin.json` : shown;
    const serving = this.current?.manifest ?? null;
    return { id, manifest, basename: folder, shown, manifestFile, serving };
  }
}
