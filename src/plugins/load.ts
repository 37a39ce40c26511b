import { setTimeout } from "node:timers/promises";
import { type AnyElysia, Elysia } from "elysia";
import type { Logger } from "pino";
import { guardsOf } from "../accounts/identity/guards.ts";
import type { Meter } from "../metrics/meter.ts";
import { RequestMeter } from "../metrics/requests.ts";
import { InFlight, type Mount } from "../web/mounts.ts";
import { listRoutes } from "../web/routes.ts";
import { TransactionOwner } from "../db/transactions/owner.ts";
import type { Migration } from "../db/migrations/files.ts";
import type { Bundle } from "./build/bundle.ts";
import { Generation, generationId } from "./runtime/generation.ts";
import type { PluginHost, PluginWeb, Thrower } from "./runtime/host.ts";
import type { ModuleExports } from "./given/host-modules.ts";
import { awaitModules, runSetup } from "./runtime/life-cycle.ts";
import type { Manifest } from "./source/manifest.ts";
import { assertInStep, migratePlugin } from "./runtime/migrate.ts";
import { type DeclaredTables, evaluateModules, type ModulesOptions } from "./runtime/modules.ts";
import { createPluginApp, findRouter } from "./runtime/app.ts";
import { Registrations } from "./runtime/surface.ts";
import { bundlePlugin } from "./build/build.ts";
import { Globals } from "./given/globals.ts";
import { Scope } from "./given/scope.ts";
import { atStage, type ThrownOptions } from "./build/thrown.ts";
import { findSettingsFile, type PluginFiles } from "./source/files.ts";

export interface LoadOptions {
  readonly files: PluginFiles;
  readonly manifest: Manifest;
  readonly number: number;
  /** `plugins.settings.<name>` of config.json. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Whether its settings must be what it says of them. @default true */
  readonly checksSettings?: boolean;
  /** The generations of its dependencies, by name. */
  readonly dependencies: ReadonlyMap<string, Generation>;
  /** The generation that serves now: when nothing differs from it, nothing is loaded. */
  readonly current: Generation | null;
  readonly signal: AbortSignal;
  /** Told the schema of its settings, null for none. @default nobody is */
  readonly onSettings?: ModulesOptions["onSettings"];
  /** Told when npm dependencies begin to be installed, and when they are. */
  readonly onInstall: (isInstalling: boolean) => void;
}

/**
 * Loads a generation up to the point where it could take over. Nothing is visible from outside until then,
 * and when it fails nothing is left.
 *
 * @returns "unchanged" when it would be the same as the current one
 * @throws PluginError with the stage and, where there is one, the place in the plugin's source
 */
export async function loadGeneration(
  host: PluginHost,
  options: LoadOptions,
): Promise<Generation | "unchanged"> {
  const startedAt = performance.now();
  const { manifest, number, dependencies, current, signal } = options;
  const { stackTraces, runsSetup } = host.lifeCycle;
  const { source } = options.files;
  const failure = { source, plugin: manifest.name, stackTraces };
  const parts = await readParts(host, options, failure);
  const { fingerprint, bundle } = parts;
  const { hash } = bundle;
  if (current?.hash === hash && current.fingerprint === fingerprint) return "unchanged";
  signal.throwIfAborted();
  if (runsSetup) {
    await atStage("migrate", failure, () => prepareDatabase(host, manifest, parts.migrations));
    signal.throwIfAborted();
  }
  const id = generationId(manifest.name, number);
  stackTraces.add(id, { json: bundle.map, show: source.show });
  const registrations = new Registrations(manifest);
  const log = host.given.log.child({ plugin: manifest.name });
  let late = Promise.resolve(); // a setup that nobody waits for any more
  const own = createOwn(host, { plugin: manifest.name, generation: number }, log);
  const { scope, globals, transactions } = own;
  try {
    const imported = await atStage("import", failure, () =>
      importPlugin(host, {
        checksSettings: true,
        ...options,
        ...parts,
        generation: id,
        ...own,
        log,
        registrations,
      }),
    );
    await atStage("migrate", failure, () => {
      const { database } = host.given;
      const step = { ...options, ...parts, dialect: database.dialect };
      return assertInStep(imported.tables, runsSetup ? database : null, step);
    });
    if (runsSetup) {
      await atStage("setup", failure, () => declarePermissions(host, manifest, registrations.permissions));
      const onLate = (work: Promise<void>): void => void (late = work);
      await atStage("setup", failure, () => setUp(imported.exports, host, { ...options, onLate }));
      await host.lifeCycle.turns.next();
      await atStage("setup", failure, () => keepGuardRoles(host, options, rolesOf(imported.app)));
    }
    const loadMs = performance.now() - startedAt;
    const made = { ...parts, number, manifest, hash, loadMs, registrations, ...imported };
    return new Generation(made, { scope, timers: globals.timers, transactions }, [...dependencies.values()]);
  } catch (error) {
    scope.close();
    globals.timers.endRepeating();
    void late.finally(() => {
      globals.timers.end();
      transactions.end();
    });
    stackTraces.delete(id);
    throw error;
  }
}

/** What a generation is made of. */
interface PluginParts {
  readonly bundle: Bundle;
  /** Whether a file of its own for the settings is its first module. */
  readonly hasSettingsFile: boolean;
  readonly migrations: readonly Migration[];
  /** Folder whose files are served, null for none. */
  readonly publicDirectory: string | null;
  /** By their names below `templates/`. */
  readonly templates: ReadonlyMap<string, string>;
  /** All of it but the code, and all that it depends on. */
  readonly fingerprint: string;
  /** Of its code and all that it depends on, the same in every process. */
  readonly version: string;
}

async function readParts(
  { given, lifeCycle }: PluginHost,
  options: LoadOptions,
  failure: ThrownOptions,
): Promise<PluginParts> {
  const { files, manifest } = options;
  const { packages, bundles, log, turns } = lifeCycle;
  await turns.next();
  const [settings, entries] = await atStage("bundle", failure, async () => {
    const file = await findSettingsFile(files);
    const entry = await files.findEntry(manifest.entry);
    return [file, [...(file === null ? [] : [file]), entry, ...(await files.findSchemas())]] as const;
  });
  const plugin = manifest.name;
  const to = { entries, plugin, packages, bundles, log, failure, turns };
  const bundle = await bundlePlugin({ ...options, ...to });
  await turns.next();
  const { dialect } = given.database;
  const migrations = await atStage("migrate", failure, () => files.readMigrations(dialect));
  const publicDirectory = await files.findPublic();
  const templates = await files.readTemplates();
  const hashes = migrations.map(({ hash }) => hash);
  return {
    bundle,
    hasSettingsFile: settings !== null,
    migrations,
    publicDirectory,
    templates,
    fingerprint: fingerprintOf(options, publicDirectory, [...hashes, ...digestTexts(templates)]),
    version: versionOf(options, bundle.hash),
  };
}

async function prepareDatabase(
  host: PluginHost,
  manifest: Manifest,
  migrations: readonly Migration[],
): Promise<void> {
  const { given, lifeCycle } = host;
  await migratePlugin(given.database, { owner: manifest.name, migrations }, lifeCycle);
  await declarePermissions(host, manifest, manifest.permissions);
}

/** The permissions stay when the plugin goes, as do the roles that hold them. */
async function declarePermissions(
  { given: { accounts }, lifeCycle }: PluginHost,
  { name: plugin }: Manifest,
  permissions: Readonly<Record<string, string>>,
): Promise<void> {
  for (const { name, owner } of await accounts.declarePermissions(plugin, permissions)) {
    lifeCycle.log.warn({ plugin }, `permission "${name}" belongs to "${owner}", which declared it first`);
  }
}

/** Apart from the loading, so that what a generation has of its own holds nothing of what it was loaded from. */
function createOwn(
  {
    given: { createConsole, onUncaught, mayEnd, monitoring },
    lifeCycle: { stackTraces, activity },
  }: PluginHost,
  thrower: Thrower,
  log: Logger,
): Pick<ModulesOptions, "scope" | "globals" | "transactions"> {
  const scope = new Scope();
  const onError = (error: unknown): void => onUncaught(error, thrower);
  const locate = (error: Error): string | null => stackTraces.placeOf(error);
  const onEnding = (call: string): void => {
    const fields = { generation: thrower.generation, place: locate(new Error(call)) };
    log.error(fields, `plugin called ${call}: refused, the server goes on`);
  };
  return {
    scope,
    globals: new Globals({
      scope,
      console: createConsole(log),
      onError,
      onTimer: () => activity.note?.(thrower.plugin, "a timer"),
      onEnding: mayEnd ? null : onEnding,
      tracing: monitoring?.tracing ?? null,
    }),
    transactions: new TransactionOwner({ plugin: thrower.plugin, locate }),
  };
}

/** Its roles stay protected while it isn't loaded: there is nothing to do for the many plugins without one. */
async function keepGuardRoles(
  { given: { accounts } }: PluginHost,
  { manifest, current }: LoadOptions,
  roles: readonly string[],
): Promise<void> {
  const had = current === null ? [] : rolesOf(current.app);
  if (roles.length + had.length > 0) await accounts.keepGuardRoles(manifest.name, roles);
}

function rolesOf(app: AnyElysia): string[] {
  return listRoutes(app).flatMap((route) =>
    guardsOf(route).flatMap((guard) => ("role" in guard ? guard.role : [])),
  );
}

async function importPlugin(
  { given, web, lifeCycle }: PluginHost,
  options: LoadOptions & PluginParts & Omit<ModulesOptions, "pause" | "meter">,
): Promise<
  Pick<Generation, "exports" | "schema" | "app" | "mount" | "pages"> & { readonly tables: DeclaredTables }
> {
  const { manifest, publicDirectory, scope, registrations, transactions, signal } = options;
  const { next: pause } = lifeCycle.turns; // a function of this one would hold all that it was loaded from
  const { monitoring } = given;
  const meter = monitoring?.metrics.meterOf(manifest.name, options.bundle.hash) ?? null;
  await lifeCycle.activity.watched();
  const { entry, exports, schema, tables, pages } = await evaluateModules(given, {
    ...options,
    meter,
    pause: toNotedPause(lifeCycle, manifest.name),
  });
  const router = findRouter(entry) ?? createEmptyRouter(entry, scope);
  await awaitModules(router, lifeCycle.setupTimeoutMs, signal);
  await pages.check();
  const inFlight = new InFlight();
  await pause();
  const app = await createPluginApp(router, {
    ...web,
    manifest,
    publicDirectory,
    inFlight,
    transactions,
    pause,
  });
  await pause();
  registrations.assertDeclared(app);
  registerMeter(scope, monitoring, meter);
  const mount = createMount(app, manifest, { inFlight, web });
  return { exports, schema, tables, pages, app, mount: toMeasured(mount, app, { monitoring, meter }) };
}

function toNotedPause({ turns, activity }: PluginHost["lifeCycle"], plugin: string): () => Promise<void> {
  return () => turns.next(() => activity.note?.(plugin, "its top level"));
}

async function setUp(
  exports: ModuleExports,
  { given: { log }, lifeCycle: { setupTimeoutMs: timeoutMs, drainTimeoutMs, activity } }: PluginHost,
  { manifest, number, signal, onLate }: LoadOptions & { readonly onLate: (work: Promise<void>) => void },
): Promise<void> {
  const fields = { plugin: manifest.name, generation: number };
  activity.note?.(manifest.name, "setup()");
  await runSetup(exports, {
    timeoutMs,
    signal,
    onLate(teardown) {
      const ended = teardown.catch((error: unknown) =>
        log.error({ err: error, ...fields }, "teardown failed"),
      );
      onLate(Promise.race([ended, setTimeout(drainTimeoutMs, undefined, { ref: false })]));
    },
  });
}

function digestTexts(texts: ReadonlyMap<string, string>): string[] {
  return [...texts].map(([name, text]) => `${name} ${Bun.hash(text).toString(36)}`);
}

function fingerprintOf(
  { manifest, settings, dependencies }: LoadOptions,
  publicDirectory: string | null,
  files: readonly string[],
): string {
  const generations = [...dependencies].map(([name, { number }]) => generationId(name, number));
  return JSON.stringify([manifest, settings, generations, publicDirectory, files]);
}

/** Names what its results may depend on: what is cached by one version is nothing to another. */
function versionOf({ manifest, settings, dependencies }: LoadOptions, hash: string): string {
  const versions = [...dependencies.values()].map(({ version }) => version);
  return Bun.hash(JSON.stringify([hash, manifest, settings, versions])).toString(36);
}

/** A plugin without routes must at least do something. */
function createEmptyRouter(exports: ModuleExports, scope: Scope): AnyElysia {
  if (exports["setup"] !== undefined || !scope.isEmpty) return new Elysia();
  throw new TypeError(
    "The entry exports neither a router nor setup(): write `export default createRouter()…`",
  );
}

function createMount(
  app: AnyElysia,
  manifest: Manifest,
  { inFlight, web: { serverFor } }: Pick<Mount, "inFlight"> & { readonly web: PluginWeb },
): Mount {
  const { name: plugin } = manifest;
  // Found when it is used: a server that takes over a socket loads its plugins before it listens.
  let server: ReturnType<PluginWeb["serverFor"]> = null;
  Object.defineProperty(app, "server", { get: () => (server ??= serverFor({ plugin, inFlight })) });
  const { fetch } = app;
  return { prefix: manifest.api_prefix, plugin, fetch, inFlight };
}

/** A function of `importPlugin` would hold all that the plugin was loaded from. */
function registerMeter(
  scope: Scope,
  monitoring: PluginHost["given"]["monitoring"],
  meter: Meter | null,
): void {
  if (monitoring !== null && meter !== null) scope.register(() => monitoring.metrics.serve(meter));
}

function toMeasured(
  mount: Mount,
  app: AnyElysia,
  { monitoring, meter }: Pick<PluginHost["given"], "monitoring"> & { readonly meter: Meter | null },
): Mount {
  if (monitoring === null || meter === null) return mount;
  const routes = () => listRoutes(app);
  const fetch = monitoring.traceRequests(meter, mount.fetch, routes);
  return { ...mount, fetch, meter: new RequestMeter(meter, routes) };
}
