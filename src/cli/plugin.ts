import { Command } from "commander";
import type { CommandContext } from "./command-context.ts";
import { toExamples } from "./examples.ts";
import { pluginAddCommand } from "./plugin-add.ts";
import { pluginListCommand } from "./plugin-list.ts";
import { pluginKeyCommand } from "./plugin-key.ts";
import { pluginNewCommand } from "./plugin-new.ts";
import { pluginPackCommand } from "./plugin-pack.ts";
import { pluginRemoveCommand } from "./plugin-remove.ts";
import { pluginSignCommand } from "./plugin-sign.ts";
import { pluginSwitchCommand } from "./plugin-switch.ts";
import { pluginUpdateCommand } from "./plugin-update.ts";
import { pluginVendorCommand } from "./plugin-vendor.ts";
import { pluginVerifyCommand } from "./plugin-verify.ts";

/** `xcore plugin`: makes, lists, switches and removes plugins. */
export function pluginCommand(context: CommandContext): Command {
  return new Command("plugin")
    .description("Make, add, list, switch, update, pack and remove plugins")
    .addHelpText(
      "after",
      toExamples(
        "xcore plugin new invoices",
        "xcore plugin add https://example.com/crm-1.0.0.tgz",
        "xcore plugin list",
      ),
    )
    .addCommand(pluginNewCommand(context))
    .addCommand(pluginListCommand(context))
    .addCommand(pluginAddCommand(context))
    .addCommand(pluginUpdateCommand(context))
    .addCommand(pluginVerifyCommand(context))
    .addCommand(pluginSwitchCommand(context, "enable"))
    .addCommand(pluginSwitchCommand(context, "disable"))
    .addCommand(pluginRemoveCommand(context))
    .addCommand(pluginVendorCommand(context))
    .addCommand(pluginPackCommand(context))
    .addCommand(pluginKeyCommand(context))
    .addCommand(pluginSignCommand(context));
}
