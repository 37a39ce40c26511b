import type { SchemaTables, Transaction } from "../../db/contract/database.ts";
import type { Driver } from "../../db/contract/driver.ts";
import { CORE_OWNER } from "../../db/migrations/core.ts";
import { runSeed } from "../../db/migrations/seeds.ts";
import { createSchemaModule, declareCore } from "../../db/schema/schema.ts";
import { AppError } from "../../errors/errors.ts";
import { bundlePlugin } from "../build/build.ts";
import { atStage } from "../build/thrown.ts";
import { PluginError } from "../failure/failure.ts";
import { StackTraces } from "../failure/stack-traces.ts";
import { createPluginDatabase, mergeSchemas } from "../given/database.ts";
import { Globals } from "../given/globals.ts";
import { type ModuleExports, withKnownExports } from "../given/host-modules.ts";
import { Scope } from "../given/scope.ts";
import { evaluateBundle } from "../runtime/evaluate.ts";
import { generationId } from "../runtime/generation.ts";
import { collectSchema, toModules } from "../runtime/modules.ts";
import type { PluginFiles } from "../source/files.ts";
import type { DeclaredPlugin } from "./declared-plugins.ts";
import { loadDependencySchemas, type LoadTablesOptions } from "./tables.ts";

const NAMES = ["seed.ts", "seed.js"];

export interface SeedPluginOptions extends Omit<LoadTablesOptions, "dialect"> {
  /** With the plugin's migrations applied. */
  readonly database: Driver;
  /** Whether to run it though it has been run on this database. */
  readonly again: boolean;
}

/** Returns the name of the file that fills a plugin's tables; null where there is none. */
export async function findSeed(files: PluginFiles): Promise<string | null> {
  for (const name of NAMES) {
    // oxlint-disable-next-line no-await-in-loop -- the first is enough
    if ((await files.read(name)) !== null) return name;
  }
  return null;
}

/**
 * Runs the function that a plugin's seed.ts exports, in one transaction. Of the plugin's code that and its schema files
 * are run, and what they import.
 *
 * @returns false when it has been run on this database before
 * @throws PluginError with the place in the plugin's source: nothing of it is kept then
 */
export async function seedPlugin(
  plugin: DeclaredPlugin,
  seed: string,
  options: SeedPluginOptions,
): Promise<boolean> {
  const { database, again } = options;
  const { name, files } = plugin;
  const { source } = files;
  const stackTraces = new StackTraces();
  const failure = { source, stackTraces, plugin: name };
  const running: { tx: Transaction | null } = { tx: null };
  const scope = new Scope();
  const onError = (error: unknown): void => options.log.error({ err: error, plugin: name }, "timer failed");
  const globals = new Globals({ scope, console, onError });
  await using disposals = new AsyncDisposableStack();
  disposals.defer(() => {
    scope.close();
    globals.timers.end();
  });
  scope.activate();
  const { run, schema } = await evaluateSeed(plugin, seed, { ...options, failure, running, globals });
  const shown = source.show(await files.findEntry(seed));
  if (typeof run !== "function") {
    const message = "It exports no function: write `export default async function seed() { … }`";
    throw new PluginError("setup", message, { file: shown });
  }
  const work = async (tx: Transaction): Promise<void> => {
    running.tx = tx;
    await (run as () => unknown)();
  };
  try {
    return await atStage("setup", failure, () => runSeed(database, { owner: name, schema, again, work }));
  } catch (error) {
    // What a query throws doesn't lead to who asked it.
    if (!(error instanceof PluginError) || error.file !== null) throw error;
    throw new PluginError("setup", error.message, { file: shown, cause: error });
  }
}

interface EvaluateOptions extends SeedPluginOptions {
  readonly failure: Parameters<typeof atStage>[1];
  readonly running: { readonly tx: Transaction | null };
  readonly globals: Globals;
}

async function evaluateSeed(
  plugin: DeclaredPlugin,
  seed: string,
  { database, byName, packages, log, failure, running, globals }: EvaluateOptions,
): Promise<{ run: unknown; schema: SchemaTables }> {
  const { name, files } = plugin;
  const dependencies = await loadDependencySchemas(plugin, {
    byName,
    packages,
    log,
    dialect: database.dialect,
  });
  const entries = [await files.findEntry(seed), ...(await files.findSchemas())];
  const { signal } = new AbortController();
  const bundle = await bundlePlugin({ files, entries, plugin: name, packages, log, signal, failure });
  const generation = generationId(name, 0);
  failure.stackTraces.add(generation, { json: bundle.map, show: files.source.show });
  const core = declareCore(database.tableMakers);
  let schema: SchemaTables | null = null;
  let schemaModule: ModuleExports | null = null;
  const transaction = (): Transaction => {
    if (running.tx !== null) return running.tx;
    throw new TypeError("Cannot use db at the top level of a seed: use it in the function that it exports");
  };
  const exported = await atStage("import", failure, () =>
    evaluateBundle(bundle.code, {
      generation,
      root: files.root,
      globals,
      xcore: withKnownExports("xcore, inside a seed,", {
        db: createPluginDatabase({ toDatabase: transaction } as unknown as Driver, () => schema),
        log: log.child({ plugin: name }),
        AppError,
      }),
      createSchema: () =>
        (schemaModule ??= withKnownExports("xcore/schema", {
          ...createSchemaModule(database.tableMakers, { core }),
        })),
      findPlugin: (other) => dependencies.get(other),
    }),
  );
  const [module = {}, ...schemas] = toModules(exported);
  schema = mergeSchemas(collectSchema(schemas), [
    [CORE_OWNER, { users: core.users }],
    ...[...dependencies].map(([other, exports]) => [other, collectSchema([exports])] as const),
  ]);
  return { run: module["default"], schema };
}
