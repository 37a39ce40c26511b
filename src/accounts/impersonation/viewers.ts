import { and, eq, isNotNull, isNull, sql } from "drizzle-orm";
import type { Access, Principal, User } from "../identity/principal.ts";
import type { CoreStore } from "../people/store.ts";
import { EVERYTHING, USER_ROLE } from "../rights/builtin-roles.ts";
import { findGuardRoles } from "../rights/guard-roles.ts";
import type { SessionTimes } from "../sessions/sessions.ts";

/** What it takes to view as somebody else. */
export const MAY_IMPERSONATE = "users:impersonate";

/** An administrator who views as somebody else, and may. */
export interface Viewing {
  readonly viewer: NonNullable<Principal["viewer"]>;
  /** Whether they have given a second factor. */
  readonly hasOtp: boolean;
  /** When their own session ends, in ms since the epoch. */
  readonly expiresAt: number;
  /** Their own session. */
  readonly session: SessionTimes & { readonly id: string; readonly last_used_at: Date };
}

type LoadedAccess = Access & { readonly user: User; readonly isActive: boolean };

/**
 * Finds who views as somebody with a session that hangs on this session of theirs; null where that one has ended, or where they
 * may not, or not any more.
 */
export type FindViewer = (viewerSessionId: string, viewed: LoadedAccess) => Promise<Viewing | null>;

export interface FindViewerOptions {
  readonly store: CoreStore;
  readonly loadAccess: (userId: number) => Promise<LoadedAccess | null>;
  /** Whether routes ask for a role by its name, beside those that plugins were ever loaded with. */
  readonly isGuardRole: (role: string) => boolean;
  /** In ms since the epoch. @default Date.now */
  readonly now?: () => number;
}

/** Creates what looks at the rights of both each time that those of a view are computed, and not at its beginning alone. */
export function createViewerFinder({
  store,
  loadAccess,
  isGuardRole,
  now = Date.now,
}: FindViewerOptions): FindViewer {
  let readSession: ReturnType<typeof prepareSession> | null = null;

  /** Whether somebody has rights that the other one lacks. */
  const isUpward = async (viewed: LoadedAccess, viewer: LoadedAccess): Promise<boolean> => {
    const { granted } = viewed.permissions;
    if (granted.includes(EVERYTHING)) return true;
    if (viewer.permissions.has(EVERYTHING)) return false;
    if (!granted.every((grant) => viewer.permissions.has(grant))) return true;
    const names = viewed.roles.filter((role) => role !== USER_ROLE && !viewer.roles.includes(role));
    return (await findGuardRoles(store, names, isGuardRole)).length > 0;
  };

  return async (viewerSessionId, viewed) => {
    const [session] = await (readSession ??= prepareSession(store)).execute({ id: viewerSessionId });
    if (session === undefined || session.expires_at.getTime() <= now()) return null;
    const { id: sessionId, user_id: viewerId, has_otp: hasOtp, expires_at } = session;
    const access = await loadAccess(viewerId);
    const mayView =
      access !== null &&
      access.isActive &&
      (hasOtp || !access.requiresOtp) &&
      access.permissions.has(MAY_IMPERSONATE) &&
      viewerId !== viewed.user.id &&
      !(await isUpward(viewed, access));
    if (!mayView) return null;
    const { id, email } = access.user;
    return { viewer: { id, email, sessionId }, hasOtp, expiresAt: expires_at.getTime(), session };
  };
}

function prepareSession({ db, tables: { sessions } }: CoreStore) {
  return db
    .select()
    .from(sessions)
    .where(
      and(
        eq(sessions.id, sql.placeholder("id")),
        isNull(sessions.revoked_at),
        isNull(sessions.viewer_session_id),
        isNotNull(sessions.cookie_at),
      ),
    )
    .prepare("xcore_viewer_session");
}
