import { eq } from "drizzle-orm";
import { afterAll, expect, test } from "bun:test";
import { TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, placeOf, SECURITY } from "./browser.ts";

const app = await TestApp.start({ config: { security: SECURITY } });
afterAll(() => app[Symbol.asyncDispose]());
const { db, tables } = app.app.store;
const { sessions } = tables;
const LONG_AGO = new Date(Date.now() - 11 * 60_000);
/** Nothing is fetched: it is refused before. */
const PLUGIN = { url: "https://127.0.0.1:9/plugin.json", integrity: `sha256-${"A".repeat(43)}=` };

let made = 0;
/** An administrator who has signed in eleven minutes ago. */
async function start(): Promise<CookieJar> {
  const jar = new CookieJar(app);
  const email = `admin-${++made}@example.com`;
  const id = await jar.register(email, ["admin"]);
  await jar.signIn(email);
  await db.update(sessions).set({ created_at: LONG_AGO }).where(eq(sessions.user_id, id));
  return jar;
}

/** Whether code may be brought in: the code of what refuses it, or of the address at which nobody is. */
async function addPlugin(jar: CookieJar): Promise<string> {
  const answer = await jar.send("POST", "/system/plugins", PLUGIN);
  return ((await answer.json()) as { code: string }).code;
}

test("bringing code asks for the password again after ten minutes", async () => {
  const jar = await start();
  expect(await addPlugin(jar)).toBe("identification_expired");
  const wrong = await jar.send("POST", "/auth/password/verify", { current_password: "wrong" });
  expect(wrong.status).toBe(401);
  expect(await addPlugin(jar)).toBe("identification_expired");
  const { cookie } = jar;
  const right = await jar.send("POST", "/auth/password/verify", { current_password: PASSWORD });
  const { fresh_until } = (await right.json()) as { fresh_until: string };
  expect(Math.abs(Date.parse(fresh_until) - Date.now() - 10 * 60_000)).toBeLessThan(60_000);
  expect(await addPlugin(jar)).not.toBe("identification_expired");
  // The cookie from before doesn't come to this.
  expect(jar.cookie).not.toBe(cookie);
  expect((await app.fetch("/auth/me", { headers: { cookie } })).status).toBe(401);
});

test("so does making administrators", async () => {
  const jar = await start();
  const other = await app.createUser(`made-${made}@example.com`);
  await db.update(tables.users).set({ has_long_password: true }).where(eq(tables.users.id, other.id));
  const [role] = await db.select().from(tables.roles).where(eq(tables.roles.name, "admin"));
  const path = `/admin/users/${other.id}/roles/${role?.id}`;
  expect((await jar.send("POST", path, {})).status).toBe(403);
  await jar.send("POST", "/auth/password/verify", { current_password: PASSWORD });
  expect((await jar.send("POST", path, {})).status).toBe(200);
});

/** What asks for the password: the status of each, without one. */
async function actWithout(jar: CookieJar, given: object = {}): Promise<unknown[]> {
  const me = (await (await jar.fetch("/auth/me")).json()) as { id: number; email: string };
  const email = { email: `other-${++made}@example.com`, ...given };
  const answers = [
    await jar.send("POST", "/auth/otp/devices", { name: "My phone", ...given }),
    await jar.send("POST", "/auth/api_keys", { name: "Reports", permissions: [], ...given }),
    await jar.send("PUT", `/admin/users/${me.id}`, email),
  ];
  return Promise.all(
    answers.map(async (answer) => [answer.status, ((await answer.json()) as { code?: string }).code ?? null]),
  );
}

const DONE = [
  [201, null],
  [201, null],
  [200, null],
];

test("devices, API keys and one's own email take the password of the last ten minutes, or one with the request", async () => {
  const jar = await start();
  const expired = [403, "identification_expired"];
  expect(await actWithout(jar)).toEqual([expired, expired, expired]);
  // A wrong one is no better than none, however fresh the session is.
  const wrong = [401, "invalid_credentials"];
  expect(await actWithout(jar, { current_password: "wrong" })).toEqual([wrong, wrong, wrong]);
  expect(await actWithout(jar, { current_password: PASSWORD })).toEqual(DONE);
  // It was given for these alone.
  expect(await actWithout(jar)).toEqual([expired, expired, expired]);
  await jar.send("POST", "/auth/password/verify", { current_password: PASSWORD });
  expect(await actWithout(jar)).toEqual(DONE);
  const wrongly = { name: "My phone", current_password: "wrong" };
  expect((await jar.send("POST", "/auth/otp/devices", wrongly)).status).toBe(401);
  const password = { new_password: "another horse battery" };
  expect((await jar.send("PUT", "/auth/password", password)).status).toBe(422);
  // Of another session of theirs, this one knows nothing.
  const [me] = await db
    .select()
    .from(tables.users)
    .where(eq(tables.users.email, `other-${made}@example.com`));
  const other = new CookieJar(app);
  await other.signIn(me?.email ?? "");
  await db
    .update(sessions)
    .set({ created_at: LONG_AGO, identified_at: null })
    .where(eq(sessions.user_id, me?.id ?? 0));
  expect(await actWithout(other)).toEqual([expired, expired, expired]);
});

test("with two factors they take a code of the last ten minutes, or the password with the request", async () => {
  const jar = await start();
  const codeOf = await jar.enrol();
  expect(await actWithout(jar)).toEqual(DONE);
  await db.update(sessions).set({ otp_at: LONG_AGO }).where(eq(sessions.has_otp, true));
  await jar.send("POST", "/auth/password/verify", { current_password: PASSWORD });
  const expired = [403, "otp_expired"];
  expect(await actWithout(jar)).toEqual([expired, expired, expired]);
  expect(await actWithout(jar, { current_password: PASSWORD })).toEqual(DONE);
  await jar.send("POST", "/auth/otp/verify", { code: codeOf(1) });
  expect(await actWithout(jar)).toEqual(DONE);
});

test("a session of tokens is asked the same", async () => {
  const { id, email, headers } = await app.createUser(`tokens-${++made}@example.com`, ["admin"]);
  const jar = new CookieJar(app);
  const password_hash = await app.app.accounts.passwords.hash(PASSWORD);
  await db.update(tables.users).set({ password_hash }).where(eq(tables.users.id, id));
  await db.update(sessions).set({ created_at: LONG_AGO }).where(eq(sessions.user_id, id));
  const add = async () => {
    const answer = await jar.send("POST", "/system/plugins", PLUGIN, headers);
    return ((await answer.json()) as { code: string }).code;
  };
  expect([email, await add()]).toEqual([email, "identification_expired"]);
  const verified = await jar.send("POST", "/auth/password/verify", { current_password: PASSWORD }, headers);
  expect([verified.status, verified.headers.getSetCookie()]).toEqual([200, []]);
  expect(await add()).not.toBe("identification_expired");
});

test("a browser gives the password on a page, and goes on", async () => {
  const jar = await start();
  const asked = await jar.get("/auth/verify?next=/docs");
  const page = await asked.text();
  expect(page).toContain('name="current_password"');
  const [, csrf_token = ""] = /name="csrf_token" value="([^"]+)"/.exec(page) ?? [];
  const path = "/auth/verify?next=/docs";
  const wrong = await jar.post(path, { csrf_token, current_password: "wrong" });
  expect([wrong.status, await wrong.text()]).toEqual([401, expect.stringContaining("password is wrong")]);
  const forged = { headers: { "sec-fetch-site": "cross-site" } };
  expect((await jar.post(path, { current_password: PASSWORD }, forged)).status).toBe(403);
  // Its token is a proof too.
  const right = await jar.post(path, { csrf_token, current_password: PASSWORD }, forged);
  expect([right.status, placeOf(right, "/auth/verify")]).toEqual([303, "/docs"]);
  expect(await addPlugin(jar)).not.toBe("identification_expired");
});

test("who has two factors gives a code instead", async () => {
  const jar = await start();
  const codeOf = await jar.enrol();
  await db.update(sessions).set({ otp_at: LONG_AGO }).where(eq(sessions.has_otp, true));
  expect(await addPlugin(jar)).toBe("otp_expired");
  await jar.send("POST", "/auth/password/verify", { current_password: PASSWORD });
  expect(await addPlugin(jar)).toBe("otp_expired");
  const page = await (await jar.get("/auth/verify")).text();
  expect(page).toContain('autocomplete="one-time-code"');
  expect(page).not.toContain("current_password");
  const wrong = await jar.post("/auth/verify", { code: "000000" });
  expect([wrong.status, await wrong.text()]).toEqual([401, expect.stringContaining("code is wrong")]);
  const right = await jar.post("/auth/verify?next=//evil.example", { code: codeOf(1) });
  expect([right.status, placeOf(right, "/auth/verify")]).toEqual([303, "/"]);
  expect(await addPlugin(jar)).not.toMatch(/expired/);
});

test("tries of the page are limited as those of the API are", async () => {
  const jar = await start();
  const statuses: number[] = [];
  for (let tries = 0; tries < 6; tries += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    statuses.push((await jar.post("/auth/verify", { current_password: "wrong" })).status);
  }
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
});

test("a field that is too long is told on the page, and a way back that can't be leads home", async () => {
  const jar = await start();
  const long = "x".repeat(5000);
  const page = await jar.get(`/auth/verify?next=${long}`);
  expect(page.status).toBe(200);
  expect((await jar.get(`/auth/login?next=${long}`)).status).toBe(303);
  for (const fields of [{ current_password: long }, { current_password: "", code: long }]) {
    const refused = await jar.post("/auth/verify", fields);
    expect(refused.status).toBe(422);
    expect(refused.headers.get("content-type")).toContain("text/html");
    expect(await refused.text()).toContain("of at most 1024 characters");
  }
  expect(await addPlugin(jar)).toBe("identification_expired");
  const right = await jar.post(`/auth/verify?next=/${long}`, { current_password: PASSWORD });
  expect(placeOf(right, "/auth/verify")).toBe("/");
});
