import { and, eq, gt, inArray } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import { fail } from "../identity/error-codes.ts";
import type { HookBus } from "../../hooks/bus.ts";
import type { Origin } from "../identity/principal.ts";
import { isUnlocked } from "../identity/standing.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import { linkInvalid } from "../links/links.ts";
import { SHORT_FOR_ADMINISTRATOR } from "../login/password-rules.ts";
import type { Passwords } from "../login/passwords.ts";
import { toUserView, type UserView } from "../login/registration.ts";
import { writeAudit } from "../people/audit.ts";
import { normalizeFullName } from "../people/names.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { type Account, findAccount, insertAccount, type NewAccount } from "../people/users.ts";
import { readRoleGrants, readUserGrants, readUserRoles } from "../rights/access.ts";
import { EVERYTHING, lockAdministration, USER_ROLE } from "../rights/builtin-roles.ts";
import { findGuardRoles } from "../rights/guard-roles.ts";
import { createPermissions, isGrant } from "../rights/permission-set.ts";

export interface AcceptanceServices {
  readonly store: CoreStore;
  readonly passwords: Pick<Passwords, "choose">;
  readonly hooks: HookBus;
  /** Whether routes ask for a role by its name. */
  readonly isGuardRole: (role: string) => boolean;
  /** Present time, in ms. @default Date.now */
  readonly now?: () => number;
}

/** What somebody says of themselves who accepts an invitation. */
export interface Invitee {
  readonly token: string;
  readonly password: string;
  readonly full_name?: string | null | undefined;
}

/** What an invitation would make. */
export interface Invited {
  readonly email: string;
  /** Whether the account would do everything, which takes a longer password. */
  readonly isAdministrator: boolean;
}

interface Role {
  readonly id: number;
  readonly name: string;
  readonly grants: readonly string[];
}

/** An account that an invitation has made, with the roles that it holds. */
export interface Accepted {
  readonly account: Account;
  readonly roles: readonly Role[];
}

/** Of a deadlock with another change of accounts. */
const RETRIES = 3;

/** Tells what an invitation would make, which changes nothing. @throws AppError link_invalid */
export async function readInvited(services: AcceptanceServices, token: string): Promise<Invited> {
  const { store } = services;
  const invitation = await findOpen(services, store, token);
  const roles = await findGrantable(services, store, invitation);
  return {
    email: invitation.email,
    isAdministrator: roles.some(({ grants }) => grants.includes(EVERYTHING)),
  };
}

/**
 * Makes the account that somebody was invited to, with a password.
 *
 * @throws AppError link_invalid for an invitation that was accepted, replaced or taken back, is too old, or whose sender may not
 *   invite any more
 * @throws AppError validation_error for a password or a name that can't be used; conflict for an email that has an account by now
 */
export async function acceptInvitation(
  services: AcceptanceServices,
  { token, password: text, full_name }: Invitee,
  origin: Origin,
): Promise<UserView> {
  const { store } = services;
  const { email, isAdministrator } = await readInvited(services, token);
  const fullName = normalizeFullName(full_name);
  const password = await services.passwords.choose(text, { email, isAdministrator });
  const { account, roles } = await store.db.transaction(
    (tx) => redeemInvitation(services, tx, { token, fullName, password, origin }),
    { isolation: "read committed", retries: RETRIES },
  );
  await tellRoles(services, { account, roles });
  return toUserView(account);
}

/**
 * Uses an invitation up and makes its account, as part of a transaction that reads what is committed, and whose first query this
 * is: it locks the administration of accounts. For whoever signs in by a provider at the first use of an invitation, with a
 * null password, the transaction goes on to link the provider to the account; `tellRoles` comes once it is committed.
 *
 * The account holds those of the roles that whoever has invited could still give to a user.
 *
 * @throws AppError as `acceptInvitation`
 */
export async function redeemInvitation(
  services: Omit<AcceptanceServices, "passwords">,
  tx: Transaction,
  invitee: Pick<NewAccount, "fullName" | "password"> & { readonly token: string; readonly origin: Origin },
): Promise<Accepted> {
  const { now = Date.now } = services;
  const { tables } = services.store;
  const { token, fullName, password, origin } = invitee;
  const store = { db: tx, tables };
  await lockAdministration(tx, tables);
  const invitation = await findOpen(services, store, token);
  const roles = await findGrantable(services, store, invitation);
  const { invitations, userRoles } = tables;
  const own = and(eq(invitations.id, invitation.id), eq(invitations.token_hash, invitation.token_hash));
  const { rowsAffected } = await tx.delete(invitations).where(own);
  if (rowsAffected === 0) throw linkInvalid();
  // A role may have come to grant everything while the password was thought of.
  if (password?.isLong === false && roles.some(({ grants }) => grants.includes(EVERYTHING)))
    throw fail("conflict", `Cannot use the password: ${SHORT_FOR_ADMINISTRATOR}`);
  const { email, is_mailed } = invitation;
  const emailVerifiedAt = is_mailed ? new Date(now()) : null;
  const account = await insertAccount(tx, tables, { email, fullName, password, emailVerifiedAt });
  if (roles.length > 0)
    await tx.insert(userRoles).values(roles.map(({ id }) => ({ user_id: account.id, role_id: id })));
  await noteAccessChange(tx, tables, account.id);
  const leftOut = invitation.roles.filter((id) => !roles.some((role) => role.id === id));
  await writeAudit(tx, tables, {
    action: "invitation.accepted",
    actor: account,
    target: { type: "user", id: account.id },
    origin,
    after: {
      email,
      roles: roles.map(({ name }) => name),
      invitation: invitation.id,
      invited_by: invitation.invited_by,
      ...(leftOut.length > 0 && { roles_left_out: leftOut }),
    },
  });
  return { account, roles };
}

/** Emits what an accepted invitation has given, once that is committed. */
export async function tellRoles(
  { hooks }: Pick<AcceptanceServices, "hooks">,
  { account, roles }: Accepted,
): Promise<void> {
  const { id: user_id, email } = account;
  for (const { id: role_id, name: role } of roles) {
    // oxlint-disable-next-line no-await-in-loop -- in order
    await hooks.emit("role.assigned", { role_id, role, user_id, email, actor_id: user_id });
  }
}

type Invitation = CoreTables["invitations"]["$inferSelect"];

async function findOpen(
  { now = Date.now }: Omit<AcceptanceServices, "passwords">,
  { db, tables: { invitations } }: CoreStore,
  token: string,
): Promise<Invitation> {
  const isOpen = and(
    eq(invitations.token_hash, hashToken(token)),
    gt(invitations.expires_at, new Date(now())),
  );
  const [invitation] = await db.select().from(invitations).where(isOpen);
  if (invitation === undefined) throw linkInvalid();
  return invitation;
}

/**
 * Returns the roles of an invitation that whoever has sent it could give to a user now.
 *
 * @throws AppError link_invalid where they may not invite anybody any more
 */
async function findGrantable(
  { isGuardRole }: Omit<AcceptanceServices, "passwords">,
  store: CoreStore,
  { invited_by: inviterId, roles: ids }: Invitation,
): Promise<Role[]> {
  const roles = await readRoles(store, ids);
  if (inviterId === null) return roles;
  const inviter = await findAccount(store, inviterId);
  const held = createPermissions(await readUserGrants(store, inviterId));
  if (inviter === null || !isUnlocked(inviter) || !held.has("users:write")) throw linkInvalid();
  if (held.has(EVERYTHING)) return roles;
  const own = await readUserRoles(store, inviterId);
  const others = roles.map(({ name }) => name).filter((name) => name !== USER_ROLE);
  const beyond = (await findGuardRoles(store, others, isGuardRole)).filter((name) => !own.includes(name));
  return roles.filter(
    ({ name, grants }) =>
      !beyond.includes(name) && grants.every((grant) => !isGrant(grant) || held.has(grant)),
  );
}

async function readRoles(store: CoreStore, ids: readonly number[]): Promise<Role[]> {
  if (ids.length === 0) return [];
  const { roles } = store.tables;
  const rows = await store.db
    .select({ id: roles.id, name: roles.name })
    .from(roles)
    .where(inArray(roles.id, [...ids]));
  const read: Role[] = [];
  // oxlint-disable-next-line no-await-in-loop -- on one connection
  for (const role of rows) read.push({ ...role, grants: await readRoleGrants(store, role.id) });
  return read;
}
