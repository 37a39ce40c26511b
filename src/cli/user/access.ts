import { Command } from "commander";
import { findRoleByName } from "../../accounts/admin/role-list.ts";
import { assignRole, removeRole } from "../../accounts/admin/user-roles.ts";
import { findUser, withAccounts } from "../open/accounts.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";
import { setUserActive, unlockUser } from "../../accounts/admin/users.ts";

/** `xcore user grant|revoke EMAIL ROLE`: gives a role to an account, or takes it. */
export function userRoleCommand(context: CommandContext, verb: "grant" | "revoke"): Command {
  const isGrant = verb === "grant";
  return new Command(verb)
    .description(isGrant ? "Give a role to an account" : "Take a role from an account")
    .argument("<email>", "which account")
    .argument("<role>", 'name of the role, such as "admin"')
    .addHelpText("after", toExamples(`xcore user ${verb} ada@example.com admin`))
    .action((email: string, roleName: string, _options: object, command: Command) =>
      withAccounts(command, context, async (services) => {
        const user = await findUser(services, email);
        const role = await findRoleByName(services.store, roleName);
        const change = isGrant ? assignRole : removeRole;
        const { roles } = await change(services, null, { userId: user.id, roleId: role.id });
        const held = roles.map(({ name }) => name).join(", ");
        context.print(`${user.email} holds ${held === "" ? "no role" : held} now`);
      }),
    );
}

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

/** `xcore user unlock EMAIL`: ends the locks of an account, also that of an owner who has said that somebody else was in. */
export function userUnlockCommand(context: CommandContext): Command {
  return new Command("unlock")
    .description("Let an account log in that is locked after wrong passwords or codes, or by its owner")
    .argument("<email>", "which account")
    .addHelpText("after", toExamples("xcore user unlock ada@example.com"))
    .action((email: string, _options: object, command: Command) =>
      withAccounts(command, context, async (services) => {
        const user = await findUser(services, email);
        await unlockUser(services, null, user.id);
        context.print(`${user.email} isn't locked now`);
      }),
    );
}
