import { eq } from "drizzle-orm";
import { expect } from "bun:test";
import { createRole } from "../../../src/accounts/admin/roles.ts";
import { createUser, deleteUser } from "../../../src/accounts/admin/users.ts";
import { assignRole } from "../../../src/accounts/admin/user-roles.ts";
import { ApiKeys } from "../../../src/accounts/api-keys/api-keys.ts";
import { createOwnerConfirmation } from "../../../src/accounts/login/password-confirmation.ts";
import { changePassword } from "../../../src/accounts/login/password-change.ts";
import { generateOtpCode } from "../../../src/accounts/two-factor/codes.ts";
import type { Principal } from "../../../src/accounts/identity/principal.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { AdminHost } from "../admin/host.ts";
import { Clock, codesOf, createDevices, ORIGIN, silent } from "../factor-accounts.ts";
import { createIdentity } from "../identity.ts";

/** What ends the standing of somebody, behind the back of a request that was let in. */
function ends({ store: { db, tables } }: AdminHost, { user, sessionId, apiKeyId }: Principal) {
  const { users, sessions, apiKeys } = tables;
  const at = new Date();
  const isSession = sessionId !== null;
  return {
    revoked: () =>
      isSession
        ? db.update(sessions).set({ revoked_at: at }).where(eq(sessions.id, sessionId))
        : db
            .update(apiKeys)
            .set({ revoked_at: at })
            .where(eq(apiKeys.id, apiKeyId ?? 0)),
    expired: () =>
      isSession
        ? db.update(sessions).set({ expires_at: at }).where(eq(sessions.id, sessionId))
        : db
            .update(apiKeys)
            .set({ expires_at: at })
            .where(eq(apiKeys.id, apiKeyId ?? 0)),
    deactivated: () => db.update(users).set({ is_active: false }).where(eq(users.id, user.id)),
    deleted: () => db.delete(users).where(eq(users.id, user.id)),
  };
}

testWithCoreTables("administration does nothing for who has no standing any more", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  await host.join("other@example.com", "admin");
  const clerk = await host.addRole("clerk", []);
  const { services, store } = host;
  const { db, tables } = store;
  let made = 0;
  for (const kind of ["session", "API key"]) {
    for (const what of ["revoked", "expired", "deactivated", "deleted"] as const) {
      const id = await host.addUser(`ada-${++made}@example.com`, ["admin"]);
      const principal = await host.principal(id, kind === "session" ? undefined : ["*"]);
      const victim = await host.addUser(`victim-${made}@example.com`);
      const actor = { principal, origin: ORIGIN };
      await createRole(services, actor, { name: `fine-${made}` });
      await ends(host, principal)[what]();
      const before = await db.$count(tables.roles);
      const codes = await codesOf([
        createRole(services, actor, { name: `late-${made}`, permissions: ["*"] }),
        createUser(services, actor, { email: `late-${made}@example.com` }),
        assignRole(services, actor, { userId: victim, roleId: clerk }),
        deleteUser(services, actor, victim),
      ]);
      expect([kind, what, ...codes]).toEqual([kind, what, ...Array(4).fill("authentication_error")]);
      expect(await db.$count(tables.roles)).toBe(before);
      expect(await db.$count(tables.users, eq(tables.users.id, victim))).toBe(1);
    }
  }
});

testWithCoreTables("keys and factors are nothing for a session that has ended", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const clock = new Clock();
  const devices = createDevices(host.store, clock);
  const keys = new ApiKeys({ store: host.store, log: silent, now: clock.now });
  for (const what of ["revoked", "expired", "deactivated"] as const) {
    const principal = await host.join(`${what}@example.com`, "user");
    const { id } = principal.user;
    const sessionId = principal.sessionId ?? "";
    const key = await keys.create(principal, { name: "mine", permissions: [] });
    const device = await devices.create(id, "phone", { sessionId });
    if (what === "expired") clock.ms = Date.parse("2032-01-01");
    else await ends(host, principal)[what]();
    const code = generateOtpCode(device.secret, clock.ms);
    const codes = await codesOf([
      keys.create(principal, { name: "late", permissions: [] }),
      keys.revoke(id, key.id, { by: principal }),
      devices.create(id, "late", { sessionId }),
      devices.confirm(id, device.id, code, { sessionId }),
      devices.remove(id, device.id, { sessionId }),
      devices.renewRecoveryCodes(id, code, { sessionId }),
    ]);
    expect([what, ...codes]).toEqual([what, ...Array(6).fill("authentication_error")]);
    clock.ms = new Clock().ms;
  }
});

testWithCoreTables(
  "a session that has ended ends no other one, and changes no password",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const id = await identity.register("ada@example.com");
    const { store, sessions } = identity;
    const tokens = [];
    for (let count = 0; count < 2; count += 1) tokens.push((await identity.logIn("ada@example.com")).body);
    const [stolen, mine] = await store.db
      .select()
      .from(store.tables.sessions)
      .orderBy(store.tables.sessions.id);
    const user = { id, email: "ada@example.com" };
    const owner = { user, sessionId: stolen?.id ?? "", origin: ORIGIN };
    await sessions.revoke({ ...owner, sessionId: mine?.id ?? "" }, owner.sessionId);
    const codes = await codesOf([sessions.revoke(owner, mine?.id ?? ""), sessions.revokeOthers(owner)]);
    expect(codes).toEqual(["authentication_error", "authentication_error"]);
    expect(
      (await store.db.select().from(store.tables.sessions)).filter((one) => one.revoked_at === null),
    ).toHaveLength(1);
    const passwords = { current_password: "correct horse battery", new_password: "battery staple correct" };
    const { confirmPassword } = identity;
    const confirmOwner = createOwnerConfirmation(confirmPassword, async () => {});
    const change = { store, passwords: identity.passwords, sessions, confirmPassword, confirmOwner };
    expect(await codesOf([changePassword(change, owner, passwords)])).toEqual(["authentication_error"]);
    expect((await identity.logIn("ada@example.com")).status).toBe(200);
  },
);
