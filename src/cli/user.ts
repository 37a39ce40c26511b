import { Command } from "commander";
import type { CommandContext } from "./command-context.ts";
import { toExamples } from "./examples.ts";
import { userCreateCommand } from "./user-create.ts";
import { userListCommand } from "./user-list.ts";
import { userPasswordCommand } from "./user-password.ts";
import { userRoleCommand } from "./user-role.ts";
import { userSwitchCommand } from "./user-switch.ts";

/** `xcore user`: makes, lists and changes accounts. */
export function userCommand(context: CommandContext): Command {
  return new Command("user")
    .description("Make, list and change accounts; a running server follows at once")
    .addHelpText("after", toExamples("xcore user create ada@example.com --admin", "xcore user list"))
    .addCommand(userCreateCommand(context))
    .addCommand(userListCommand(context))
    .addCommand(userPasswordCommand(context))
    .addCommand(userRoleCommand(context, "grant"))
    .addCommand(userRoleCommand(context, "revoke"))
    .addCommand(userSwitchCommand(context, "disable"))
    .addCommand(userSwitchCommand(context, "enable"));
}
