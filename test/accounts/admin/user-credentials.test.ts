import { expect } from "bun:test";
import { eq } from "drizzle-orm";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { Lockout } from "../../../src/accounts/login/lockout.ts";
import { addSession, readAccessChanges, readAudit } from "../factor-accounts.ts";
import { AdminHost } from "./host.ts";

async function addKey({ store }: AdminHost, userId: number, prefix: string): Promise<number> {
  const { db, tables } = store;
  const values = { user_id: userId, name: prefix, prefix, key_hash: "0".repeat(64), permissions: ["a:b"] };
  const [key] = await db.insert(tables.apiKeys).values(values).returning();
  return key?.id ?? 0;
}

testWithCoreTables(
  "credentialRoutes() shows and ends the sessions and keys of others",
  async ({ driver }) => {
    const host = await AdminHost.open(driver);
    const me = await host.join("admin@example.com", "admin");
    const [ada, eve] = [await host.addUser("ada@example.com"), await host.addUser("eve@example.com")];
    const sessions = [await addSession(host.store, ada), await addSession(host.store, ada)];
    const keys = [await addKey(host, ada, "one"), await addKey(host, ada, "two")];
    await addSession(host.store, eve);
    const path = `/admin/users/${ada}`;

    const listed = await host.request(me, "GET", `${path}/sessions`);
    expect(listed.body).toMatchObject({ total: 2, items: [{ current: false }, { current: false }] });
    expect(listed.text).not.toContain("0".repeat(64));
    expect((await host.request(me, "DELETE", `${path}/sessions/${sessions[0]}`)).status).toBe(204);
    expect((await host.request(me, "DELETE", `${path}/sessions/${sessions[0]}`)).status).toBe(404);
    expect((await host.request(me, "GET", `${path}/sessions`)).body.total).toBe(1);
    expect((await host.request(me, "DELETE", `${path}/sessions`)).body).toEqual({ ended: 1 });
    expect((await host.request(me, "GET", `/admin/users/${eve}/sessions`)).body.total).toBe(1);

    const shown = await host.request(me, "GET", `${path}/api_keys`);
    expect(shown.body).toMatchObject({ total: 2, items: [{ prefix: "xc_one" }, { prefix: "xc_two" }] });
    expect(shown.text).not.toContain("0".repeat(64));
    expect((await host.request(me, "DELETE", `${path}/api_keys/${keys[0]}`)).status).toBe(204);
    expect((await host.request(me, "DELETE", `/admin/users/${eve}/api_keys/${keys[1]}`)).status).toBe(404);
    expect((await host.request(me, "DELETE", `${path}/api_keys`)).body).toEqual({ ended: 1 });
    expect((await host.request(me, "GET", `${path}/api_keys`)).body.total).toBe(0);

    expect((await readAccessChanges(host.store)).filter((id) => id === ada)).toHaveLength(4);
    const { entries } = await readAudit(host.store);
    expect(entries.map(({ action, target_id }) => `${action} ${target_id}`)).toEqual([
      `user.sessions_ended ${ada}`,
      `user.sessions_ended ${ada}`,
      `user.api_keys_revoked ${ada}`,
      `user.api_keys_revoked ${ada}`,
    ]);
    expect((await host.request(me, "GET", "/admin/users/9999/sessions")).status).toBe(404);
    expect((await host.request(me, "DELETE", "/admin/users/9999/api_keys")).status).toBe(404);
  },
);

testOnDialect(
  "sqlite",
  "credentialRoutes() lets nobody end what is of somebody above them",
  async ({ driver }) => {
    const host = await AdminHost.open(driver);
    await host.addRole("manager", ["users:read", "users:write"]);
    const me = await host.join("manager@example.com", "manager");
    const boss = await host.addUser("admin@example.com", ["admin"]);
    const session = await addSession(host.store, boss);
    const key = await addKey(host, boss, "one");
    for (const rest of ["sessions", `sessions/${session}`, "api_keys", `api_keys/${key}`]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect((await host.request(me, "DELETE", `/admin/users/${boss}/${rest}`)).status).toBe(403);
    }
  },
);

testOnDialect("sqlite", "unlocking a user ends the locks of every address", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const me = await host.join("admin@example.com", "admin");
  const ada = await host.addUser("ada@example.com");
  const { db, tables } = host.store;
  const lockout = new Lockout({ store: host.store });
  for (const name of ["ada@example.com", "eve@example.com"]) {
    for (const attempted of ["password", "code"] as const) {
      const candidate = { name, account: null, ipAddress: "192.0.2.1" };
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await db.transaction((tx) => lockout.countFailure(tx, attempted, candidate));
    }
  }
  expect(await db.$count(tables.loginFailures)).toBe(8);
  expect((await host.request(me, "PUT", `/admin/users/${ada}/unlock`)).status).toBe(200);
  expect(await db.$count(tables.loginFailures)).toBe(4);
  expect((await readAudit(host.store)).actions).toEqual(["user.unlocked"]);
});

testOnDialect("sqlite", "one's own email changes with one's own password alone", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const { db, tables } = host.store;
  const me = await host.join("admin@example.com", "admin");
  const chosen = await host.passwords.choose("correct horse battery", { email: "admin@example.com" });
  await db.update(tables.users).set({ password_hash: chosen.hash }).where(eq(tables.users.id, me.user.id));
  const path = `/admin/users/${me.user.id}`;
  const change = (body: object) => host.request(me, "PUT", path, body);
  const { sessions } = tables;
  const own = eq(sessions.user_id, me.user.id);
  await db
    .update(sessions)
    .set({ created_at: new Date(Date.now() - 11 * 60_000) })
    .where(own);
  expect((await change({ email: "mallory@example.com" })).body.code).toBe("identification_expired");
  expect((await change({ email: "mallory@example.com", current_password: "wrong" })).body.code).toBe(
    "invalid_credentials",
  );
  const key = await host.principal(me.user.id, ["*"]);
  const byKey = await host.request(key, "PUT", path, {
    email: "mallory@example.com",
    current_password: "correct horse battery",
  });
  expect(byKey.status).toBe(403);
  expect((await change({ full_name: "Ada", email: "ADMIN@example.com" })).status).toBe(200);
  const done = await change({ email: "ada@example.com", current_password: "correct horse battery" });
  expect(done.body).toMatchObject({ email: "ada@example.com", full_name: "Ada" });
  await db.update(sessions).set({ identified_at: new Date() }).where(own);
  expect((await change({ email: "eve@example.com" })).body).toMatchObject({ email: "eve@example.com" });
});
