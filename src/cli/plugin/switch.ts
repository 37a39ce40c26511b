import { Command } from "commander";
import { writeActive } from "../../plugins/admin/local-files.ts";
import type { CommandContext } from "../open/command-context.ts";
import { loadCommandPlugins } from "../open/plugins.ts";
import { isRemote, openRemote } from "../open/remote.ts";
import { toExamples } from "../terminal/output.ts";

/**
 * `xcore plugin enable|disable NAME`: sets `active` in a plugin's manifest, or in config.json; a running server
 * follows.
 */
export function pluginSwitchCommand(context: CommandContext, verb: "enable" | "disable"): Command {
  const active = verb === "enable";
  const done = active ? "enabled" : "disabled";
  return new Command(verb)
    .description(
      `${active ? "Enable" : "Disable"} a plugin, in its plugin.json or in plugins.remote; a running server follows`,
    )
    .argument("<name>", "name of the plugin")
    .addHelpText("after", toExamples(`xcore plugin ${verb} invoices`))
    .action(async (name: string, _options: object, command: Command) => {
      const remote = openRemote(command, context, { offline: true });
      if (await isRemote(name, remote)) {
        const isActive = remote.settings.entries[name]?.active !== false;
        if (isActive !== active) await remote.installer.setActive(name, active);
        context.print(
          `${name} is ${done} ${isActive === active ? "already" : `now, in ${remote.configName}`}`,
        );
        return;
      }
      const flags = { plugins: { offline: true } };
      const { find } = await loadCommandPlugins(command, context, flags);
      const found = find(name);
      if (found.manifest.active === active) {
        context.print(`${name} is ${done} already`);
        return;
      }
      await writeActive(found, active);
      context.print(`${name} is ${done} now, in ${found.files.source.shownManifest}`);
    });
}
