import valid from "semver/functions/valid.js";
import validRange from "semver/ranges/valid.js";
import { type Static, Type } from "@sinclair/typebox";
import { CORE_OWNER } from "../../db/migrations/core.ts";
import { formatKeyPath, quote, valueAt } from "../../config/json/values.ts";
import { parseJsonDocument } from "../../config/json/document.ts";
import { closestWord } from "../../errors/suggestion.ts";
import { type Fault, findFaults } from "../../config/validation.ts";
import { ICONS } from "../../templates/icons.ts";
import { isPermissionName } from "../../accounts/identity/permission-name.ts";
import { EVENT_PATTERN } from "../../hooks/names.ts";
import { PluginError } from "../failure/failure.ts";
import type { PluginFiles } from "./files.ts";
import { findSurfaceProblem, type Surface, SurfaceSchema } from "./surface.ts";

/** What exports the router where a manifest names nothing else. */
export const DEFAULT_ENTRY = "run.ts";
/** The same with elements: taken where there is no `run.ts`. */
export const TSX_ENTRY = "run.tsx";

const NAME = "^[a-z][a-z0-9_]{0,63}$";
const NAME_TITLE =
  "a name of lower-case letters, digits and underscores that starts with a letter, at most 64";
// A stranger's may be all faults, and a server waits while they are collected: for about a second, with these limits.
const MAX_LENGTH = 512 * 1024; // characters
const MAX_VALUES = 50_000;
const RESERVED_PREFIXES = [
  "/auth",
  "/admin",
  "/system",
  "/docs",
  "/openapi.json",
  "/health",
  "/metrics",
  "/ui",
  "/static",
];

const MenuEntrySchema = Type.Object(
  {
    title: Type.String({
      minLength: 1,
      maxLength: 60,
      title: "a text of 1 to 60 characters",
      description: "English; templates/languages/fr.json has its French",
    }),
    path: Type.String({
      pattern: "^/(?!/)[A-Za-z0-9_.~/-]{0,200}$",
      title: 'a path below that of the plugin, such as "/orders", or "/"',
      description: "Path of the page, below api_prefix",
    }),
    icon: Type.Optional(
      Type.String({
        pattern: `^(${ICONS.join("|")})$`,
        title: `one of ${ICONS.join(", ")}`,
        default: "box",
        description: "Picture beside it",
      }),
    ),
    permission: Type.Optional(
      Type.String({ description: "Who sees it; everybody who is signed in without one" }),
    ),
  },
  { additionalProperties: false },
);

/** Schema of `plugin.json` and of PLUGIN_INFO. */
export const ManifestSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    name: Type.String({ pattern: NAME, title: NAME_TITLE, description: "Name that other plugins depend on" }),
    version: Type.String({
      title: 'a semantic version such as "1.0.0"',
      description: "Version (semver.org)",
    }),
    active: Type.Optional(Type.Boolean({ default: true, description: "Whether the plugin is loaded" })),
    description: Type.Optional(Type.String()),
    author: Type.Optional(Type.String()),
    entry: Type.Optional(
      Type.String({ minLength: 1, default: DEFAULT_ENTRY, description: "File that exports the router" }),
    ),
    api_prefix: Type.Optional(
      Type.String({
        pattern: "^(/[A-Za-z0-9_.~-]*[A-Za-z0-9_~-])+$",
        title: 'a path such as "/blog", with no slash at its end',
        description: 'Path below which its routes are served, default "/<name>"',
      }),
    ),
    tags: Type.Optional(
      Type.Array(Type.String(), { description: "Tags in the API documentation, default [name]" }),
    ),
    dependencies: Type.Optional(
      Type.Union([Type.Record(Type.String(), Type.String()), Type.Array(Type.String())], {
        title: 'plugins with version ranges such as { "erp_core": "^1.0.0" }, or an array of names',
        description: "Plugins that it imports",
      }),
    ),
    permissions: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: "Permissions that it defines, with descriptions",
      }),
    ),
    files: Type.Optional(
      Type.Array(Type.String(), {
        description: "Files beside its modules, for a plugin that is fetched as single files",
      }),
    ),
    config: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "Defaults of its settings" }),
    ),
    hooks: Type.Optional(
      Type.Array(
        Type.String({ pattern: EVENT_PATTERN.source, maxLength: 200, title: "a name of an event" }),
        {
          maxItems: 1000,
          description: "Events that it listens to only once it runs, as in setup()",
        },
      ),
    ),
    menu: Type.Optional(
      Type.Array(MenuEntrySchema, {
        maxItems: 20,
        description: "Pages of its own that the sidebar of the administration shows",
      }),
    ),
    surface: Type.Optional(SurfaceSchema),
  },
  { additionalProperties: false },
);

/** A page of a plugin in the sidebar of the administration. */
export interface MenuEntry {
  readonly title: string;
  /** Whole, such as "/blog/articles". */
  readonly path: string;
  readonly icon: string;
  /** Null: everybody who is signed in sees it. */
  readonly permission: string | null;
}

/** A plugin's manifest with every default filled in. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly active: boolean;
  readonly description: string | null;
  readonly author: string | null;
  readonly entry: string;
  readonly api_prefix: string;
  readonly tags: readonly string[];
  /** Version ranges by plugin name. */
  readonly dependencies: Readonly<Record<string, string>>;
  /** Descriptions by permission name. */
  readonly permissions: Readonly<Record<string, string>>;
  /** Defaults of the plugin's settings. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Events that it listens to only once it runs. */
  readonly hooks: readonly string[];
  /** What the sidebar of the administration shows of it. */
  readonly menu: readonly MenuEntry[];
  /** All that it may register, which a load holds it to; null when it declares nothing. */
  readonly surface: Surface | null;
}

/** Reads what a plugin says of itself: `plugin.json` of a folder, PLUGIN_INFO of a single file. */
export async function readManifest(files: PluginFiles): Promise<Manifest | PluginError> {
  const { basename, remote, shownManifest: file } = files.source;
  try {
    const parse = files.isSingleFile ? parsePluginInfo : parseManifest;
    const manifest = await parse(await files.readManifest(), file);
    if (remote === null || manifest.name === basename) return manifest;
    const message =
      `Cannot use "${manifest.name}" as "${basename}": ` +
      `call it "${manifest.name}" in plugins.remote too, or find out why its name has changed`;
    return new PluginError("manifest", message, { file });
  } catch (error) {
    if (error instanceof PluginError) return error;
    return new PluginError("manifest", `Cannot read the manifest: ${(error as Error).message}`, { file });
  }
}

/** Reads the PLUGIN_INFO of a module, which isn't run. @throws as `parseManifest` does */
export async function parsePluginInfo(code: string, file: string): Promise<Manifest> {
  const { readPluginInfo } = await import("./plugin-info.ts");
  return toManifest(readPluginInfo(code, file), { file, label: "PLUGIN_INFO" });
}

/**
 * Reads the text of a `plugin.json`; comments and trailing commas are allowed.
 *
 * @param file path to show in errors
 * @throws PluginError that lists every problem
 */
export function parseManifest(text: string, file: string): Manifest {
  if (text.length > MAX_LENGTH) {
    throw new PluginError("manifest", "Cannot read plugin.json: it is larger than 512 KiB", { file });
  }
  const document = parseJsonDocument(text);
  const [fault] = document.faults;
  if (fault !== undefined) {
    const where = `line ${fault.position.line}, column ${fault.position.column}`;
    const options = { file, line: fault.position.line };
    throw new PluginError("manifest", `Cannot read plugin.json: ${fault.message} (${where})`, options);
  }
  const lineOf = (path: Fault["path"]) => document.positionOf(path).line;
  return toManifest(document.value, { file, label: "plugin.json", lineOf });
}

/**
 * Checks a manifest and fills in its defaults.
 *
 * @param source `label` is what the manifest is called in messages, `file` the path to show
 * @throws PluginError that lists every problem
 */
export function toManifest(
  value: unknown,
  source: { file: string; label: string; lineOf?: (path: Fault["path"]) => number },
): Manifest {
  if (holdsMoreThan(MAX_VALUES, value)) {
    const message = `Cannot use ${source.label}: it holds more than ${MAX_VALUES} values`;
    throw new PluginError("manifest", message, { file: source.file });
  }
  const problems = findProblems(value);
  const [first] = problems;
  if (first !== undefined) {
    const count = problems.length === 1 ? "" : ` (${problems.length} problems)`;
    const message = `Cannot use ${source.label}${count}: ${problems.map(({ text }) => text).join("; ")}`;
    const line = source.lineOf?.(first.path) ?? null;
    throw new PluginError("manifest", message, { file: source.file, line });
  }
  const given = value as Static<typeof ManifestSchema>;
  return {
    name: given.name,
    version: given.version,
    active: given.active ?? true,
    description: given.description ?? null,
    author: given.author ?? null,
    entry: given.entry ?? DEFAULT_ENTRY,
    api_prefix: given.api_prefix ?? `/${given.name}`,
    tags: given.tags ?? [given.name],
    dependencies: toRanges(given.dependencies ?? {}),
    permissions: given.permissions ?? {},
    config: given.config ?? {},
    hooks: given.hooks ?? [],
    menu: toMenu(given),
    surface: given.surface ?? null,
  };
}

function toMenu({
  name,
  api_prefix: prefix = `/${name}`,
  menu = [],
}: Static<typeof ManifestSchema>): MenuEntry[] {
  return menu.map(({ title, path, icon = "box", permission = null }) => ({
    title,
    path: path === "/" ? prefix : prefix + path,
    icon,
    permission,
  }));
}

function holdsMoreThan(max: number, value: unknown): boolean {
  const waiting = [value];
  for (let count = 0; waiting.length > 0; count += 1) {
    if (count > max) return true;
    const next = waiting.pop();
    if (typeof next === "object" && next !== null) for (const one of Object.values(next)) waiting.push(one);
  }
  return false;
}

interface Problem {
  readonly path: Fault["path"];
  readonly text: string;
}

function findProblems(value: unknown): Problem[] {
  const faults = findFaults(value, ManifestSchema);
  if (faults.length > 0) return faults.map((fault) => ({ path: fault.path, text: toWords(fault, value) }));
  return findSenseProblems(value as Static<typeof ManifestSchema>);
}

function toWords({ kind, path, expected }: Fault, value: unknown): string {
  const key = formatKeyPath(path) || "it";
  if (kind === "unknown_key" && path[0] === "surface") {
    return `"${key}" declares what this version of xcore doesn't know, and so can't hold the plugin to: use a newer one`;
  }
  if (kind === "unknown_key") {
    const meant = closestWord(String(path.at(-1)), Object.keys(ManifestSchema.properties));
    return `unknown key "${key}", ${meant === undefined ? `expected ${expected}` : `did you mean "${meant}"?`}`;
  }
  const found = valueAt(value, path);
  if (found === undefined) return `"${key}" is missing, expected ${expected}`;
  return `"${key}" must be ${expected}, found ${quote(found)}`;
}

/** What a schema can't say: versions, ranges and prefixes that make no sense. */
function findSenseProblems(manifest: Static<typeof ManifestSchema>): Problem[] {
  const problems: Problem[] = [];
  if (valid(manifest.version) === null || /\s/.test(manifest.version)) {
    const text = `"version" must be a semantic version such as "1.0.0", found ${quote(manifest.version)}`;
    problems.push({ path: ["version"], text });
  }
  for (const [name, range] of Object.entries(toRanges(manifest.dependencies ?? {}))) {
    const path = Array.isArray(manifest.dependencies) ? ["dependencies"] : ["dependencies", name];
    if (!new RegExp(NAME).test(name))
      problems.push({ path, text: `"dependencies" must name plugins, found ${quote(name)}` });
    if (validRange(range) !== null) continue;
    const text = `"${formatKeyPath(path)}" must be a version range such as "^1.0.0", found ${quote(range)}`;
    problems.push({ path, text });
  }
  for (const name of Object.keys(manifest.permissions ?? {})) {
    if (isPermissionName(name)) continue;
    const text = `"permissions" must name a resource and an action each, such as "invoices:read", found ${quote(name)}`;
    problems.push({ path: ["permissions", name], text });
  }
  for (const [index, { permission }] of (manifest.menu ?? []).entries()) {
    if (permission === undefined || isPermissionName(permission)) continue;
    const text = `"menu[${index}].permission" must name a resource and an action, such as "invoices:read", found ${quote(permission)}`;
    problems.push({ path: ["menu", index, "permission"], text });
  }
  if (manifest.name === CORE_OWNER) {
    problems.push({
      path: ["name"],
      text: `"${CORE_OWNER}" stands for xcore's own tables: choose another "name"`,
    });
  }
  const prefix = manifest.api_prefix ?? `/${manifest.name}`;
  const reserved = findReserved(prefix);
  if (reserved !== undefined) {
    const isGiven = manifest.api_prefix !== undefined;
    const text = `"${reserved}" is reserved for xcore: choose another "api_prefix", such as "/my${reserved.replace(".", "_")}"`;
    problems.push({ path: [isGiven ? "api_prefix" : "name"], text });
  }
  const misfit = manifest.surface && findSurfaceProblem(manifest.surface, prefix);
  if (misfit) problems.push({ path: ["surface"], text: misfit });
  return problems;
}

/** Whether a prefix belongs to xcore. */
export function isReserved(prefix: string): boolean {
  return findReserved(prefix) !== undefined;
}

function findReserved(prefix: string): string | undefined {
  return RESERVED_PREFIXES.find((one) => prefix === one || prefix.startsWith(`${one}/`));
}

function toRanges(dependencies: Record<string, string> | string[]): Record<string, string> {
  return Array.isArray(dependencies)
    ? Object.fromEntries(dependencies.map((name) => [name, "*"]))
    : dependencies;
}
