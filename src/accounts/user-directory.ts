import { parseEmail } from "./people/emails.ts";
import type { CoreStore } from "./people/store.ts";
import type { User } from "./identity/principal.ts";
import type { Principals } from "./identity/principals.ts";
import { findAccountByEmail } from "./people/users.ts";
import type { AccessLoader } from "./rights/access.ts";

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
