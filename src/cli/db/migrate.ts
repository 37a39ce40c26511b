import { Command } from "commander";
import { applyMigrations } from "../../db/migrations/apply.ts";
import { createUpgrade } from "../../backups/upgrade.ts";
import { CORE_OWNER } from "../../db/migrations/core.ts";
import { fail } from "../../errors/codes.ts";
import { type CommandDatabase, listMigrationOwners, withDatabase } from "../open/database.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { toExamples } from "../terminal/output.ts";
import { describeFailure } from "../../app/failure-text.ts";
import type { DeclaredPlugin } from "../../plugins/inventory/declared-plugins.ts";
import { findPluginStep } from "../../plugins/inventory/step.ts";
import { describePluginError } from "../../plugins/failure/failure.ts";

/** `xcore db migrate`: applies the pending migrations of the core and of every plugin. */
export function dbMigrateCommand(context: CommandContext): Command {
  return new Command("migrate")
    .description("Apply the pending migrations of xcore and of every active plugin")
    .addHelpText("after", toExamples("xcore db migrate", "DATABASE_URL=postgresql://… xcore db migrate"))
    .action(async (_options: object, command: Command) => {
      const declared = await loadCommandPlugins(command, context);
      await withDatabase(declared.loaded, async (database) => {
        for (const [name, problem] of declared.plugins.problems) {
          context.warn(`Left out plugin "${name}": ${describePluginError(problem)}`);
        }
        const { failed, count } = await applyPending(database, declared, context);
        if (failed.size > 0) {
          throw fail("migration_failed", `Cannot migrate ${[...failed].join(", ")}: see above`);
        }
        const isBehind = await warnOfSteps(database, declared, context);
        if (count > 0) return;
        context.print(`Nothing to apply${isBehind ? "" : ": the database is up to date"}`);
      });
    });
}

/** Tells of each plugin whose schema files are ahead of its migrations what to do: it can't be served. */
async function warnOfSteps(
  { driver: database }: CommandDatabase,
  { plugins, packages, log }: CommandPlugins,
  { warn }: CommandContext,
): Promise<boolean> {
  let isBehind = false;
  const findLag = async (plugin: DeclaredPlugin): Promise<string | null> => {
    const isMigrated = !(await plugin.files.readMigrations(database.dialect)).some(({ isDraft }) => isDraft);
    const { byName } = plugins;
    return (await findPluginStep(plugin, { byName, packages, log, database, isMigrated })).lag;
  };
  for (const plugin of plugins.loadable) {
    // oxlint-disable-next-line no-await-in-loop -- told in the order of the plugins
    const problem = await findLag(plugin).catch(describeFailure);
    if (problem === null) continue;
    isBehind = true;
    warn(`${plugin.name}: ${problem}`);
  }
  return isBehind;
}

/** Applies what is pending of the core and of every active plugin; what can't be applied is told. */
export async function applyPending(
  { driver, loggers }: CommandDatabase,
  { loaded, plugins, toDisplayPath }: Pick<CommandPlugins, "loaded" | "plugins" | "toDisplayPath">,
  context: CommandContext,
): Promise<{ failed: ReadonlySet<string>; count: number }> {
  const upgrade = createUpgrade({ loaded: () => loaded, version: context.version, log: loggers.manager });
  const failed = new Set<string>();
  let count = 0;
  for (const { name: owner, after, readMigrations } of listMigrationOwners(driver.dialect, plugins)) {
    const missing = after.find((other) => failed.has(other));
    if (missing !== undefined) {
      context.warn(`Left out "${owner}": it needs "${missing}", whose migration failed`);
      failed.add(owner);
      continue;
    }
    try {
      const { applied } = await applyMigrations(driver, {
        owner,
        migrations: await readMigrations(),
        log: loggers.manager,
        toDisplayPath,
        upgrade,
        refusesUnknown: owner === CORE_OWNER,
      });
      for (const name of applied) context.print(`applied ${owner} ${name}`);
      count += applied.length;
    } catch (error) {
      context.warn(describeFailure(error));
      failed.add(owner);
    }
  }
  return { failed, count };
}
