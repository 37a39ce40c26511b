import { Command, InvalidArgumentError } from "commander";
import { findRoleByName } from "../../accounts/admin/role-list.ts";
import { invite, type SentInvitation } from "../../accounts/invitations/invitations.ts";
import { withMailingAccounts } from "../open/accounts.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples } from "../terminal/output.ts";

interface InviteOptions {
  readonly role?: readonly string[];
  readonly expiresIn?: number;
  readonly json?: boolean;
}

const DURATION = /^(\d{1,5})([mhd])$/;
const UNIT_SECONDS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400 };
const MIN_SECONDS = 300;
const MAX_SECONDS = 90 * 86_400;

/** `xcore user invite EMAIL`: mails a link by which somebody makes their account. */
export function userInviteCommand(context: CommandContext): Command {
  return new Command("invite")
    .description("Mail somebody a link by which they choose a password; it is printed where no mail is sent")
    .argument("<email>", "whom to invite; an invitation that they have already is replaced")
    .option("--role <role>", 'a role that they get, again for more (default: "user")', collect)
    .option(
      "--expires-in <duration>",
      "how long the link is good, such as 12h or 7d (default: 7d)",
      toSeconds,
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      toExamples(
        "xcore user invite ada@example.com",
        "xcore user invite ada@example.com --role sales --role support --expires-in 2d",
      ),
    )
    .action(async (email: string, options: InviteOptions, command: Command) => {
      const made = await send(command, context, email, options);
      if (options.json === true) {
        context.print(JSON.stringify(made, null, 2));
        return;
      }
      const roles = made.roles.map(({ name }) => name).join(", ");
      context.print(
        `Invited ${made.email}${roles === "" ? "" : ` with role ${roles}`}, until ${made.expires_at}`,
      );
      if (made.link === null) return;
      context.print(
        `mail.url isn't set, so that nobody is mailed: pass this link on, to them alone\n${made.link}`,
      );
    });
}

function send(
  command: Command,
  context: CommandContext,
  email: string,
  { role: names = [], expiresIn }: InviteOptions,
): Promise<SentInvitation> {
  return withMailingAccounts(command, context, async (services) => {
    const roles: number[] = [];
    // oxlint-disable-next-line no-await-in-loop -- few
    for (const name of names) roles.push((await findRoleByName(services.store, name)).id);
    return invite(services, null, {
      email,
      roles: roles.length === 0 ? undefined : roles,
      expires_in: expiresIn,
    });
  });
}

function collect(role: string, roles: readonly string[] = []): string[] {
  return [...roles, role];
}

function toSeconds(text: string): number {
  const [, count = "", unit = ""] = DURATION.exec(text) ?? [];
  const seconds = Number(count) * (UNIT_SECONDS[unit] ?? 0);
  if (seconds >= MIN_SECONDS && seconds <= MAX_SECONDS) return seconds;
  throw new InvalidArgumentError("expected a number with m, h or d, from 5m to 90d, such as 7d");
}
