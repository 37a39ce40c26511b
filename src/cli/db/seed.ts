import { Command } from "commander";
import { CORE_OWNER } from "../../db/migrations/core.ts";
import { readSeededAt } from "../../db/migrations/seeds.ts";
import { assertApplied } from "../../db/migrations/status.ts";
import type { Driver } from "../../db/contract/driver.ts";
import { fail } from "../../errors/codes.ts";
import { describeFailure } from "../../app/failure-text.ts";
import type { DeclaredPlugin } from "../../plugins/inventory/declared-plugins.ts";
import { findSeed, seedPlugin } from "../../plugins/inventory/seed.ts";
import { findPluginStep } from "../../plugins/inventory/step.ts";
import { type CommandDatabase, withDatabase } from "../open/database.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { toExamples } from "../terminal/output.ts";
import { applyPending } from "./migrate.ts";

/** `xcore db seed`: runs the seed.ts of plugins, once for a database. */
export function dbSeedCommand(context: CommandContext): Command {
  return new Command("seed")
    .description("Fill the tables of active plugins by their seed.ts, each once for a database")
    .argument("[plugin]", "this plugin, after those that it depends on (default: all)")
    .option("--again", "run the plugin's seed.ts though it has been run; rows of before stay")
    .addHelpText("after", toExamples("xcore db seed", "xcore db seed blog", "xcore db seed blog --again"))
    .action(async (name: string | undefined, { again = false }: { again?: boolean }, command: Command) => {
      if (again && name === undefined) {
        command.error("error: --again needs the name of a plugin", { exitCode: 2 });
      }
      const declared = await loadCommandPlugins(command, context);
      const chosen = choosePlugins(name, declared);
      await withDatabase(declared.loaded, async (database) => {
        const { auto_migrate: migrates } = declared.loaded.config.database;
        const unmigrated = migrates
          ? (await applyPending(database, declared, context)).failed
          : new Set<string>();
        const failed = await seedAll(chosen, unmigrated, {
          database,
          declared,
          context,
          again: again ? name : null,
        });
        if (failed.size > 0) {
          throw fail("seed_failed", `Cannot seed ${[...failed].join(", ")}: see above`);
        }
      });
    });
}

interface Seeding {
  readonly database: CommandDatabase;
  readonly declared: CommandPlugins;
  readonly context: CommandContext;
  /** The plugin that is seeded though it has been before. */
  readonly again: string | null | undefined;
}

/** The plugin with all that it depends on, in order, or every plugin. */
function choosePlugins(name: string | undefined, { plugins, find }: CommandPlugins): DeclaredPlugin[] {
  if (name === undefined) return [...plugins.loadable];
  const wanted = new Set([find(name).name]);
  for (const { name: own, manifest } of plugins.loadable.toReversed()) {
    if (wanted.has(own)) for (const other of Object.keys(manifest.dependencies)) wanted.add(other);
  }
  const chosen = plugins.loadable.filter((plugin) => wanted.has(plugin.name));
  if (chosen.some((plugin) => plugin.name === name)) return chosen;
  throw fail(
    "conflict",
    `Cannot seed "${name}": it isn't active, or can't be used; see \`xcore plugin list\``,
  );
}

async function seedAll(
  plugins: readonly DeclaredPlugin[],
  unmigrated: ReadonlySet<string>,
  seeding: Seeding,
): Promise<ReadonlySet<string>> {
  const { context } = seeding;
  const failed = new Set<string>();
  let count = 0;
  for (const plugin of plugins) {
    const { name, files, manifest } = plugin;
    const missing = [...Object.keys(manifest.dependencies), name, CORE_OWNER].find(
      (other) => failed.has(other) || unmigrated.has(other),
    );
    const seed = await findSeed(files);
    if (seed === null) continue;
    count += 1;
    if (missing !== undefined) {
      context.warn(`Left out "${name}": it needs "${missing}", which failed`);
      failed.add(name);
      continue;
    }
    try {
      await seedOne(plugin, seed, seeding);
    } catch (error) {
      context.warn(`Cannot seed "${name}": ${describeFailure(error)}; nothing of it was kept`);
      failed.add(name);
    }
  }
  if (count === 0) context.print("Nothing to seed: no active plugin has a seed.ts");
  return failed;
}

async function seedOne(
  plugin: DeclaredPlugin,
  seed: string,
  { database: { driver }, declared: { plugins, packages, log }, context, again }: Seeding,
): Promise<void> {
  const { name } = plugin;
  const isAgain = again === name;
  const seededAt = isAgain ? null : await readSeededAt(driver, name);
  if (seededAt !== null) {
    context.print(`${name} was seeded at ${seededAt.toISOString()}`);
    return;
  }
  const options = { byName: plugins.byName, packages, log, database: driver };
  await assertReady(plugin, driver, options);
  const isDone = await seedPlugin(plugin, seed, { ...options, again: isAgain });
  context.print(isDone ? `seeded ${name}` : `${name} was seeded meanwhile`);
}

/** Throws unless a plugin's tables are what its seed.ts expects. */
async function assertReady(
  plugin: DeclaredPlugin,
  driver: Driver,
  options: Omit<Parameters<typeof findPluginStep>[1], "isMigrated">,
): Promise<void> {
  const { name: owner, files } = plugin;
  await assertApplied(driver, { owner, migrations: await files.readMigrations(driver.dialect) });
  const { lag } = await findPluginStep(plugin, { ...options, isMigrated: true });
  if (lag !== null) throw fail("migration_failed", lag);
}
