import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { type AnyElysia, Elysia } from "elysia";
import { InFlight } from "../web/in-flight.ts";
import { isGuarded } from "../accounts/identity/guards.ts";
import type { Mount } from "../web/mounts.ts";
import { findEntry, toSourceFile } from "./build/bundle.ts";
import { Generation, generationId, type PluginHost } from "./runtime/generation.ts";
import type { ModuleExports } from "./given/host-modules.ts";
import { awaitModules, runSetup } from "./runtime/life-cycle.ts";
import type { Manifest } from "./source/manifest.ts";
import type { OpenedSnapshot } from "./snapshot/store.ts";
import { migratePlugin, readPluginMigrations } from "./runtime/migrate.ts";
import { evaluateModules } from "./runtime/modules.ts";
import { asksWhoItIs } from "./given/accounts.ts";
import { createPluginApp, findRouter } from "./runtime/app.ts";
import { bundlePlugin } from "./build/build.ts";
import { Scope } from "./given/scope.ts";
import { findSchemaFiles } from "./source/schema-files.ts";
import { atStage } from "./build/thrown.ts";
import { isInside, type PluginSource, showFilesOf } from "./source/sources.ts";

export interface LoadOptions {
  readonly source: PluginSource;
  /** The checked bytes of a plugin from elsewhere; null for one of the plugins directory. */
  readonly opened: OpenedSnapshot | null;
  readonly manifest: Manifest;
  readonly number: number;
  /** `plugins.settings.<name>` of config.json. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The generations of its dependencies, by name. */
  readonly dependencies: ReadonlyMap<string, Generation>;
  /** The generation that serves now: when nothing differs from it, nothing is loaded. */
  readonly current: Generation | null;
  readonly signal: AbortSignal;
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
  const { source, manifest, number } = options;
  const toDisplayPath = showFilesOf(source, host.toDisplayPath);
  const failure = { source, plugin: manifest.name, stackTraces: host.stackTraces, toDisplayPath };
  const files = await atStage("bundle", failure, async () => [
    await findEntry(source, manifest.entry, { toDisplayPath }),
    ...(await findSchemaFiles(source)),
  ]);
  const { packages, managerLog: log } = host;
  const bundle = await bundlePlugin(files, { ...options, plugin: manifest.name, packages, log, failure });
  const migrations = await atStage("migrate", failure, () =>
    readPluginMigrations(host.database.dialect, options),
  );
  const publicDirectory = await findPublicDirectory(source);
  const fingerprint = fingerprintOf(
    options,
    publicDirectory,
    migrations.map(({ hash }) => hash),
  );
  if (options.current?.hash === bundle.hash && options.current.fingerprint === fingerprint)
    return "unchanged";
  options.signal.throwIfAborted();
  if (host.runsSetup) {
    await atStage("migrate", failure, () => migratePlugin(host, manifest.name, migrations));
    await atStage("migrate", failure, () => declarePermissions(host, manifest));
    options.signal.throwIfAborted();
  }

  const id = generationId(manifest.name, number);
  host.stackTraces.add(id, {
    json: bundle.map,
    toDisplayPath: (name) => toDisplayPath(toSourceFile(name)),
  });
  const scope = new Scope();
  try {
    const inFlight = new InFlight();
    async function importPlugin() {
      const { entry, exports: exported, schema } = evaluateModules(bundle, id, scope, host, options);
      const router = findRouter(entry) ?? createEmptyRouter(entry, scope);
      await awaitModules(router, host.setupTimeoutMs, options.signal);
      const built = createPluginApp(router, {
        manifest,
        publicDirectory,
        answerError: host.answerError,
        inFlight,
        isOpen: host.isOpen,
      });
      return { exports: exported, schema, app: built };
    }
    const { exports, schema, app } = await atStage("import", failure, importPlugin);
    if (host.runsSetup) {
      const onLate = (teardown: Promise<void>): void => void teardown.catch(reportLateTeardown);
      const reportLateTeardown = (error: unknown): void =>
        host.log.error({ err: error, plugin: manifest.name, generation: number }, "teardown failed");
      await atStage("setup", failure, () =>
        runSetup(exports, { timeoutMs: host.setupTimeoutMs, signal: options.signal, onLate }),
      );
    }
    const isAsking =
      isGuarded(app) ||
      asksWhoItIs(bundle.code) ||
      [...options.dependencies.values()].some(({ mount: { isGuarded: asks } }) => asks);
    const mount = { ...createMount(app, manifest, inFlight, host), isGuarded: isAsking };
    const loadMs = performance.now() - startedAt;
    const parts = { number, manifest, hash: bundle.hash, fingerprint, loadMs, app, mount, exports, schema };
    return new Generation(parts, scope, [...options.dependencies.values()]);
  } catch (error) {
    scope.close();
    host.stackTraces.delete(id);
    throw error;
  }
}

function fingerprintOf(
  { manifest, settings, dependencies }: LoadOptions,
  publicDirectory: string | null,
  migrations: readonly string[],
): string {
  const generations = [...dependencies].map(([name, { number }]) => generationId(name, number));
  return JSON.stringify([manifest, settings, generations, publicDirectory, migrations]);
}

/** A plugin without routes must at least do something. */
function createEmptyRouter(exports: ModuleExports, scope: Scope): AnyElysia {
  if (exports["setup"] !== undefined || !scope.isEmpty) return new Elysia();
  throw new TypeError(
    "The entry exports neither a router nor setup(): write `export default createRouter()…`",
  );
}

/** They stay when the plugin goes, as do the roles that hold them. */
async function declarePermissions({ accounts, managerLog }: PluginHost, manifest: Manifest): Promise<void> {
  const { name: plugin, permissions } = manifest;
  for (const { name, owner } of await accounts.declarePermissions(plugin, permissions)) {
    managerLog.warn({ plugin }, `permission "${name}" belongs to "${owner}", which declared it first`);
  }
}

function createMount(
  app: AnyElysia,
  manifest: Manifest,
  inFlight: InFlight,
  host: PluginHost,
): Omit<Mount, "isGuarded"> {
  // Found when it is used: a server that takes over a socket loads its plugins before it listens.
  let server: ReturnType<PluginHost["serverFor"]> = null;
  Object.defineProperty(app, "server", { get: () => (server ??= host.serverFor(inFlight)) });
  const { fetch } = app;
  return { prefix: manifest.api_prefix, plugin: manifest.name, fetch, inFlight };
}

async function findPublicDirectory(source: PluginSource): Promise<string | null> {
  if (source.kind === "file") return null;
  const directory = await realpath(join(source.root, "public")).catch(() => null);
  // A link that leads out would serve files that are none of the plugin's.
  if (directory === null || !isInside(source.root, directory)) return null;
  const stats = await stat(directory).catch(() => null);
  return stats?.isDirectory() ? directory : null;
}
