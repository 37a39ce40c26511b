import { eq } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { HookBus } from "../../hooks/bus.ts";
import type { Origin } from "../identity/principal.ts";
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
