import { and, desc, eq, gt, inArray, isNull, lte, ne } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import { steadyNow } from "../people/steady-clock.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import type { AccessTokens } from "../identity/access-tokens.ts";
import { writeAudit } from "../people/audit.ts";
import { hashToken, isSameText } from "../keys/opaque-tokens.ts";
import type { Origin } from "../identity/principal.ts";
import { unauthenticated } from "../identity/principals.ts";
import { assertStanding, whereOpen } from "../identity/standing.ts";
import type { RefreshTokens } from "./refresh-tokens.ts";
import type { SessionOwner } from "../identity/session-owner.ts";

/** Two tabs may refresh at once: for so long, the token before the last one is refused and no more. */
const GRACE_MS = 5000;
const PURGED_AT_ONCE = 500;

/** What a login and a refresh answer. */
export interface TokenPair {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly token_type: "bearer";
  /** Of the access token, in seconds. */
  readonly expires_in: number;
}

/** A session that a browser holds a cookie of. */
export interface CookieSession {
  readonly sessionId: string;
  readonly userId: number;
  /** When its cookie was issued, in ms since the epoch. */
  readonly issuedAt: number;
}

/** A session that a login adds. */
export interface NewSession {
  readonly id: string;
  readonly userId: number;
  readonly hasOtp: boolean;
  readonly origin: Origin;
  /** When it ends however much it is used. @default as any other */
  readonly endsAt?: Date | null;
  /** When its owner has last shown who they are, where that was before. @default now */
  readonly identifiedAt?: Date | null;
  /** Of an administrator who views as the user: the session of their own, and when it ends. @default the user's own */
  readonly view?: { readonly viewerSessionId: string; readonly expiresAt: Date };
}

/** What limits how long a session lasts. */
export interface SessionTimes {
  readonly created_at: Date;
  /** When it ends however much it is used; null for as any other. */
  readonly ends_at: Date | null;
}

/** A session as its owner sees it. */
export interface SessionView {
  readonly id: string;
  /** Whether the request comes from this session. */
  readonly current: boolean;
  readonly has_otp: boolean;
  readonly ip_address: string;
  readonly user_agent: string;
  readonly created_at: string;
  readonly last_used_at: string;
  readonly expires_at: string;
}

export interface SessionsOptions {
  readonly store: CoreStore;
  readonly accessTokens: AccessTokens;
  readonly refreshTokens: RefreshTokens;
  /** How long a session lasts after its last refresh: what a refresh token is good for, and idleness. */
  readonly lifetimeMs: number;
  /** How long it lasts at most, however often it is refreshed. */
  readonly longestMs: number;
  /** @default Date.now */
  readonly now?: () => number;
}

/**
 * The sessions of users. Each refresh token is exchanged once; a replayed one ends its session, for it or its
 * successor is in the wrong hands.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #now: () => number;
  readonly #steadyNow: () => number;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    // A clock that goes wrong for a minute deletes nothing.
    this.#steadyNow = options.now ?? steadyNow;
  }

  /** Adds a session that tokens are held of, within the transaction of a login. */
  async create(tx: Transaction, made: NewSession): Promise<TokenPair> {
    const refreshToken = this.#options.refreshTokens.mint(made.id);
    const { expires_at } = await this.#insert(tx, made, { refresh_hash: hashToken(refreshToken) });
    return this.#toPair({ userId: made.userId, sessionId: made.id, refreshToken, expiresAt: expires_at });
  }

  /** Adds a session that a cookie is held of, within the transaction of a login. */
  async createForCookie(tx: Transaction, made: NewSession): Promise<CookieSession> {
    // No refresh token has the hash "".
    const { created_at } = await this.#insert(tx, made, { refresh_hash: "", isForCookie: true });
    return { sessionId: made.id, userId: made.userId, issuedAt: created_at.getTime() };
  }

  /**
   * Lets another cookie be the valid one of a session. Of several instances at once, one succeeds.
   *
   * @param from when the cookie was issued that is valid now, in ms since the epoch
   * @returns when the next one is issued; null when another one was meanwhile, or the session has ended
   */
  async rotateCookie(sessionId: string, from: number): Promise<number | null> {
    const { sessions } = this.#options.store.tables;
    const issuedAt = Math.max(this.#now(), from + 1);
    const { rowsAffected } = await this.#options.store.db
      .update(sessions)
      .set({ cookie_at: new Date(issuedAt) })
      .where(and(eq(sessions.id, sessionId), eq(sessions.cookie_at, new Date(from)), this.#isLive()));
    return rowsAffected === 0 ? null : issuedAt;
  }

  /** Voids the cookie of a session, for another one; null where it has ended, or tokens are held of it. */
  async replaceCookie(sessionId: string): Promise<CookieSession | null> {
    const { sessions } = this.#options.store.tables;
    const [session] = await this.#options.store.db
      .select({ userId: sessions.user_id, cookie_at: sessions.cookie_at })
      .from(sessions)
      .where(and(eq(sessions.id, sessionId), this.#isLive()));
    if (session === undefined || session.cookie_at === null) return null;
    const issuedAt = await this.rotateCookie(sessionId, session.cookie_at.getTime());
    return issuedAt === null ? null : { sessionId, userId: session.userId, issuedAt };
  }

  /** Notes that the cookie of a session is used: what ends it for idleness begins anew. */
  async extend({ id, ...times }: SessionTimes & { readonly id: string }): Promise<void> {
    const { sessions } = this.#options.store.tables;
    const now = new Date(this.#now());
    await this.#options.store.db
      .update(sessions)
      .set({ last_used_at: now, expires_at: this.#expiry(now, times) })
      .where(and(eq(sessions.id, id), this.#isLive()));
  }

  /**
   * Notes that the owner of a session has given the password again just now. A cookie from before is void.
   *
   * @returns the session with its next cookie; null where tokens are held of it
   */
  async noteIdentification({ user, sessionId, origin }: SessionOwner): Promise<CookieSession | null> {
    const { db, tables } = this.#options.store;
    const { sessions } = tables;
    return db.transaction(async (tx) => {
      await assertStanding(tx, tables, { userId: user.id, sessionId }, this.#now());
      const own = eq(sessions.id, sessionId);
      const [session] = await tx.select({ cookie_at: sessions.cookie_at }).from(sessions).where(own);
      const from = session?.cookie_at ?? null;
      const issuedAt = Math.max(this.#now(), (from?.getTime() ?? 0) + 1);
      const at = new Date(issuedAt);
      await tx
        .update(sessions)
        .set({ identified_at: at, ...(from !== null && { cookie_at: at }) })
        .where(own);
      await noteAccessChange(tx, tables, user.id);
      const target = { type: "session", id: sessionId };
      await writeAudit(tx, tables, { action: "session.identified", actor: user, target, origin });
      return from === null ? null : { sessionId, userId: user.id, issuedAt };
    });
  }

  /** How long a session lasts at least after its last use, and at most, in ms. */
  get lifetimes(): Pick<SessionsOptions, "lifetimeMs" | "longestMs"> {
    return this.#options;
  }

  /**
   * Exchanges a refresh token for new tokens; of several exchanges at once, one succeeds.
   *
   * @throws AppError authentication_error for a token that isn't valid (any more)
   */
  async refresh(token: string, origin: Origin): Promise<TokenPair> {
    const { store, refreshTokens } = this.#options;
    const { sessions } = store.tables;
    const id = refreshTokens.read(token);
    const found = id === null ? null : await this.#findLive(id);
    if (found === null) throw invalidToken();
    const { session, user } = found;
    const hash = hashToken(token);
    if (!isSameText(session.refresh_hash, hash)) {
      if (!this.#isJustReplaced(session, hash)) await this.#endReplayed(session.id, user, origin);
      throw invalidToken();
    }
    const next = refreshTokens.mint(session.id);
    const now = new Date(this.#now());
    const expiresAt = this.#expiry(now, session);
    // The setting may be stricter than when it was refreshed last.
    if (expiresAt <= now) throw invalidToken();
    const { rowsAffected } = await store.db
      .update(sessions)
      .set({
        refresh_hash: hashToken(next),
        previous_hash: hash,
        rotated_at: now,
        last_used_at: now,
        expires_at: expiresAt,
        ip_address: origin.ipAddress,
        user_agent: origin.userAgent,
      })
      .where(and(eq(sessions.id, session.id), eq(sessions.refresh_hash, hash), isNull(sessions.revoked_at)));
    if (rowsAffected === 0) throw invalidToken();
    return this.#toPair({ userId: user.id, sessionId: session.id, refreshToken: next, expiresAt });
  }

  /** Lists the sessions of a user that can be used, the last used first, without those of who views as them. */
  async list(
    { user, sessionId }: Omit<SessionOwner, "origin">,
    query: PageQuery,
  ): Promise<Page<SessionView>> {
    const { sessions } = this.#options.store.tables;
    const { id, has_otp, ip_address, user_agent, created_at, last_used_at, expires_at } = sessions;
    const rows = this.#options.store.db
      .select({ id, has_otp, ip_address, user_agent, created_at, last_used_at, expires_at })
      .from(sessions)
      .where(and(eq(sessions.user_id, user.id), isNull(sessions.viewer_session_id), this.#isLive()))
      .orderBy(desc(sessions.last_used_at));
    const page = await paginate(rows, query);
    const items = page.items.map((row) => ({
      ...row,
      current: row.id === sessionId,
      created_at: row.created_at.toISOString(),
      last_used_at: row.last_used_at.toISOString(),
      expires_at: row.expires_at.toISOString(),
    }));
    return { ...page, items };
  }

  /** Ends one of the owner's sessions. @throws AppError not_found when they have none with this id */
  async revoke(
    { user, sessionId, origin }: SessionOwner,
    id: string,
    action: "session.revoked" | "user.logout" = "session.revoked",
  ): Promise<void> {
    const { db, tables } = this.#options.store;
    await db.transaction(async (tx) => {
      await assertStanding(tx, tables, { userId: user.id, sessionId }, this.#now());
      const ended = await this.#end(
        tx,
        and(eq(tables.sessions.user_id, user.id), eq(tables.sessions.id, id)),
      );
      if (ended === 0) throw fail("not_found", `Cannot end session "${id}": you have none with this id`);
      await noteAccessChange(tx, tables, user.id);
      await writeAudit(tx, tables, { action, actor: user, target: { type: "session", id }, origin });
    });
  }

  /** Ends all of the owner's sessions but the one that the request comes from, and says how many. */
  async revokeOthers({ user, sessionId, origin }: SessionOwner): Promise<number> {
    const { db, tables } = this.#options.store;
    return db.transaction(async (tx) => {
      await assertStanding(tx, tables, { userId: user.id, sessionId }, this.#now());
      const ended = await this.endAll(tx, user.id, sessionId);
      const target = { type: "user", id: user.id };
      const entry = { action: "session.others_revoked", actor: user, target, origin, after: { ended } };
      if (ended > 0) await writeAudit(tx, tables, entry);
      return ended;
    });
  }

  /** Ends all sessions of a user but `except`, within the transaction of what makes it necessary. */
  async endAll(tx: Transaction, userId: number, except: string | null = null): Promise<number> {
    const { tables } = this.#options.store;
    const { sessions } = tables;
    const others = except === null ? undefined : ne(sessions.id, except);
    const ended = await this.#end(tx, and(eq(sessions.user_id, userId), others));
    await noteAccessChange(tx, tables, userId);
    return ended;
  }

  /** Deletes the sessions that have expired, a few at a time, and says how many there were. */
  async purge(): Promise<number> {
    const { db, tables } = this.#options.store;
    const { sessions } = tables;
    const expired = await db
      .select({ id: sessions.id })
      .from(sessions)
      .where(lte(sessions.expires_at, new Date(Math.min(this.#now(), this.#steadyNow()))))
      .limit(PURGED_AT_ONCE);
    if (expired.length === 0) return 0;
    const ids = expired.map(({ id }) => id);
    const { rowsAffected } = await db.delete(sessions).where(inArray(sessions.id, ids));
    return rowsAffected + (expired.length < PURGED_AT_ONCE ? 0 : await this.purge());
  }

  async #insert(
    tx: Transaction,
    { id, userId, hasOtp, origin, view, endsAt = null, identifiedAt = null }: NewSession,
    { refresh_hash, isForCookie = false }: { refresh_hash: string; isForCookie?: boolean },
  ): Promise<{ created_at: Date; expires_at: Date }> {
    const now = new Date(this.#now());
    const expires_at = view?.expiresAt ?? this.#expiry(now, { created_at: now, ends_at: endsAt });
    await tx.insert(this.#options.store.tables.sessions).values({
      id,
      user_id: userId,
      refresh_hash,
      has_otp: hasOtp,
      otp_at: hasOtp ? now : null,
      identified_at: identifiedAt,
      cookie_at: isForCookie ? now : null,
      viewer_session_id: view?.viewerSessionId ?? null,
      ip_address: origin.ipAddress,
      user_agent: origin.userAgent,
      created_at: now,
      last_used_at: now,
      expires_at,
      ends_at: endsAt,
    });
    return { created_at: now, expires_at };
  }

  async #findLive(id: string) {
    const { db, tables } = this.#options.store;
    const { sessions, users } = tables;
    const [found] = await db
      .select({ session: sessions, user: { id: users.id, email: users.email } })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.user_id))
      .where(and(eq(sessions.id, id), whereOpen(tables), this.#isLive()));
    return found ?? null;
  }

  #isLive() {
    const { sessions } = this.#options.store.tables;
    return and(isNull(sessions.revoked_at), gt(sessions.expires_at, new Date(this.#now())));
  }

  #isJustReplaced(session: CoreTables["sessions"]["$inferSelect"], hash: string): boolean {
    const { previous_hash, rotated_at } = session;
    if (previous_hash === null || rotated_at === null || !isSameText(previous_hash, hash)) return false;
    return Math.abs(this.#now() - rotated_at.getTime()) <= GRACE_MS;
  }

  async #endReplayed(id: string, user: { id: number; email: string }, origin: Origin): Promise<void> {
    const { db, tables } = this.#options.store;
    await db.transaction(async (tx) => {
      if ((await this.#end(tx, eq(tables.sessions.id, id))) === 0) return;
      await noteAccessChange(tx, tables, user.id);
      const target = { type: "session", id };
      // Who replays it may be anybody: nobody is named as having done this.
      const entry = { action: "session.reuse", target, origin, result: "refused" as const };
      await writeAudit(tx, tables, { ...entry, after: { user_id: user.id } });
    });
  }

  async #end(tx: Transaction, which: ReturnType<typeof and>): Promise<number> {
    const { sessions } = this.#options.store.tables;
    const { rowsAffected } = await tx
      .update(sessions)
      .set({ revoked_at: new Date(this.#now()) })
      .where(and(which, this.#isLive()));
    return rowsAffected;
  }

  #expiry(now: Date, { created_at, ends_at }: SessionTimes): Date {
    const { lifetimeMs, longestMs } = this.#options;
    const latest = Math.min(created_at.getTime() + longestMs, ends_at?.getTime() ?? Infinity);
    return new Date(Math.min(now.getTime() + lifetimeMs, latest));
  }

  async #toPair(made: {
    userId: number;
    sessionId: string;
    refreshToken: string;
    expiresAt: Date;
  }): Promise<TokenPair> {
    const { accessTokens } = this.#options;
    // No token outlives its session.
    const leftSeconds = Math.max(1, Math.ceil((made.expiresAt.getTime() - this.#now()) / 1000));
    return {
      access_token: await accessTokens.sign(made.userId, made.sessionId),
      refresh_token: made.refreshToken,
      token_type: "bearer",
      expires_in: Math.min(accessTokens.lifetime, leftSeconds),
    };
  }
}

function invalidToken(): AppError {
  return unauthenticated("The refresh token isn't valid, or no longer: log in again");
}
