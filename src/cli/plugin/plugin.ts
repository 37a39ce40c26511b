import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { pluginAddCommand } from "./add.ts";
import { pluginConfigCommand } from "./config.ts";
import { pluginListCommand } from "./list.ts";
import { pluginKeyCommand } from "./key.ts";
import { pluginNewCommand } from "./new.ts";
import { pluginPackCommand } from "./pack.ts";
import { pluginRemoveCommand } from "./remove.ts";
import { pluginSignCommand } from "./sign.ts";
import { pluginSwitchCommand } from "./switch.ts";
import { pluginUpdateCommand } from "./update.ts";
import { pluginVendorCommand } from "./vendor.ts";
import { pluginVerifyCommand } from "./verify.ts";

/** `xcore plugin`: makes, lists, switches and removes plugins. */
export function pluginCommand(context: CommandContext): Command {
  return new Command("plugin")
    .description("Make, add, list, switch, set, update, pack and remove plugins")
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
    .addCommand(pluginConfigCommand(context))
    .addCommand(pluginRemoveCommand(context))
    .addCommand(pluginVendorCommand(context))
    .addCommand(pluginPackCommand(context))
    .addCommand(pluginKeyCommand(context))
    .addCommand(pluginSignCommand(context));
}
