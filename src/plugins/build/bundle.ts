import { realpath, stat } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { PluginError } from "../failure/failure.ts";
import { EXTERNAL_SPECIFIERS, JSX_IMPORT_SOURCE } from "../given/host-modules.ts";
import { explainMacro } from "../failure/macros.ts";
import { forgetFolders } from "./resolver-cache.ts";
import { createPackageResolver } from "../packages/package-resolver.ts";
import { isUrlName } from "../snapshot/snapshot.ts";
import type { OpenedSnapshot } from "../snapshot/store.ts";
import { createSnapshotResolver, needsResolver, type Overlay, toOverlay } from "../snapshot/overlay.ts";
import { isInside, type PluginSource } from "../source/sources.ts";

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

export interface BundleOptions {
  readonly toDisplayPath: (file: string) => string;
  /** Folder whose node_modules holds the plugin's npm dependencies. */
  readonly packages?: string | null;
  /** The plugin's files, for one from elsewhere: these bytes are bundled, whatever the disk says by now. */
  readonly opened?: OpenedSnapshot | null;
}

/** The name of a bundled file's module in what the bundle exports. */
export function moduleName(index: number): string {
  return `module${index}`;
}

// Stands for no file: it imports those that are asked for.
const VIRTUAL_ENTRY = "<xcore>.ts";

// With "type": "module" Bun interoperates as Node does, where `import x from` gives all of a CommonJS module.
// The host's modules say what their default export is. The blanks keep the source map's columns right.
const NODE_INTEROP = /__toESM\(require\(("(?:[^"\\]|\\.)*")\), 1\)/g;

// Macros run while code is bundled. Bun's types don't know this option.
const WITHOUT_MACROS = { macros: false };

/**
 * Bundles files of a plugin with everything that they import from its folder, the host's packages left out.
 *
 * @param files absolute paths, with links resolved
 * @throws PluginError with the file and line of the first mistake
 */
export async function bundleFiles(
  source: PluginSource,
  files: readonly string[],
  options: BundleOptions,
): Promise<Bundle> {
  const folder = source.kind === "file" ? dirname(source.root) : source.root;
  const virtual = join(folder, VIRTUAL_ENTRY);
  const overlay: Overlay = options.opened ? toOverlay(options.opened) : new Map();
  const forgotten = new Set<string>();
  let result = await build(virtual, files, overlay, options);
  while (!result.success && forgetFolders(folder, result.logs, forgotten)) {
    result = await build(virtual, files, overlay, options);
  }
  if (!result.success) throw toPluginError(result.logs, options);
  const bundled = Object.keys(result.metafile?.inputs ?? {})
    .map(toSourceFile)
    .filter((file) => file !== virtual);
  assertInside(source, bundled, options);
  if (options.opened) assertPinned(bundled, overlay, options);
  assertStatic(result.metafile, options);
  const [code, map] = await Promise.all([
    textOf(result.outputs, "entry-point"),
    textOf(result.outputs, "sourcemap"),
  ]);
  const inputs = await readInputs(bundled, map, overlay);
  const hash = hashInputs(folder, inputs, options);
  return { code: code.replace(NODE_INTEROP, "__toESM(require($1)   )"), map, hash, inputs };
}

function build(
  virtual: string,
  files: readonly string[],
  overlay: Overlay,
  { packages = null, opened = null }: BundleOptions,
): Promise<Bun.BuildOutput> {
  const imports = files.map(
    (file, index) => `import * as ${moduleName(index)} from ${JSON.stringify(file)};`,
  );
  const names = files.map((_, index) => moduleName(index));
  return Bun.build({
    entrypoints: [virtual],
    files: {
      ...Object.fromEntries(overlay),
      [virtual]: `${imports.join("")} export { ${names.join(", ")} };`,
    },
    plugins: [
      ...(opened !== null && needsResolver(opened.snapshot) ? [createSnapshotResolver(opened)] : []),
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

/**
 * Returns the file that `entry` of plugin.json names; the file itself for a single-file plugin.
 *
 * @throws PluginError when there is none, or when it leads outside the plugin's folder
 */
export async function findEntry(
  source: PluginSource,
  entry: string,
  options: BundleOptions,
): Promise<string> {
  if (source.kind === "file") return source.root;
  const file = resolve(source.root, entry);
  let real: string;
  try {
    real = await realpath(file);
  } catch {
    if (!isInside(source.root, file)) throw outsideError(entry);
    throw new PluginError(
      "bundle",
      `Cannot find entry "${entry}": create it, or name another file in "entry" of plugin.json`,
      { file: options.toDisplayPath(file) },
    );
  }
  if (!isInside(source.root, real)) throw outsideError(entry);
  if (!(await stat(real)).isFile()) {
    const message = `Cannot use entry "${entry}": it is no file; name the file that exports the router`;
    throw new PluginError("bundle", message, { file: options.toDisplayPath(file) });
  }
  return real;
}

function outsideError(entry: string): PluginError {
  return new PluginError(
    "bundle",
    `Cannot use entry "${entry}": it leads outside the plugin's folder; move the file into it`,
  );
}

/** A plugin is whole in its folder: what it took from elsewhere would be missing wherever it is copied to. */
function assertInside(source: PluginSource, files: readonly string[], options: BundleOptions): void {
  const roots = [options.packages, options.opened?.directory].filter((root) => typeof root === "string");
  if (source.kind === "folder") roots.push(source.root);
  const outside = files.find((file) => file !== source.root && !roots.some((root) => isInside(root, file)));
  if (outside === undefined) return;
  const shown = options.toDisplayPath(outside);
  const message =
    source.kind === "file"
      ? `Cannot import "${shown}" in a single-file plugin: make it a folder with a plugin.json`
      : `Cannot import "${shown}": it is outside the plugin's folder; move it in, or import "plugin:<name>"`;
  throw new PluginError("bundle", message, { file: shown });
}

/** What has come into the folder since the plugin's files were checked is none of them. */
function assertPinned(
  files: readonly string[],
  pinned: Overlay,
  { packages, toDisplayPath }: BundleOptions,
): void {
  const isPackage = (file: string): boolean => typeof packages === "string" && isInside(packages, file);
  const added = files.find((file) => !pinned.has(file) && !isPackage(file));
  if (added === undefined) return;
  const shown = toDisplayPath(added);
  const message = `Cannot import "${shown}": it isn't among the files that the pin covers; reload the plugin, which is fetched anew then`;
  throw new PluginError("bundle", message, { file: shown });
}

/** What the host hands out comes through `require`, which `import()` doesn't go through. */
function assertStatic(metafile: Bun.BuildMetafile | undefined, options: BundleOptions): void {
  for (const [input, { imports }] of Object.entries(metafile?.inputs ?? {})) {
    const url = imports.find(({ path, external }) => external === true && isUrlName(path));
    if (url !== undefined) {
      const reason = "only a plugin that is pinned in plugins.remote may import from URLs";
      const message = `Cannot import "${url.path}": ${reason}; put the file into the plugin's folder`;
      throw new PluginError("bundle", message, { file: options.toDisplayPath(toSourceFile(input)) });
    }
    const dynamic = imports.find(
      ({ kind, path, external }) => kind === "dynamic-import" && external === true && !isBuiltin(path),
    );
    if (dynamic === undefined) continue;
    const message = `Cannot use import("${dynamic.path}"): import it at the top of the file instead`;
    throw new PluginError("bundle", message, { file: options.toDisplayPath(toSourceFile(input)) });
  }
}

async function textOf(outputs: Bun.BuildArtifact[], kind: string): Promise<string> {
  const output = outputs.find((candidate) => candidate.kind === kind);
  if (output === undefined) throw new PluginError("bundle", `Cannot bundle: Bun made no ${kind}`);
  return output.text();
}

function toPluginError(logs: (BuildMessage | ResolveMessage)[], options: BundleOptions): PluginError {
  const log = logs.find((candidate) => candidate.level === "error") ?? logs[0];
  const position = log?.position ?? null;
  return new PluginError("bundle", describe(log?.message ?? "Cannot bundle: Bun gave no reason", log), {
    file: position === null ? null : options.toDisplayPath(position.file),
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

/** Returns the absolute path of a file as Bun names it in maps and metafiles: relative to where it runs. */
export function toSourceFile(name: string): string {
  return resolve(process.cwd(), name);
}

/** What the bundler read counts, not what the disk says since. */
async function readInputs(
  files: readonly string[],
  map: string,
  overlay: Overlay,
): Promise<Map<string, string | Uint8Array>> {
  const { sources, sourcesContent } = JSON.parse(map) as { sources: string[]; sourcesContent: string[] };
  const contents = new Map(sources.map((name, index) => [toSourceFile(name), sourcesContent[index]]));
  const inputs = new Map<string, string | Uint8Array>();
  for (const file of files.toSorted()) {
    // oxlint-disable-next-line no-await-in-loop -- the few that have no code, such as JSON
    inputs.set(file, overlay.get(file) ?? contents.get(file) ?? (await Bun.file(file).bytes()));
  }
  return inputs;
}

/** Digest of the files that went into a bundle, with their paths inside the plugin: the same on every machine. */
function hashInputs(
  folder: string,
  inputs: ReadonlyMap<string, string | Uint8Array>,
  { packages = null }: BundleOptions,
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
