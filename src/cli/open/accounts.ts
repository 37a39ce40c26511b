import type { Command } from "commander";
import { normalizeEmail } from "../../accounts/people/emails.ts";
import { createPasswords } from "../../accounts/login/passwords.ts";
import { type Account, findAccountByEmail } from "../../accounts/people/users.ts";
import { fail } from "../../errors/codes.ts";
import { createHookBus } from "../../hooks/bus.ts";
import { ensureBuiltinRoles } from "../../accounts/rights/builtin-roles.ts";
import type { UserServices } from "../../accounts/admin/users.ts";
import type { App } from "../../app/app.ts";
import { type CommandContext, loadFor } from "./command-context.ts";
import { withCoreStore } from "./database.ts";

/** Opens the configured database for a command about accounts, with their tables and the built-in roles in it. */
export async function withAccounts<T>(
  command: Command,
  context: CommandContext,
  work: (services: UserServices) => Promise<T>,
): Promise<T> {
  return withCoreStore(command, context, async ({ store, loggers, loaded }) => {
    await ensureBuiltinRoles(store);
    const { password_hash_algorithm: algorithm, bcrypt_cost: bcryptCost } = loaded.config.security;
    const hooks = createHookBus({
      onError: (error) => loggers.app.error({ err: error }, "hook handler failed"),
    });
    return work({ store, hooks, passwords: createPasswords({ algorithm, bcryptCost }) });
  });
}

/**
 * The same for a command that mails somebody: with the whole app but its plugins. Mail is written down with its job, which a server
 * sends.
 */
export async function withMailingAccounts<T>(
  command: Command,
  context: CommandContext,
  work: (services: App["accounts"] & UserServices) => Promise<T>,
): Promise<T> {
  const { createApp } = await import("../../app/app.ts");
  const loaded = loadFor(command, context);
  const { version } = context;
  const app = await createApp({ loaded, version, isCommand: true, stdout: process.stderr, print() {} });
  try {
    const { accounts, store, hooks } = app;
    return await work({ ...accounts, store, hooks });
  } finally {
    await app.close();
  }
}

/** @throws AppError validation_error for what is no email, not_found for one without an account */
export async function findUser({ store }: UserServices, email: string): Promise<Account> {
  const account = await findAccountByEmail(store, normalizeEmail(email));
  if (account !== null) return account;
  throw fail("not_found", `Cannot find user "${email}": there is none; see \`xcore user list\``);
}
