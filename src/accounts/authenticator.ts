import { and, eq, isNull, sql } from "drizzle-orm";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import type { Driver } from "../db/contract/driver.ts";
import { toClientError } from "../db/contract/error-codes.ts";
import { AppError } from "../errors/errors.ts";
import { AccessFollower } from "./access-follower.ts";
import { API_KEY_START } from "./api-keys/api-keys.ts";
import { type BrowserCredentials, isOfBrowser } from "./browser/credentials.ts";
import { TICKET_START } from "./browser/tickets.ts";
import type { CoreStore } from "./people/store.ts";
import type { FindViewer } from "./impersonation/viewers.ts";
import type { Access, Permissions, Principal, User } from "./identity/principal.ts";
import { OpenRequests } from "./open-requests.ts";
import type { FollowAccess } from "../web/routes.ts";
import { PrincipalCache } from "./principal-cache.ts";
import { type Principals, toSessionPrincipal, unauthenticated } from "./identity/principals.ts";

/** Verifies access tokens; null for one that isn't valid. */
export interface TokenVerifier {
  /** `expiresAt` is in ms since the epoch. */
  verify(token: string): Promise<{ userId: number; sessionId: string; expiresAt: number } | null>;
}

/** Verifies API keys; null for one that isn't valid. */
export interface ApiKeyVerifier {
  /** `expiresAt` is in ms since the epoch, Infinity for never. */
  verify(key: string): Promise<{
    userId: number;
    apiKeyId: number;
    permissions: readonly string[];
    expiresAt: number;
  } | null>;
}

/** Reads who somebody is and what they may do now; null for nobody. */
export type LoadAccess = (
  userId: number,
) => Promise<(Access & { readonly user: User; readonly isActive: boolean }) | null>;

export interface AuthenticatorOptions {
  readonly store: CoreStore;
  readonly driver: Pick<Driver, "dialect" | "changeToken" | "onTablesWritten">;
  /** By which instances tell each other of changes. @default null, they only ask the database */
  readonly feed?: ChangeFeed | null;
  readonly tokens: TokenVerifier;
  readonly apiKeys: ApiKeyVerifier;
  /** Verifies cookies and tickets. @default nobody is known by them */
  readonly browser?: BrowserCredentials | null;
  readonly loadAccess: LoadAccess;
  /** Finds who views as somebody. @default nobody may */
  readonly findViewer?: FindViewer;
  /** Returns what somebody holds, as far as it was granted to a key. */
  readonly restrict: (held: Permissions, granted: readonly string[]) => Permissions;
  readonly principals: Principals;
  /** In ms since the epoch. @default Date.now */
  readonly now?: () => number;
  /** How long what is known of somebody counts while the database can't say whether it has changed, in ms. @default 0 */
  readonly accessCacheMs?: number;
  /** How many tokens and keys are remembered once they have been verified. @default 10_000 */
  readonly maxEntries?: number;
}

const BEARER = /^bearer +/i;
const MAX_LENGTH = 4096;
/** An API key, the three parts of a token, in base64url, or what a browser presents. */
const PRESENTED = /^(?:bearer +)?(?:xc_[\w-]+|[\w-]+\.[\w-]+\.[\w-]+)$|^x[st]_[\w.-]+$/i;
/** How long a key is remembered, so that its `last_used_at` stays true to the minute. */
const KEY_MS = 60_000;

/** Somebody who is known by what they presented before. */
interface KnownSession {
  readonly userId: number;
  readonly sessionId: string;
}

/** Who presents something, and until when that may be remembered, in ms since the epoch. */
interface Found {
  readonly principal: Principal;
  readonly until: number;
}

/**
 * Finds out who is behind each request, from its `Authorization: Bearer` or `X-API-Key` header, or from the cookie or
 * ticket of a browser, and notes it in `Principals`: the guards ask there. What was verified once is remembered until it expires or access changes; what
 * isn't valid is verified each time.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #now: () => number;
  readonly #cache: PrincipalCache;
  readonly #follower: AccessFollower;
  #readSession: ReturnType<typeof prepareSession> | null = null;
  /** The WebSockets and streams that are open for somebody. */
  readonly opened: OpenRequests;
  /** Whose cookie or ticket a request has shown that stays open: a ticket is good once, and a cookie is replaced. */
  readonly #shown = new WeakMap<Request, KnownSession>();
  readonly #invalid = unauthenticated("The access token or API key isn't valid, or not any more");

  constructor(options: AuthenticatorOptions) {
    const { store, driver, feed = null, now = Date.now, maxEntries = 10_000 } = options;
    this.#options = options;
    this.#now = now;
    this.#cache = new PrincipalCache(maxEntries);
    this.#follower = new AccessFollower({
      store,
      driver,
      feed,
      now,
      onNews: () => this.opened.noteNews(),
      onChange: (users) => {
        this.#cache.drop(users);
        this.opened.noteChange(users);
      },
    });
    this.opened = new OpenRequests({
      principals: options.principals,
      authenticate: (request) => this.authenticate(request),
      lookForChanges: () => this.#follower.follow(),
      now,
    });
  }

  /**
   * Notes who `request` comes from. Returns null when that is done, without anything to wait for: nobody, somebody
   * remembered, or what can't be valid. A database that can't answer is noted too, unless somebody is remembered whose
   * rights were known a moment ago: only guards refuse for it.
   */
  authenticate(request: Request): Promise<void> | null {
    const presented = readPresented(request) ?? this.#options.browser?.read(request) ?? null;
    const now = presented === null ? 0 : this.#now();
    const known = presented === null ? null : this.#cache.find(presented, now);
    if (presented === null || (known === null && !mayBeValid(presented))) {
      this.#options.principals.set(request, presented === null ? null : this.#invalid);
      return null;
    }
    try {
      const following = this.#follower.follow(now);
      if (known === null || following !== null) return this.#authenticateLater(request, presented, following);
      this.#admit(request, presented, known);
    } catch (error) {
      if (known !== null && this.#mayBeKept(now)) this.#admit(request, presented, known);
      else this.#noteFailure(request, error);
    }
    return null;
  }

  /** Follows a request that stays open; returns what ends that. */
  readonly follow: FollowAccess = (request, follower) => {
    const principal = this.#options.principals.peek(request);
    if (principal !== null && principal.sessionId !== null && readPresented(request) === null) {
      this.#shown.set(request, { userId: principal.user.id, sessionId: principal.sessionId });
    }
    return this.opened.follow(request, follower);
  };

  /** Resolves when nothing of it is under way: before the database is closed. */
  async settle(): Promise<void> {
    await this.opened.settle();
    await this.#options.browser?.settle();
    await this.#follower.settle();
  }

  async #authenticateLater(
    request: Request,
    presented: string,
    following: Promise<void> | null,
  ): Promise<void> {
    try {
      const now = this.#now();
      const isKept = this.#cache.find(presented, now) !== null && this.#mayBeKept(now);
      await (isKept && following !== null ? this.#follower.followOrAway(following) : following);
      const known = this.#cache.find(presented, now);
      if (known !== null) {
        this.#admit(request, presented, known);
        return;
      }
      const { drops } = this.#cache;
      const found = await this.#verify(presented, request);
      if (found === null) {
        this.#options.principals.set(request, this.#invalid);
        return;
      }
      const { principal, until } = found;
      this.#admit(request, presented, principal);
      if (!principal.lacksOtp) this.#options.principals.remember(principal.user, principal.permissions);
      // A change of access that came meanwhile makes the answer outdated.
      if (drops !== this.#cache.drops || until === 0) return;
      this.#cache.add(presented, principal, { since: this.#now(), until });
    } catch (error) {
      this.#noteFailure(request, error);
    }
  }

  /** Whether what is remembered counts although the database doesn't say that it is still so. */
  #mayBeKept(now: number): boolean {
    return Math.abs(now - this.#follower.currentAt) < (this.#options.accessCacheMs ?? 0);
  }

  #admit(request: Request, presented: string, principal: Principal): void {
    const { browser, principals } = this.#options;
    const needsProof = isOfBrowser(presented) && !this.#shown.has(request);
    if (needsProof && browser) browser.admit(principals, request, principal);
    else principals.set(request, principal);
  }

  async #verify(presented: string, request: Request): Promise<Found | null> {
    if (isOfBrowser(presented)) return this.#verifyBrowser(presented, request);
    const credential = presented.replace(BEARER, "");
    const principal = await (credential.startsWith(API_KEY_START)
      ? this.#verifyApiKey(credential)
      : this.#verifyToken(credential));
    return principal === null ? null : { principal, until: rememberUntil(principal, this.#now()) };
  }

  async #verifyBrowser(presented: string, request: Request): Promise<Found | null> {
    const { browser } = this.#options;
    if (!browser) return null;
    let session = this.#shown.get(request) ?? null;
    if (session === null && !presented.startsWith(TICKET_START))
      return browser.verifyCookie(presented, request);
    session ??= await browser.redeem(presented);
    if (session === null) return null;
    this.#shown.set(request, session);
    const principal = await this.#verifySession(session, Infinity);
    return principal === null ? null : { principal, until: 0 };
  }

  async #verifyToken(token: string): Promise<Principal | null> {
    const verified = await this.#options.tokens.verify(token);
    return verified === null ? null : this.#verifySession(verified, verified.expiresAt);
  }

  async #verifySession({ userId, sessionId }: KnownSession, expiresAt: number): Promise<Principal | null> {
    const [[session], access] = await Promise.all([
      (this.#readSession ??= prepareSession(this.#options.store)).execute({ id: sessionId, userId }),
      this.#options.loadAccess(userId),
    ]);
    const now = this.#now();
    if (session === undefined || access === null || !access.isActive) return null;
    const until = Math.min(expiresAt, session.expires_at.getTime());
    if (until <= now) return null;
    const { has_otp: hasOtp, viewer_session_id: viewerSessionId } = session;
    if (viewerSessionId === null) return toSessionPrincipal(access, { sessionId, hasOtp, expiresAt: until });
    const viewing = (await this.#options.findViewer?.(viewerSessionId, access)) ?? null;
    if (viewing === null) return null;
    return toSessionPrincipal(access, {
      sessionId,
      hasOtp: viewing.hasOtp,
      expiresAt: Math.min(until, viewing.expiresAt),
      viewer: viewing.viewer,
    });
  }

  async #verifyApiKey(key: string): Promise<Principal | null> {
    const verified = await this.#options.apiKeys.verify(key);
    if (verified === null || verified.expiresAt <= this.#now()) return null;
    const access = await this.#options.loadAccess(verified.userId);
    if (access === null || !access.isActive) return null;
    return {
      user: access.user,
      preferences: access.preferences,
      permissions: this.#options.restrict(access.permissions, verified.permissions),
      // No code can be asked of a key: it stands for the session that made it.
      lacksOtp: false,
      sessionId: null,
      apiKeyId: verified.apiKeyId,
      expiresAt: verified.expiresAt,
    };
  }

  #noteFailure(request: Request, error: unknown): void {
    const known = toClientError(error);
    if (!(known instanceof AppError)) throw error;
    this.#options.principals.set(request, known);
  }
}

function rememberUntil({ expiresAt, apiKeyId }: Principal, now: number): number {
  return apiKeyId === null ? expiresAt : Math.min(expiresAt, now + KEY_MS);
}

/** What proves who asks: the header `Authorization` with `Bearer` in front, or the one of an API key. */
function readPresented({ headers }: Request): string | null {
  const authorization = headers.get("authorization");
  if (authorization !== null && BEARER.test(authorization)) return authorization;
  const key = headers.get("x-api-key");
  return key !== null && isOfBrowser(key) ? "" : key;
}

/** Whether it is worth verifying; what isn't costs no work of the database. */
function mayBeValid(presented: string): boolean {
  return presented.length <= MAX_LENGTH && PRESENTED.test(presented);
}

function prepareSession({ db, tables: { sessions } }: CoreStore) {
  return db
    .select({
      has_otp: sessions.has_otp,
      expires_at: sessions.expires_at,
      viewer_session_id: sessions.viewer_session_id,
    })
    .from(sessions)
    .where(
      and(
        eq(sessions.id, sql.placeholder("id")),
        eq(sessions.user_id, sql.placeholder("userId")),
        isNull(sessions.revoked_at),
      ),
    )
    .prepare("xcore_session");
}
