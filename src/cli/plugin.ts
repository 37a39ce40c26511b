import { Command } from "commander";
import type { CommandContext } from "./command-context.ts";
import { toExamples } from "./examples.ts";
import { pluginListCommand } from "./plugin-list.ts";
import { pluginNewCommand } from "./plugin-new.ts";
import { pluginRemoveCommand } from "./plugin-remove.ts";
import { pluginSwitchCommand } from "./plugin-switch.ts";

/** `xcore plugin`: makes, lists, switches and removes plugins. */
export function pluginCommand(context: CommandContext): Command {
  return new Command("plugin")
    .description("Make, list, enable, disable and remove plugins")
    .addHelpText("after", toExamples("xcore plugin new invoices", "xcore plugin list"))
    .addCommand(pluginNewCommand(context))
    .addCommand(pluginListCommand(context))
    .addCommand(pluginSwitchCommand(context, "enable"))
    .addCommand(pluginSwitchCommand(context, "disable"))
    .addCommand(pluginRemoveCommand(context));
}
