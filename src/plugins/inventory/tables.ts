import { getTableName, type Table } from "drizzle-orm";
import type { Logger } from "pino";
import { createDetachedDriver } from "../../db/detached.ts";
import type { Dialect } from "../../db/contract/driver.ts";
import { createSchemaModule } from "../../db/schema/schema.ts";
import type { DeclaredPlugin } from "./declared-plugins.ts";
import { evaluateBundle } from "../runtime/evaluate.ts";
import { PluginError } from "../failure/failure.ts";
import { generationId } from "../runtime/generation.ts";
import { Globals } from "../given/globals.ts";
import { type ModuleExports, withKnownExports } from "../given/host-modules.ts";
import { Scope } from "../given/scope.ts";
import { collectSchema, toModules } from "../runtime/modules.ts";
import type { PackageStore } from "../packages/store.ts";
import { bundlePlugin } from "../build/build.ts";
import type { PluginFiles } from "../source/files.ts";
import { StackTraces } from "../failure/stack-traces.ts";
import { toFailure } from "../build/thrown.ts";

/** What the schema files of one plugin declare. */
interface DeclaredTables {
  /** What dependents import. */
  readonly exports: ModuleExports;
  readonly tables: readonly Table[];
}

export interface LoadTablesOptions {
  /** The plugins that it may depend on. */
  readonly byName: ReadonlyMap<string, DeclaredPlugin>;
  readonly packages: PackageStore;
  readonly log: Logger;
  readonly dialect: Dialect;
}

/**
 * Runs the schema files of a plugin, and of those that it depends on, for one database; returns the tables that
 * they declare, by name. The rest of the plugin's code isn't run.
 *
 * @throws PluginError when they can't be bundled or run
 */
export async function loadPluginTables(
  plugin: DeclaredPlugin,
  options: LoadTablesOptions,
): Promise<Record<string, Table>> {
  const { tables } = await createDeclarer(options).declare(plugin);
  return Object.fromEntries(tables.map((table) => [getTableName(table), table]));
}

/**
 * Runs the schema files of the plugins that one depends on, in the same way; returns what it can import from them.
 *
 * @throws PluginError when they can't be bundled or run
 */
export async function loadDependencySchemas(
  plugin: DeclaredPlugin,
  options: LoadTablesOptions,
): Promise<ReadonlyMap<string, ModuleExports>> {
  return createDeclarer(options).declareDependencies(plugin);
}

function createDeclarer({ byName, packages, log, dialect }: LoadTablesOptions) {
  const done = new Map<string, DeclaredTables>();
  async function declareDependencies({ manifest }: DeclaredPlugin): Promise<Map<string, ModuleExports>> {
    const dependencies = new Map<string, ModuleExports>();
    for (const dependency of Object.keys(manifest.dependencies)) {
      const found = byName.get(dependency);
      if (found === undefined) throw new PluginError("dependencies", missingDependency(dependency));
      dependencies.set(dependency, (await declare(found)).exports);
    }
    return dependencies;
  }
  async function declare(plugin: DeclaredPlugin): Promise<DeclaredTables> {
    const { name, files } = plugin;
    const known = done.get(name);
    if (known !== undefined) return known;
    done.set(name, { exports: {}, tables: [] }); // for plugins that depend on each other
    const dependencies = await declareDependencies(plugin);
    const tables: Table[] = [];
    const modules = await evaluateSchema(files, {
      name,
      packages,
      log,
      findPlugin: (dependency) => dependencies.get(dependency),
      dialect,
      onTable: (table) => void tables.push(table),
    });
    const exports = withKnownExports(`The schema of "${name}"`, collectSchema(modules));
    done.set(name, { exports, tables });
    return { exports, tables };
  }
  return { declare, declareDependencies };
}

interface EvaluateOptions {
  readonly name: string;
  readonly packages: PackageStore;
  readonly log: Logger;
  readonly dialect: Dialect;
  readonly findPlugin: (name: string) => ModuleExports | undefined;
  readonly onTable: (table: Table) => void;
}

async function evaluateSchema(files: PluginFiles, options: EvaluateOptions): Promise<ModuleExports[]> {
  const { name: plugin, packages, log, dialect, findPlugin, onTable } = options;
  const entries = await files.findSchemas();
  if (entries.length === 0) return [];
  const { source } = files;
  const stackTraces = new StackTraces();
  const failure = { source, stackTraces };
  const { signal } = new AbortController();
  const bundle = await bundlePlugin({ files, entries, plugin, packages, log, signal, failure });
  const generation = generationId(plugin, 0);
  stackTraces.add(generation, { json: bundle.map, show: source.show });
  const database = await createDetachedDriver(dialect);
  let schema: ModuleExports | null = null;
  // Only the tables count: nothing that a schema file starts goes on.
  const scope = new Scope();
  const globals = new Globals({ scope, console, onError() {} });
  try {
    const exported = await evaluateBundle(bundle.code, {
      generation,
      root: files.root,
      globals,
      xcore: withKnownExports("xcore, inside a schema file,", {
        db: database.toDatabase({}),
      }),
      createSchema: () =>
        (schema ??= withKnownExports("xcore/schema", {
          ...createSchemaModule(database.tableMakers, { onTable }),
        })),
      findPlugin,
    });
    return toModules(exported);
  } catch (error) {
    throw toFailure(error, "import", failure);
  } finally {
    scope.close();
    globals.timers.end();
  }
}

function missingDependency(name: string): string {
  return `Cannot find dependency "${name}": put it beside this plugin, or remove it from "dependencies"`;
}
