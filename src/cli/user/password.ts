import { Command } from "commander";
import { setUserPassword } from "../../accounts/admin/users.ts";
import { findUser, withAccounts } from "../open/accounts.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/examples.ts";
import { readNewPassword } from "./new-password.ts";

/** `xcore user passwd EMAIL`: sets a password, and ends the sessions of the account. */
export function userPasswordCommand(context: CommandContext): Command {
  return new Command("passwd")
    .description("Set the password of an account, and end its sessions; it is asked for")
    .argument("<email>", "whose password")
    .option("--password-stdin", "read the password from standard input")
    .addHelpText("after", toExamples("xcore user passwd ada@example.com"))
    .action((email: string, options: { passwordStdin?: boolean }, command: Command) =>
      withAccounts(command, context, async (services) => {
        const user = await findUser(services, email);
        const password = await readNewPassword({ fromStdin: options.passwordStdin === true });
        await setUserPassword(services, null, user.id, password);
        context.print(`Set the password of ${user.email}, and ended its sessions`);
      }),
    );
}
