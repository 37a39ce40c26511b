import type { Logger } from "pino";
import type { Turns } from "../build/turns.ts";
import { FetchError, PluginError } from "../failure/failure.ts";
import type { PluginFiles, PluginSource, RemoteOrigin } from "../source/files.ts";
import { listLocalPlugins } from "../source/local.ts";
import { readManifest } from "../source/manifest.ts";
import { createLackingRecord, PluginRecord } from "./record.ts";
import type { RemoteSources } from "../remote/sources.ts";

const FIRST_RETRY_MS = 5000;
const LAST_RETRY_MS = 300_000;

export interface InventoryOptions {
  readonly remote: RemoteSources;
  readonly turns: Turns;
  readonly toDisplayPath: (file: string) => string;
  readonly log: Logger;
  /** What was asked on all instances: by name, whether a plugin is to be in service. */
  readonly asked: () => ReadonlyMap<string, boolean>;
  /** Gets a plugin that is gone from the plugins directory or from config.json. */
  readonly onRemoved: (record: PluginRecord) => void;
  /** Gets a plugin whose files are there now, or to try once more for: read it again. */
  readonly onFetched: (id: string) => void;
  /** Gets a plugin whose files can't be had, and why. */
  readonly onFailed: (record: PluginRecord, error: unknown) => void;
}

interface Fetching {
  readonly origin: RemoteOrigin | null;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/**
 * A record of each plugin in the plugins directory and in `plugins.remote`. Those from elsewhere are fetched in the
 * background when they aren't in the cache: until then, their records are as they were.
 */
export class Inventory {
  readonly records = new Map<string, PluginRecord>();
  readonly #options: InventoryOptions;
  readonly #fetching = new Map<string, Fetching>();
  readonly #retries = new Map<string, { attempts: number; timer: Timer }>();
  /** Ids of those whose files say something else than what was asked on all instances. */
  readonly #overruled = new Set<string>();
  #isStopped = false;

  constructor(options: InventoryOptions) {
    this.#options = options;
  }

  /**
   * Brings the records in line with what there is; returns the ids of those that may have changed.
   *
   * @param ids those to look at, null for all
   */
  async read(directory: string, ids: ReadonlySet<string> | null): Promise<Set<string>> {
    const { remote, turns, toDisplayPath } = this.#options;
    const local = await listLocalPlugins(directory, toDisplayPath);
    const present = new Map([
      ...local.map((files) => [files.source.id, () => this.#putFiles(files)] as const),
      ...remote.list().map((source) => [source.id, () => this.#readRemote(source)] as const),
    ]);
    const changed = new Set<string>();
    for (const record of this.records.values()) {
      if (present.has(record.id) || record.isLacking) continue;
      this.#remove(record);
      changed.add(record.id);
    }
    const toRead = [...present].filter(([id]) => ids === null || ids.has(id) || !this.records.has(id));
    await Promise.all(
      toRead.map(async ([id, readPlugin]) => {
        await turns.next();
        if (await readPlugin()) changed.add(id);
      }),
    );
    for (const id of this.#follow(this.#options.asked())) changed.add(id);
    return changed;
  }

  /** Puts what was asked on all instances over what files say; returns the ids of those for which that changes something. */
  #follow(asked: ReadonlyMap<string, boolean>): string[] {
    const changed: string[] = [];
    const names = new Set<string>();
    for (const record of this.records.values()) {
      if (record.isLacking) continue;
      names.add(record.name);
      const before = record.isActive;
      record.asked = asked.get(record.name) ?? null;
      if (record.isActive !== before) changed.push(record.id);
      this.#tellOverruled(record);
    }
    const lacking = new Set([...asked].flatMap(([name, active]) => (active && !names.has(name) ? name : [])));
    for (const record of this.records.values()) {
      if (record.isLacking && !lacking.delete(record.name)) this.#remove(record);
    }
    for (const record of [...lacking].map(createLackingRecord)) {
      this.records.set(record.id, record);
      changed.push(record.id);
    }
    return changed;
  }

  #tellOverruled(record: PluginRecord): void {
    const { id, name, asked, isActiveByFiles, source } = record;
    if (asked === null || asked === isActiveByFiles) return void this.#overruled.delete(id);
    if (this.#overruled.has(id)) return;
    this.#overruled.add(id);
    const place = source.isActive ? source.shownManifest : `plugins.remote.${name} of config.json`;
    this.#options.log.info(
      { plugin: name },
      `it is ${asked ? "enabled" : "disabled"}, as was asked on all instances, whatever ${place} says; ` +
        `\`xcore plugin ${asked ? "disable" : "enable"} ${name}\` changes that`,
    );
  }

  #remove(record: PluginRecord): void {
    this.#forget(record.id);
    this.#overruled.delete(record.id);
    this.#options.onRemoved(record);
    this.records.delete(record.id);
  }

  /** Waits for what is being fetched now, or for this plugin alone; returns whether there was anything to wait for. */
  async settled(id?: string): Promise<boolean> {
    const pending = [...this.#fetching].filter(([one]) => id === undefined || one === id);
    await Promise.all(pending.map(([, { done }]) => done));
    return pending.length > 0;
  }

  /** Gives up what is being fetched. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const pending = [...this.#fetching.values()];
    for (const id of [...this.#fetching.keys(), ...this.#retries.keys()]) this.#forget(id);
    await Promise.all(pending.map(({ done }) => done));
  }

  /** Returns whether there is something new to load. */
  async #readRemote(source: PluginSource): Promise<boolean> {
    const { remote: origin } = source;
    const isActive = this.#options.asked().get(source.basename) ?? source.isActive;
    const fetching = this.#fetching.get(source.id);
    if (fetching !== undefined && isActive && Bun.deepEquals(fetching.origin, origin)) return false;
    this.#forget(source.id, { keepsAttempts: isActive });
    try {
      const found = await this.#options.remote.find(source);
      if (found !== null) return await this.#putFiles(found);
      const record = this.#putUnread(source);
      if (isActive) this.#fetch(record, source);
    } catch (error) {
      const record = this.#putUnread(source);
      if (isActive) this.#options.onFailed(record, error);
    }
    return !isActive;
  }

  #fetch(record: PluginRecord, source: PluginSource): void {
    if (this.#isStopped) return;
    const abort = new AbortController();
    record.isFetching = true;
    const { remote: origin } = source;
    if (!this.#options.remote.isOffline) {
      const { places: from, integrity } = origin ?? {};
      this.#options.log.info({ plugin: record.name, from, integrity }, "fetching plugin");
    }
    const done = this.#runFetch(record, source, abort.signal);
    this.#fetching.set(source.id, { origin, abort, done });
  }

  async #runFetch(record: PluginRecord, source: PluginSource, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    try {
      const fetched = await this.#options.remote.fetch(source, signal);
      if (signal.aborted) return;
      this.#forget(record.id);
      const ms = Math.round(performance.now() - startedAt);
      const files = fetched.opened.snapshot.files.size;
      this.#options.log.info({ plugin: record.name, files, ms }, "plugin fetched");
      this.#options.onFetched(record.id);
    } catch (error) {
      if (signal.aborted) return;
      this.#forget(record.id, { keepsAttempts: true });
      this.#options.onFailed(record, error);
      if (error instanceof FetchError && error.isTransient) this.#retryLater(record);
    }
  }

  #retryLater(record: PluginRecord): void {
    const { id, name } = record;
    const attempts = (this.#retries.get(id)?.attempts ?? 0) + 1;
    const ms = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), LAST_RETRY_MS);
    const timer = setTimeout(() => this.#options.onFetched(id), ms).unref();
    record.retryAt = new Date(Date.now() + ms);
    this.#retries.set(id, { attempts, timer });
    this.#options.log.info({ plugin: name, ms }, `plugin is fetched again in ${ms / 1000} s`);
  }

  #forget(id: string, { keepsAttempts = false } = {}): void {
    this.#fetching.get(id)?.abort.abort(new Error("it is no longer wanted"));
    this.#fetching.delete(id);
    const record = this.records.get(id);
    if (record !== undefined) record.isFetching = false;
    if (record !== undefined && this.#retries.has(id)) record.retryAt = null;
    clearTimeout(this.#retries.get(id)?.timer);
    if (!keepsAttempts) this.#retries.delete(id);
  }

  async #putFiles(files: PluginFiles): Promise<true> {
    const record = this.#put(files.source, { declared: await readManifest(files), files });
    record.fetchFailure = null;
    this.#retries.delete(record.id);
    return true;
  }

  /** Keeps what the last readable files of a plugin said, and notes whether config.json still asks for it. */
  #putUnread(source: PluginSource): PluginRecord {
    const record = this.records.get(source.id);
    if (record === undefined || record.declared === null) {
      return this.#put(source, { declared: null, files: null });
    }
    record.source = { ...record.source, isActive: source.isActive };
    return record;
  }

  #put(source: PluginSource, read: Pick<PluginRecord, "declared" | "files">): PluginRecord {
    const record = this.records.get(source.id);
    if (record !== undefined) return Object.assign(record, { source, ...read });
    const made = new PluginRecord(source, read);
    this.records.set(source.id, made);
    return made;
  }
}

/** Whether what a record declares can be loaded. */
export function isLoadable(record: PluginRecord | undefined): boolean {
  return record !== undefined && record.declared !== null && !(record.declared instanceof PluginError);
}
