import { eq } from "drizzle-orm";
import { expect } from "bun:test";
import { Impersonation } from "../../../src/accounts/impersonation/impersonation.ts";
import { createViewerFinder } from "../../../src/accounts/impersonation/viewers.ts";
import { createAccessLoader } from "../../../src/accounts/rights/access.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { AdminHost } from "../admin/host.ts";
import { ORIGIN } from "../factor-accounts.ts";

const HOUR_MS = 3_600_000;

testOnEachDialect(
  "a view begins, is looked at with the rights of both, and ends once",
  async ({ driver }) => {
    const host = await AdminHost.open(driver);
    const { store } = host;
    const { db, tables } = store;
    const { sessions } = tables;
    const loadAccess = createAccessLoader(store);
    const find = createViewerFinder({ store, loadAccess, isGuardRole: () => false });
    const impersonation = new Impersonation({ ...host.services, lifetimeMs: HOUR_MS });
    await host.addRole("support", ["users:impersonate", "shop:*"]);
    await host.addRole("clerk", ["shop:see"]);
    await host.addRole("boss", []);
    await host.addRole("chief", ["shop:see", "users:write"]);
    await db.insert(tables.guardRoles).values({ plugin: "shop", role: "boss" });
    const principal = await host.join("support@example.com", "support");
    const ownId = principal.sessionId ?? "";
    const actor = { principal, origin: ORIGIN };
    const user = await host.addUser("clerk@example.com", ["clerk"]);
    // Of tokens it is, and takes none.
    expect(await impersonation.begin(actor, user).catch(({ code }) => code)).toBe("conflict");
    await db.update(sessions).set({ cookie_at: new Date() }).where(eq(sessions.id, ownId));

    const view = await impersonation.begin(actor, user);
    expect([view.user.email, Math.round((view.expiresAt.getTime() - Date.now()) / 60_000)]).toEqual([
      "clerk@example.com",
      60,
    ]);
    const [row] = await db.select().from(sessions).where(eq(sessions.id, view.session.sessionId));
    expect([row?.user_id, row?.viewer_session_id]).toEqual([user, ownId]);
    const look = async () => {
      const viewed = await loadAccess(user);
      return viewed === null ? null : ((await find(ownId, viewed))?.viewer ?? null);
    };
    const viewer = { id: principal.user.id, email: "support@example.com", sessionId: ownId };
    expect(await look()).toEqual(viewer);
    for (const role of ["boss", "chief", "admin"]) {
      const held = { user_id: user, role_id: await host.roleId(role) }; // oxlint-disable-line no-await-in-loop
      await db.insert(tables.userRoles).values(held); // oxlint-disable-line no-await-in-loop
      expect([role, await look()]).toEqual([role, null]); // oxlint-disable-line no-await-in-loop
      await db.delete(tables.userRoles).where(eq(tables.userRoles.role_id, held.role_id)); // oxlint-disable-line no-await-in-loop
    }
    expect(await look()).toEqual(viewer);

    // Another in its place.
    const second = await impersonation.begin(actor, await host.addUser("other@example.com", ["clerk"]));
    const left = await db.select().from(sessions).where(eq(sessions.viewer_session_id, ownId));
    expect(left.map(({ id }) => id)).toEqual([second.session.sessionId]);
    const cookie = { sessionId: second.session.sessionId, issuedAt: second.session.issuedAt };
    expect(await impersonation.leave({ ...cookie, issuedAt: cookie.issuedAt - 1000 }, ORIGIN)).toBeNull();
    const back = await Promise.all([
      impersonation.leave(cookie, ORIGIN),
      impersonation.leave(cookie, ORIGIN),
    ]);
    expect(back.filter((own) => own !== null)).toMatchObject([
      { sessionId: ownId, userId: principal.user.id },
    ]);
    expect(await db.$count(sessions, eq(sessions.viewer_session_id, ownId))).toBe(0);
    const entries = await db.select().from(tables.auditLog).where(eq(tables.auditLog.result, "done"));
    expect(entries.map(({ action, actor_id }) => [action, actor_id])).toEqual([
      ["user.impersonated", principal.user.id],
      ["user.impersonated", principal.user.id],
      ["user.impersonation_ended", principal.user.id],
    ]);
    await db.update(sessions).set({ revoked_at: new Date() }).where(eq(sessions.id, ownId));
    expect(await look()).toBeNull();
  },
);
