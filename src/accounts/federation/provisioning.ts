import { eq } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { HookBus } from "../../hooks/bus.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import { redeemInvitation, tellRoles } from "../invitations/acceptance.ts";
import { openAccount } from "../login/registration.ts";
import type { CoreStore } from "../people/store.ts";
import { type Account, insertAccount } from "../people/users.ts";
import type { Claimed } from "./claims.ts";
import { type Identity, insertIdentity } from "./identities.ts";

export interface ProvisioningOptions {
  readonly store: CoreStore;
  readonly hooks: HookBus;
  /** Gives a new account the role that everybody has. */
  readonly grantDefaultRole: (tx: Transaction, userId: number) => Promise<void>;
}

/**
 * Makes an account for whoever a provider knows by a verified email, without a password. As one that registers, it can't be
 * used while the handlers of `user.registered` look at it.
 *
 * @throws AppError conflict when the email has an account by now; authorization_error when a hook cancels it
 */
export async function provisionAccount(
  { store, hooks, grantDefaultRole }: ProvisioningOptions,
  {
    provider,
    claimed,
    email,
  }: { readonly provider: string; readonly claimed: Claimed; readonly email: string },
  origin: Origin,
): Promise<{ readonly account: Account; readonly identity: Identity }> {
  const { db, tables } = store;
  const { users } = tables;
  const { fullName } = claimed;
  const made = await db.transaction(
    async (tx) => {
      const account = await insertAccount(tx, tables, { email, fullName, password: null, isActive: false });
      const email_verified_at = new Date();
      await tx.update(users).set({ email_verified_at }).where(eq(users.id, account.id));
      await grantDefaultRole(tx, account.id);
      const identity = await insertIdentity(tx, tables, account.id, { provider, claimed });
      return { account: { ...account, is_active: true, email_verified_at }, identity };
    },
    { retries: 3 },
  );
  await openAccount({ store, hooks }, made.account, origin, { provider });
  return made;
}

/**
 * Makes the account that somebody was invited to, and links it to the provider's. The provider has to know them by the email
 * that was invited: somebody else would be led to an account that isn't theirs alone.
 *
 * @throws AppError link_invalid for an invitation that was used, taken back, or is too old; provider_account_refused
 */
export async function acceptByProvider(
  { store, hooks, isGuardRole }: ProvisioningOptions & { readonly isGuardRole: (role: string) => boolean },
  asked: {
    readonly provider: string;
    readonly claimed: Claimed;
    readonly email: string;
    readonly invitation: string;
  },
  origin: Origin,
): Promise<{ readonly account: Account; readonly identity: Identity }> {
  const { provider, claimed, email, invitation: token } = asked;
  const services = { store, hooks, isGuardRole };
  const made = await store.db.transaction(
    async (tx) => {
      const invitee = { token, fullName: claimed.fullName, password: null, origin };
      const accepted = await redeemInvitation(services, tx, invitee);
      if (accepted.account.email !== email)
        throw fail("provider_account_refused", "The invitation is for another email than the provider says");
      const { id } = accepted.account;
      const email_verified_at = new Date();
      const { users } = store.tables;
      await tx.update(users).set({ email_verified_at }).where(eq(users.id, id));
      const identity = await insertIdentity(tx, store.tables, id, { provider, claimed });
      return { ...accepted, account: { ...accepted.account, email_verified_at }, identity };
    },
    { isolation: "read committed", retries: 3 },
  );
  await tellRoles(services, made);
  return made;
}
