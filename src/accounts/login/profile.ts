import { eq } from "drizzle-orm";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import type { SecondFactors } from "./login.ts";
import type { Principal } from "../identity/principal.ts";
import { assertNotViewing } from "../identity/session-owner.ts";
import { unauthenticated } from "../identity/principals.ts";
import { findAccount } from "../people/users.ts";

export interface ProfileOptions {
  readonly store: CoreStore;
  readonly secondFactors: Pick<SecondFactors, "isEnabled">;
}

/** What somebody may know of themselves. */
export interface Profile {
  readonly id: number;
  readonly email: string;
  readonly full_name: string | null;
  readonly roles: string[];
  readonly permissions: string[];
  readonly has_otp: boolean;
  readonly otp_required: boolean;
  /** Language of pages, such as "fr"; null: what the browser asks for. */
  readonly language: string | null;
  /** Theme of pages; null: the server's. */
  readonly theme: string | null;
  /** Who views as the account, and when that ends by itself; null where its owner asks. */
  readonly viewer: { readonly id: number; readonly email: string; readonly until: string } | null;
  readonly last_login_at: string | null;
  readonly created_at: string;
}

/** Reads what the account behind a request is, and may do. */
export async function readProfile(
  { store, secondFactors }: ProfileOptions,
  principal: Principal,
): Promise<Profile> {
  const { user, permissions, lacksOtp, expiresAt } = principal;
  const { viewer } = user;
  const account = await findAccount(store, user.id);
  if (account === null) throw unauthenticated("The account is gone");
  return {
    id: user.id,
    email: account.email,
    full_name: account.full_name,
    roles: [...user.roles],
    permissions: [...permissions.granted],
    has_otp: await secondFactors.isEnabled(user.id),
    otp_required: lacksOtp,
    language: account.language,
    theme: account.theme,
    viewer: viewer === undefined ? null : { ...viewer, until: new Date(expiresAt).toISOString() },
    last_login_at: account.last_login_at?.toISOString() ?? null,
    created_at: account.created_at.toISOString(),
  };
}

/** Keeps which pages somebody wants to see; what isn't named stays. @throws AppError viewing_as_user */
export async function changePreferences(
  options: ProfileOptions,
  principal: Principal,
  changed: { readonly language?: string | null; readonly theme?: string | null },
): Promise<Profile> {
  assertNotViewing(principal);
  const { db, tables } = options.store;
  const { language, theme } = changed;
  const values = { ...(language !== undefined && { language }), ...(theme !== undefined && { theme }) };
  if (Object.keys(values).length > 0) {
    await db.transaction(async (tx) => {
      await tx.update(tables.users).set(values).where(eq(tables.users.id, principal.user.id));
      // They are remembered with what somebody may do.
      await noteAccessChange(tx, tables, principal.user.id);
    });
  }
  return readProfile(options, principal);
}
