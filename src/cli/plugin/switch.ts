import { Command } from "commander";
import {
  assertDisablable,
  assertSwitchable,
  findDependents,
  writeActive,
} from "../../plugins/admin/local-files.ts";
import type { DeclaredPlugin } from "../../plugins/inventory/declared-plugins.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { type CommandRemote, isRemote, openRemote } from "../open/remote.ts";
import { toExamples } from "../terminal/output.ts";
import { listMissing } from "./needs.ts";

/**
 * `xcore plugin enable|disable NAME`: sets `active` in a plugin's manifest, or in config.json; a running server
 * follows.
 */
export function pluginSwitchCommand(context: CommandContext, verb: "enable" | "disable"): Command {
  const active = verb === "enable";
  const done = active ? "enabled" : "disabled";
  const switching = new Command(verb)
    .description(
      `${active ? "Enable" : "Disable"} a plugin, in its plugin.json or in plugins.remote; a running server follows`,
    )
    .argument("<name>", "name of the plugin")
    .addHelpText("after", toExamples(`xcore plugin ${verb} invoices`));
  if (!active) switching.option("--with-dependents", "disable the plugins that depend on it too");
  return switching.action(async (name: string, options: { withDependents?: boolean }, command: Command) => {
    const found = await loadCommandPlugins(command, context, { plugins: { offline: true } });
    const remote = openRemote(command, context, { offline: true });
    const dependents = active ? [] : findActiveDependents(name, found.plugins.byName);
    if (options.withDependents !== true) assertDisablable(name, dependents, "--with-dependents");
    const switches = [];
    // oxlint-disable-next-line no-await-in-loop -- the first that can't be switched keeps the others from it
    for (const one of [...dependents, name]) switches.push(await toSwitch(one, active, { found, remote }));
    for (const { shown, write } of switches) {
      // oxlint-disable-next-line no-await-in-loop -- those that depend on another first
      await write?.();
      context.print(
        write === null
          ? `${shown.name} is ${done} already`
          : `${shown.name} is ${done} now, in ${shown.file}`,
      );
    }
    if (!active) return;
    const manifest = found.plugins.byName.get(name)?.manifest;
    for (const reason of listMissing(manifest === undefined ? [] : [manifest], found.plugins))
      context.warn(reason);
  });
}

interface Switch {
  readonly shown: { readonly name: string; readonly file: string };
  /** Null when it is switched so already. */
  readonly write: (() => Promise<void>) | null;
}

/** @throws AppError plugin_not_found; conflict for a plugin that can't be switched where it is */
async function toSwitch(
  name: string,
  active: boolean,
  { found, remote }: { readonly found: CommandPlugins; readonly remote: CommandRemote },
): Promise<Switch> {
  if (await isRemote(name, remote)) {
    const isOn = remote.settings.entries[name]?.active !== false;
    const write = () => remote.installer.setActive(name, active);
    return { shown: { name, file: remote.configName }, write: isOn === active ? null : write };
  }
  const plugin = found.find(name);
  const shown = { name, file: plugin.files.source.shownManifest };
  if (plugin.manifest.active === active) return { shown, write: null };
  assertSwitchable(plugin, active);
  return { shown, write: () => writeActive(plugin, active) };
}

function findActiveDependents(name: string, plugins: ReadonlyMap<string, DeclaredPlugin>): string[] {
  const target = plugins.get(name);
  if (target !== undefined && !isActive(target)) return []; // it is disabled already
  const active = [...plugins.values()].filter(isActive);
  return findDependents(
    name,
    active.map(({ manifest }) => manifest),
  );
}

function isActive({ manifest, files }: DeclaredPlugin): boolean {
  return manifest.active && files.source.isActive;
}
