import { Command } from "commander";
import { normalizeEmail } from "../../accounts/people/emails.ts";
import { findAccountByEmail } from "../../accounts/people/users.ts";
import { fail } from "../../errors/codes.ts";
import { ADMIN_ROLE } from "../../accounts/rights/builtin-roles.ts";
import { findRoleByName } from "../../accounts/admin/role-list.ts";
import { createUser } from "../../accounts/admin/users.ts";
import { withAccounts } from "../open/accounts.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { readNewPassword } from "./password.ts";

interface CreateOptions {
  readonly admin?: boolean;
  readonly fullName?: string;
  readonly passwordStdin?: boolean;
  readonly json?: boolean;
}

/** `xcore user create EMAIL`: makes an account, whose password it asks for. */
export function userCreateCommand(context: CommandContext): Command {
  return new Command("create")
    .description("Make an account; its password is asked for")
    .argument("<email>", "what they log in with")
    .option("--admin", `give it the role "${ADMIN_ROLE}", which may do everything`)
    .option("--full-name <name>", "name of its owner")
    .option("--password-stdin", "read the password from standard input")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      toExamples(
        "xcore user create ada@example.com --admin",
        'xcore user create ada@example.com --full-name "Ada Lovelace" --password-stdin < password.txt',
      ),
    )
    .action(async (email: string, options: CreateOptions, command: Command) => {
      const normalized = normalizeEmail(email);
      await withAccounts(command, context, async (services) => {
        // Before somebody thinks of a password.
        if ((await findAccountByEmail(services.store, normalized)) !== null) {
          throw fail("conflict", `Cannot create user "${normalized}": there is one already`);
        }
        const password = await readNewPassword({ fromStdin: options.passwordStdin === true });
        const admin = options.admin ? await findRoleByName(services.store, ADMIN_ROLE) : null;
        const user = await createUser(services, null, {
          email: normalized,
          full_name: options.fullName,
          password,
          roles: admin === null ? undefined : [admin.id],
        });
        const roles = user.roles.map(({ name }) => name).join(", ");
        context.print(
          options.json
            ? JSON.stringify(user, null, 2)
            : `Created user ${user.email}${roles === "" ? "" : ` with role ${roles}`}`,
        );
      });
    });
}
