import { Command } from "commander";
import {
  assertDisablable,
  assertSwitchable,
  findDependents,
  writeActive,
} from "../../plugins/admin/local-files.ts";
import type { DeclaredPlugin } from "../../plugins/inventory/declared-plugins.ts";
import type { SharedStates } from "../../plugins/shared-states.ts";
import type { CommandContext } from "../open/command-context.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { type CommandRemote, isRemote, openRemote } from "../open/remote.ts";
import { withSharedStates } from "../open/database.ts";
import { toExamples } from "../terminal/output.ts";
import { listMissing } from "./needs.ts";

/**
 * `xcore plugin enable|disable NAME`: sets `active` in a plugin's manifest, or in config.json, and asks all instances for it
 * where there are several; running servers follow.
 */
export function pluginSwitchCommand(context: CommandContext, verb: "enable" | "disable"): Command {
  const active = verb === "enable";
  const switching = new Command(verb)
    .description(
      `${active ? "Enable" : "Disable"} a plugin, in its plugin.json or in plugins.remote, and with redis.url on all ` +
        "instances; running servers follow",
    )
    .argument("<name>", "name of the plugin")
    .addHelpText("after", toExamples(`xcore plugin ${verb} invoices`));
  if (!active) switching.option("--with-dependents", "disable the plugins that depend on it too");
  return switching.action((name: string, options: { withDependents?: boolean }, command: Command) =>
    withSharedStates(command, context, (shared) =>
      switchPlugins(name, { active, options, command, context, shared }),
    ),
  );
}

interface SwitchOptions {
  readonly active: boolean;
  readonly options: { readonly withDependents?: boolean };
  readonly command: Command;
  readonly context: CommandContext;
  readonly shared: SharedStates | null;
}

async function switchPlugins(
  name: string,
  { active, options, command, context, shared }: SwitchOptions,
): Promise<void> {
  const done = active ? "enabled" : "disabled";
  const found = await loadCommandPlugins(command, context, { plugins: { offline: true } });
  const remote = openRemote(command, context, { offline: true });
  const target: Target = { found, remote, shared };
  const dependents = active ? [] : findActiveDependents(name, target);
  if (options.withDependents !== true) assertDisablable(name, dependents, "--with-dependents");
  const switches = [];
  // oxlint-disable-next-line no-await-in-loop -- the first that can't be switched keeps the others from it
  for (const one of [...dependents, name]) switches.push(await toSwitch(one, active, target));
  for (const { shown, write } of switches) {
    const isAsked = shared === null || shared.asked.active.get(shown.name) === active;
    // oxlint-disable-next-line no-await-in-loop -- first: what files say then goes with it
    if (!isAsked) await shared.setActive(shown.name, active);
    // oxlint-disable-next-line no-await-in-loop -- those that depend on another first
    await write?.();
    const places = [isAsked ? [] : "on all instances", write === null ? [] : `in ${shown.file}`].flat();
    context.print(
      places.length === 0
        ? `${shown.name} is ${done} already`
        : `${shown.name} is ${done} now, ${places.join(" and ")}`,
    );
  }
  if (!active) return;
  const manifest = found.plugins.byName.get(name)?.manifest;
  for (const reason of listMissing(manifest === undefined ? [] : [manifest], found.plugins))
    context.warn(reason);
}

/** Where plugins are switched. */
interface Target {
  readonly found: CommandPlugins;
  readonly remote: CommandRemote;
  readonly shared: SharedStates | null;
}

interface Switch {
  readonly shown: { readonly name: string; readonly file: string };
  /** Null when its files say so already, or there are none here. */
  readonly write: (() => Promise<void>) | null;
}

/** @throws AppError plugin_not_found; conflict for a plugin that can't be switched where it is */
async function toSwitch(name: string, active: boolean, { found, remote, shared }: Target): Promise<Switch> {
  if (await isRemote(name, remote)) {
    const isOn = remote.settings.entries[name]?.active !== false;
    const write = () => remote.installer.setActive(name, active);
    return { shown: { name, file: remote.configName }, write: isOn === active ? null : write };
  }
  const { byName, problems } = found.plugins;
  const isElsewhere = !active && shared?.asked.active.get(name) === true;
  if (isElsewhere && !byName.has(name) && !problems.has(name)) {
    return { shown: { name, file: "" }, write: null };
  }
  const plugin = found.find(name);
  const shown = { name, file: plugin.files.source.shownManifest };
  if (plugin.manifest.active === active) return { shown, write: null };
  assertSwitchable(plugin, active);
  return { shown, write: () => writeActive(plugin, active) };
}

function findActiveDependents(name: string, { found, shared }: Target): string[] {
  const isActive = (plugin: DeclaredPlugin): boolean =>
    shared?.asked.active.get(plugin.name) ?? isActiveByFiles(plugin);
  const plugins = found.plugins.byName;
  const target = plugins.get(name);
  if (target !== undefined && !isActive(target)) return []; // it is disabled already
  const active = [...plugins.values()].filter(isActive);
  return findDependents(
    name,
    active.map(({ manifest }) => manifest),
  );
}

function isActiveByFiles({ manifest, files }: DeclaredPlugin): boolean {
  return manifest.active && files.source.isActive;
}
