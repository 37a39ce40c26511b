import { expect } from "bun:test";
import { and, eq, isNull } from "drizzle-orm";
import { addSession, readAccessChanges, readAudit } from "../factor-accounts.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { AdminHost } from "./host.ts";

testWithCoreTables(
  "users are made, changed, kept out and deleted, each change audited",
  async ({ driver }) => {
    const host = await AdminHost.open(driver);
    const me = await host.join("me@example.com", "admin");
    const clerk = await host.addRole("clerk", ["invoices:read"]);
    const { db, tables } = host.store;

    const made = await host.request(me, "POST", "/admin/users", {
      email: " Ada@Example.COM",
      full_name: "  Ada Lovelace ",
      password: "correct horse",
      roles: [clerk, clerk],
      is_active: false,
      id: 77,
      password_hash: "mine",
    });
    expect(made).toMatchObject({
      status: 201,
      body: {
        email: "ada@example.com",
        full_name: "Ada Lovelace",
        is_active: true,
        roles: [{ id: clerk, name: "clerk" }],
        has_otp: false,
        last_login_at: null,
      },
    });
    const { id } = made.body as { id: number };
    expect(id).not.toBe(77);
    expect(made.body.created_at).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    const [row] = await db.select().from(tables.users).where(eq(tables.users.id, id));
    expect((await host.passwords.verify("correct horse", row?.password_hash ?? "")).isValid).toBe(true);

    const path = `/admin/users/${id}`;
    const liveSessions = () =>
      db.$count(tables.sessions, and(eq(tables.sessions.user_id, id), isNull(tables.sessions.revoked_at)));
    await addSession(host.store, id);
    const changed = await host.request(me, "PUT", path, {
      full_name: "Ada King",
      is_active: false,
      password_hash: "mine",
      roles: [1],
      failed_attempts: 9,
    });
    expect(changed).toMatchObject({
      status: 200,
      body: { email: "ada@example.com", full_name: "Ada King", is_active: false, roles: [{ id: clerk }] },
    });
    expect(await liveSessions()).toBe(0);
    const back = await host.request(me, "PUT", path, { full_name: null, is_active: true });
    expect(back.body).toMatchObject({ full_name: null, is_active: true });
    expect((await host.request(me, "PUT", path, {})).status).toBe(200);

    await addSession(host.store, id);
    expect((await host.request(me, "POST", `${path}/password`, { password: "battery staple" })).status).toBe(
      204,
    );
    expect(await liveSessions()).toBe(0);
    await addSession(host.store, id);
    expect((await host.request(me, "PUT", `${path}/deactivate`)).body.is_active).toBe(false);
    expect(await liveSessions()).toBe(0);
    expect((await host.request(me, "POST", `${path}/activate`)).body.is_active).toBe(true);
    await db
      .insert(tables.otpDevices)
      .values({ user_id: id, name: "phone", secret: "s", confirmed_at: new Date() });
    expect((await host.request(me, "GET", path)).body.has_otp).toBe(true);
    expect((await host.request(me, "DELETE", `${path}/otp`)).status).toBe(204);
    expect((await host.request(me, "GET", path)).body.has_otp).toBe(false);
    expect((await host.request(me, "DELETE", `${path}/roles/${clerk}`)).body.roles).toEqual([]);
    expect((await host.request(me, "POST", `${path}/roles/${clerk}`)).body.roles).toEqual([
      { id: clerk, name: "clerk" },
    ]);
    expect((await host.request(me, "DELETE", path)).status).toBe(204);
    expect((await host.request(me, "GET", path)).status).toBe(404);
    expect(await db.$count(tables.userRoles, eq(tables.userRoles.user_id, id))).toBe(0);

    const { entries, text } = await readAudit(host.store);
    expect(text).not.toMatch(/correct horse|battery staple|\$2b\$/);
    expect(
      entries.every(
        ({ actor, target_id, ip_address }) =>
          actor === "me@example.com" && target_id === String(id) && ip_address !== "",
      ),
    ).toBe(true);
    expect(entries.map(({ action, before, after }) => [action, before, after])).toEqual([
      [
        "user.created",
        null,
        { email: "ada@example.com", full_name: "Ada Lovelace", has_password: true, roles: ["clerk"] },
      ],
      [
        "user.updated",
        { full_name: "Ada Lovelace", is_active: true },
        { full_name: "Ada King", is_active: false },
      ],
      ["user.updated", { full_name: "Ada King", is_active: false }, { full_name: null, is_active: true }],
      ["user.password_set", null, null],
      ["user.deactivated", { is_active: true }, { is_active: false }],
      ["user.activated", { is_active: false }, { is_active: true }],
      ["user.otp_removed", { devices: 1 }, { devices: 0 }],
      ["role.removed", { role: "clerk" }, null],
      ["role.assigned", null, { role: "clerk" }],
      ["user.deleted", { email: "ada@example.com", full_name: null, roles: ["clerk"] }, null],
    ]);
    expect(new Set(await readAccessChanges(host.store))).toEqual(new Set([id]));
    expect(host.events.map(({ name }) => name)).toEqual(["role.assigned", "role.removed", "role.assigned"]);
    expect(host.events[0]?.data).toEqual({
      role_id: clerk,
      role: "clerk",
      user_id: id,
      email: "ada@example.com",
      actor_id: me.user.id,
    });
  },
);

testWithCoreTables(
  "users are refused for what can't be, and one email has one account",
  async ({ driver }) => {
    const host = await AdminHost.open(driver);
    const me = await host.join("me@example.com", "admin");
    const ada = { email: "ada@example.com" };
    const [one, other] = await Promise.all([
      host.request(me, "POST", "/admin/users", ada),
      host.request(me, "POST", "/admin/users", { email: "ADA@example.com" }),
    ]);
    expect(new Set([one.status, other.status])).toEqual(new Set([201, 409]));
    expect((one.status === 201 ? one : other).body.roles).toEqual([
      { id: await host.roleId("user"), name: "user" },
    ]);
    const { id } = (one.status === 201 ? one : other).body as { id: number };
    const refused: [string, string, unknown, number][] = [
      ["POST", "/admin/users", { email: "not an email" }, 422],
      ["POST", "/admin/users", { email: "a@example.com\r\nX-Evil: 1" }, 422],
      ["POST", "/admin/users", { email: "b@example.com", full_name: "B\r\nBcc: x@y" }, 422],
      ["POST", "/admin/users", { email: "b@example.com", password: "short" }, 422],
      ["POST", "/admin/users", { email: "b@example.com", roles: [999_999] }, 422],
      ["POST", "/admin/users", { email: "b@example.com", roles: ["1; drop table users"] }, 422],
      ["POST", "/admin/users", {}, 422],
      ["PUT", `/admin/users/${id}`, { email: "me@example.com" }, 409],
      ["PUT", "/admin/users/999999", { full_name: "x" }, 404],
      ["DELETE", "/admin/users/999999", undefined, 404],
      ["POST", `/admin/users/${id}/roles/999999`, undefined, 404],
      ["POST", `/admin/users/999999/roles/${await host.roleId("user")}`, undefined, 404],
      ["GET", "/admin/users/1%20or%201=1", undefined, 422],
      ["GET", "/admin/users/99999999999999999999", undefined, 422],
      ["GET", "/admin/users?sort=password_hash", undefined, 422],
      ["GET", "/admin/users?sort=id;drop%20table%20users", undefined, 422],
      ["GET", "/admin/users?q=%00", undefined, 422],
      ["GET", "/admin/users?per_page=101", undefined, 422],
    ];
    for (const [method, path, body, status] of refused) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const answer = await host.request(me, method, path, body);
      expect([method, path, body, answer.status]).toEqual([method, path, body, status]);
    }
    expect(await host.store.db.$count(host.store.tables.users)).toBe(2);
  },
);

testWithCoreTables(
  "a search finds beginnings of emails and names, and nothing that hides in them",
  async ({ driver }) => {
    const host = await AdminHost.open(driver);
    const me = await host.join("root@example.com", "admin");
    await host.addRole("clerk", []);
    await host.addUser("ada@example.com", ["clerk"], "Ada Lovelace");
    await host.addUser("zoe@example.com", [], "Hélène Dupont");
    await host.addUser("ada%_x@example.com", ["clerk"], "O'Brien \"; drop table users; --");
    await host.addUser("adam@example.com", [], null);
    const search = async (query: string): Promise<string[]> => {
      const { status, body } = await host.request(me, "GET", `/admin/users?${query}`);
      expect(status).toBe(200);
      expect(body.total === null || body.total === body.items.length).toBe(true);
      expect(JSON.stringify(body)).not.toContain("password");
      return body.items.map(({ email }: { email: string }) => email.slice(0, -"@example.com".length));
    };
    const q = (text: string): Promise<string[]> => search(`q=${encodeURIComponent(text)}`);
    expect(await q("ada")).toEqual(["ada", "ada%_x", "adam"]);
    expect(await q("ADA L")).toEqual(["ada"]);
    expect(await q("  helene dup")).toEqual(["zoe"]);
    expect(await q("HÉLÈNE")).toEqual(["zoe"]);
    expect(await q("ada%")).toEqual(["ada%_x"]);
    expect(await q("o'brien")).toEqual(["ada%_x"]);
    expect(await q("lovelace")).toEqual([]);
    expect(await q("%")).toEqual([]);
    expect(await q("' or 1=1 --")).toEqual([]);
    expect(await q("\u{10FFFF}")).toEqual([]);
    expect(await search("q=ada&role=clerk&sort=-id")).toEqual(["ada%_x", "ada"]);
    expect(await search("role=clerk")).toEqual(["ada", "ada%_x"]);
    expect(await search("role=nobody")).toEqual([]);
    expect(await search("is_active=false")).toEqual([]);
    expect(await search("is_active=true&sort=email&total=false")).toHaveLength(5);
    expect(await search("sort=-created_at&q=ada")).toEqual(["adam", "ada%_x", "ada"]);
  },
);
