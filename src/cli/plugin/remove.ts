import { Command } from "commander";
import { purgeTables } from "../../db/migrations/purge.ts";
import { assertRemovable, removeFiles } from "../../plugins/admin/local-files.ts";
import { withDatabase, withSharedStates } from "../open/database.ts";
import type { SharedStates } from "../../plugins/shared-states.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { type CommandRemote, isRemote, openRemote } from "../open/remote.ts";
import { confirm } from "../terminal/prompts.ts";
import { toCount, toExamples, toTable } from "../terminal/output.ts";

interface RemoveOptions {
  readonly purge?: boolean;
  readonly yes?: boolean;
}

/** What of a plugin is removed beside its tables. */
interface Removal {
  /** What it is called. */
  readonly shown: string;
  /** Removes it once `next` is done. */
  readonly run: (next: () => Promise<void>) => Promise<void>;
}

/** `xcore plugin remove NAME`: removes a plugin's folder or its entry in config.json, and with `--purge` its tables. */
export function pluginRemoveCommand(context: CommandContext): Command {
  return new Command("remove")
    .description(
      "Remove a plugin's files, or its entry in plugins.remote; with --purge its tables and all that is in them too",
    )
    .argument("<name>", "name of the plugin")
    .option("--purge", "drop the tables that the plugin's migrations have made")
    .option("--yes", "don't ask")
    .addHelpText("after", toExamples("xcore plugin remove invoices", "xcore plugin remove invoices --purge"))
    .action((name: string, options: RemoveOptions, command: Command) =>
      withSharedStates(command, context, (shared) => remove(name, options, { command, context, shared })),
    );
}

async function remove(
  name: string,
  options: RemoveOptions,
  {
    command,
    context,
    shared,
  }: { readonly command: Command; readonly context: CommandContext; readonly shared: SharedStates | null },
): Promise<void> {
  // A plugin whose host is gone must not hold up its own removal.
  const found = await loadCommandPlugins(command, context, { plugins: { offline: true } });
  const remote = openRemote(command, context, { offline: true });
  const isFromElsewhere = await isRemote(name, remote);
  const toRemoval = (): Removal => {
    const removal = isFromElsewhere ? removalOfEntry(name, remote) : removalOfFiles(name, found);
    if (shared === null) return removal;
    return { ...removal, run: (next) => shared.remove(name, () => removal.run(next)) };
  };
  const { loaded, plugins } = found;
  assertRemovable(
    name,
    [...plugins.byName.values()].map(({ manifest }) => manifest),
  );
  if (!options.purge) {
    const { shown, run } = toRemoval();
    if (!options.yes && !(await confirm(`Remove ${shown}? Tables of its own stay.`))) return;
    await run(async () => {});
    context.print(
      `Removed ${shown}; tables of its own stay: \`xcore plugin remove ${name} --purge\` drops them`,
    );
    return;
  }
  await withDatabase(loaded, async ({ driver }) => {
    const purge = purgeTables(driver, name);
    const tables = await purge.list();
    // Without its files there may still be its tables.
    const isGone = tables.length > 0 && !isFromElsewhere && !plugins.byName.has(name);
    const removal = isGone ? null : toRemoval();
    const rows = tables.map((table) => [table.name, String(table.rows ?? "gone")]);
    if (rows.length > 0) context.print(toTable([["TABLE", "ROWS"], ...rows]));
    const all = `${toCount(tables.length, "table")} with all rows`;
    const what = [removal?.shown ?? [], tables.length > 0 ? all : []].flat().join(" and ");
    if (!options.yes && !(await confirm(`Remove ${what}? This can't be undone.`))) return;
    await (removal === null ? purge.drop() : removal.run(() => purge.drop()));
    context.print(`Removed ${what}`);
  });
}

function removalOfFiles(name: string, { find }: CommandPlugins): Removal {
  const { files } = find(name);
  return { shown: files.source.shown, run: (next) => removeFiles(files, next) };
}

function removalOfEntry(name: string, { installer, configName }: CommandRemote): Removal {
  return { shown: `plugins.remote.${name} of ${configName}`, run: (next) => installer.remove(name, next) };
}
