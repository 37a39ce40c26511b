import { Command } from "commander";
import { setUserActive } from "../../accounts/admin/users.ts";
import { findUser, withAccounts } from "../open/accounts.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/examples.ts";

/** `xcore user enable|disable EMAIL`: lets somebody log in, or no more. */
export function userSwitchCommand(context: CommandContext, verb: "enable" | "disable"): Command {
  const isActive = verb === "enable";
  return new Command(verb)
    .description(
      isActive ? "Let an account log in again" : "Keep an account from logging in, and end its sessions",
    )
    .argument("<email>", "which account")
    .addHelpText("after", toExamples(`xcore user ${verb} ada@example.com`))
    .action((email: string, _options: object, command: Command) =>
      withAccounts(command, context, async (services) => {
        const user = await findUser(services, email);
        await setUserActive(services, null, user.id, isActive);
        context.print(`${user.email} is ${isActive ? "enabled" : "disabled"} now`);
      }),
    );
}
