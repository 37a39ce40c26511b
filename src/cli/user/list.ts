import { Command } from "commander";
import { listUsers, type UserAnswer } from "../../accounts/admin/user-list.ts";
import { readAllPages } from "../../db/paging/all-pages.ts";
import { withAccounts } from "../open/accounts.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples, toTable } from "../terminal/output.ts";

/** `xcore user list [TEXT]`: lists the accounts. */
export function userListCommand(context: CommandContext): Command {
  return new Command("list")
    .description("List the accounts with their roles")
    .argument("[text]", "only those whose email or name begins so")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore user list", "xcore user list ada --json"))
    .action((text: string | undefined, options: { json?: boolean }, command: Command) =>
      withAccounts(command, context, async ({ store }) => {
        const users = await readAllPages((query) => listUsers(store, { ...query, q: text }));
        if (options.json) {
          context.print(JSON.stringify(users, null, 2));
          return;
        }
        const rows = users.map((user) => [
          user.email,
          user.full_name ?? "-",
          user.roles.map(({ name }) => name).join(", ") || "-",
          toState(user),
          user.has_otp ? "yes" : "no",
          user.last_login_at ?? "-",
        ]);
        context.print(toTable([["EMAIL", "NAME", "ROLES", "STATE", "TWO FACTORS", "LAST LOGIN"], ...rows]));
      }),
    );
}

function toState({ is_active, locked_at, deletion_at }: UserAnswer): string {
  if (deletion_at !== null) return "leaving";
  if (!is_active) return "disabled";
  return locked_at === null ? "active" : "locked";
}
