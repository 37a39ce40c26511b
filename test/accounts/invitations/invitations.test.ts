import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import {
  acceptInvitation,
  type AcceptanceServices,
  redeemInvitation,
} from "../../../src/accounts/invitations/acceptance.ts";
import {
  invite,
  type InvitationServices,
  listInvitations,
  purgeInvitations,
  resend,
  revoke,
} from "../../../src/accounts/invitations/invitations.ts";
import { failureOf } from "../../db/failures.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { AdminHost } from "../admin/host.ts";
import { CookieJar, PASSWORD } from "../browser/browser.ts";
import { Mailbox } from "../email/mailbox.ts";
import { Clock, ORIGIN } from "../factor-accounts.ts";

const GONE = { code: "link_invalid", status: 410 };
const WEEK_MS = 7 * 86_400_000;

/** Invitations on an empty database, and the tokens that were mailed, the last one last. */
async function open(host: AdminHost, isMailing = true) {
  const clock = new Clock();
  const tokens: string[] = [];
  const services: InvitationServices & AcceptanceServices = {
    ...host.services,
    isGuardRole: (role) => role === "guarded",
    isMailing: () => isMailing,
    toUrl: (path) => `https://erp.example.com${path}`,
    now: clock.now,
    async sendMail({ data = {} }) {
      tokens.push(String(data["token"]));
    },
  };
  const actor = async (email: string, ...roles: string[]) => ({
    principal: await host.join(email, ...roles),
    origin: ORIGIN,
  });
  const accept = (token = tokens.at(-1) ?? "", password = PASSWORD) =>
    acceptInvitation(services, { token, password }, ORIGIN);
  const rolesOf = async (email: string) => {
    const { users, userRoles, roles } = host.store.tables;
    const rows = await host.store.db
      .select({ name: roles.name })
      .from(users)
      .innerJoin(userRoles, eq(userRoles.user_id, users.id))
      .innerJoin(roles, eq(roles.id, userRoles.role_id))
      .where(eq(users.email, email));
    return rows.map(({ name }) => name).toSorted();
  };
  return { clock, tokens, services, actor, accept, rolesOf };
}

testWithCoreTables("an invitation makes an account once, whoever comes first", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const { clock, tokens, services, actor, accept, rolesOf } = await open(host);
  const { db, tables } = host.store;
  const sales = await host.addRole("sales", ["deals:read"]);
  await host.addRole("inviter", ["users:write", "deals:read"]);
  const ann = await actor("ann@example.com", "inviter");

  const made = await invite(services, ann, { email: "Ada@Example.com", roles: [sales] });
  expect(made).toMatchObject({
    email: "ada@example.com",
    roles: [{ id: sales, name: "sales" }],
    invited_by: { email: "ann@example.com" },
    is_mailed: true,
    link: null,
    expires_at: new Date(clock.ms + WEEK_MS).toISOString(),
  });
  // Twice, the second replaces the first; and sent again, its link does.
  const second = await invite(services, ann, { email: "ada@example.com", roles: [sales] });
  expect((await listInvitations(host.store, {})).total).toBe(1);
  await resend(services, ann, second.id);
  expect(await failureOf(resend(services, ann, made.id))).toMatchObject({ code: "not_found" });
  for (const token of [tokens[0], tokens[1], "", "x".repeat(43)]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await failureOf(accept(token))).toMatchObject(GONE);
  }
  expect(JSON.stringify(await db.select().from(tables.invitations))).not.toContain(tokens[2] ?? "");
  // A password that can't be used leaves it as it was.
  expect(await failureOf(accept(tokens[2], "short"))).toMatchObject({ code: "validation_error" });

  const both = await Promise.allSettled([accept(), accept(), accept()]);
  const done = both.filter((one) => one.status === "fulfilled").map(({ value }) => value);
  expect(done).toMatchObject([{ email: "ada@example.com", is_active: true }]);
  expect(both.filter(({ status }) => status === "rejected")).toHaveLength(2);
  const [ada] = await db.select().from(tables.users).where(eq(tables.users.email, "ada@example.com"));
  expect(ada?.email_verified_at).not.toBeNull();
  expect(await rolesOf("ada@example.com")).toEqual(["sales"]);
  expect(host.events.map(({ name }) => name)).toEqual(["role.assigned"]);
  expect(await failureOf(accept())).toMatchObject(GONE);
  expect(await failureOf(invite(services, ann, { email: "ada@example.com" }))).toMatchObject({
    code: "conflict",
    message: `Cannot invite "ada@example.com": there is an account with this email already, user "${ada?.id}"`,
  });

  // Taken back, too old, and for an email that has an account by now.
  const bob = await invite(services, ann, { email: "bob@example.com", expires_in: 600 });
  await revoke(services, ann, bob.id);
  expect(await failureOf(accept())).toMatchObject(GONE);
  expect(await failureOf(revoke(services, ann, bob.id))).toMatchObject({ code: "not_found" });
  await invite(services, ann, { email: "bob@example.com", expires_in: 600 });
  clock.ms += 600_000;
  expect(await failureOf(accept())).toMatchObject(GONE);
  await invite(services, ann, { email: "eve@example.com" });
  await host.addUser("eve@example.com");
  expect(await failureOf(accept())).toMatchObject({ code: "conflict" });
  // By a provider: no password, in a transaction of what links it.
  await invite(services, ann, { email: "dan@example.com" });
  const token = tokens.at(-1) ?? "";
  const linked = await db.transaction((tx) =>
    redeemInvitation(services, tx, { token, fullName: "Dan", password: null, origin: ORIGIN }),
  );
  expect(linked.account).toMatchObject({ email: "dan@example.com", full_name: "Dan", password_hash: null });
  expect(linked.roles.map(({ name }) => name)).toEqual(["user"]);

  const entries = await db.select().from(tables.auditLog).orderBy(tables.auditLog.id);
  const actions = entries.filter(({ result }) => result === "done").map(({ action }) => action);
  expect([...new Set(actions)]).toEqual([
    "invitation.created",
    "invitation.resent",
    "invitation.accepted",
    "invitation.revoked",
  ]);
  for (const one of tokens) expect(JSON.stringify(entries)).not.toContain(one);
  await purgeInvitations(host.store);
  expect((await listInvitations(host.store, {})).items.map(({ email }) => email)).toEqual([
    "bob@example.com",
    "eve@example.com",
  ]);
});

testWithCoreTables("nobody invites to what they couldn't give, then or by the time", async ({ driver }) => {
  const host = await AdminHost.open(driver);
  const { services, actor, accept, rolesOf } = await open(host);
  const { db, tables } = host.store;
  const sales = await host.addRole("sales", ["deals:read"]);
  const guarded = await host.addRole("guarded", []);
  const admin = await host.roleId("admin");
  const inviter = await host.addRole("inviter", ["users:write"]);
  const seller = await host.addRole("seller", ["deals:read"]);
  const ann = await actor("ann@example.com", "inviter");
  const bob = await actor("bob@example.com", "sales");
  const root = await actor("root@example.com", "admin");
  const refused = { code: "authorization_error", status: 403 };
  for (const [who, roles] of [
    [ann, [sales]],
    [ann, [admin]],
    [ann, [guarded]],
    [bob, []],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await failureOf(invite(services, who, { email: "x@example.com", roles }))).toMatchObject(refused);
  }
  expect(await failureOf(invite(services, root, { email: "x@example.com", roles: [999] }))).toMatchObject({
    code: "validation_error",
  });
  for (const email of [
    "ａda@example.com",
    "ada(me)@example.com",
    "ada@example.com, bob@example.com",
    "a\r\nb@x.example",
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([email, await failureOf(invite(services, root, { email }))]).toMatchObject([
      email,
      { code: "validation_error" },
    ]);
  }
  // What a mightier one has sent, a lesser one doesn't send again in their own name.
  const sent = await invite(services, root, { email: "x@example.com", roles: [sales] });
  expect(await failureOf(resend(services, ann, sent.id))).toMatchObject(refused);

  // Who loses a right gives it no more; who may invite no more, nothing.
  const user = ann?.principal.user.id ?? 0;
  await db.insert(tables.userRoles).values({ user_id: user, role_id: seller });
  const roles = [sales, await host.roleId("user")];
  const richer = { principal: await host.principal(user), origin: ORIGIN };
  await invite(services, richer, { email: "one@example.com", roles });
  await db.delete(tables.userRoles).where(eq(tables.userRoles.role_id, seller));
  await accept();
  expect(await rolesOf("one@example.com")).toEqual(["user"]);
  const [entry] = (await db.select().from(tables.auditLog)).filter(
    ({ action }) => action === "invitation.accepted",
  );
  expect(entry?.after).toMatchObject({ roles: ["user"], roles_left_out: [sales] });
  await invite(services, ann, { email: "two@example.com" });
  await db.delete(tables.userRoles).where(eq(tables.userRoles.role_id, inviter));
  expect(await failureOf(accept())).toMatchObject(GONE);
  // Of an administrator, a longer password; and whose sender is gone, is gone.
  await db.update(tables.sessions).set({ created_at: new Date() });
  await invite(services, root, { email: "boss@example.com", roles: [admin] });
  expect(await failureOf(accept(undefined, "Zx8kw2!q"))).toMatchObject({ code: "validation_error" });
  await accept();
  expect(await rolesOf("boss@example.com")).toEqual(["admin"]);
  await invite(services, root, { email: "late@example.com" });
  await db.delete(tables.users).where(eq(tables.users.email, "root@example.com"));
  expect(await failureOf(accept())).toMatchObject(GONE);
  // Of the command line, and passed on by hand: nobody has shown that mail arrives.
  const byHand = await open(host, false);
  const line = await invite(byHand.services, null, { email: "hand@example.com" });
  expect(line.link).toBe(`https://erp.example.com/auth/invitation?token=${byHand.tokens[0]}`);
  await byHand.accept();
  const [hand] = await db.select().from(tables.users).where(eq(tables.users.email, "hand@example.com"));
  expect(hand?.email_verified_at).toBeNull();
});

test("somebody is invited and accepts with a browser, over a real mail server", async () => {
  await using mailbox = await Mailbox.open();
  const { app } = mailbox;
  const admin = new CookieJar(app);
  await admin.register("admin@example.com", ["admin"]);
  await admin.signIn("admin@example.com");
  const form = await admin.get("/ui/users/invitations/new");
  expect(await form.text()).toContain('name="days"');
  const refused = await admin.post("/ui/users/invitations", { email: "admin@example.com", days: "7" });
  expect([refused.status, await refused.text()]).toEqual([
    409,
    expect.stringContaining("there is an account with this email already"),
  ]);
  const sent = await admin.post("/ui/users/invitations", { email: "ada@example.com", days: "2" });
  expect([sent.status, sent.headers.get("location")]).toEqual([
    303,
    expect.stringContaining("users/invitations"),
  ]);
  const mail = await mailbox.next();
  expect(mail.to).toEqual(["ada@example.com"]);
  expect(mail.text).toContain("admin@example.com invites you to xcore");
  expect(mail.text).toContain(`http://127.0.0.1:8000/auth/invitation?token=${mail.token}`);
  const list = await (await admin.get("/ui/users/invitations")).text();
  expect(list).toContain("ada@example.com");
  expect(list).not.toContain(mail.token);

  const ada = new CookieJar(app);
  // A scanner of mail opens it first.
  for (let round = 0; round < 2; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const page = await ada.get(`/auth/invitation?token=${mail.token}`, {
      headers: { "accept-language": "fr" },
    });
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
    // oxlint-disable-next-line no-await-in-loop
    expect(await page.text()).toContain("Choisissez un mot de passe pour votre compte, ada@example.com.");
  }
  const weak = await ada.post("/auth/invitation", {
    token: mail.token,
    password: "password",
    full_name: "Ada",
  });
  expect([weak.status, await weak.text()]).toEqual([422, expect.stringContaining('value="Ada"')]);
  expect((await ada.post("/auth/invitation", { token: mail.token })).status).toBe(422);
  const fields = { token: mail.token, password: PASSWORD, full_name: "Ada Lovelace" };
  const done = await ada.post("/auth/invitation", fields);
  expect([done.status, done.headers.get("location")]).toEqual([303, "../"]);
  const me = await ada.fetch("/auth/me");
  expect(await me.json()).toMatchObject({
    email: "ada@example.com",
    full_name: "Ada Lovelace",
    roles: ["user"],
  });
  const again = await ada.post("/auth/invitation", fields);
  expect([again.status, await again.text()]).toEqual([410, expect.stringContaining("valid any more")]);
  expect(await mailbox.send("POST", "/auth/invitation", fields)).toMatchObject({ status: 410, body: GONE });

  // A form of another site makes the account, and signs nobody in.
  const { body } = await mailbox.send(
    "POST",
    "/admin/invitations",
    { email: "bob@example.com", expires_in: 3600 },
    (await app.createUser("root@example.com", ["admin"])).headers,
  );
  expect(body).toMatchObject({ email: "bob@example.com", link: null });
  const second = await mailbox.next();
  const bob = new CookieJar(app);
  const cross = { headers: { "sec-fetch-site": "cross-site", origin: "https://evil.example" } };
  const made = await bob.post("/auth/invitation", { ...fields, token: second.token }, cross);
  expect([made.status, bob.cookie]).toEqual([201, ""]);
});
