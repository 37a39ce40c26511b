import { expect, test } from "bun:test";
import { placeOf } from "../browser/browser.ts";
import { comeBack, World } from "./world.ts";

const ADA = { sub: "ada-1", email: "ada@example.com", email_verified: true, name: "Ada Lovelace" };

test("providers sign people in, make accounts where they may, and lead on", async () => {
  await using world = await World.start({ title: "Acme", provisioning: true });
  const { app, issuer } = world;
  const listed = await (await app.fetch("/auth/providers")).json();
  expect(listed).toMatchObject({ items: [{ id: "acme", title: "Acme" }], total: 1 });
  const browser = world.browser();
  const login = await (await browser.get("/auth/login?next=/ui/account")).text();
  expect(login).toContain('href="../auth/providers/acme/start?next=%2Fui%2Faccount"');

  issuer.person = ADA;
  const answer = await world.signIn(browser, "/auth/providers/acme/start?next=/auth/me");
  expect([answer.status, placeOf(answer, "/auth/providers/acme/callback")]).toEqual([303, "/auth/me"]);
  expect(await world.whoIs(browser)).toMatchObject({
    email: "ada@example.com",
    full_name: "Ada Lovelace",
    roles: ["user"],
    has_password: false,
  });
  const { db, tables } = app.app.store;
  const [user] = await db.select().from(tables.users);
  expect(user?.email_verified_at).toBeInstanceOf(Date);
  expect(await world.audited("user.login")).toMatchObject([{ after: { provider: "acme" } }]);
  expect(app.events.map(({ name }) => name)).toContain("user.registered");
  const kept = await db.select().from(tables.identitySessions);
  expect(kept).toHaveLength(1);
  expect(kept[0]?.id_token).toStartWith("v1.");

  // Without a password they show by the provider who they are again, whatever config.json called it then.
  await db.update(tables.identities).set({ provider: "before" });
  const verify = await (await browser.get("/auth/verify?next=/auth/me")).text();
  expect(verify).toContain('href="../auth/providers/acme/verify?next=%2Fauth%2Fme"');
  expect(verify).not.toContain("current_password");

  // The same person, whatever their email says now.
  issuer.person = { ...ADA, email: "countess@example.com" };
  const again = world.browser();
  expect((await world.signIn(again)).status).toBe(303);
  expect(await world.whoIs(again)).toMatchObject({ email: "ada@example.com" });
  expect(await db.$count(tables.users)).toBe(1);
  const identities = await (await again.fetch("/auth/identities")).json();
  expect(identities).toMatchObject({
    items: [{ provider: "acme", title: "Acme", email: "countess@example.com" }],
  });
});

test("nobody is let in by an email alone, nor by one that isn't verified or isn't spelled as accounts are", async () => {
  await using world = await World.start({ provisioning: true });
  const { app, issuer } = world;
  const owner = world.browser();
  await owner.register("admin@example.com", ["admin"]);
  const { db, tables } = app.app.store;
  const emails: [email: unknown, verified: unknown][] = [
    ["admin@example.com", false],
    ["admin@example.com", undefined],
    ["admin@example.com", "yes"],
    ["\uff41dmin@example.com", true],
    ["admin@example.com (admin@evil.example)", true],
    ["admin(comment)@example.com", true],
    ['"admin"@example.com', true],
    ["admin@example.com\u0000", true],
    [["admin@example.com"], true],
    ["", true],
  ];
  for (const [index, [email, email_verified]] of emails.entries()) {
    issuer.person = { sub: `evil-${index}`, email, email_verified };
    const browser = world.browser();
    // oxlint-disable-next-line no-await-in-loop -- one browser after another
    const answer = await world.signIn(browser);
    // oxlint-disable-next-line no-await-in-loop -- as above
    expect([email, answer.status, await answer.text()]).toEqual([
      email,
      403,
      expect.stringContaining("doesn&#x27;t say that your email is verified"),
    ]);
    // oxlint-disable-next-line no-await-in-loop -- as above
    expect((await world.whoIs(browser)).status).toBe(401);
  }
  // Verified, and the very same: its owner is asked to sign in to the account first.
  issuer.person = { sub: "admin-1", email: "ADMIN@example.com", email_verified: true };
  const browser = world.browser();
  const answer = await world.signIn(browser);
  expect(placeOf(answer, "/auth/providers/acme/callback")).toBe("/auth/identities/link");
  expect((await world.whoIs(browser)).status).toBe(401);
  expect(await (await browser.get("/auth/identities/link")).text()).toContain("There is an account already");
  expect(await db.$count(tables.users)).toBe(1);
  expect(await db.$count(tables.identities)).toBe(0);
  expect(await world.audited("user.login_failed")).toHaveLength(emails.length);
});

test("an answer counts once, in the browser that has begun, and leads to this server alone", async () => {
  await using world = await World.start({ provisioning: true });
  const { issuer } = world;
  issuer.person = ADA;
  for (const next of ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]) {
    const browser = world.browser();
    // oxlint-disable-next-line no-await-in-loop -- one browser after another
    const answer = await world.signIn(browser, `/auth/providers/acme/start?next=${encodeURIComponent(next)}`);
    expect([next, placeOf(answer, "/auth/providers/acme/callback")]).toEqual([next, "/"]);
  }

  const browser = world.browser();
  const back = await world.lead(browser);
  // Another browser, which has begun itself.
  const other = world.browser();
  await world.lead(other);
  expect((await comeBack(other, back)).status).toBe(400);
  expect((await comeBack(world.browser(), back)).status).toBe(400);
  const changed = back.replace(/state=[^&]*/, "state=of-somebody-else");
  expect((await comeBack(browser, changed)).status).toBe(400);
  const flow = browser.given.findLast((cookie) => cookie.startsWith("xcore_flow="))?.split(";")[0] ?? "";
  expect((await comeBack(browser, back)).status).toBe(303);
  // The cookie is kept by whoever copies it, and the state is used up.
  const replayed = await world.app.fetch(back, { headers: { cookie: flow } });
  expect([replayed.status, await replayed.json()]).toMatchObject([400, { code: "sign_in_invalid" }]);
  // A code of one way doesn't pass for that of another.
  const third = world.browser();
  const mine = await world.lead(third);
  const [, code = ""] = /code=([^&]*)/.exec(back) ?? [];
  expect((await comeBack(third, mine.replace(/code=[^&]*/, `code=${code}`))).status).toBe(400);
  const bent = await comeBack(world.browser(), `${mine}&iss=${encodeURIComponent("https://evil.example")}`);
  expect(bent.status).toBe(400);
  expect((await world.app.fetch("/auth/providers/nobody/start", { redirect: "manual" })).status).toBe(404);
});

test("a provider that is down, or whose owner cancels, stops nobody else", async () => {
  await using world = await World.start();
  const { app, issuer } = world;
  await world.configure({
    acme: { provisioning: true },
    gone: { issuer: "http://127.0.0.1:9/", title: "Gone" },
  });
  const browser = world.browser();
  const gone = await browser.get("/auth/providers/gone/start");
  expect([gone.status, await gone.text()]).toEqual([503, expect.stringContaining("answer as it should")]);
  const program = await app.fetch("/auth/providers/gone/start", { redirect: "manual" });
  expect([program.status, await program.json()]).toMatchObject([503, { code: "provider_unavailable" }]);
  expect(await app.log("app")).not.toContain("secret of the tests");

  issuer.person = null;
  const cancelled = await world.signIn(browser);
  expect([cancelled.status, await cancelled.text()]).toEqual([
    403,
    expect.stringContaining("you have cancelled it"),
  ]);
  issuer.person = ADA;
  expect((await world.signIn(browser)).status).toBe(303);
  // Its token endpoint fails between both.
  const other = world.browser();
  const back = await world.lead(other);
  issuer.isDown = true;
  expect((await comeBack(other, back)).status).toBe(503);
  issuer.isDown = false;
  expect((await world.signIn(other)).status).toBe(303);
});
