import { and, eq, isNotNull } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin, Principal } from "../identity/principal.ts";
import { requireSession } from "../identity/session-owner.ts";
import { assertStanding, toStanding, isOpen } from "../identity/standing.ts";
import { writeAudit } from "../people/audit.ts";
import { noteAccessChange } from "../people/store.ts";
import { findAccount } from "../people/users.ts";
import { type Actor, type AdministrationServices, administer, type Change } from "../admin/administration.ts";
import { noUser } from "../admin/user-list.ts";
import { readUserGrants } from "../rights/access.ts";
import { EVERYTHING } from "../rights/builtin-roles.ts";
import type { CookieSession, Sessions } from "../sessions/sessions.ts";
import { MAY_IMPERSONATE } from "./viewers.ts";

export interface ImpersonationOptions extends AdministrationServices {
  readonly sessions: Pick<Sessions, "createForCookie" | "replaceCookie" | "lifetimes">;
  /** How long somebody may be viewed as at once, in ms. */
  readonly lifetimeMs: number;
  /** In ms since the epoch. @default Date.now */
  readonly now?: () => number;
}

/** A view that has begun. */
export interface View {
  /** What the browser holds from now on in the place of the administrator's own. */
  readonly session: CookieSession;
  readonly user: { readonly id: number; readonly email: string; readonly full_name: string | null };
  readonly expiresAt: Date;
}

/** Who is viewed as, and by whom. */
interface Pair {
  readonly user: { readonly id: number; readonly email: string };
  readonly viewer: { readonly id: number; readonly email: string };
}

/**
 * Lets administrators see what somebody else sees: with a session of that user that hangs on their own, and ends with it. What it may
 * do is computed anew with the rights of either: see `FindViewer`.
 */
export class Impersonation {
  readonly #options: ImpersonationOptions;
  readonly #now: () => number;

  constructor(options: ImpersonationOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Begins to view as a user, in the place of whoever the same session viewed as before.
   *
   * @throws AppError authorization_error for a user who holds more, or everything; conflict for oneself, an account that isn't
   * active, and a session that is no browser's; not_found, viewing_as_user
   */
  async begin(actor: NonNullable<Actor>, userId: number): Promise<View> {
    const doing = `view as user "${userId}"`;
    const intent = {
      permission: MAY_IMPERSONATE,
      action: "user.impersonated",
      target: { type: "user", id: userId },
      doing: () => doing,
    } as const;
    return administer(this.#options, actor, intent, async (change) => {
      change.assertNotOneself(userId, "you see what it sees already");
      const account = await findAccount(change.store, userId);
      if (account === null) throw noUser(userId);
      if ((await readUserGrants(change.store, userId)).includes(EVERYTHING))
        throw fail("authorization_error", `Cannot ${doing}: it may do everything`);
      await change.assertHoldsAllOf(userId);
      if (!isOpen(account)) throw fail("conflict", `Cannot ${doing}: the account isn't active, or is locked`);
      return this.#begin(change, actor, account);
    });
  }

  async #begin(change: Change, { principal, origin }: NonNullable<Actor>, user: View["user"]): Promise<View> {
    const { tx, tables } = change;
    const { sessions } = tables;
    const viewerSessionId = requireSession(principal);
    const [own] = await tx.select().from(sessions).where(eq(sessions.id, viewerSessionId));
    if (own === undefined || own.cookie_at === null)
      throw fail("conflict", `Cannot view as user "${user.id}": sign in with a browser, at /auth/login`);
    await tx.delete(sessions).where(eq(sessions.viewer_session_id, viewerSessionId));
    const { lifetimeMs, sessions: made } = this.#options;
    const latest = own.created_at.getTime() + made.lifetimes.longestMs;
    const expiresAt = new Date(Math.min(this.#now() + lifetimeMs, latest));
    const session = await made.createForCookie(tx, {
      id: Bun.randomUUIDv7(),
      userId: user.id,
      hasOtp: own.has_otp,
      origin,
      view: { viewerSessionId, expiresAt },
    });
    const { id, email, full_name } = user;
    await change.noteAccess(principal.user.id);
    await change.audit({ after: { email, expires_at: expiresAt.toISOString() } });
    change.emit("user.impersonated", {
      ...toEvent({ user, viewer: principal.user }),
      expires_at: expiresAt.toISOString(),
      ip_address: origin.ipAddress,
    });
    return { session, user: { id, email, full_name }, expiresAt };
  }

  /**
   * Ends a view, with whatever is open by it.
   *
   * @returns the administrator's own session, for the browser to go on with; null where that has ended meanwhile
   * @throws AppError not_found where nobody is viewed as
   */
  async end(principal: Principal, origin: Origin): Promise<CookieSession | null> {
    const { store, sessions } = this.#options;
    const { user, viewer = null, sessionId } = principal;
    if (viewer === null || sessionId === null) throw fail("not_found", "You view as nobody");
    await store.db.transaction(async (tx) => {
      await assertStanding(tx, store.tables, toStanding(principal), this.#now());
      await this.#end(tx, sessionId, { user, viewer, origin });
    });
    await this.#tellEnd({ user, viewer });
    return sessions.replaceCookie(viewer.sessionId);
  }

  /**
   * Lets the browser of an administrator go on with their own session once a view has ended by itself: by its time, or because they may
   * not any more.
   *
   * @param cookie which the browser holds of the view, and nobody is known by any more
   * @returns null where that is no cookie of a view, or where their own session has ended too
   */
  async leave(
    cookie: { readonly sessionId: string; readonly issuedAt: number },
    origin: Origin,
  ): Promise<CookieSession | null> {
    const { store, sessions } = this.#options;
    const pair = await store.db.transaction(async (tx) => {
      const found = await this.#findPair(tx, cookie);
      if (found === null || !(await this.#end(tx, cookie.sessionId, { ...found, origin }))) return null;
      return found;
    });
    if (pair === null) return null;
    await this.#tellEnd(pair);
    return sessions.replaceCookie(pair.viewerSessionId);
  }

  async #findPair(
    tx: Transaction,
    { sessionId, issuedAt }: { readonly sessionId: string; readonly issuedAt: number },
  ): Promise<(Pair & { readonly viewerSessionId: string }) | null> {
    const { sessions, users } = this.#options.store.tables;
    const columns = { user: { id: users.id, email: users.email }, session: sessions };
    const find = async (id: string) => {
      const rows = tx.select(columns).from(sessions).innerJoin(users, eq(users.id, sessions.user_id));
      const [found] = await rows.where(eq(sessions.id, id));
      return found ?? null;
    };
    const view = await find(sessionId);
    const viewerSessionId = view?.session.viewer_session_id ?? null;
    if (view === null || viewerSessionId === null) return null;
    if (issuedAt < (view.session.cookie_at?.getTime() ?? Infinity)) return null;
    const own = await find(viewerSessionId);
    return own === null ? null : { user: view.user, viewer: own.user, viewerSessionId };
  }

  /** Deletes the session of a view: no cookie of it leads back to the administrator's own. Says whether it was there. */
  async #end(
    tx: Transaction,
    sessionId: string,
    { user, viewer, origin }: Pair & { readonly origin: Origin },
  ): Promise<boolean> {
    const { tables } = this.#options.store;
    const { sessions } = tables;
    const isView = and(eq(sessions.id, sessionId), isNotNull(sessions.viewer_session_id));
    const { rowsAffected } = await tx.delete(sessions).where(isView);
    if (rowsAffected === 0) return false;
    await noteAccessChange(tx, tables, user.id);
    const { id, email } = viewer;
    await writeAudit(tx, tables, {
      action: "user.impersonation_ended",
      actor: { id, email },
      target: { type: "user", id: user.id },
      origin,
    });
    return true;
  }

  async #tellEnd(pair: Pair): Promise<void> {
    await this.#options.hooks.emit("user.impersonation_ended", toEvent(pair));
  }
}

function toEvent({ user, viewer }: Pair) {
  return {
    user: { id: user.id, email: user.email },
    viewer: { id: viewer.id, email: viewer.email },
  };
}
