import { invalidRequest } from "../../errors/codes.ts";
import { and, eq, isNull, lte, or } from "drizzle-orm";
import type { Logger } from "pino";
import type { Transaction } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../identity/error-codes.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { writeAudit } from "../people/audit.ts";
import { toDisplayName } from "../people/names.ts";
import { hashToken, isSameText, randomText } from "../keys/opaque-tokens.ts";
import { isGrant } from "../identity/permission-name.ts";
import type { Origin, Permissions, Principal } from "../identity/principal.ts";
import { assertSecondFactorGiven } from "../two-factor/enrolment.ts";
import { readUserGrants } from "../rights/access.ts";
import { createPermissions } from "../rights/permission-set.ts";
import { assertFactorsGiven, assertStanding, toStanding, whereOpen } from "../identity/standing.ts";
import { requireSession } from "../identity/session-owner.ts";
import { lockUser } from "../people/users.ts";
import { NO_NOTICES, type Notices } from "../notices/notices.ts";

export interface ApiKeysOptions {
  readonly store: CoreStore;
  readonly log: Logger;
  /** @default nobody is told */
  readonly notices?: Notices;
  /** @default Date.now */
  readonly now?: () => number;
}

/** What a key is asked for with. */
export interface ApiKeyInput {
  readonly name: string;
  /** Permissions that its owner holds, wildcards too. */
  readonly permissions: readonly string[];
  /** ISO 8601, in the future. @default null: it doesn't expire */
  readonly expires_at?: string | null | undefined;
}

/** A key as its owner sees it. */
export interface ApiKey {
  readonly id: number;
  readonly name: string;
  /** How the key begins: "xc_4f7k2m9q1x". */
  readonly prefix: string;
  readonly permissions: readonly string[];
  readonly expires_at: Date | null;
  /** Behind by up to a minute. */
  readonly last_used_at: Date | null;
  readonly created_at: Date;
}

/** A new key, and the one time that all of it is readable. */
export interface NewApiKey extends ApiKey {
  readonly key: string;
}

/** What a key stands for. */
export interface VerifiedApiKey {
  readonly userId: number;
  readonly apiKeyId: number;
  /** What the key was given; its user may hold less by now. */
  readonly permissions: readonly string[];
  /** In ms since the epoch; Infinity for never. */
  readonly expiresAt: number;
}

/** What every API key begins with, and no access token. */
export const API_KEY_START = "xc_";

const PREFIX_LENGTH = 10;
const SECRET_LENGTH = 40; // 200 bits
const KEY = /^xc_([0-9a-hjkmnp-tv-z]{10})_[0-9a-hjkmnp-tv-z]{40}$/;
const MAX_KEYS = 50;
const USE_NOTED_EVERY_MS = 60_000;
const MAX_NOTED = 10_000;
const MAX_TIME_MS = Date.parse("9999-12-31T23:59:59.999Z");

/** Keys with which programs act for a user, each with permissions of its own. */
export class ApiKeys {
  readonly #store: CoreStore;
  readonly #log: Logger;
  readonly #notices: Notices;
  readonly #now: () => number;
  /** When the use of a key was last noted, the longest ago first. */
  readonly #notedAt = new Map<number, number>();
  readonly #notes = new Set<Promise<void>>();

  constructor({ store, log, notices = NO_NOTICES, now = Date.now }: ApiKeysOptions) {
    this.#store = store;
    this.#log = log;
    this.#notices = notices;
    this.#now = now;
  }

  /**
   * Makes a key with permissions that its owner holds.
   *
   * @throws AppError authorization_error for an API key and for what isn't held, otp_required, validation_error,
   * conflict when there are 50
   */
  async create(
    principal: Principal,
    input: ApiKeyInput,
    { origin }: { origin?: Origin } = {},
  ): Promise<NewApiKey> {
    const sessionId = requireSession(principal);
    assertOtp(principal);
    const name = toDisplayName(input.name);
    const expires_at = toExpiry(input.expires_at ?? null, this.#now());
    const permissions = [...new Set(input.permissions)].toSorted();
    for (const permission of permissions) assertGrant(permission);
    const prefix = randomText(PREFIX_LENGTH);
    const key = `${API_KEY_START}${prefix}_${randomText(SECRET_LENGTH)}`;
    const userId = principal.user.id;
    const created_at = new Date(this.#now());
    const row = { name, prefix, permissions, expires_at, created_at };
    const { db, tables } = this.#store;
    const { apiKeys } = tables;
    return db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, userId);
      await this.#assertStanding(tx, principal);
      await assertFactorsGiven(tx, tables, { userId, sessionId });
      await assertSecondFactorGiven(tx, tables, { userId, sessionId });
      // As it is now: the password was asked for meanwhile.
      const held = createPermissions(await readUserGrants({ db: tx, tables }, userId));
      for (const permission of permissions) assertHeld(held, permission);
      const mine = and(eq(apiKeys.user_id, userId), isNull(apiKeys.revoked_at));
      if ((await tx.$count(apiKeys, mine)) >= MAX_KEYS) {
        throw fail("conflict", `Cannot make an API key: there are ${MAX_KEYS} already`);
      }
      const [made] = await tx
        .insert(apiKeys)
        .values({ ...row, user_id: userId, key_hash: hashToken(key) })
        .returning({ id: apiKeys.id });
      if (made === undefined) throw new Error("Cannot make an API key: the database returned no row");
      const shown = { name, prefix: API_KEY_START + prefix, permissions };
      await writeAudit(tx, tables, {
        action: "api_key.created",
        actor,
        target: { type: "api_key", id: made.id },
        ...(origin !== undefined && { origin }),
        after: { ...shown, expires_at: expires_at?.toISOString() ?? null },
      });
      await this.#notices.tell(tx, { kind: "api_key_created", userId, sessionId, origin, name });
      return { id: made.id, ...shown, expires_at, last_used_at: null, created_at, key };
    });
  }

  /** Lists the keys of an account that aren't revoked. */
  async list(userId: number, page: PageQuery): Promise<Page<ApiKey>> {
    const { db, tables } = this.#store;
    const { apiKeys } = tables;
    const { id, name, prefix, permissions, expires_at, last_used_at, created_at } = apiKeys;
    const query = db.select({ id, name, prefix, permissions, expires_at, last_used_at, created_at });
    const mine = and(eq(apiKeys.user_id, userId), isNull(apiKeys.revoked_at));
    const list = await paginate(query.from(apiKeys).where(mine), page);
    return { ...list, items: list.items.map((key) => ({ ...key, prefix: API_KEY_START + key.prefix })) };
  }

  /**
   * Ends a key: the next request with it is refused.
   *
   * @param options.by who asks; without it the caller answers for that
   * @throws AppError not_found; authentication_error when who asks was logged out meanwhile
   */
  async revoke(
    userId: number,
    apiKeyId: number,
    { by, origin }: { by?: Principal; origin?: Origin } = {},
  ): Promise<void> {
    const { db, tables } = this.#store;
    const { apiKeys } = tables;
    await db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, userId);
      if (by !== undefined) await this.#assertStanding(tx, by);
      const own = and(eq(apiKeys.id, apiKeyId), eq(apiKeys.user_id, userId), isNull(apiKeys.revoked_at));
      const [key] = await tx.select({ name: apiKeys.name, prefix: apiKeys.prefix }).from(apiKeys).where(own);
      if (key === undefined) {
        throw fail("not_found", `Cannot revoke API key "${apiKeyId}": there is none`);
      }
      await tx
        .update(apiKeys)
        .set({ revoked_at: new Date(this.#now()) })
        .where(own);
      await noteAccessChange(tx, tables, userId);
      await writeAudit(tx, tables, {
        action: "api_key.revoked",
        actor,
        target: { type: "api_key", id: apiKeyId },
        ...(origin !== undefined && { origin }),
        before: { name: key.name, prefix: API_KEY_START + key.prefix },
      });
      const sessionId = by?.sessionId ?? null;
      await this.#notices.tell(tx, { kind: "api_key_revoked", userId, sessionId, origin, name: key.name });
    });
  }

  /**
   * Finds what a key stands for: null when it is malformed, unknown, revoked or expired, or its user isn't active.
   * Its use is noted.
   */
  async verify(key: string): Promise<VerifiedApiKey | null> {
    const [, prefix] = KEY.exec(key) ?? [];
    if (prefix === undefined) return null;
    const { db, tables } = this.#store;
    const { apiKeys, users } = tables;
    const { id, user_id, key_hash, permissions, expires_at } = apiKeys;
    const [found] = await db
      .select({ id, user_id, key_hash, permissions, expires_at })
      .from(apiKeys)
      .innerJoin(users, eq(users.id, user_id))
      .where(and(eq(apiKeys.prefix, prefix), isNull(apiKeys.revoked_at), whereOpen(tables)));
    if (found === undefined || !isSameText(found.key_hash, hashToken(key))) return null;
    const expiresAt = found.expires_at?.getTime() ?? Infinity;
    if (expiresAt <= this.#now()) return null;
    this.noteUse(found.id);
    return { userId: found.user_id, apiKeyId: found.id, permissions: found.permissions, expiresAt };
  }

  /** What a key of an account was given; null where it is revoked, expired, or none of the account's. */
  async readGrants(userId: number, apiKeyId: number): Promise<readonly string[] | null> {
    const { id, user_id, permissions, expires_at, revoked_at } = this.#store.tables.apiKeys;
    const [found] = await this.#store.db
      .select({ permissions, expires_at })
      .from(this.#store.tables.apiKeys)
      .where(and(eq(id, apiKeyId), eq(user_id, userId), isNull(revoked_at)));
    if (found === undefined || (found.expires_at?.getTime() ?? Infinity) <= this.#now()) return null;
    return found.permissions;
  }

  /**
   * Notes that a key is used, for who caches what `verify` found: written behind the request's back, at most once a
   * minute.
   */
  noteUse(apiKeyId: number): void {
    const now = this.#now();
    const notedAt = this.#notedAt.get(apiKeyId);
    if (notedAt !== undefined && Math.abs(now - notedAt) < USE_NOTED_EVERY_MS) return;
    this.#notedAt.delete(apiKeyId);
    this.#notedAt.set(apiKeyId, now);
    const [oldest] = this.#notedAt.keys();
    if (this.#notedAt.size > MAX_NOTED && oldest !== undefined) this.#notedAt.delete(oldest);
    const note = this.#writeUse(apiKeyId, now).finally(() => this.#notes.delete(note));
    this.#notes.add(note);
  }

  /** Resolves when every use so far is written: before the database is closed. */
  async settle(): Promise<void> {
    await Promise.all(this.#notes);
  }

  #assertStanding(tx: Transaction, principal: Principal): Promise<void> {
    return assertStanding(tx, this.#store.tables, toStanding(principal), this.#now());
  }

  async #writeUse(apiKeyId: number, nowMs: number): Promise<void> {
    const { id, last_used_at } = this.#store.tables.apiKeys;
    // Another instance may have noted it.
    const isDue = or(isNull(last_used_at), lte(last_used_at, new Date(nowMs - USE_NOTED_EVERY_MS)));
    try {
      await this.#store.db
        .update(this.#store.tables.apiKeys)
        .set({ last_used_at: new Date(nowMs) })
        .where(and(eq(id, apiKeyId), isDue));
    } catch (error) {
      this.#log.warn({ err: error, api_key_id: apiKeyId }, "Cannot note the use of an API key");
    }
  }
}

/** A session with one factor mustn't make a key that asks for none. */
function assertOtp({ lacksOtp }: Principal): void {
  if (lacksOtp) throw fail("otp_required", "A role asks for two factors: log in with both first");
}

function assertGrant(text: string): void {
  if (!isGrant(text)) throw invalid("permissions", 'Expected permissions such as "invoices:read"');
}

function assertHeld(held: Permissions, permission: string): void {
  if (held.has(permission)) return;
  throw fail("authorization_error", `Cannot grant "${permission}": you don't hold it`);
}

function toExpiry(text: string | null, nowMs: number): Date | null {
  if (text === null) return null;
  const time = Date.parse(text);
  if (time > nowMs && time <= MAX_TIME_MS) return new Date(time);
  throw invalid("expires_at", "Expected a time in the future");
}

function invalid(field: keyof ApiKeyInput, message: string): AppError {
  return invalidRequest([{ path: `/body/${field}`, code: "invalid", message }]);
}
