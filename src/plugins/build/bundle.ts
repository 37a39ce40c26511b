import { isBuiltin } from "node:module";
import { join, relative } from "node:path";
import { explainMacro, PluginError } from "../failure/failure.ts";
import { EXTERNAL_SPECIFIERS, JSX_IMPORT_SOURCE } from "../given/host-modules.ts";
import { toSourceFile } from "../failure/stack-traces.ts";
import { forgetFolders } from "./resolver-cache.ts";
import { createPackageResolver } from "../packages/resolver.ts";
import { isUrlName } from "../snapshot/snapshot.ts";
import type { PluginFiles } from "../source/files.ts";
import { isInside } from "../../files/paths.ts";

/** A plugin's code in one piece, ready to be evaluated. */
export interface Bundle {
  /** A CommonJS function expression. It exports the module of each file asked for, in their order. */
  readonly code: string;
  /** Source map (ECMA-426) as JSON. */
  readonly map: string;
  /** SHA-256 of the files that it is made of, in hex. */
  readonly hash: string;
  /** What the bundler read of each file, by absolute path. */
  readonly inputs: ReadonlyMap<string, string | Uint8Array>;
}

/** What is bundled. */
export interface BundleOptions {
  /** Absolute paths of files of the plugin, with links resolved. */
  readonly entries: readonly string[];
  /** Folder whose node_modules holds the plugin's npm dependencies. */
  readonly packages: string | null;
}

/** The name of a bundled file's module in what the bundle exports. */
export function moduleName(index: number): string {
  return `module${index}`;
}

// The bundler's entry, which is on no disk: it imports the files that are asked for.
const VIRTUAL_ENTRY = "<xcore>.ts";

// With "type": "module" Bun interoperates as Node does, where `import x from` gives all of a CommonJS module.
// The host's modules say what their default export is. The blanks keep the source map's columns right.
const NODE_INTEROP = /__toESM\(require\(("(?:[^"\\]|\\.)*")\), 1\)/g;

const TIMERS = /^(node:)?timers(\/promises)?$/;

// Macros run while code is bundled. Bun's types don't know this option.
const WITHOUT_MACROS = { macros: false };

/**
 * Bundles files of a plugin with everything that they import from its folder, the host's packages left out.
 *
 * @throws PluginError with the file and line of the first mistake
 */
export async function bundleFiles(plugin: PluginFiles, options: BundleOptions): Promise<Bundle> {
  const { folder, overlay } = plugin;
  const { packages } = options;
  const virtual = join(folder, VIRTUAL_ENTRY);
  const forgotten = new Set<string>();
  let result = await build(virtual, plugin, options);
  while (!result.success && forgetFolders(folder, result.logs, forgotten)) {
    result = await build(virtual, plugin, options);
  }
  if (!result.success) throw toPluginError(result.logs, plugin);
  const bundled = Object.keys(result.metafile?.inputs ?? {})
    .map(toSourceFile)
    .filter((file) => file !== virtual);
  assertOwn(plugin, bundled, packages);
  assertStatic(result.metafile, plugin);
  const [code, map] = await Promise.all([
    textOf(result.outputs, "entry-point"),
    textOf(result.outputs, "sourcemap"),
  ]);
  const inputs = await readInputs(bundled, map, overlay);
  const hash = hashInputs(folder, inputs, packages);
  return { code: code.replace(NODE_INTEROP, "__toESM(require($1)   )"), map, hash, inputs };
}

function build(
  virtual: string,
  { overlay, resolver }: PluginFiles,
  { entries, packages }: BundleOptions,
): Promise<Bun.BuildOutput> {
  const imports = entries.map(
    (file, index) => `import * as ${moduleName(index)} from ${JSON.stringify(file)};`,
  );
  const names = entries.map((_, index) => moduleName(index));
  return Bun.build({
    entrypoints: [virtual],
    files: {
      ...Object.fromEntries(overlay ?? []),
      [virtual]: `${imports.join("")} export { ${names.join(", ")} };`,
    },
    plugins: [
      ...(resolver === null ? [] : [resolver]),
      ...(packages === null ? [] : [createPackageResolver(packages)]),
    ],
    target: "bun",
    format: "cjs",
    external: [...EXTERNAL_SPECIFIERS],
    sourcemap: "external",
    metafile: true,
    throw: false,
    naming: "bundle.[ext]",
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
    jsx: { runtime: "automatic", importSource: JSX_IMPORT_SOURCE, development: false },
    ...WITHOUT_MACROS,
  });
}

/** A plugin is whole in its folder: what it took from elsewhere would be missing wherever it is copied to. */
function assertOwn(plugin: PluginFiles, bundled: readonly string[], packages: string | null): void {
  const { isSingleFile, overlay, source } = plugin;
  const files = bundled.filter((file) => packages === null || !isInside(packages, file));
  const outside = files.find((file) => !plugin.holds(file));
  if (outside !== undefined) {
    const shown = source.show(outside);
    const message = isSingleFile
      ? `Cannot import "${shown}" in a single-file plugin: make it a folder with a plugin.json`
      : `Cannot import "${shown}": it is outside the plugin's folder; move it in, or import "plugin:<name>"`;
    throw new PluginError("bundle", message, { file: shown });
  }
  // What has come into the folder since the plugin's files were checked is none of them.
  const added = overlay === null ? undefined : files.find((file) => !overlay.has(file));
  if (added === undefined) return;
  const shown = source.show(added);
  const message = `Cannot import "${shown}": it isn't among the files that the pin covers; reload the plugin, which is fetched anew then`;
  throw new PluginError("bundle", message, { file: shown });
}

/** What the host hands out comes through `require`, which `import()` doesn't go through: timers would have no owner. */
function assertStatic(metafile: Bun.BuildMetafile | undefined, { source }: PluginFiles): void {
  for (const [input, { imports }] of Object.entries(metafile?.inputs ?? {})) {
    const url = imports.find(({ path, external }) => external === true && isUrlName(path));
    if (url !== undefined) {
      const reason = "only a plugin that is pinned in plugins.remote may import from URLs";
      const message = `Cannot import "${url.path}": ${reason}; put the file into the plugin's folder`;
      throw new PluginError("bundle", message, { file: source.show(toSourceFile(input)) });
    }
    const dynamic = imports.find(
      ({ kind, path, external }) =>
        kind === "dynamic-import" && external === true && (!isBuiltin(path) || TIMERS.test(path)),
    );
    if (dynamic === undefined) continue;
    const message = `Cannot use import("${dynamic.path}"): import it at the top of the file instead`;
    throw new PluginError("bundle", message, { file: source.show(toSourceFile(input)) });
  }
}

async function textOf(outputs: Bun.BuildArtifact[], kind: string): Promise<string> {
  const output = outputs.find((candidate) => candidate.kind === kind);
  if (output === undefined) throw new PluginError("bundle", `Cannot bundle: Bun made no ${kind}`);
  return output.text();
}

function toPluginError(logs: (BuildMessage | ResolveMessage)[], { source }: PluginFiles): PluginError {
  const log = logs.find((candidate) => candidate.level === "error") ?? logs[0];
  const position = log?.position ?? null;
  return new PluginError("bundle", describe(log?.message ?? "Cannot bundle: Bun gave no reason", log), {
    file: position === null ? null : source.show(position.file),
    line: position === null || position.line < 1 ? null : position.line,
  });
}

function describe(message: string, log: BuildMessage | ResolveMessage | undefined): string {
  if (message.includes('"await" can only be used inside')) {
    return `${message}; at the top level of a plugin, move it into "export async function setup()"`;
  }
  if (log instanceof ResolveMessage) {
    return log.specifier.startsWith(".")
      ? `Cannot find "${log.specifier}": correct the path, or create the file`
      : `Cannot find package "${log.specifier}": xcore doesn't embed it and it isn't installed; name it in the plugin's package.json`;
  }
  return explainMacro(message);
}

/** What the bundler read counts, not what the disk says since. */
async function readInputs(
  files: readonly string[],
  map: string,
  overlay: PluginFiles["overlay"],
): Promise<Map<string, string | Uint8Array>> {
  const { sources, sourcesContent } = JSON.parse(map) as { sources: string[]; sourcesContent: string[] };
  const contents = new Map(sources.map((name, index) => [toSourceFile(name), sourcesContent[index]]));
  const inputs = new Map<string, string | Uint8Array>();
  for (const file of files.toSorted()) {
    // oxlint-disable-next-line no-await-in-loop -- the few that have no code, such as JSON
    inputs.set(file, overlay?.get(file) ?? contents.get(file) ?? (await Bun.file(file).bytes()));
  }
  return inputs;
}

/** Digest of the files that went into a bundle, with their paths inside the plugin: the same on every machine. */
function hashInputs(
  folder: string,
  inputs: ReadonlyMap<string, string | Uint8Array>,
  packages: string | null,
): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const [file, content] of inputs) {
    const isPackage = packages !== null && isInside(packages, file);
    hasher
      .update(`${relative(isPackage ? packages : folder, file)}\0`)
      .update(content)
      .update("\0");
  }
  return hasher.digest("hex");
}
