import { and, eq } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { fail } from "../identity/error-codes.ts";
import type { HookBus } from "../../hooks/bus.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { toAddressKey } from "../../web/clients/site.ts";
import type { AuthLimits } from "./attempt-limits.ts";
import { writeAudit } from "../people/audit.ts";
import { assertDomain, assertMailable, normalizeEmail } from "../people/emails.ts";
import type { Passwords } from "./passwords.ts";
import type { Origin } from "../identity/principal.ts";
import { normalizeFullName } from "../people/names.ts";
import { type Account, insertAccount } from "../people/users.ts";

export interface RegistrationOptions {
  readonly store: CoreStore;
  readonly passwords: Passwords;
  readonly limits: Pick<AuthLimits, "registration">;
  readonly hooks: HookBus;
  /** Whether anybody may make an account: `security.allow_registration`. */
  readonly isOpen: boolean;
  /** Domains of the emails that may have one; none: any. `security.registration_domains` */
  readonly domains: readonly string[];
  /** Whether nobody logs in before they have shown that mail reaches them: `security.require_verified_email`. */
  readonly mustVerifyEmail: boolean;
  /** Sends the link by which they do, as part of a transaction. */
  readonly sendVerification: (tx: Transaction, account: Account, origin: Origin) => Promise<void>;
  /** Gives a new account the role that everybody has. */
  readonly grantDefaultRole: (tx: Transaction, userId: number) => Promise<void>;
}

/** What somebody says of themselves to make an account. */
export interface NewUser {
  readonly email: string;
  readonly password: string;
  readonly full_name?: string | null | undefined;
}

/** An account as its owner sees it. */
export interface UserView {
  readonly id: number;
  readonly email: string;
  readonly full_name: string | null;
  readonly is_active: boolean;
  readonly created_at: string;
}

/**
 * Makes an account. It is there, but can't be used, while the handlers of `user.registered` look at it.
 *
 * @throws AppError registration_closed, email_domain_refused, rate_limited
 * @throws AppError validation_error for an email, a password or a name that can't be used
 * @throws AppError conflict when the email has an account
 * @throws AppError authorization_error when a hook cancels it
 */
export async function register(
  options: RegistrationOptions,
  user: NewUser,
  origin: Origin,
): Promise<UserView> {
  const { store, passwords, limits, isOpen, domains, mustVerifyEmail, grantDefaultRole } = options;
  const { db, tables } = store;
  if (!isOpen) {
    throw fail("registration_closed", "Accounts are made by an administrator here: ask for one");
  }
  await limits.registration.take(toAddressKey(origin.ipAddress));
  const email = assertMailable(normalizeEmail(user.email));
  assertDomain(email, domains);
  const fullName = normalizeFullName(user.full_name);
  const password = await passwords.choose(user.password, { email });
  const account = await db.transaction(
    async (tx) => {
      const made = await insertAccount(tx, tables, {
        email,
        fullName,
        password,
        isActive: false,
        mustVerifyEmail,
      });
      await grantDefaultRole(tx, made.id);
      return made;
    },
    { retries: 3 },
  );
  await openAccount(options, account, origin);
  return toUserView({ ...account, is_active: true });
}

/**
 * Opens an account that was just made and isn't active, once the handlers of `user.registered` have looked at it.
 *
 * @param details what the audit log says of it. @default nothing
 * @throws AppError authorization_error when a hook cancels it: the account is gone then
 */
export async function openAccount(
  options: Pick<RegistrationOptions, "store" | "hooks"> & Partial<RegistrationOptions>,
  account: Account,
  origin: Origin,
  details: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { db, tables } = options.store;
  const { users } = tables;
  const own = eq(users.id, account.id);
  await askHooks(options, account, origin);
  const opened = db.transaction(async (tx) => {
    await tx.update(users).set({ is_active: true }).where(own);
    await options.sendVerification?.(tx, account, origin);
    await noteAccessChange(tx, tables, account.id);
    const target = { type: "user", id: account.id };
    const entry = { action: "user.registered", actor: account, target, origin };
    await writeAudit(tx, tables, { ...entry, after: { email: account.email, ...details } });
  });
  await opened.catch(async (error: unknown) => {
    // Such as a mail that can't be made: nothing is left in the way of another try.
    await db.delete(users).where(and(own, eq(users.is_active, false)));
    throw error;
  });
}

/** Returns what its owner may see of an account. */
export function toUserView({ id, email, full_name, is_active, created_at }: Account): UserView {
  return { id, email, full_name, is_active, created_at: created_at.toISOString() };
}

async function askHooks(
  { store, hooks }: Pick<RegistrationOptions, "store" | "hooks">,
  account: Account,
  origin: Origin,
): Promise<void> {
  const { id, email, full_name } = account;
  const { ipAddress: ip_address, userAgent: user_agent } = origin;
  const { cancelled, cancel_reason } = await hooks.emit("user.registered", {
    user: { id, email, full_name },
    ip_address,
    user_agent,
  });
  if (!cancelled) return;
  const { db, tables } = store;
  await db.transaction(async (tx) => {
    await tx.delete(tables.users).where(eq(tables.users.id, id));
    const after = { email, reason: cancel_reason };
    await writeAudit(tx, tables, { action: "user.registered", result: "refused", origin, after });
  });
  throw fail("authorization_error", cancel_reason ?? "This registration is refused");
}
