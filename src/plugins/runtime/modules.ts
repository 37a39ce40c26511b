import { join } from "node:path";
import type { Logger } from "pino";
import { getTableName, is, Relations, Table } from "drizzle-orm";
import type { SchemaTables } from "../../db/contract/database.ts";
import type { Meter } from "../../metrics/meter.ts";
import type { TransactionOwner } from "../../db/transactions/owner.ts";
import { createSchemaModule } from "../../db/schema/schema.ts";
import { type Bundle, moduleName } from "../build/bundle.ts";
import { evaluateBundle } from "./evaluate.ts";
import type { Generation } from "./generation.ts";
import type { Globals } from "../given/globals.ts";
import type { PluginServices } from "./host.ts";
import { type ModuleExports, withKnownExports } from "../given/host-modules.ts";
import { CORE_OWNER } from "../../db/migrations/core.ts";
import type { Manifest } from "../source/manifest.ts";
import { createPluginDatabase, mergeSchemas } from "../given/database.ts";
import type { Scope } from "../given/scope.ts";
import type { PluginFiles } from "../source/files.ts";
import type { Registrations } from "./surface.ts";
import {
  createPluginTemplates,
  createXcoreModule,
  type MadeTemplates,
  prepareResources,
} from "../given/xcore-module.ts";
import { createPluginConfig, type GivenSettings } from "../given/settings.ts";

export interface ModulesOptions {
  readonly bundle: Bundle;
  /** Such as "blog@3". */
  readonly generation: string;
  /** Of its code and all that it depends on, the same in every process. */
  readonly version: string;
  readonly scope: Scope;
  readonly globals: Globals;
  /** Waits until the code may run. */
  readonly pause: () => Promise<void>;
  readonly transactions: TransactionOwner;
  /** Measures what the plugin does; null: nobody does. */
  readonly meter: Meter | null;
  /** Log that the plugin writes to. */
  readonly log: Logger;
  readonly registrations: Registrations;
  readonly files: PluginFiles;
  /** Whether the first module of the bundle is the file of its settings; the next is its entry. */
  readonly hasSettingsFile: boolean;
  /** Whether settings are checked. */
  readonly checksSettings: boolean;
  readonly manifest: Manifest;
  /** Its templates, by their names below `templates/`. */
  readonly templates: ReadonlyMap<string, string>;
  /** `plugins.settings.<name>` of config.json. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Told the schema of its settings, null for none. @default nobody is */
  readonly onSettings?: GivenSettings["onSchema"];
  /** The generations of its dependencies, by name. */
  readonly dependencies: ReadonlyMap<string, Generation>;
}

/** What the modules of a plugin say once they have run. */
export interface PluginModules {
  /** The exports of its entry. */
  readonly entry: ModuleExports;
  /** What other plugins import from it: its tables and relations, and all that its entry exports. */
  readonly exports: ModuleExports;
  /** Its tables and relations, those of its dependencies and of the core. */
  readonly schema: SchemaTables;
  readonly tables: DeclaredTables;
  /** Its templates, which aren't checked yet. */
  readonly pages: Pick<MadeTemplates, "check" | "owned">;
}

/** The tables that a plugin's own code declares. */
export interface DeclaredTables {
  /** Those that its schema files export. */
  readonly exported: readonly Table[];
  readonly others: readonly Table[];
}

/**
 * Runs the bundled entry and schema files of a plugin, with what they import from the host.
 *
 * @throws whatever the plugin's top level throws
 */
export async function evaluateModules(
  given: PluginServices,
  options: ModulesOptions,
): Promise<PluginModules> {
  const { bundle, generation, globals, registrations, files, dependencies, pause } = options;
  const { tasks, database, core } = given;
  let schema: SchemaTables | null = null;
  let schemaModule: ModuleExports | null = null; // made for those that have tables
  const made: Table[] = [];
  let running: { readonly exports: ModuleExports } | null = null;
  const config = createPluginConfig(toGivenSettings(options), () => findSettings(running?.exports ?? {}));
  const { xcore, pages } = createXcore(given, options, { settings: config.values, findSchema: () => schema });
  // Its expressions are read where they stand, as those of resources whose history is kept for a time.
  if (/cron|\bkeep\b/.test(bundle.code)) await tasks.prepare();
  await prepareResources(bundle.code);
  const exported = await evaluateBundle(bundle.code, {
    generation,
    root: files.root,
    pause,
    onModule: (module) => (running = module),
    globals,
    xcore,
    createSchema: () =>
      (schemaModule ??= withKnownExports("xcore/schema", {
        ...createSchemaModule(database.tableMakers, {
          core: core,
          onTable(table) {
            registrations.addTable(getTableName(table));
            made.push(table);
          },
        }),
      })),
    findPlugin: (name) => dependencies.get(name)?.exports,
  });
  config.settle();
  const [entry = {}, ...schemaModules] = toModules(exported).slice(options.hasSettingsFile ? 1 : 0);
  const own = collectSchema(schemaModules);
  schema = mergeSchemas(own, [
    [CORE_OWNER, { users: core.users }],
    ...[...dependencies].map(([name, dependency]) => [name, dependency.schema] as const),
  ]);
  return { entry, exports: withExports(own, entry), schema, tables: divideTables(made, own), pages };
}

/** Makes what the plugin imports from "xcore". */
function createXcore(
  given: PluginServices,
  options: ModulesOptions,
  own: {
    readonly settings: Readonly<Record<string, unknown>>;
    readonly findSchema: () => SchemaTables | null;
  },
): { readonly xcore: ModuleExports; readonly pages: MadeTemplates } {
  const { scope, transactions: owner, log, registrations, files, manifest, version, meter } = options;
  const { database, monitoring } = given;
  const watch = meter === null ? undefined : monitoring?.watchQueries(meter);
  const pages = createPluginTemplates({
    name: manifest.name,
    prefix: manifest.api_prefix,
    scope,
    templates: given.templates,
    texts: options.templates,
    shownFolder: files.source.show(join(files.root, "templates")),
    dependencies: new Map([...options.dependencies].map(([name, one]) => [name, one.pages])),
  });
  const xcore = createXcoreModule({
    ...given,
    name: manifest.name,
    prefix: manifest.api_prefix,
    scope,
    onListen: (event) => registrations.addHook(event),
    onDefine: (job, payload) => registrations.addJob(job, payload),
    onTemplate: (name, place) => pages.expect(name, place),
    onPermission: (permission, description) => registrations.addPermission(permission, description),
    driver: database,
    db: createPluginDatabase(database, own.findSchema, { owner, watch }),
    log,
    version,
    meter,
    settings: own.settings,
    templates: pages.given,
    renderMail: pages.renderMail,
  });
  return { xcore, pages };
}

function divideTables(made: readonly Table[], own: SchemaTables): DeclaredTables {
  const exports = new Set(Object.values(own));
  const { exported = [], others = [] } = Object.groupBy(made, (table) =>
    exports.has(table) ? "exported" : "others",
  );
  return { exported, others };
}

/** The modules that a bundle exports, in the order in which they were asked for. */
export function toModules(exported: ModuleExports): ModuleExports[] {
  const modules: ModuleExports[] = [];
  for (let index = 0; moduleName(index) in exported; index += 1) {
    modules.push(exported[moduleName(index)] as ModuleExports);
  }
  return modules;
}

/** The tables and relations among what schema files export. */
export function collectSchema(modules: readonly ModuleExports[]): SchemaTables {
  const entries = modules.flatMap((module) => Object.entries(module));
  return Object.fromEntries(entries.filter(([, value]) => is(value, Table) || is(value, Relations)));
}

/** Keeps the entry's exports live: an exported variable may change after its module has run. */
function withExports(schema: SchemaTables, entry: ModuleExports): ModuleExports {
  return Object.defineProperties({ ...schema }, Object.getOwnPropertyDescriptors(entry));
}

/** The schema of its settings is what the file for them exports, or else the entry: the first module is either. */
function findSettings(exported: ModuleExports): unknown {
  const [first] = toModules(exported);
  return first?.["settings"];
}

function toGivenSettings(options: ModulesOptions): GivenSettings {
  const { manifest, settings, checksSettings, onSettings } = options;
  return {
    plugin: manifest.name,
    defaults: manifest.config,
    overrides: settings,
    areChecked: checksSettings,
    onSchema: onSettings,
  };
}
