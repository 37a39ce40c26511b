import { eq } from "drizzle-orm";
import type { CoreStore } from "../../../src/accounts/people/store.ts";
import { toNameKey } from "../../../src/accounts/people/names.ts";
import type { Principal } from "../../../src/accounts/identity/principal.ts";
import type { Driver } from "../../../src/db/contract/driver.ts";
import { createHookBus, type HookBus } from "../../../src/hooks/bus.ts";
import { createPasswords, type Passwords } from "../../../src/accounts/login/passwords.ts";
import { ApiKeys } from "../../../src/accounts/api-keys/api-keys.ts";
import { createAccessTokens } from "../../../src/accounts/identity/access-tokens.ts";
import { createSecretKey } from "../../../src/accounts/keys/secret.ts";
import { createAuthLimits } from "../../../src/accounts/login/attempt-limits.ts";
import {
  createOwnerConfirmation,
  createPasswordConfirmation,
} from "../../../src/accounts/login/password-confirmation.ts";
import { assertIdentifiedLately } from "../../../src/accounts/two-factor/enrolment.ts";
import { createRefreshTokens } from "../../../src/accounts/sessions/refresh-tokens.ts";
import { Sessions } from "../../../src/accounts/sessions/sessions.ts";
import { createAccessLoader } from "../../../src/accounts/rights/access.ts";
import { adminRoutes } from "../../../src/accounts/admin/routes.ts";
import { ensureBuiltinRoles } from "../../../src/accounts/rights/builtin-roles.ts";
import { createPermissions } from "../../../src/accounts/rights/permission-set.ts";
import { randomText } from "../../../src/accounts/keys/opaque-tokens.ts";
import { addSession, openStore, serve, silent } from "../factor-accounts.ts";

const KEY = createSecretKey("a key that only the tests know, of 32 characters or more");

/** The administration of accounts on an empty database, with requests on behalf of anybody. */
export class AdminHost {
  readonly store: CoreStore;
  readonly hooks: HookBus;
  /** Names and data of the events so far. */
  readonly events: { name: string; data: unknown }[] = [];
  readonly passwords: Passwords = createPasswords({ algorithm: "bcrypt", bcryptCost: 4 });
  readonly request: ReturnType<typeof serve>;

  private constructor(store: CoreStore) {
    this.store = store;
    this.hooks = createHookBus({
      onError: (error) => {
        throw error;
      },
    });
    this.hooks.on("*", ({ name, data }: { name: string; data: unknown }) => this.events.push({ name, data }));
    this.request = serve((context) => adminRoutes({ ...context, ...this.services }));
  }

  static async open(driver: Driver): Promise<AdminHost> {
    const store = await openStore(driver);
    await ensureBuiltinRoles(store);
    return new AdminHost(store);
  }

  get services() {
    const { store, hooks, passwords } = this;
    const apiKeys = new ApiKeys({ store, log: silent });
    const accessTokens = createAccessTokens({ secretKey: KEY, lifetime: 1800 });
    const refreshTokens = createRefreshTokens(KEY);
    const sessions = new Sessions({ store, accessTokens, refreshTokens, lifetimeMs: 1e9, longestMs: 1e9 });
    const confirmPassword = createPasswordConfirmation({ store, passwords, limits: createAuthLimits() });
    const confirmOwner = createOwnerConfirmation(confirmPassword, ({ user, sessionId }) =>
      assertIdentifiedLately(store.db, store.tables, { userId: user.id, sessionId, nowMs: Date.now() }),
    );
    return { store, hooks, passwords, apiKeys, sessions, confirmPassword, confirmOwner };
  }

  /** Adds a role; returns its id. */
  async addRole(name: string, permissions: readonly string[]): Promise<number> {
    const { db, tables } = this.store;
    const [role] = await db.insert(tables.roles).values({ name }).returning();
    const id = role?.id ?? 0;
    const rows = permissions.map((permission) => ({ role_id: id, permission }));
    if (rows.length > 0) await db.insert(tables.rolePermissions).values(rows);
    return id;
  }

  async roleId(name: string): Promise<number> {
    const { db, tables } = this.store;
    const [role] = await db.select().from(tables.roles).where(eq(tables.roles.name, name));
    return role?.id ?? 0;
  }

  /** Adds an account with these roles; returns its id. */
  async addUser(
    email: string,
    roles: readonly string[] = [],
    fullName: string | null = null,
  ): Promise<number> {
    const { db, tables } = this.store;
    const values = { email, full_name: fullName, name_key: toNameKey(fullName) };
    const [user] = await db.insert(tables.users).values(values).returning();
    const id = user?.id ?? 0;
    const ids = await Promise.all(roles.map((name) => this.roleId(name)));
    if (ids.length > 0) {
      await db.insert(tables.userRoles).values(ids.map((role_id) => ({ user_id: id, role_id })));
    }
    return id;
  }

  /** Who is behind a request of a user now; with permissions given, one of their API keys. */
  async principal(userId: number, keyPermissions?: readonly string[]): Promise<Principal> {
    const access = await createAccessLoader(this.store)(userId);
    if (access === null) throw new Error(`There is no user ${userId}`);
    const isKey = keyPermissions !== undefined;
    return {
      user: access.user,
      permissions: isKey ? createPermissions(keyPermissions) : access.permissions,
      lacksOtp: false,
      sessionId: isKey ? null : await addSession(this.store, userId),
      apiKeyId: isKey ? await this.addKey(userId, keyPermissions) : null,
      expiresAt: Infinity,
    };
  }

  /** Adds an API key; returns its id. */
  async addKey(userId: number, permissions: readonly string[]): Promise<number> {
    const { db, tables } = this.store;
    const prefix = randomText(10);
    const values = { user_id: userId, name: "key", prefix, key_hash: prefix, permissions: [...permissions] };
    const [key] = await db.insert(tables.apiKeys).values(values).returning();
    return key?.id ?? 0;
  }

  /** Adds an account with these roles, and returns who is behind its requests. */
  async join(email: string, ...roles: string[]): Promise<Principal> {
    return this.principal(await this.addUser(email, roles));
  }
}
