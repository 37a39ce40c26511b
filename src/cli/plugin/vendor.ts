import { Command } from "commander";
import { fail } from "../../plugins/failure/error-codes.ts";
import { PluginError } from "../../plugins/failure/failure.ts";
import { type PluginStores, RemoteSources, toRemoteSettings } from "../../plugins/remote/sources.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { openCommandStores } from "../../app/command-stores.ts";
import { toCount, toExamples, withWaitNotice } from "../terminal/output.ts";

/** A plugin that the project now brings with it. */
interface Vendored {
  readonly name: string;
  readonly integrity: string;
  /** Number of its files. */
  readonly files: number;
  /** Number of the npm packages that it names. */
  readonly packages: number;
  readonly needs: Awaited<ReturnType<PluginStores["packages"]["vendor"]>>;
}

/** `xcore plugin vendor`: copies every remote plugin with its npm packages into the project. */
export function pluginVendorCommand(context: CommandContext): Command {
  return new Command("vendor")
    .description(
      "Copy every plugin of plugins.remote, with its npm packages, into vendor/plugins beside config.json: " +
        "the server then starts from there, without a network. Copies that no entry pins any more are removed",
    )
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore plugin vendor"))
    .action(async ({ json }: { json?: boolean }, command: Command) => {
      const loaded = loadFor(command, context);
      const stores = openCommandStores(loaded, context);
      const settings = toRemoteSettings(loaded);
      const remote = new RemoteSources(stores, settings);
      const vendored: Vendored[] = [];
      const failures = new Map<string, string>();
      for (const source of remote.list()) {
        const { signal } = new AbortController();
        const vendoring = vendorPlugin(source.basename, remote.open(source, signal), stores);
        // oxlint-disable-next-line no-await-in-loop -- in the order in which they are printed
        const result = await withWaitNotice(`Fetching ${source.basename} …`, vendoring, context.warn);
        if (result instanceof PluginError) failures.set(source.basename, result.message);
        else vendored.push(result);
      }
      const pins = Object.values(settings.entries).flatMap(({ integrity }) => integrity ?? []);
      const isWhole = failures.size === 0;
      const removed = await removeUnpinned(stores, { pins, vendored, isWhole });
      if (json === true) {
        const plugins = vendored.map(({ needs: _needs, ...plugin }) => plugin);
        context.print(JSON.stringify({ plugins, removed, failed: Object.fromEntries(failures) }, null, 2));
      } else {
        printText(context, vendored, removed);
        if (remote.list().length + removed.length === 0)
          context.print("Nothing to copy: plugins.remote lists no plugin");
      }
      for (const [name, reason] of failures) context.warn(`${name}: ${reason}`);
      if (isWhole) return;
      const names = [...failures.keys()].join(", ");
      throw fail("plugin_unavailable", `Cannot copy ${names} into the project: see above`);
    });
}

function printText(context: CommandContext, vendored: readonly Vendored[], removed: readonly string[]): void {
  for (const { name, files, packages, integrity } of vendored) {
    const npm = packages === 0 ? "" : `, ${toCount(packages, "npm dependency", "npm dependencies")}`;
    context.print(`${name}: ${toCount(files, "file")}${npm} (${integrity})`);
  }
  for (const path of removed) context.print(`removed vendor/plugins/${path}`);
}

async function vendorPlugin(
  name: string,
  opening: ReturnType<RemoteSources["open"]>,
  { store, packages }: PluginStores,
): Promise<Vendored | PluginError> {
  try {
    const { opened, read } = await opening;
    const { integrity, snapshot } = await store.copyToVendor(opened.integrity);
    const needs = await packages.vendor(name, read);
    const count = Object.keys(needs?.dependencies ?? {}).length;
    return { name, integrity, files: snapshot.files.size, packages: count, needs };
  } catch (error) {
    if (error instanceof PluginError) return error;
    throw error;
  }
}

/** Returns what was removed, below vendor/plugins. */
async function removeUnpinned(
  { store, packages }: PluginStores,
  keep: {
    readonly pins: readonly string[];
    readonly vendored: readonly Vendored[];
    readonly isWhole: boolean;
  },
): Promise<string[]> {
  const unpinned = await store.pruneVendor(keep.pins);
  // What the packages are of that couldn't be had isn't known.
  const needs = keep.vendored.flatMap((plugin) => plugin.needs ?? []);
  const unneeded = keep.isWhole ? await packages.pruneVendor(needs) : [];
  return [...unpinned.map((hex) => `sources/${hex}`), ...unneeded.map((hash) => `packages/${hash}`)];
}
