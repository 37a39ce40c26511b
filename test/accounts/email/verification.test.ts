import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { CookieJar, PASSWORD } from "../browser/browser.ts";
import { Mailbox } from "./mailbox.ts";

const GONE = { status: 410, body: { code: "link_invalid" } };

test("who registers logs in once they have followed the link of their mail", async () => {
  await using mailbox = await Mailbox.open({
    security: { allow_registration: true, require_verified_email: true },
  });
  const { app, send } = { app: mailbox.app, send: mailbox.send.bind(mailbox) };
  const { db, tables } = app.app.store;
  const before = new CookieJar(app);
  await before.register("before@example.com");
  expect((await mailbox.logIn("before@example.com")).status).toBe(200);

  const made = await mailbox.register("Ada@example.com", { "accept-language": "fr-CH, en;q=0.5" });
  expect(made.status).toBe(201);
  const mail = await mailbox.next();
  expect(mail.to).toEqual(["ada@example.com"]);
  expect(mail.parsed.subject).toBe("Vérifiez votre adresse pour xcore");
  expect(mail.text).toContain(`http://127.0.0.1:8000/auth/email/verify?token=${mail.token}`);

  expect(await mailbox.logIn("ada@example.com")).toMatchObject({
    status: 403,
    body: { code: "email_unverified" },
  });
  // Only who knows the password is told.
  expect((await mailbox.logIn("ada@example.com", "another password")).status).toBe(401);
  const jar = new CookieJar(app);
  const page = await (await jar.signIn("ada@example.com")).text();
  expect(page).toContain("auth/email/verification");
  expect(jar.cookie).toBe("");

  // A scanner of mail opens it, as often as it likes.
  for (let round = 0; round < 2; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const asked = await jar.get(`/auth/email/verify?token=${mail.token}`);
    expect(asked.headers.get("referrer-policy")).toBe("no-referrer");
    // oxlint-disable-next-line no-await-in-loop
    expect(await asked.text()).toContain("Verify this email");
  }
  expect((await mailbox.logIn("ada@example.com")).status).toBe(403);

  const both = await Promise.all([1, 2].map(() => send("POST", "/auth/email/verify", { token: mail.token })));
  expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 410]);
  expect(both.find(({ status }) => status === 200)?.body).toEqual({ email: "ada@example.com" });
  expect((await mailbox.logIn("ada@example.com")).status).toBe(200);
  const [ada] = await db.select().from(tables.users).where(eq(tables.users.email, "ada@example.com"));
  expect(ada).toMatchObject({ email_verified_at: expect.any(Date), must_verify_email: false });

  expect(await send("POST", "/auth/email/verify", { token: mail.token })).toMatchObject(GONE);
  expect(await send("GET", "/auth/email/verify")).toMatchObject(GONE);
  const gone = await jar.post("/auth/email/verify", { token: mail.token });
  expect(gone.status).toBe(410);
  expect(await gone.text()).toContain("This link isn&#x27;t valid any more");
  const { text } = await send("GET", "/admin/audit?action=user.email_verified", undefined, {
    ...(await app.admin()).headers,
  });
  expect(text).toContain("ada@example.com");
  expect(text).not.toContain(mail.token);

  // Another email of an administrator's making is nobody's proof, and keeps nobody out.
  const { headers } = await app.admin();
  const changed = { email: "ada@new.example" };
  expect((await send("PUT", `/admin/users/${ada?.id}`, changed, headers)).status).toBe(200);
  const [later] = await db
    .select()
    .from(tables.users)
    .where(eq(tables.users.id, ada?.id ?? 0));
  expect(later?.email_verified_at).toBeNull();
  expect((await mailbox.logIn("ada@new.example")).status).toBe(200);
});

test("the link is sent again to who has one to follow, and strangers learn nothing of that", async () => {
  await using mailbox = await Mailbox.open({
    security: { allow_registration: true, require_verified_email: true },
  });
  const { app } = mailbox;
  const again = (email: string) => mailbox.send("POST", "/auth/email/verification", { email });
  await mailbox.register("ada@example.com");
  const first = await mailbox.next();
  const bob = new CookieJar(app);
  await bob.register("bob@example.com");
  const { users } = app.app.store.tables;
  await app.app.store.db
    .update(users)
    .set({ email_verified_at: new Date() })
    .where(eq(users.email, "bob@example.com"));
  const answers = [
    await again("nobody@example.com"),
    await again("bob@example.com"),
    await again("ADA@example.com"),
  ];
  for (const answer of answers) expect(answer).toEqual({ status: 202, body: null, text: "" });
  const second = await mailbox.next();
  expect(second.to).toEqual(["ada@example.com"]);
  // The newer one counts.
  expect(await mailbox.send("POST", "/auth/email/verify", { token: first.token })).toMatchObject(GONE);
  const done = await bob.post("/auth/email/verify", { token: second.token });
  expect([done.status, await done.text()]).toEqual([200, expect.stringContaining("Your email is verified")]);
  expect((await mailbox.logIn("ada@example.com", PASSWORD)).status).toBe(200);
  expect(mailbox.count).toBe(2);

  // Whom no mail reaches an administrator lets in.
  await mailbox.register("eve@example.com");
  const { headers } = await app.admin();
  const { body } = await mailbox.send("GET", "/admin/users?q=eve@", undefined, headers);
  const [eve] = body.items;
  expect(eve).toMatchObject({ must_verify_email: true, email_verified_at: null });
  expect((await mailbox.logIn("eve@example.com")).body.code).toBe("email_unverified");
  const unlocked = await mailbox.send("PUT", `/admin/users/${eve.id}/unlock`, undefined, headers);
  expect(unlocked.body).toMatchObject({ must_verify_email: false, email_verified_at: null });
  expect((await mailbox.logIn("eve@example.com")).status).toBe(200);

  expect((await again("no address")).status).toBe(422);
  const limited = [];
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (let round = 0; round < 6; round++) limited.push((await again("nobody@example.com")).status);
  expect(limited).toEqual([202, 202, 202, 202, 429, 429]);
  const page = await bob.post("/auth/email/verification", { email: "nobody@example.com" });
  expect([page.status, await page.text()]).toEqual([429, expect.stringContaining("Send the link again")]);
});

test("accounts are made for emails of the domains that registration is for, and no others", async () => {
  await using mailbox = await Mailbox.open({
    security: { allow_registration: true, registration_domains: ["Bücher.example", "example.com"] },
  });
  for (const email of ["ada@xn--bcher-kva.example", "bob@BÜCHER.example", "eve@example.com"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([email, (await mailbox.register(email)).status]).toEqual([email, 201]);
  }
  for (const email of [
    "ada@mail.example.com",
    "ada@example.com.evil.example",
    "ada@xexample.com",
    "ada@evil.example",
    "ada@localhost",
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { status, body } = await mailbox.register(email);
    expect([email, status, body.code]).toEqual([email, 403, "email_domain_refused"]);
    expect(body.detail).toContain("Bücher.example, example.com");
  }
  // Nobody waits who doesn't have to.
  expect((await mailbox.logIn("eve@example.com")).status).toBe(200);
});
