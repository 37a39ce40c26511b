import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, SECURITY } from "../browser/browser.ts";
import { linkIn, readMails, tokenOf } from "../mails.ts";

const EMAIL = "ada@example.com";
const NEW_PASSWORD = "another good one";
const JSON_BODY = { "content-type": "application/json", "user-agent": "Thief/1.0" };

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

/** An account whose password somebody else knows, who is in: with a browser and with tokens. */
async function start({ isRegistered = false, roles = [] as string[] } = {}) {
  const host = await TestApp.start({ config: { security: { ...SECURITY, allow_registration: true } } });
  const owner = new CookieJar(host);
  const register = async (): Promise<number> => {
    const body = JSON.stringify({ email: EMAIL, password: PASSWORD });
    const answer = await host.fetch("/auth/register", { method: "POST", headers: JSON_BODY, body });
    return ((await answer.json()) as { id: number }).id;
  };
  const id = isRegistered ? await register() : await owner.register(EMAIL, roles);
  await owner.signIn(EMAIL);
  const send = (method: string, path: string, body: object | null, headers: Record<string, string> = {}) =>
    host.fetch(path, {
      method,
      headers: { ...JSON_BODY, ...headers },
      ...(body !== null && { body: JSON.stringify(body) }),
    });
  const tokens = (await (
    await send("POST", "/auth/login", { email: EMAIL, password: PASSWORD })
  ).json()) as Tokens;
  const thief = { authorization: `Bearer ${tokens.access_token}` };
  const linkOf = async (to: string, path: string): Promise<string> => {
    const mail = (await readMails(host)).findLast((one) => one.to === to && one.text.includes(path));
    return linkIn(mail ?? { text: "" }, path);
  };
  return {
    host,
    owner,
    id,
    send,
    tokens,
    thief,
    linkOf,
    readUser: async () => (await host.getAsAdmin(`/admin/users/${id}`)).body,
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

test("an account that an intruder wants deleted stays once its owner says that it wasn't them", async () => {
  await using world = await start();
  const { host, owner, send, thief, linkOf, readUser } = world;
  await host.admin();
  const link = await linkOf(EMAIL, "/auth/report");
  expect((await send("POST", "/auth/deletion", { email: EMAIL }, thief)).status).toBe(202);
  expect((await readUser()).deletion_at).not.toBeNull();
  await owner.post("/auth/report", { token: tokenOf(link) });
  expect(await readUser()).toMatchObject({ deletion_at: null, locked_at: expect.any(String) });
});

test("an owner who says that it wasn't them is the only one who gets in again, by mail", async () => {
  await using world = await start();
  const { host, owner, id, send, thief, tokens, linkOf, readUser } = world;
  const { store } = host.app;
  const { apiKeys, otpDevices, users } = store.tables;
  const link = await linkOf(EMAIL, "/auth/report");

  // What the thief does meanwhile.
  const wanted = { name: "Theirs", permissions: [] };
  const { key } = (await (await send("POST", "/auth/api_keys", wanted, thief)).json()) as { key: string };
  const device = (await (await send("POST", "/auth/otp/devices", { name: "Theirs" }, thief)).json()) as {
    id: number;
  };
  await store.db.update(otpDevices).set({ confirmed_at: new Date() }).where(eq(otpDevices.id, device.id));
  await store.db.update(users).set({ email: "thief@evil.example" }).where(eq(users.id, id));
  expect((await send("GET", "/auth/me", null, { "x-api-key": key })).status).toBe(200);

  // Scanners open links: nothing comes of it.
  for (let opened = 0; opened < 3; opened += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const page = await owner.get(link);
    // oxlint-disable-next-line no-await-in-loop
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining(EMAIL)]);
  }
  expect((await send("GET", "/auth/me", null, thief)).status).toBe(200);

  const told = await owner.post("/auth/report", { token: tokenOf(link) });
  expect([told.status, await told.text()]).toEqual([200, expect.stringContaining("The account is locked")]);
  expect(await readUser()).toMatchObject({
    email: EMAIL,
    has_otp: false,
    locked_at: expect.any(String),
    is_active: true,
  });

  // Each way in.
  expect((await send("GET", "/auth/me", null, thief)).status).toBe(401);
  expect((await owner.fetch("/auth/me")).status).toBe(401);
  expect((await send("POST", "/auth/refresh", { refresh_token: tokens.refresh_token })).status).toBe(401);
  expect((await send("GET", "/auth/me", null, { "x-api-key": key })).status).toBe(401);
  const login = await send("POST", "/auth/login", { email: EMAIL, password: PASSWORD });
  expect(await login.json()).toMatchObject({ status: 401, code: "invalid_credentials" });
  expect(await host.app.accounts.users.find(id)).toMatchObject({ is_active: false });
  expect(await host.app.accounts.findStandIn({ userId: id, apiKeyId: null })).toBeNull();
  expect(await store.db.select().from(apiKeys)).toMatchObject([{ revoked_at: expect.any(Date) }]);
  // Even with what was valid when the account was locked.
  await store.db.update(apiKeys).set({ revoked_at: null });
  await store.db.update(store.tables.sessions).set({ revoked_at: null });
  expect((await send("GET", "/auth/me", null, { "x-api-key": key })).status).toBe(401);
  expect((await send("POST", "/auth/refresh", { refresh_token: tokens.refresh_token })).status).toBe(401);
  expect((await owner.fetch("/auth/me")).status).toBe(401);

  // The link is used up, and another password by mail opens the account.
  expect((await owner.post("/auth/report", { token: tokenOf(link) })).status).toBe(410);
  const reset = await linkOf(EMAIL, "/auth/password/reset");
  const form = { token: tokenOf(reset), new_password: NEW_PASSWORD, revoke_api_keys: "on" };
  expect((await owner.post("/auth/password/reset", form)).status).toBe(200);
  expect(await readUser()).toMatchObject({ email: EMAIL, locked_at: null });
  expect((await owner.signIn(EMAIL, { password: NEW_PASSWORD })).status).toBe(303);
  expect((await owner.fetch("/auth/me")).status).toBe(200);
  expect((await send("GET", "/auth/me", null, { "x-api-key": key })).status).toBe(401);
  const audit = (await host.getAsAdmin("/admin/audit?per_page=100")).body.items as { action: string }[];
  expect(audit.map(({ action }) => action)).toEqual(
    expect.arrayContaining(["user.change_reported", "user.recovery_requested", "user.password_reset"]),
  );
  expect(JSON.stringify(audit)).not.toContain(tokenOf(reset));
});

test("an intruder's own report doesn't void the link that takes a changed email back", async () => {
  await using world = await start();
  const { owner, send, thief, linkOf, readUser } = world;
  const theirs = "thief@evil.example";
  expect((await send("POST", "/auth/email", { email: theirs }, thief)).status).toBe(202);
  const confirm = tokenOf(await linkOf(theirs, "/auth/email/confirm"));
  expect((await send("POST", "/auth/email/confirm", { token: confirm })).status).toBe(200);
  const undo = tokenOf(await linkOf(EMAIL, "/auth/email/undo"));
  // A notice of the session that has changed the email, which began before.
  expect((await send("POST", "/auth/api_keys", { name: "Bait", permissions: [] }, thief)).status).toBe(201);
  const report = tokenOf(await linkOf(theirs, "/auth/report"));
  expect((await send("POST", "/auth/report", { token: report })).status).toBe(204);
  const reset = tokenOf(await linkOf(theirs, "/auth/password/reset"));
  expect(
    (await send("POST", "/auth/password/reset", { token: reset, new_password: NEW_PASSWORD })).status,
  ).toBe(204);

  expect((await owner.post("/auth/email/undo", { token: undo })).status).toBe(200);
  expect(await readUser()).toMatchObject({ email: EMAIL, locked_at: expect.any(String) });
  expect((await send("POST", "/auth/login", { email: theirs, password: NEW_PASSWORD })).status).toBe(401);
});

test.each(["/auth/email/undo", "/auth/report"])(
  "whoever has registered with another's email is out by %s, whatever email they have taken since",
  async (path) => {
    await using world = await start({ isRegistered: true });
    const { host, owner, id, send, thief, linkOf, readUser } = world;
    const { passkeys, users } = host.app.store.tables;
    const credential = { credential_hash: "x", credential_id: "x", public_key: "x", user_handle: "x" };
    const created_at = new Date(Date.now() - 86_400_000);
    const theirs = { user_id: id, name: "Theirs", ...credential, rp_id: "x", transports: [], created_at };
    await send("POST", "/auth/email", { email: "thief@evil.example" }, thief);
    const confirm = tokenOf(await linkOf("thief@evil.example", "/auth/email/confirm"));
    expect((await send("POST", "/auth/email/confirm", { token: confirm })).status).toBe(200);
    await host.app.store.db.insert(passkeys).values(theirs);
    expect((await owner.post(path, { token: tokenOf(await linkOf(EMAIL, path)) })).status).toBe(200);
    const isOwn = eq(users.id, id);
    const [back] = await host.app.store.db.select().from(users).where(isOwn);
    expect(back).toMatchObject({ email: EMAIL, email_verified_at: null });
    const token = tokenOf(await linkOf(EMAIL, "/auth/password/reset"));
    const reset = { token, new_password: NEW_PASSWORD };
    expect((await send("POST", "/auth/password/reset", reset)).status).toBe(204);
    expect(await readUser()).toMatchObject({ email: EMAIL, has_otp: false, locked_at: null });
  },
);

test("an intruder who may change accounts doesn't void the owner's links by changing its email twice", async () => {
  await using world = await start({ roles: ["admin"] });
  const { host, owner, id, send, thief, linkOf, readUser } = world;
  await host.admin();
  for (const email of ["thief@evil.example", "thief@worse.example"]) {
    const change = { email, current_password: PASSWORD };
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await send("PUT", `/admin/users/${id}`, change, thief)).status).toBe(200);
  }
  // Nor by taking it for another account.
  expect((await send("POST", "/admin/users", { email: EMAIL }, thief)).status).toBe(409);
  const report = tokenOf(await linkOf(EMAIL, "/auth/report"));
  expect((await owner.post("/auth/report", { token: report })).status).toBe(200);
  expect(await readUser()).toMatchObject({ email: EMAIL, locked_at: expect.any(String) });
});

test("an administrator sees the lock and lifts it, and what was there before stays", async () => {
  await using world = await start();
  const { host, owner, id, send, linkOf, readUser } = world;
  const { store } = host.app;
  const { apiKeys, passkeys } = store.tables;
  const old = new Date(Date.now() - 86_400_000);
  const key = {
    user_id: id,
    name: "CI",
    prefix: "0123456789",
    key_hash: "x",
    permissions: [],
    created_at: old,
  };
  await store.db.insert(apiKeys).values(key);
  const credential = {
    credential_hash: "x",
    credential_id: "x",
    public_key: "x",
    user_handle: "x",
    rp_id: "x",
  };
  await store.db
    .insert(passkeys)
    .values({ user_id: id, name: "Mine", ...credential, transports: [], created_at: old });
  const token = tokenOf(await linkOf(EMAIL, "/auth/report"));
  const all = await Promise.all(Array.from({ length: 4 }, () => send("POST", "/auth/report", { token })));
  expect(all.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, 410, 410, 410]);
  expect(await readUser()).toMatchObject({ locked_at: expect.any(String), has_otp: true });
  expect(await store.db.select().from(apiKeys)).toMatchObject([{ revoked_at: null }]);

  const { headers } = await host.admin();
  const page = await host.fetch(`/ui/users/${id}`, { headers: { ...headers, accept: "text/html" } });
  expect(await page.text()).toContain("somebody else was in");
  const unlocked = await host.fetch(`/admin/users/${id}/unlock`, { method: "PUT", headers });
  expect(await unlocked.json()).toMatchObject({ locked_at: null });
  const [entry] = (await host.getAsAdmin("/admin/audit?action=user.unlocked")).body.items;
  expect(entry).toMatchObject({ before: { locked_at: expect.any(String) }, after: { locked_at: null } });
  // The passkey of before is asked for, as ever.
  expect(await (await owner.signIn(EMAIL)).text()).toContain("otp_token");
});

test("a report needs its link, and another's email isn't taken back from them", async () => {
  await using world = await start();
  const { host, id, send, linkOf, readUser } = world;
  const { users } = host.app.store.tables;
  const token = tokenOf(await linkOf(EMAIL, "/auth/report"));
  await host.app.store.db.update(users).set({ email: "ada@new.example" }).where(eq(users.id, id));
  await host.createUser(EMAIL);
  for (const wrong of ["x", "x".repeat(43), token.slice(1)]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await send("POST", "/auth/report", { token: wrong })).status).toBe(410);
  }
  expect((await send("POST", "/auth/report", {})).status).toBe(422);
  expect((await send("POST", "/auth/report", { token })).status).toBe(204);
  expect(await readUser()).toMatchObject({ email: "ada@new.example", locked_at: expect.any(String) });
  expect((await readMails(host)).at(-1)).toMatchObject({ to: "ada@new.example", template: "reset-password" });
});
