import { Command } from "commander";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { userCreateCommand } from "./create.ts";
import { userInviteCommand } from "./invite.ts";
import { userListCommand } from "./list.ts";
import { userPasswordCommand } from "./password.ts";
import { userRoleCommand, userSwitchCommand, userUnlockCommand } from "./access.ts";

/** `xcore user`: makes, lists and changes accounts. */
export function userCommand(context: CommandContext): Command {
  return new Command("user")
    .description("Make, list and change accounts; a running server follows at once")
    .addHelpText("after", toExamples("xcore user create ada@example.com --admin", "xcore user list"))
    .addCommand(userCreateCommand(context))
    .addCommand(userInviteCommand(context))
    .addCommand(userListCommand(context))
    .addCommand(userPasswordCommand(context))
    .addCommand(userRoleCommand(context, "grant"))
    .addCommand(userRoleCommand(context, "revoke"))
    .addCommand(userSwitchCommand(context, "disable"))
    .addCommand(userSwitchCommand(context, "enable"))
    .addCommand(userUnlockCommand(context));
}
