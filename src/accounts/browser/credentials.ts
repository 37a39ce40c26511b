import { eq, sql } from "drizzle-orm";
import type { Logger } from "pino";
import { setCookie } from "../../web/answers.ts";
import type { Site } from "../../web/clients/site.ts";
import { fail } from "../identity/error-codes.ts";
import type { Access, Principal, User } from "../identity/principal.ts";
import { type Principals, toSessionPrincipal } from "../identity/principals.ts";
import type { FindViewer } from "../impersonation/viewers.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import type { CoreStore } from "../people/store.ts";
import type { CookieSession, Sessions } from "../sessions/sessions.ts";
import { COOKIE_START, type CookieClaims, readCookie, type SessionCookies, toSetCookie } from "./cookies.ts";
import { CSRF_HEADER, type CsrfTokens } from "./csrf-tokens.ts";
import { TICKET_PARAMETER, TICKET_START, type Tickets } from "./tickets.ts";

export interface BrowserCredentialsOptions {
  readonly store: CoreStore;
  readonly sessions: Sessions;
  readonly cookies: SessionCookies;
  readonly csrf: CsrfTokens;
  readonly tickets: Tickets;
  readonly site: Site;
  readonly loadAccess: (
    userId: number,
  ) => Promise<(Access & { readonly user: User; readonly isActive: boolean }) | null>;
  readonly findViewer: FindViewer;
  readonly log: Logger;
  /** In ms since the epoch. @default Date.now */
  readonly now?: () => number;
}

/** Who presents a cookie, and until when that may be remembered, in ms since the epoch. */
export interface FoundByCookie {
  readonly principal: Principal;
  readonly until: number;
}

/** How often the use of a cookie is noted, at most. */
const NOTED_EVERY_MS = 60_000;
/** Requests under way when a cookie is replaced bring the one before it. */
const GRACE_MS = 30_000;
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
const FORM = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)\b/i;

type SessionRow = CoreStore["tables"]["sessions"]["$inferSelect"];

/**
 * What browsers present of themselves: the cookie of a session, or a ticket in the URL of a WebSocket or stream. A
 * browser sends the cookie with every request to this host, whoever has made the page that it sends it from: where a
 * request could do something, or opens a WebSocket, it counts only with a proof that the page is ours.
 */
export class BrowserCredentials {
  readonly #options: BrowserCredentialsOptions;
  readonly #now: () => number;
  #readSession: ReturnType<typeof prepareSession> | null = null;
  readonly #notes = new Set<Promise<void>>();

  constructor(options: BrowserCredentialsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Returns what a request presents, null for nothing. */
  read(request: Request): string | null {
    const ticket = isStream(request) ? readTicket(request.url) : null;
    if (ticket !== null) return ticket;
    const header = request.headers.get("cookie");
    return header === null ? null : readCookie(header, () => this.#options.site.isSecure(request));
  }

  /** Notes who a request comes from that has presented this, unless another site may have made a browser send it. */
  admit(principals: Principals, request: Request, principal: Principal): void {
    const { site, csrf } = this.#options;
    const { sessionId } = principal;
    const isProven =
      sessionId === null ||
      isHarmless(request) ||
      site.isOwnRequest(request) ||
      csrf.isValid(request.headers.get(CSRF_HEADER), sessionId);
    if (isProven) {
      principals.set(request, principal);
      return;
    }
    const refusal = fail(
      "cross_site_request",
      "Cannot tell that a page of this server has sent this: it needs Sec-Fetch-Site or Origin of a page of ours, or " +
        "a CSRF token",
    );
    const isForm = FORM.test(request.headers.get("content-type") ?? "");
    if (!isForm) principals.set(request, refusal);
    else
      principals.setUnproven(request, refusal, {
        principal,
        isProvenBy: (body) => csrf.isIn(body, sessionId),
      });
  }

  #prepared(): ReturnType<typeof prepareSession> {
    return (this.#readSession ??= prepareSession(this.#options.store));
  }

  /** Finds out whose session a cookie is of; null for one that isn't valid, or not any more. */
  async verifyCookie(value: string, request: Request): Promise<FoundByCookie | null> {
    const { cookies, loadAccess, findViewer } = this.#options;
    const claims = cookies.open(value);
    const [session] = claims === null ? [] : await this.#prepared().execute({ id: claims.sessionId });
    if (claims === null || session === undefined || !this.#isLive(session)) return null;
    const now = this.#now();
    const {
      id: sessionId,
      cookie_at,
      identified_at,
      expires_at,
      viewer_session_id: viewerSessionId,
    } = session;
    const issuedAt = cookie_at?.getTime() ?? Infinity;
    const isLatest = claims.issuedAt >= issuedAt;
    // What asks for the password again isn't opened by a cookie from before it.
    const isInTime = claims.issuedAt >= (identified_at?.getTime() ?? 0) && now - issuedAt <= GRACE_MS;
    if (!isLatest && !isInTime) return null;
    const access = await loadAccess(session.user_id);
    if (access === null || !access.isActive) return null;
    const viewing = viewerSessionId === null ? null : await findViewer(viewerSessionId, access);
    if (viewerSessionId !== null && viewing === null) return null;
    const { hasOtp } = viewing ?? { hasOtp: session.has_otp };
    const rights = toRightsMark(access, hasOtp);
    const isRenewed = !isLatest || rights !== claims.rights;
    if (isRenewed) {
      const from = { sessionId, userId: session.user_id, issuedAt };
      const next = isLatest ? await this.#rotate(from) : from;
      if (next !== null) setCookie(request, this.#toHeader(request, next, rights));
    }
    const everyMs = Math.min(NOTED_EVERY_MS, this.#options.sessions.lifetimes.lifetimeMs / 10);
    // A view ends in its time however much it is used; what it hangs on is used with it.
    const used = viewing?.session ?? session;
    if (Math.abs(now - used.last_used_at.getTime()) >= everyMs) this.#noteUse(used);
    const expiresAt = Math.min(expires_at.getTime(), viewing?.expiresAt ?? Infinity);
    const viewer = viewing?.viewer ?? null;
    const principal = toSessionPrincipal(access, { sessionId, hasOtp, expiresAt, viewer });
    return { principal, until: isRenewed ? 0 : Math.min(expiresAt, now + everyMs) };
  }

  /** Returns what the cookie of a request says, whether it is valid or not; null for one that isn't ours. */
  claimsOf(request: Request): CookieClaims | null {
    const value = this.read(request);
    return value === null ? null : this.#options.cookies.open(value);
  }

  /** Uses a ticket up; null for one that isn't good, or not any more. */
  redeem(ticket: string): ReturnType<Tickets["redeem"]> {
    return this.#options.tickets.redeem(ticket);
  }

  /** Returns the header that gives a browser the cookie of a session. */
  async toCookie(request: Request, session: CookieSession): Promise<string> {
    const { loadAccess, store } = this.#options;
    const { sessions } = store.tables;
    const [access, [row]] = await Promise.all([
      loadAccess(session.userId),
      store.db.select({ hasOtp: sessions.has_otp }).from(sessions).where(eq(sessions.id, session.sessionId)),
    ]);
    // Of an account that has just gone: the cookie is as void as its session.
    const rights = access === null ? "--------" : toRightsMark(access, row?.hasOtp === true);
    return this.#toHeader(request, session, rights);
  }

  /** Gives the browser that has made a request another cookie of its session, and voids the one that it has. */
  async renew(request: Request, session: CookieSession): Promise<void> {
    setCookie(request, await this.toCookie(request, session));
  }

  /** Takes the cookie from the browser that has made a request. */
  forget(request: Request): void {
    if (!request.headers.has("cookie")) return;
    setCookie(request, toSetCookie("", { isSecure: this.#options.site.isSecure(request), maxAge: 0 }));
  }

  /** Resolves when every use so far is noted: before the database is closed. */
  async settle(): Promise<void> {
    await Promise.all(this.#notes);
  }

  #isLive({ revoked_at, expires_at, cookie_at }: SessionRow): boolean {
    return revoked_at === null && cookie_at !== null && expires_at.getTime() > this.#now();
  }

  #toHeader(request: Request, { sessionId, issuedAt }: CookieSession, rights: string): string {
    const { cookies, site, sessions } = this.#options;
    // The server alone knows when it is idle for too long.
    const maxAge = Math.floor(sessions.lifetimes.longestMs / 1000);
    const value = cookies.mint({ sessionId, issuedAt, rights });
    return toSetCookie(value, { isSecure: site.isSecure(request), maxAge });
  }

  async #rotate(from: CookieSession): Promise<CookieSession | null> {
    const { sessions, log } = this.#options;
    try {
      const issuedAt = await sessions.rotateCookie(from.sessionId, from.issuedAt);
      return issuedAt === null ? null : { ...from, issuedAt };
    } catch (error) {
      // It can be read, but not written: the next request tries again.
      log.warn({ err: error, session_id: from.sessionId }, "Cannot replace the cookie of a session");
      return null;
    }
  }

  /** Behind the request's back. */
  #noteUse(session: Pick<SessionRow, "id" | "created_at" | "ends_at">): void {
    const { sessions, log } = this.#options;
    const note = sessions
      .extend(session)
      .catch((error: unknown) => log.warn({ err: error }, "Cannot note the use of a session"))
      .finally(() => this.#notes.delete(note));
    this.#notes.add(note);
  }
}

/** Whether it is a browser's, and not a header's. */
export function isOfBrowser(presented: string): boolean {
  return presented.startsWith(COOKIE_START) || presented.startsWith(TICKET_START);
}

/** Whether it can do nothing, and shows nothing to the page that sends it. */
function isHarmless({ method, headers }: Request): boolean {
  return SAFE_METHODS.has(method) && !headers.has("upgrade");
}

/** Whether a request asks for what a browser can set no header of: others show who they are by one. */
function isStream({ method, headers }: Request): boolean {
  if (method !== "GET") return false;
  return headers.has("upgrade") || headers.get("accept")?.includes("text/event-stream") === true;
}

function readTicket(url: string): string | null {
  if (!url.includes(`${TICKET_PARAMETER}=${TICKET_START}`)) return null;
  const query = new URLSearchParams(url.slice(url.indexOf("?")));
  const ticket = query.get(TICKET_PARAMETER);
  return ticket !== null && ticket.startsWith(TICKET_START) ? ticket : null;
}

/** Tells rights from any others. */
function toRightsMark({ roles, permissions, requiresOtp }: Access, hasOtp: boolean): string {
  const rights = JSON.stringify([roles, permissions.granted, requiresOtp, hasOtp]);
  return Buffer.from(hashToken(rights), "hex").toString("base64url", 0, 6);
}

function prepareSession({ db, tables: { sessions } }: CoreStore) {
  return db
    .select()
    .from(sessions)
    .where(eq(sessions.id, sql.placeholder("id")))
    .prepare("xcore_cookie_session");
}
