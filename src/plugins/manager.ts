import type { AnyElysia } from "elysia";
import type { Logger } from "pino";
import type { Mount } from "../web/mounts.ts";
import { PluginError } from "./failure/failure.ts";
import type { Generation } from "./runtime/generation.ts";
import type { PluginHost } from "./runtime/host.ts";
import { LoadGroups } from "./load-groups.ts";
import { type LoadOptions, loadGeneration } from "./load.ts";
import type { DeclaredPlugin } from "./inventory/declared-plugins.ts";
import { Inventory } from "./inventory/inventory.ts";
import { toMounts } from "./mounts.ts";
import type { PluginCommand } from "./given/commands.ts";
import type { PluginRecord } from "./inventory/record.ts";
import { RemoteSources, type RemoteSettings, type RemoteStores } from "./remote/sources.ts";
import { rehearse, type RehearsalOptions } from "./rehearsal.ts";
import { PendingMigrations } from "./pending-migrations.ts";
import { LoadRetries } from "./retries.ts";
import { PluginReport } from "./report.ts";
import { selectToLoad } from "./selection.ts";
import { Takeover } from "./takeover.ts";
import { groupByDependency, type Resolution, resolvePlugins } from "./inventory/resolve.ts";
import { toFailure } from "./build/thrown.ts";
import type { PluginFiles, PluginSource } from "./source/files.ts";
import type { Surface } from "./source/surface.ts";
import { watchTree } from "../files/watch.ts";

export interface PluginSettings {
  /** Absolute path of the plugins directory. */
  readonly directory: string;
  readonly watch: boolean;
  /** Plugins from elsewhere. */
  readonly remote: RemoteSettings;
  /** Settings by plugin name. */
  readonly settings: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** What was asked on all instances, whatever files say: by name, whether a plugin is to be in service. */
  readonly asked: ReadonlyMap<string, boolean>;
}

export interface PluginManagerOptions {
  readonly host: PluginHost;
  readonly settings: PluginSettings;
  /** Where plugins from elsewhere are kept. */
  readonly remote: RemoteStores;
  /** Makes these the mounts that are live, in one step. */
  readonly publish: (mounts: readonly Mount[]) => void;
  /** Whether the log is warned of mistakes that keep no plugin from serving, such as settings of none. */
  readonly tellsMistakes: boolean;
}

/**
 * Keeps the running plugins equal to what stands in the plugins directory and in the settings.
 *
 * A change goes one way: inventory (sources and manifests) → resolution → generations loaded beside the running ones →
 * takeover in one step → the replaced ones drain and are disposed of. Whatever fails on the way, the last good
 * generation keeps serving, and the reason is in the log, in `list()` and on the `plugin.failed` hook.
 */
export class PluginManager {
  readonly #host: PluginHost;
  readonly #log: Logger;
  readonly #report: PluginReport;
  readonly #publishMounts: (mounts: readonly Mount[]) => void;
  #settings: PluginSettings;
  readonly #remote: RemoteSources;
  readonly #inventory: Inventory;
  /** How many generations of each name have been attempted: a plugin that comes back counts on. */
  readonly #attempts = new Map<string, number>();
  readonly #groups = new LoadGroups();
  /** Loaded, and not yet looked at for permissions that nobody declares. */
  readonly #unchecked = new Set<PluginRecord>();
  readonly #takeover: Takeover;
  readonly #retries = new LoadRetries((id) => void this.refresh(new Set([id])));
  readonly #pendingMigrations = new PendingMigrations((id) => void this.refresh(new Set([id])));
  #convergence: Promise<void> = Promise.resolve();
  #unwatch: (() => void) | null = null;
  #isStopped = false;

  constructor(options: PluginManagerOptions) {
    this.#host = options.host;
    const { given, lifeCycle } = options.host;
    const { log, toDisplayPath, turns } = lifeCycle;
    this.#log = log;
    this.#report = new PluginReport(log, given.hooks, options.tellsMistakes);
    this.#publishMounts = options.publish;
    this.#takeover = new Takeover({
      host: options.host,
      report: this.#report,
      publish: () => this.#publish(),
    });
    this.#settings = options.settings;
    this.#remote = new RemoteSources(options.remote, options.settings.remote);
    this.#inventory = new Inventory({
      remote: this.#remote,
      turns,
      toDisplayPath,
      log,
      asked: () => this.#settings.asked,
      onRemoved: (record) => {
        record.loadFailure = null;
        this.#retries.forget(record);
        this.#takeover.unload(record, "removed");
      },
      onFetched: (id) => void this.refresh(new Set([id])),
      onFailed: (record, error) => this.#fail(record, error, "fetchFailure"),
    });
  }

  /** Loads every plugin and starts watching; resolves once each serves, has failed, or is being fetched. */
  async start(): Promise<void> {
    this.#watch();
    await this.refresh(null);
  }

  /** Applies new settings to the running plugins; resolves as `start` does. */
  async configure(settings: PluginSettings): Promise<void> {
    this.#settings = settings;
    this.#remote.configure(settings.remote);
    this.#watch();
    await this.refresh(null);
  }

  /** Brings the plugins at these paths up to date, or all of them; resolves as `start` does. */
  async refresh(paths: ReadonlySet<string> | null): Promise<void> {
    const result = this.#convergence.then(() => this.#converge(paths));
    this.#convergence = result.then(
      () => {},
      (error: unknown) => this.#log.error({ err: error }, "plugins can't be brought up to date"),
    );
    await this.#loaded();
  }

  /** Loads a plugin anew, with those that depend on it; resolves once it serves or has failed. */
  async reload(record: PluginRecord): Promise<void> {
    record.mustReload = true;
    await this.refresh(new Set([record.id]));
    await this.settled(record.id);
  }

  /** Sees what a plugin would register that isn't one of those it manages. @throws PluginError when it can't be loaded */
  rehearse(plugin: DeclaredPlugin, findPlugin: RehearsalOptions["findPlugin"]): Promise<Surface> {
    return rehearse(this.#host, plugin, { settings: this.#settings.settings, findPlugin });
  }

  /** Resolves once no plugin is being fetched or loaded; with an id, once that one isn't being fetched. */
  async settled(id?: string): Promise<void> {
    for (let isBusy = true; isBusy;) {
      const convergence = this.#convergence;
      // oxlint-disable-next-line no-await-in-loop -- what is loaded may be fetched anew, and what is fetched is loaded
      await this.#loaded();
      // oxlint-disable-next-line no-await-in-loop -- as above
      isBusy = (await this.#inventory.settled(id)) || convergence !== this.#convergence;
    }
  }

  async #loaded(): Promise<void> {
    await this.#convergence;
    await this.#groups.settled();
  }

  /** Everything known of each plugin, in order of name. */
  list(): readonly PluginRecord[] {
    return [...this.#inventory.records.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The commands that the plugins which serve have registered, in order of the plugin's name. */
  commands(): readonly PluginCommand[] {
    const all = this.#host.given.commands.list();
    return all.toSorted((a, b) => (a.plugin < b.plugin ? -1 : Number(a.plugin > b.plugin)));
  }

  /** The apps that serve now, for the API documentation. */
  apps(): { readonly name: string; readonly app: AnyElysia }[] {
    return this.list().flatMap(({ name, current }) => (current === null ? [] : [{ name, app: current.app }]));
  }

  /** Stops watching, takes every plugin out of service, and waits until all have been disposed of. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unwatch?.();
    this.#pendingMigrations.stop();
    this.#retries.stop();
    this.#groups.abortAll();
    await this.#inventory.stop();
    await this.#loaded();
    for (const record of this.#inventory.records.values()) this.#takeover.unload(record, "stopped");
    await this.#takeover.settled();
  }

  #watch(): void {
    this.#unwatch?.();
    this.#unwatch = null;
    if (!this.#settings.watch || this.#isStopped) return;
    this.#unwatch = watchTree(this.#settings.directory, {
      onChange: (paths) => void this.refresh(paths),
      onError: (error) =>
        this.#log.warn({ err: error }, "changes to plugins are not seen: restart to apply them"),
    });
  }

  async #converge(paths: ReadonlySet<string> | null): Promise<void> {
    if (this.#isStopped) return;
    const changed = await this.#inventory.read(this.#settings.directory, paths);
    if (this.#isStopped) return;
    const { records } = this.#inventory;
    const resolution = this.#resolve();
    if (paths === null) this.#report.strayed(this.#settings.settings, [...records.values()]);
    for (const record of records.values()) {
      const { id, isActive, declared } = record;
      if (!isActive) this.#disable(record);
      if (declared instanceof PluginError && changed.has(id)) this.#fail(record, declared);
    }
    const selected = selectToLoad(changed, resolution, { records, groups: this.#groups });
    for (const [id, problem] of resolution.problems) {
      const record = records.get(id);
      if (record !== undefined && !(record.declared instanceof PluginError)) this.#fail(record, problem);
    }
    this.#load(selected, resolution);
    // Loads that have begun hold theirs: the bytes of what is disabled or can't be used would stay for good.
    for (const record of records.values()) record.releaseBytes();
    this.#publish();
  }

  #resolve(): Resolution {
    const candidates = [...this.#inventory.records.values()].map((record) => record.toCandidate());
    return resolvePlugins(candidates.filter((candidate) => candidate !== null));
  }

  #load(selected: ReadonlySet<string>, resolution: Resolution): void {
    for (const ids of groupByDependency(selected, resolution.dependencies)) {
      const order = resolution.order.filter((id) => ids.has(id));
      this.#groups.add(ids, (signal) => this.#loadGroup(order, resolution, signal));
    }
  }

  async #loadGroup(order: readonly string[], resolution: Resolution, signal: AbortSignal): Promise<void> {
    const loads = new Map<PluginRecord, Promise<Generation | null>>();
    for (const id of order) {
      const record = this.#inventory.records.get(id);
      if (record !== undefined) loads.set(record, this.#loadOne(record, loads, resolution, signal));
    }
    const loaded: [PluginRecord, Generation][] = [];
    for (const [record, load] of loads) {
      const generation = await load;
      if (generation !== null) loaded.push([record, generation]);
    }
    await this.#takeover.add(loaded, signal);
    for (const [record] of loaded) {
      this.#retries.forget(record);
      this.#unchecked.add(record);
    }
    await this.#host.lifeCycle.turns.next();
    this.#checkPermissions();
  }

  /** Once all manifests are there: any plugin may declare what the routes of another ask for. */
  #checkPermissions(): void {
    const records = [...this.#inventory.records.values()];
    if (records.some(({ isFetching }) => isFetching)) return;
    for (const record of this.#unchecked) this.#report.undeclared(record, records);
    this.#unchecked.clear();
  }

  /** Loads a plugin's next generation; null when that fails, or when nothing would change. */
  async #loadOne(
    record: PluginRecord,
    loads: ReadonlyMap<PluginRecord, Promise<Generation | null>>,
    resolution: Resolution,
    signal: AbortSignal,
  ): Promise<Generation | null> {
    // All at once: by the time that the dependencies are there, another version may have been read.
    const { declared, source, files } = record;
    const current = record.mustReload ? null : record.current;
    if (declared === null || declared instanceof PluginError) return null;
    // What is loaded is the same, whoever has said that it is to be.
    const manifest = { ...declared, active: true };
    this.#retries.begin(record);
    try {
      const dependencies = new Map<string, Generation>();
      for (const id of resolution.dependencies.get(record.id) ?? []) {
        const dependency = this.#inventory.records.get(id);
        const fresh = dependency && (await loads.get(dependency));
        dependencies.set(dependency?.name ?? id, fresh ?? assertServing(dependency));
      }
      const number = (this.#attempts.get(manifest.name) ?? 0) + 1;
      this.#attempts.set(manifest.name, number);
      const all = this.#settings.settings;
      const settings = Object.hasOwn(all, manifest.name) ? (all[manifest.name] ?? {}) : {};
      const options: LoadOptions = {
        files: files ?? (await this.#open(source)),
        manifest,
        number,
        settings,
        dependencies,
        current,
        signal,
        onSettings: (schema) => (record.settings = schema),
        onInstall: (isInstalling) => record.setInstalling(isInstalling, signal),
      };
      const generation = await loadGeneration(this.#host, options);
      if (generation !== "unchanged") return generation;
      if (!signal.aborted) this.#succeed(record);
    } catch (error) {
      if (!signal.aborted) this.#fail(record, error);
    }
    return null;
  }

  /** Reads a plugin from elsewhere again, and checks every byte. What can't be used any more is fetched. */
  async #open(source: PluginSource): Promise<PluginFiles> {
    const found = await this.#remote.find(source);
    if (found !== null) return found;
    void this.refresh(new Set([source.id]));
    const message = `Cannot load "${source.basename}": its files are gone or damaged; they are fetched again`;
    throw new PluginError("fetch", message);
  }

  #disable(record: PluginRecord): void {
    this.#succeed(record);
    record.fetchFailure = null;
    this.#takeover.unload(record, "disabled");
  }

  #succeed(record: PluginRecord): void {
    record.loadFailure = null;
    this.#retries.forget(record);
  }

  #fail(record: PluginRecord, error: unknown, kind: "loadFailure" | "fetchFailure" = "loadFailure"): void {
    const { source } = record;
    const { stackTraces } = this.#host.lifeCycle;
    const failure = toFailure(error, "import", { source, stackTraces });
    const isNews = record.failure?.message !== failure.message || failure.stage !== "dependencies";
    record[kind] = failure;
    if (!this.#isStopped) {
      this.#pendingMigrations.watch(record);
      if (kind === "loadFailure") this.#retries.plan(record);
    }
    if (record.retryAt === null) record.mustReload = false;
    if (isNews) this.#report.failed(record, failure);
  }

  #publish(): void {
    this.#publishMounts(toMounts([...this.#inventory.records.values()]));
  }
}

function assertServing(dependency: PluginRecord | undefined): Generation {
  if (dependency?.current) return dependency.current;
  const name = dependency?.name ?? "unknown";
  throw new PluginError(
    "dependencies",
    `Cannot load without dependency "${name}": it failed; see its own reason`,
  );
}
