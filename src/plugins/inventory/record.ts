import { basename, extname } from "node:path";
import type { JsonSchema } from "../../errors/plain-schema.ts";
import { PluginError } from "../failure/failure.ts";
import type { Generation } from "../runtime/generation.ts";
import type { Manifest } from "../source/manifest.ts";
import type { Candidate } from "./resolve.ts";
import type { PluginFiles, PluginSource } from "../source/files.ts";

export type PluginState = "fetching" | "installing" | "loading" | "serving" | "failed" | "disabled";

/** Everything that the host knows of one plugin. */
export class PluginRecord {
  source: PluginSource;
  /** What its manifest says now, or why it can't be used; null while its files aren't there yet. */
  declared: Manifest | PluginError | null;
  /** Its files; null for a plugin from elsewhere, but between the reading of its bytes and the load of them. */
  files: PluginFiles | null;
  /** The generation that serves, null when none does. */
  current: Generation | null = null;
  /** Why the latest attempt to load it failed. */
  loadFailure: PluginError | null = null;
  /** Why what config.json asks for can't be had; source and manifest are then those of the last files that could. */
  fetchFailure: PluginError | null = null;
  /** When it is tried again by itself; null where it isn't. */
  retryAt: Date | null = null;
  /** The schema of its settings that it exported when it ran last: null for none, undefined while it never has. */
  settings: JsonSchema | null | undefined = undefined;
  /** Whether it is to be in service, as was asked on all instances; null where its files and config.json say so. */
  asked: boolean | null = null;
  /** Whether its files are being fetched. */
  isFetching = false;
  /** Whether it is to be loaded anew even if nothing has changed. */
  mustReload = false;
  /** The signal of the load that is installing its npm dependencies. */
  #installing: AbortSignal | null = null;

  constructor(source: PluginSource, { declared, files }: Pick<PluginRecord, "declared" | "files">) {
    this.source = source;
    this.declared = declared;
    this.files = files;
  }

  get id(): string {
    return this.source.id;
  }

  /** Why the latest attempt failed; the current generation, if there is one, is then the last good one. */
  get failure(): PluginError | null {
    return this.fetchFailure ?? this.loadFailure;
  }

  /** The manifest that counts: the declared one, or that of the serving generation while it can't be used. */
  get manifest(): Manifest | null {
    const isKnown = this.declared !== null && !(this.declared instanceof PluginError);
    return isKnown ? (this.declared as Manifest) : (this.current?.manifest ?? null);
  }

  get name(): string {
    return this.manifest?.name ?? basename(this.source.basename, extname(this.source.basename));
  }

  /** Whether it is to be in service. */
  get isActive(): boolean {
    return this.asked ?? this.isActiveByFiles;
  }

  /** Whether config.json and its manifest, as far as that is known, say that it is to be in service. */
  get isActiveByFiles(): boolean {
    return this.source.isActive && this.manifest?.active !== false;
  }

  /** Whether nothing is known of it here, but that other instances have it in service. */
  get isLacking(): boolean {
    return this.source.id === lackingId(this.source.basename);
  }

  get state(): PluginState {
    if (this.isFetching) return "fetching";
    if (this.#installing?.aborted === false) return "installing";
    if (this.failure !== null) return "failed";
    if (!this.isActive) return "disabled";
    return this.current === null ? "loading" : "serving";
  }

  /** Notes that a load has begun to install its npm dependencies, or has done so. */
  setInstalling(isInstalling: boolean, load: AbortSignal): void {
    if (isInstalling) this.#installing = load;
    else if (this.#installing === load) this.#installing = null;
  }

  /** Lets go of bytes in memory: they are read again when they are needed. */
  releaseBytes(): void {
    if (this.files?.overlay) this.files = null;
  }

  /** Makes `generation` the one that serves; returns the one before. */
  replace(generation: Generation): Generation | null {
    const previous = this.current;
    this.current = generation;
    this.loadFailure = null;
    this.retryAt = null;
    this.mustReload = false;
    return previous;
  }

  /** The plugin as the others see it, null when its manifest has never been readable. */
  toCandidate(): Candidate | null {
    if (this.manifest === null) return null;
    const manifest = { ...this.manifest, active: this.isActive };
    return { source: this.source, manifest, serving: this.current?.manifest ?? null };
  }
}

/** Makes the record of a plugin that is in service on other instances, and isn't here. */
export function createLackingRecord(name: string): PluginRecord {
  const message =
    `Cannot load "${name}": it was enabled on all instances, and isn't on this one; ` +
    `add it here, or take it out of service everywhere: \`xcore plugin disable ${name}\``;
  const source: PluginSource = {
    id: lackingId(name),
    basename: name,
    shown: "not on this instance",
    shownManifest: "plugin.json",
    show: (file) => file,
    paths: [],
    isActive: true,
    remote: null,
  };
  return new PluginRecord(source, { declared: new PluginError("fetch", message), files: null });
}

function lackingId(name: string): string {
  return `lacking:${name}`;
}
