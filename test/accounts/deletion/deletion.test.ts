import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { CookieJar, PASSWORD } from "../browser/browser.ts";
import { ADA, createWorld } from "./world.ts";

const DAY_MS = 86_400_000;

test("an account is to be deleted in 14 days, can't be used until then, and is kept by a login or a mail", async () => {
  const sent = Promise.withResolvers<string>();
  await using world = await createWorld((text) => {
    const [link] = /\/auth\/deletion\/keep\?token=[\w-]+/.exec(text) ?? [];
    if (link !== undefined) sent.resolve(link);
  });
  const { app, send, leave, logIn } = world;
  await app.admin();
  const ada = await world.join();
  const key = await send("POST", "/auth/api_keys", { name: "CI", permissions: [] }, ada);

  const other = await leave(ada, "eve@example.com");
  expect([other.status, other.body.errors[0].path]).toEqual([422, "/body/email"]);
  const wrong = await send("POST", "/auth/deletion", { email: ADA, current_password: "wrong" }, ada);
  expect(wrong.body.code).toBe("invalid_credentials");
  const byKey = await leave({ headers: { "x-api-key": key.body.key } });
  expect(byKey.body.code).toBe("authorization_error");
  await world.db.update(world.tables.sessions).set({ created_at: new Date(0) });
  expect((await send("POST", "/auth/deletion", { email: ADA }, ada)).body.code).toBe(
    "identification_expired",
  );

  const asked = await leave(ada, " ADA@example.com ");
  expect(asked.status).toBe(202);
  expect(Math.abs(Date.parse(asked.body.deletion_at) - Date.now() - 14 * DAY_MS)).toBeLessThan(60_000);
  for (const headers of [ada.headers, { "x-api-key": key.body.key }])
    expect((await send("GET", "/auth/me", undefined, { headers })).status).toBe(401); // oxlint-disable-line no-await-in-loop
  const listed = await app.getAsAdmin("/admin/users?q=ada");
  expect(listed.body.items).toMatchObject([{ is_active: true, deletion_at: asked.body.deletion_at }]);

  // Only who has the password is told of it, and it lets nobody in.
  const wrongPassword = await send("POST", "/auth/login", { email: ADA, password: "wrong horse battery" });
  expect(wrongPassword.body.code).toBe("invalid_credentials");
  const pending = await logIn();
  const { keep_token: token } = pending.body;
  expect([pending.status, pending.body.code]).toEqual([403, "deletion_pending"]);
  expect(pending.body).toMatchObject({ deletion_at: asked.body.deletion_at, keep_token: token });
  expect(token).toMatch(/^[\w-]{43}$/);
  const logs = (await app.log("app")) + (await app.log("access"));
  expect(logs).not.toContain(token);
  const keep = (given: string) => send("POST", "/auth/deletion/keep", { token: given });
  expect((await keep("x".repeat(43))).body.code).toBe("link_invalid");
  expect((await keep(token)).status).toBe(204);
  expect((await keep(token)).status).toBe(410);
  const back = await logIn();
  expect(back.status).toBe(200);
  // The link of the mail is void with it: it was for that request.
  const link = await sent.promise;
  expect((await app.fetch(link, { headers: { accept: "text/html" } })).status).toBe(410);
  expect(await world.audited("user.deletion_requested")).toMatchObject([
    { actor: ADA, result: "refused" },
    { actor: ADA, result: "done" },
  ]);
  expect(await world.audited("user.deletion_cancelled")).toMatchObject([{ actor: ADA }]);
});

test("in a browser, who signs in to such an account keeps it by one button, and a scanner of mail by nothing", async () => {
  const sent = Promise.withResolvers<string>();
  await using world = await createWorld((text) => {
    const [link] = /\/auth\/deletion\/keep\?token=[\w-]+/.exec(text) ?? [];
    if (link !== undefined) sent.resolve(link);
  });
  await world.app.admin();
  const ada = await world.join();
  await world.leave(ada);
  const link = await sent.promise;
  const jar = new CookieJar(world.app);
  for (const method of ["GET", "HEAD"]) await jar.get(link, { method }); // oxlint-disable-line no-await-in-loop
  const shown = await jar.get(link);
  expect([shown.status, shown.headers.get("referrer-policy")]).toEqual([200, "no-referrer"]);
  expect(await shown.text()).toContain(ADA);
  expect((await world.find(ada.id))?.deletion_at).not.toBeNull();

  const asked = await jar.signIn(ADA);
  const html = await asked.text();
  expect([asked.status, jar.cookie]).toEqual([200, ""]);
  const [, action = "", token = ""] = /action="([^"]+)"[^]*name="token" value="([^"]+)"/.exec(html) ?? [];
  const kept = await jar.post(new URL(action, `${world.app.url}/auth/login`).pathname, { token });
  expect(await kept.text()).toContain("Your account stays");
  expect((await world.find(ada.id))?.deletion_at).toBeNull();
  const gone = await jar.post("/auth/deletion/keep", { token });
  expect([gone.status, (await gone.text()).includes("t valid any more")]).toEqual([410, true]);
  const empty = await jar.post("/auth/deletion/keep", {});
  expect([empty.status, empty.headers.get("content-type")]).toEqual([410, "text/html;charset=utf-8"]);
  await jar.signIn(ADA);
  expect(jar.cookie).not.toBe("");
});

test("the last administrator stays, a plugin refuses with a reason, and an administrator keeps an account", async () => {
  await using world = await createWorld();
  const { app, send } = world;
  const boss = await world.join("boss@example.com", ["admin"]);
  const last = await world.leave(boss, "boss@example.com");
  expect([last.status, last.body.code]).toEqual([409, "deletion_refused"]);
  expect(last.body.detail).toContain("make another administrator first");
  const second = await app.admin();
  const ada = await world.join();
  await world.db.execute(sql`insert into billing_invoices (user_id, kept) values (${ada.id}, 1)`);
  const refused = await world.leave(ada);
  expect([refused.status, refused.body.detail]).toEqual([
    409,
    "Cannot delete your account: Invoices are kept for ten years",
  ]);
  await world.db.execute(sql`delete from billing_invoices`);
  expect((await world.leave(ada)).status).toBe(202);
  // One of two may go, and the other is the last one then.
  expect((await world.leave(boss, "boss@example.com")).status).toBe(202);
  const viewed = await send("POST", `/admin/users/${ada.id}/impersonate`, {}, second);
  expect([viewed.status, viewed.body.code]).toEqual([409, "conflict"]);
  expect((await send("DELETE", `/admin/users/${ada.id}/deletion`, undefined, ada)).status).toBe(401);
  const kept = await send("DELETE", `/admin/users/${ada.id}/deletion`, undefined, second);
  expect([kept.status, kept.body.deletion_at]).toEqual([200, null]);
  expect(await world.audited("user.deletion_cancelled")).toMatchObject([{ actor: "admin@example.com" }]);
  expect(await world.mailsTo(ADA)).toContain("account-notice");
  expect((await world.logIn()).status).toBe(200);
});

test("when its time has come an account is deleted once, with what plugins have of it, and its name goes from the audit log", async () => {
  await using world = await createWorld();
  const { app, db, tables, count } = world;
  await app.admin();
  const ada = await world.join();
  const early = await world.join("early@example.com");
  await db.execute(sql`insert into billing_notes (user_id) values (${ada.id}), (${early.id})`);
  await world.leave(ada);
  await world.leave(early, "early@example.com");
  expect(await world.deleteDue()).toBe(0);
  await world.age(ada.id);
  const deleted = app.after("user.deleted", () => {});
  const [one, other] = await Promise.all([world.deleteDue(), world.deleteDue()]);
  expect(one + other).toBe(1);
  expect((await deleted).data).toEqual({ user: { id: ada.id } });
  expect([await world.find(ada.id), await count("billing_notes")]).toEqual([undefined, 1]);
  expect(await world.audited("user.deleted")).toMatchObject([
    { actor_id: null, target_id: String(ada.id), result: "done", after: { row: "deleted" } },
  ]);
  const audit = await db.select().from(tables.auditLog);
  expect(JSON.stringify(audit)).not.toContain(ADA);
  expect(audit.filter(({ actor_id }) => actor_id === ada.id)).toContainEqual(
    expect.objectContaining({ actor: `deleted user ${ada.id}`, ip_address: "", action: "user.login" }),
  );
  expect(await world.mailsTo(ADA)).toContain("deletion-done");
  // Nothing of it comes back with somebody who has the email now.
  const again = await world.join();
  expect(again.id).toBeGreaterThan(ada.id);
});

test("where rows of plugins refer to an account still, its row stays without a name", async () => {
  await using world = await createWorld();
  await world.app.admin();
  const ada = await world.join();
  await world.db.execute(sql`insert into billing_invoices (user_id, kept) values (${ada.id}, 0)`);
  await world.leave(ada);
  await world.age(ada.id);
  expect(await world.deleteDue()).toBe(1);
  expect(await world.find(ada.id)).toMatchObject({
    email: `deleted-${ada.id}@deleted.invalid`,
    password_hash: null,
    is_active: false,
    deletion_at: null,
    last_login_at: null,
  });
  expect(await world.deleteDue()).toBe(0);
  expect((await world.logIn()).body.code).toBe("invalid_credentials");
});

test("what a plugin refuses in the end stays and is told, and what fails in one is undone and tried again", async () => {
  await using world = await createWorld();
  const { db, count } = world;
  await world.app.admin();
  const ada = await world.join();
  const broken = await world.join("broken@example.com");
  await world.leave(ada);
  await world.leave(broken, "broken@example.com");
  await db.execute(sql`insert into billing_notes (user_id) values (${ada.id}), (${broken.id})`);
  await db.execute(sql`insert into billing_invoices (user_id, kept) values (${ada.id}, 1)`);
  await world.age(ada.id);
  await world.age(broken.id);
  expect([await world.deleteDue(), await count("billing_notes")]).toEqual([0, 2]);

  expect((await world.find(ada.id))?.deletion_at).toBeNull();
  expect((await world.logIn()).status).toBe(200);
  expect(await world.mailsTo(ADA)).toContain("deletion-refused");
  expect(await world.mailsTo("admin@example.com")).toEqual(["deletion-refused"]);
  expect(await world.audited("user.deleted")).toMatchObject([
    { result: "refused", target_id: String(ada.id), after: { reason: "Invoices are kept for ten years" } },
  ]);
  expect((await world.find(broken.id))?.deletion_at).not.toBeNull();
  expect(await world.app.log("app")).toContain('The plugin \\"billing\\" couldn\'t be asked');
  const pending = await world.logIn("broken@example.com");
  expect(pending.body.code).toBe("deletion_pending");
  expect(await world.deleteDue()).toBe(0);
  expect((await world.send("POST", "/auth/login", { email: ADA, password: PASSWORD })).status).toBe(200);
});
