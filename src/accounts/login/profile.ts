import { eq } from "drizzle-orm";
import { writeAudit } from "../people/audit.ts";
import { normalizeFullName, toNameKey } from "../people/names.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import type { SecondFactors } from "./login.ts";
import type { Origin, Principal } from "../identity/principal.ts";
import { assertNotViewing, requireSession } from "../identity/session-owner.ts";
import { assertStanding, toStanding } from "../identity/standing.ts";
import { unauthenticated } from "../identity/principals.ts";
import { findAccount, lockUser } from "../people/users.ts";

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
  readonly has_password: boolean;
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
    has_password: account.password_hash !== null,
    has_otp: await secondFactors.isEnabled(user.id),
    otp_required: lacksOtp,
    language: account.language,
    theme: account.theme,
    viewer: viewer === undefined ? null : { ...viewer, until: new Date(expiresAt).toISOString() },
    last_login_at: account.last_login_at?.toISOString() ?? null,
    created_at: account.created_at.toISOString(),
  };
}

/** What its owner changes of an account; what isn't named stays. */
export interface ProfileChanges {
  readonly full_name?: string | null | undefined;
  readonly language?: string | null | undefined;
  readonly theme?: string | null | undefined;
}

/** Keeps somebody's name, and which pages they want to see. @throws AppError viewing_as_user; for the name validation_error, authorization_error */
export async function changeProfile(
  options: ProfileOptions,
  { principal, origin }: { readonly principal: Principal; readonly origin: Origin },
  { full_name, language, theme }: ProfileChanges,
): Promise<Profile> {
  if (full_name === undefined) assertNotViewing(principal);
  else requireSession(principal);
  const { db, tables } = options.store;
  const { users } = tables;
  const name = full_name === undefined ? undefined : normalizeFullName(full_name);
  const values = {
    ...(name !== undefined && { full_name: name, name_key: toNameKey(name) }),
    ...(language !== undefined && { language }),
    ...(theme !== undefined && { theme }),
  };
  const { id } = principal.user;
  if (Object.keys(values).length > 0) {
    await db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, id);
      await assertStanding(tx, tables, toStanding(principal));
      const [before] = await tx.select({ full_name: users.full_name }).from(users).where(eq(users.id, id));
      await tx.update(users).set(values).where(eq(users.id, id));
      // All of it is remembered with what somebody may do.
      await noteAccessChange(tx, tables, id);
      if (before === undefined || name === undefined || name === before.full_name) return;
      const change = {
        action: "user.updated",
        target: { type: "user", id },
        before,
        after: { full_name: name },
      };
      await writeAudit(tx, tables, { ...change, actor, origin });
    });
  }
  return readProfile(options, principal);
}
