import { text } from "node:stream/consumers";
import { Command } from "commander";
import { setUserPassword } from "../../accounts/admin/users.ts";
import { findUser, withMailingAccounts } from "../open/accounts.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { assertPassword } from "../../accounts/login/password-rules.ts";
import { fail } from "../../errors/codes.ts";
import { askNewPassword } from "../terminal/prompts.ts";

/** `xcore user passwd EMAIL`: sets a password, ends the sessions of the account, and has its owner told. */
export function userPasswordCommand(context: CommandContext): Command {
  return new Command("passwd")
    .description("Set the password of an account, and end its sessions; it is asked for")
    .argument("<email>", "whose password")
    .option("--password-stdin", "read the password from standard input")
    .addHelpText("after", toExamples("xcore user passwd ada@example.com"))
    .action((email: string, options: { passwordStdin?: boolean }, command: Command) =>
      withMailingAccounts(command, context, async (services) => {
        const user = await findUser(services, email);
        const password = await readNewPassword({ fromStdin: options.passwordStdin === true });
        await setUserPassword(services, null, user.id, password);
        context.print(`Set the password of ${user.email}, and ended its sessions`);
      }),
    );
}

/**
 * Returns the new password of an account: from standard input, or asked for twice on the terminal.
 *
 * @throws AppError validation_error for a password that can't be used
 * @throws AppError password_required without a terminal, unless it comes from standard input
 */
export async function readNewPassword({ fromStdin }: { readonly fromStdin: boolean }): Promise<string> {
  const password = await readPassword(fromStdin);
  assertPassword(password);
  return password;
}

async function readPassword(fromStdin: boolean): Promise<string> {
  if (fromStdin) return (await text(process.stdin)).replace(/\r?\n$/, "");
  if (process.stdin.isTTY) return askNewPassword({ input: process.stdin, output: process.stderr });
  const message = "Cannot ask for a password without a terminal: add --password-stdin";
  throw fail("password_required", message);
}
