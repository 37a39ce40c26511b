import { Command } from "commander";
import { purgeTables } from "../db/migrations/purge.ts";
import { assertRemovable, removeFiles } from "../plugins/plugin-removal.ts";
import { withDatabase } from "./command-database.ts";
import type { CommandContext } from "./command-context.ts";
import { loadCommandPlugins } from "./command-plugins.ts";
import { confirm } from "./confirm.ts";
import { toExamples } from "./examples.ts";
import { toTable } from "./table.ts";

interface RemoveOptions {
  readonly purge?: boolean;
  readonly yes?: boolean;
}

/** `xcore plugin remove NAME`: removes a plugin's folder, and with `--purge` its tables. */
export function pluginRemoveCommand(context: CommandContext): Command {
  return new Command("remove")
    .description("Remove a plugin's files; with --purge its tables and all that is in them too")
    .argument("<name>", "name of the plugin")
    .option("--purge", "drop the tables that the plugin's migrations have made")
    .option("--yes", "don't ask")
    .addHelpText("after", toExamples("xcore plugin remove invoices", "xcore plugin remove invoices --purge"))
    .action(async (name: string, options: RemoveOptions, command: Command) => {
      const { loaded, plugins, toDisplayPath, find } = await loadCommandPlugins(command, context);
      assertRemovable(
        name,
        [...plugins.byName.values()].map(({ manifest }) => manifest),
      );
      if (!options.purge) {
        const plugin = find(name);
        const shown = toDisplayPath(plugin.source.path);
        if (!options.yes && !(await confirm(`Remove ${shown}? Its tables stay.`))) return;
        await removeFiles(plugin.source, async () => {});
        context.print(
          `Removed ${shown}; its tables stay: \`xcore plugin remove ${name} --purge\` drops them`,
        );
        return;
      }
      await withDatabase(loaded, async ({ driver }) => {
        const purge = purgeTables(driver, name);
        const tables = await purge.list();
        // Without its files there may still be its tables.
        const plugin = tables.length === 0 ? find(name) : plugins.byName.get(name);
        const shown = plugin === undefined ? null : toDisplayPath(plugin.source.path);
        const rows = tables.map((table) => [table.name, String(table.rows ?? "gone")]);
        if (rows.length > 0) context.print(toTable([["TABLE", "ROWS"], ...rows]));
        const what = [...(shown === null ? [] : [shown]), `${tables.length} tables with all their rows`].join(
          " and ",
        );
        if (!options.yes && !(await confirm(`Remove ${what}? This can't be undone.`))) return;
        await (plugin === undefined ? purge.drop() : removeFiles(plugin.source, () => purge.drop()));
        context.print(`Removed ${what}`);
      });
    });
}
