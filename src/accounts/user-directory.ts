import { parseEmail } from "./people/emails.ts";
import type { CoreStore } from "./people/store.ts";
import type { Permissions, User } from "./identity/principal.ts";
import type { Principals } from "./identity/principals.ts";
import { findAccountByEmail } from "./people/users.ts";
import type { AccessLoader } from "./rights/access.ts";
import { restrictPermissions } from "./rights/permission-set.ts";

/** An account, as other code may see it. */
export interface KnownUser extends User {
  readonly is_active: boolean;
}

/** Finds accounts, with their roles and without anything secret. */
export interface UserDirectory {
  /** Returns the account, null when there is none. */
  find(id: number): Promise<KnownUser | null>;
  /** Finds an account by its email, in whatever case; null when there is none. */
  findByEmail(email: string): Promise<KnownUser | null>;
}

/** Creates the directory; what it finds can be asked for its permissions through `principals`. */
export function createUserDirectory(options: {
  readonly store: CoreStore;
  readonly loadAccess: AccessLoader;
  readonly principals: Principals;
}): UserDirectory {
  const { store, loadAccess, principals } = options;
  const find = async (id: number): Promise<KnownUser | null> => {
    const access = await loadAccess(id);
    if (access === null) return null;
    const user = Object.freeze({ ...access.user, is_active: access.isActive });
    if (access.isActive) principals.remember(user, access.permissions);
    return user;
  };
  return {
    find,
    async findByEmail(text) {
      const email = parseEmail(text);
      const account = email === null ? null : await findAccountByEmail(store, email);
      return account === null ? null : find(account.id);
    },
  };
}

/** Who has asked for something, as it can be kept. */
export interface Asker {
  readonly userId: number;
  /** The API key that they asked with; null for none. */
  readonly apiKeyId: number | null;
}

/**
 * Finds who is to stand for what they have asked for, once it is done: with the rights that they have then, and no more than their API key
 * has. Null where the account isn't active any more, or the key isn't valid.
 */
export type FindStandIn = (asker: Asker) => Promise<User | null>;

interface KeyGrants {
  /** What a key of an account was given; null where it isn't valid. */
  readGrants(userId: number, apiKeyId: number): Promise<readonly string[] | null>;
}

/** Creates what finds them; they can be asked for their permissions through `principals`. */
export function createStandIns(options: {
  readonly loadAccess: AccessLoader;
  readonly apiKeys: KeyGrants;
  readonly principals: Principals;
}): FindStandIn {
  const { loadAccess, apiKeys, principals } = options;
  /** What keys may do, by what their accounts may: the same object for as long as that is so. */
  const restricted = new WeakMap<Permissions, Map<string, Permissions>>();
  return async ({ userId, apiKeyId }) => {
    const access = await loadAccess(userId);
    if (access === null || !access.isActive) return null;
    let { permissions } = access;
    if (apiKeyId !== null) {
      const grants = await apiKeys.readGrants(userId, apiKeyId);
      if (grants === null) return null;
      const known = restricted.get(permissions) ?? new Map<string, Permissions>();
      const held = permissions;
      const name = JSON.stringify(grants);
      permissions = known.get(name) ?? restrictPermissions(held, grants);
      restricted.set(held, known.set(name, permissions));
    }
    const user = Object.freeze({ ...access.user });
    principals.remember(user, permissions);
    return user;
  };
}
