import { eq } from "drizzle-orm";
import type { AccessTokens } from "../accounts/identity/access-tokens.ts";
import type { CoreStore } from "../accounts/people/store.ts";
import { normalizeEmail } from "../accounts/people/emails.ts";
import { isGrant } from "../accounts/identity/permission-name.ts";
import { insertAccount } from "../accounts/people/users.ts";
import type { Transaction } from "../db/contract/database.ts";
import { fail } from "../errors/codes.ts";
import { ADMIN_ROLE, grantRole, USER_ROLE } from "../accounts/rights/builtin-roles.ts";
import type { NewTestUser, TestUser } from "../sdk/testing.ts";

const SESSION_MS = 3_600_000;

export interface TestUsersOptions {
  readonly store: CoreStore;
  readonly accessTokens: AccessTokens;
}

/** A user of a test, and the session of their token. */
export interface KnownTestUser extends TestUser {
  readonly sessionId: string;
}

/** Makes users for tests straight in the database: no password, no login, no events. */
export class TestUsers {
  readonly #store: CoreStore;
  readonly #accessTokens: AccessTokens;
  #made = 0;

  constructor({ store, accessTokens }: TestUsersOptions) {
    this.#store = store;
    this.#accessTokens = accessTokens;
  }

  /**
   * Makes an account with its roles, and a session of it. Permissions are given by a role made for it.
   *
   * @throws AppError validation_error for what is no email or no permission, conflict for an email that is taken
   */
  async create(user: NewTestUser): Promise<KnownTestUser> {
    const { db, tables } = this.#store;
    const { permissions = [], roles = [USER_ROLE], is_admin: isAdmin = false } = user;
    const email = normalizeEmail(user.email ?? `user-${++this.#made}@example.com`);
    assertGrants(permissions);
    const sessionId = crypto.randomUUID();
    const id = await db.transaction(async (tx) => {
      const account = await insertAccount(tx, tables, { email, fullName: null, password: null });
      const own = permissions.length === 0 ? [] : [`test-user-${account.id}`];
      for (const role of [...roles, ...own, ...(isAdmin ? [ADMIN_ROLE] : [])]) {
        // oxlint-disable-next-line no-await-in-loop -- on one connection
        await this.#give(tx, account.id, role, own.includes(role) ? permissions : []);
      }
      const expires_at = new Date(Date.now() + SESSION_MS);
      const session = { id: sessionId, user_id: account.id, refresh_hash: "", expires_at };
      await tx.insert(tables.sessions).values(session);
      return account.id;
    });
    const token = await this.#accessTokens.sign(id, sessionId);
    return { id, email, sessionId, token, headers: { authorization: `Bearer ${token}` } };
  }

  async #give(tx: Transaction, userId: number, name: string, grants: readonly string[]): Promise<void> {
    const { tables } = this.#store;
    const { roles, rolePermissions } = tables;
    const [known] = await tx.select({ id: roles.id }).from(roles).where(eq(roles.name, name));
    if (known === undefined) {
      const [role] = await tx.insert(roles).values({ name, description: "" }).returning({ id: roles.id });
      const rows = grants.map((permission) => ({ role_id: role?.id ?? 0, permission }));
      if (rows.length > 0) await tx.insert(rolePermissions).values(rows);
    }
    await grantRole(tx, tables, userId, name);
  }
}

function assertGrants(permissions: readonly string[]): void {
  const wrong = permissions.find((permission) => !isGrant(permission));
  if (wrong === undefined) return;
  const message = `Cannot give the permission "${wrong}": expected a resource and an action, such as "invoices:read"`;
  throw fail("validation_error", message);
}
