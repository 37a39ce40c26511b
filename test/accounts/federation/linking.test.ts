import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import type { CookieJar } from "../browser/browser.ts";
import { placeOf } from "../browser/browser.ts";
import { World } from "./world.ts";

const EMAIL = "ada@example.com";
const ADA = { sub: "ada-1", email: EMAIL, email_verified: true };
const LINK = "/auth/identities/link";
const CALLBACK = "/auth/providers/acme/callback";

/** Sends the form by which the owner of an account agrees. */
async function agree(browser: CookieJar): Promise<Response> {
  const page = await (await browser.get(LINK)).text();
  const [, csrf_token = ""] = /name="csrf_token" value="([^"]*)"/.exec(page) ?? [];
  return browser.post(LINK, { csrf_token }, { headers: { referer: `http://own.example${LINK}` } });
}

async function backdate(world: World, minutes = 11): Promise<void> {
  const { db, tables } = world.app.app.store;
  const at = new Date(Date.now() - minutes * 60_000);
  await db.update(tables.sessions).set({ created_at: at, identified_at: at, otp_at: at });
}

test("an account with the email is linked by its owner, who signs in to it and agrees", async () => {
  await using world = await World.start({ title: "Acme", provisioning: true });
  const { issuer, app } = world;
  const { db, tables } = app.app.store;
  const browser = world.browser();
  await browser.register(EMAIL, ["user"]);
  await browser.register("eve@example.com");
  issuer.person = ADA;
  const met = await world.signIn(browser);
  expect([met.status, placeOf(met, CALLBACK)]).toEqual([303, LINK]);
  const asked = await (await browser.get(LINK)).text();
  expect(asked).toContain("../../auth/login?next=%2Fauth%2Fidentities%2Flink");

  // Whoever signs in to another account links nothing to it.
  expect((await browser.signIn("eve@example.com", { next: LINK })).status).toBe(303);
  expect((await browser.get(LINK)).status).toBe(403);
  expect((await browser.post(LINK, {})).status).toBe(403);

  const signedIn = await browser.signIn(EMAIL, { next: LINK });
  expect(placeOf(signedIn, "/auth/login")).toBe(LINK);
  // Another site sends no such form, and the password of long ago isn't enough.
  const forged = await browser.post(
    LINK,
    {},
    { headers: { "sec-fetch-site": "cross-site", origin: "https://evil.example" } },
  );
  expect(forged.status).toBe(403);
  await backdate(world);
  const late = await agree(browser);
  expect(placeOf(late, LINK)).toStartWith("/auth/verify?next=");
  expect(await db.$count(tables.identities)).toBe(0);
  await browser.post("/auth/verify", { current_password: "correct horse battery" });
  expect((await agree(browser)).status).toBe(303);
  expect(await db.$count(tables.identities)).toBe(1);
  const [user] = await db.select().from(tables.users).where(eq(tables.users.email, EMAIL));
  expect(user?.email_verified_at).toBeInstanceOf(Date);
  expect(await world.audited("identity.linked")).toMatchObject([
    { after: { provider: "acme", email: EMAIL } },
  ]);
  // It was for one use.
  expect((await browser.post(LINK, {})).status).toBe(400);

  const other = world.browser();
  expect(placeOf(await world.signIn(other), CALLBACK)).toBe("/");
  expect(await world.whoIs(other)).toMatchObject({ email: EMAIL });
});

test("who has signed in links a provider, and unlinks it while something else lets them in", async () => {
  await using world = await World.start({ title: "Acme" });
  const { issuer, app } = world;
  const { db, tables } = app.app.store;
  const browser = world.browser();
  expect((await browser.get("/auth/providers/acme/link")).headers.get("location")).toContain("login?next=");
  await browser.register(EMAIL);
  await browser.signIn(EMAIL);
  issuer.person = { sub: "ada-home", email: "ada@home.example", email_verified: true };
  expect(placeOf(await world.signIn(browser, "/auth/providers/acme/link?next=/auth/me"), CALLBACK)).toBe(
    LINK,
  );
  const page = await (await browser.get(LINK)).text();
  expect(page).toContain("ada@home.example");
  expect(page).toContain(EMAIL);
  // What was begun in one session isn't gone on with in another.
  const pending =
    browser.given.findLast((cookie) => cookie.startsWith("xcore_identity="))?.split(";")[0] ?? "";
  const eve = world.browser();
  await eve.register("eve@example.com");
  await eve.signIn("eve@example.com");
  const stolen = await eve.post(LINK, {}, { headers: { cookie: pending } });
  expect(stolen.status).toBeGreaterThanOrEqual(400);
  expect(placeOf(await agree(browser), LINK)).toBe("/auth/me");

  // Linked to one account, it is linked to no other.
  const again = await world.signIn(eve, "/auth/providers/acme/link");
  expect(again.status).toBe(409);
  const signedIn = world.browser();
  expect((await world.signIn(signedIn)).status).toBe(303);
  expect(await world.whoIs(signedIn)).toMatchObject({ email: EMAIL });

  const list = (await (await browser.fetch("/auth/identities")).json()) as { items: { id: number }[] };
  const { id = 0 } = list.items[0] ?? {};
  expect((await eve.send("DELETE", `/auth/identities/${id}`, {})).status).toBe(404);
  await backdate(world);
  const late = await browser.send("DELETE", `/auth/identities/${id}`, {});
  expect([late.status, await late.json()]).toMatchObject([403, { code: "identification_expired" }]);
  // The provider shows who they are again, as the password does; somebody else there doesn't.
  issuer.person = ADA;
  expect((await world.signIn(browser, "/auth/providers/acme/verify")).status).toBe(403);
  issuer.person = { sub: "ada-home", email: "ada@home.example", email_verified: true };
  const verified = await world.signIn(browser, "/auth/providers/acme/verify?next=/auth/me");
  expect(placeOf(verified, CALLBACK)).toBe("/auth/me");

  const { identities, users } = tables;
  await db.update(users).set({ password_hash: null }).where(eq(users.email, EMAIL));
  // One that there was before lets nobody in, though its name is in use again.
  const before = { provider: "acme", issuer: "https://sso.before.example", subject: "ada-0", roles: [] };
  const [user] = await db.select({ id: users.id }).from(users).where(eq(users.email, EMAIL));
  await db.insert(identities).values({ ...before, user_id: user?.id ?? 0, subject_hash: "0".repeat(64) });
  const last = await browser.send("DELETE", `/auth/identities/${id}`, {});
  expect([last.status, await last.json()]).toMatchObject([
    409,
    { detail: "Cannot unlink the provider: nothing else lets you in" },
  ]);
  await db.update(users).set({ password_hash: "$2b$04$x" }).where(eq(users.email, EMAIL));
  expect((await browser.send("DELETE", `/auth/identities/${id}`, {})).status).toBe(204);
  expect(await db.$count(identities)).toBe(1);
  // The sessions that it had begun have ended with it.
  expect((await world.whoIs(signedIn)).status).toBe(401);
  expect((await world.whoIs(browser)).status).toBe(200);
  expect(await world.audited("identity.unlinked")).toHaveLength(1);
});

test("a second factor of ours is asked for, unless the provider's counts; who is inactive stays out", async () => {
  await using world = await World.start();
  const { issuer, app } = world;
  const { db, tables } = app.app.store;
  const browser = world.browser();
  const userId = await browser.register(EMAIL);
  await browser.signIn(EMAIL);
  const codeOf = await browser.enrol();
  await db.insert(tables.identities).values({
    user_id: userId,
    provider: "acme",
    issuer: issuer.url,
    subject: "ada-1",
    subject_hash: new Bun.CryptoHasher("sha256").update(JSON.stringify([issuer.url, "ada-1"])).digest("hex"),
    roles: [],
  });
  issuer.person = ADA;
  const other = world.browser();
  const asked = await world.signIn(other, "/auth/providers/acme/start?next=/auth/me");
  const page = await asked.text();
  expect([asked.status, page.includes('name="code"')]).toEqual([200, true]);
  expect((await world.whoIs(other)).status).toBe(401);
  const [, otp_token = ""] = /name="otp_token" value="([^"]*)"/.exec(page) ?? [];
  expect((await other.post("/auth/login/otp", { otp_token, code: "000000" })).status).toBe(401);
  const done = await other.post("/auth/login/otp?next=/auth/me", { otp_token, code: codeOf(1) });
  expect([done.status, placeOf(done, "/auth/login/otp")]).toEqual([303, "/auth/me"]);
  expect(await db.$count(tables.identitySessions)).toBe(1);
  expect(await world.audited("user.login")).toContainEqual(
    expect.objectContaining({ after: { provider: "acme" } }),
  );
  // The step was gone on with: it is none for another session.
  expect((await other.post("/auth/login/otp", { otp_token, code: codeOf(2) })).status).toBe(401);

  await world.configure({ acme: { trusted_amr: ["mfa"], session_hours: 1 } });
  const third = world.browser();
  issuer.person = { ...ADA, amr: ["pwd"], acr: "mfa" };
  expect((await world.signIn(third)).status).toBe(200);
  issuer.person = { ...ADA, amr: ["pwd", "mfa"] };
  expect((await world.signIn(third)).status).toBe(303);
  await world.configure({ acme: { trusted_acr: ["urn:mfa"], session_hours: 1 } });
  expect((await world.signIn(world.browser())).status).toBe(200);
  issuer.person = { ...ADA, acr: "urn:mfa" };
  expect((await world.signIn(world.browser())).status).toBe(303);
  const sessions = await db.select().from(tables.sessions).where(eq(tables.sessions.has_otp, true));
  const limited = sessions.flatMap(({ created_at, ends_at, expires_at }) =>
    ends_at === null
      ? []
      : [[ends_at.getTime() - created_at.getTime(), ends_at.getTime() - expires_at.getTime()]],
  );
  // An hour, however much they are used.
  expect(limited.map((times) => times.map((ms) => Math.round(ms / 60_000)))).toEqual(
    expect.arrayContaining([[60, 0]]),
  );

  await db.update(tables.users).set({ is_active: false }).where(eq(tables.users.id, userId));
  const refused = await world.signIn(world.browser());
  expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining("active")]);
  expect(app.events.findLast(({ name }) => name === "user.login_failed")?.data).toMatchObject({
    user_id: userId,
    reason: "inactive",
  });
});
