import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type AnyElysia, Elysia } from "elysia";
import { InFlight } from "../web/in-flight.ts";
import type { Mount } from "../web/mounts.ts";
import { type Bundle, bundlePlugin, toSourceFile } from "./bundle.ts";
import { evaluateBundle } from "./evaluate.ts";
import { PluginError, type PluginStage } from "./failure.ts";
import { Generation, generationId, type PluginHost } from "./generation.ts";
import type { ModuleExports } from "./host-modules.ts";
import { runSetup } from "./life-cycle.ts";
import type { Manifest } from "./manifest.ts";
import { createPluginApp, findRouter } from "./plugin-app.ts";
import { Scope } from "./scope.ts";
import { mergeSettings } from "./settings.ts";
import type { PluginSource } from "./sources.ts";
import { createXcoreModule } from "./xcore-module.ts";

export interface LoadOptions {
  readonly source: PluginSource;
  readonly manifest: Manifest;
  readonly number: number;
  /** `plugins.settings.<name>` of config.json. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The generations of its dependencies, by name. */
  readonly dependencies: ReadonlyMap<string, Generation>;
  /** The generation that serves now: when nothing differs from it, nothing is loaded. */
  readonly current: Generation | null;
  readonly signal: AbortSignal;
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
  const bundle = await bundlePlugin(source, {
    name: manifest.name,
    entry: manifest.entry,
    toDisplayPath: host.toDisplayPath,
  });
  const fingerprint = fingerprintOf(options);
  if (options.current?.hash === bundle.hash && options.current.fingerprint === fingerprint)
    return "unchanged";
  options.signal.throwIfAborted();

  const id = generationId(manifest.name, number);
  host.stackTraces.add(id, {
    json: bundle.map,
    toDisplayPath: (name) => host.toDisplayPath(toSourceFile(name)),
  });
  const scope = new Scope();
  try {
    const exports = await atStage("import", host, () => evaluate(bundle, id, scope, host, options));
    const inFlight = new InFlight();
    const app = await atStage("import", host, async () =>
      createPluginApp(findRouter(exports) ?? createEmptyRouter(exports, scope), {
        manifest,
        publicDirectory: await findPublicDirectory(source),
        answerError: host.answerError,
        inFlight,
        isOpen: host.isOpen,
      }),
    );
    if (host.runsSetup) {
      await atStage("setup", host, () => runSetup(exports, host.setupTimeoutMs, options.signal));
    }
    const mount = createMount(app, manifest, inFlight, host);
    const loadMs = performance.now() - startedAt;
    const parts = { number, manifest, hash: bundle.hash, fingerprint, loadMs, app, mount, exports };
    return new Generation(parts, scope, [...options.dependencies.values()]);
  } catch (error) {
    scope.close();
    host.stackTraces.delete(id);
    throw error;
  }
}

function fingerprintOf({ manifest, settings, dependencies }: LoadOptions): string {
  const generations = [...dependencies].map(([name, { number }]) => `${name}@${number}`);
  return JSON.stringify([manifest, settings, generations]);
}

function evaluate(
  bundle: Bundle,
  id: string,
  scope: Scope,
  host: PluginHost,
  options: LoadOptions,
): ModuleExports {
  const { manifest, settings, source } = options;
  const xcore = createXcoreModule({
    name: manifest.name,
    scope,
    hooks: host.hooks,
    log: host.log.child({ plugin: manifest.name }),
    settings: mergeSettings(manifest.config, settings),
  });
  return evaluateBundle(bundle.code, {
    generation: id,
    root: source.root,
    xcore,
    findPlugin: (name) => options.dependencies.get(name)?.exports,
  });
}

/** A plugin without routes must at least do something. */
function createEmptyRouter(exports: ModuleExports, scope: Scope): AnyElysia {
  if (exports["setup"] !== undefined || !scope.isEmpty) return new Elysia();
  throw new TypeError(
    "The entry exports neither a router nor setup(): write `export default createRouter()…`",
  );
}

function createMount(app: AnyElysia, manifest: Manifest, inFlight: InFlight, host: PluginHost): Mount {
  app.server = host.serverFor(inFlight);
  const { fetch } = app;
  return { prefix: manifest.api_prefix, plugin: manifest.name, fetch, inFlight };
}

async function findPublicDirectory(source: PluginSource): Promise<string | null> {
  if (source.kind === "file") return null;
  const directory = join(source.root, "public");
  const stats = await stat(directory).catch(() => null);
  return stats?.isDirectory() ? directory : null;
}

async function atStage<T>(stage: PluginStage, host: PluginHost, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PluginError) throw error;
    const position = host.stackTraces.locate(error);
    // Before the maps of this generation are dropped with it.
    if (error instanceof Error) error.stack = host.stackTraces.map(String(error.stack));
    const message = error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`;
    throw new PluginError(stage, message, {
      file: position?.file ?? null,
      line: position?.line ?? null,
      cause: error,
    });
  }
}
