import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, SECURITY } from "../browser/browser.ts";
import { linkIn, readMails, tokenOf } from "../mails.ts";

const NEW_PASSWORD = "another good one";
const FORGOT = "/auth/password/forgot";
const RESET = "/auth/password/reset";
const JSON_BODY = { "content-type": "application/json" };

let host: TestApp;
beforeAll(async () => {
  const mail = { url: "smtp://127.0.0.1:1", from: "noreply@example.com" }; // where nobody listens: what is written down is looked at
  host = await TestApp.start({ config: { security: SECURITY, mail } });
});
afterAll(() => host[Symbol.asyncDispose]());

function send(path: string, body: unknown): Promise<Response> {
  return host.fetch(path, { method: "POST", headers: JSON_BODY, body: JSON.stringify(body) });
}

async function lastLinkTo(email: string, path = RESET): Promise<string> {
  const mail = (await readMails(host)).findLast(({ to, text }) => to === email && text.includes(path));
  if (mail === undefined) throw new Error(`no mail to ${email}`);
  return linkIn(mail, path);
}

test("a browser without scripts sets another password by mail, in the language of its owner", async () => {
  const email = "ada@example.com";
  const jar = new CookieJar(host);
  const id = await jar.register(email);
  const { users } = host.app.store.tables;
  await host.app.store.db.update(users).set({ language: "fr" }).where(eq(users.id, id));

  const login = await (await jar.get("/auth/login")).text();
  expect(login).toContain('href="../auth/password/forgot"');
  expect(await (await jar.get(FORGOT)).text()).toContain('<form method="post" action="forgot">');
  const asked = await jar.post(FORGOT, { email: "ADA@example.com" });
  const [mail] = (await readMails(host)).filter(({ to }) => to === email);
  expect(mail).toMatchObject({
    template: "reset-password",
    language: "fr",
    subject: "Définir un nouveau mot de passe",
  });
  const link = await lastLinkTo(email);

  for (let opened = 0; opened < 3; opened += 1) {
    // oxlint-disable-next-line no-await-in-loop -- as scanners of mail do, one after another
    const page = await jar.get(link);
    expect(page.status).toBe(200);
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
    expect(page.headers.get("cache-control")).toBe("no-store");
    // oxlint-disable-next-line no-await-in-loop
    expect(await page.text()).toContain(email);
  }
  const token = tokenOf(link);
  const short = await jar.post(RESET, { token, new_password: "short" });
  expect([short.status, await short.text()]).toEqual([422, expect.stringContaining(`value="${token}"`)]);
  const empty = await jar.post(RESET, { token, new_password: "" });
  expect([empty.status, await empty.text()]).toEqual([422, expect.stringContaining(`value="${token}"`)]);
  // Two tabs: each has the page, and one of them sets the password.
  const done = await jar.post(RESET, { token, new_password: NEW_PASSWORD });
  expect([done.status, await done.text()]).toEqual([
    200,
    expect.stringContaining("Your new password is set"),
  ]);
  const late = await jar.post(RESET, { token, new_password: "a third good one" });
  expect([late.status, await late.text()]).toEqual([410, expect.stringContaining("password/forgot")]);
  expect((await jar.get(link)).status).toBe(410);
  // Nobody is signed in by a link.
  expect((await jar.get("/ui")).status).toBe(303);
  expect((await jar.signIn(email, { password: NEW_PASSWORD })).status).toBe(303);
  expect(asked.status).toBe(202);
  const sent = (await readMails(host)).filter(({ to }) => to === email);
  expect(sent.map(({ template }) => template)).toEqual(["reset-password", "account-notice"]);
  expect(sent[1]).toMatchObject({ subject: "Un nouveau mot de passe a été défini" });
});

test("whoever asks is answered the same, whether or not there is such an account", async () => {
  const email = "known@example.com";
  await new CookieJar(host).register(email);
  await new CookieJar(host).register("later@example.com");
  const answers = await Promise.all(
    [email, "unknown@example.com", "KNOWN@EXAMPLE.COM"].map(async (one) => {
      const answer = await send(FORGOT, { email: one });
      const { status, headers } = answer;
      return { status, text: await answer.text(), headers: [...headers.keys()].toSorted() };
    }),
  );
  expect(answers[0]).toMatchObject({ status: 202, text: '{"expires_in":1800}' });
  expect([answers[1], answers[2]]).toEqual([answers[0], answers[0]]);
  // What there is to do is done after the answer: nobody waits for it, not even while the database is held.
  const before = (await readMails(host)).length;
  const held = await host.app.store.db.transaction(async (tx) => {
    await tx.update(host.app.store.tables.users).set({ full_name: "Held" });
    return (await send(FORGOT, { email: "later@example.com" })).status;
  });
  expect([held, (await readMails(host)).length]).toEqual([202, before + 1]);
});

test("mail goes to the address that is kept, and to none that only looks like it", async () => {
  const email = "kim@example.com";
  await new CookieJar(host).register(email);
  const before = (await readMails(host)).length;
  // In NFKC it is the same, and the mail goes to the account's own.
  expect((await send(FORGOT, { email: "\uff4bim@example.com" })).status).toBe(202);
  const mails = (await readMails(host)).slice(before);
  expect(mails.map(({ to }) => to)).toEqual([email]);
  for (const odd of [
    "kim(comment)@example.com",
    "kim@example.com, eve@evil.example",
    "kim@example.com\r\nBcc: eve@evil.example",
    "<kim@example.com>",
    "",
    " ",
    "x".repeat(400),
    null,
    { $gt: "" },
    [email],
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await send(FORGOT, { email: odd });
    // oxlint-disable-next-line no-await-in-loop
    expect([odd, answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
      odd,
      422,
      "validation_error",
    ]);
  }
  expect((await readMails(host)).length).toBe(before + 1);
  const page = await new CookieJar(host).post(FORGOT, { email: '"><script>x</script>' });
  expect([page.status, await page.text()]).toEqual([422, expect.not.stringContaining("<script>x")]);
});

test("a link that isn't one is told as such, to browsers and to others", async () => {
  for (const token of ["", "x", "x".repeat(43), "%00", "'; --"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const page = await new CookieJar(host).get(`${RESET}?token=${encodeURIComponent(token)}`);
    expect([token, page.status]).toEqual([token, 410]);
    // oxlint-disable-next-line no-await-in-loop
    const answer = await send(RESET, { token: token || "-", new_password: NEW_PASSWORD });
    // oxlint-disable-next-line no-await-in-loop
    expect(await answer.json()).toMatchObject({ status: 410, code: "link_invalid" });
  }
  expect(
    (await send(RESET, { token: "x", new_password: NEW_PASSWORD, revoke_api_keys: "perhaps" })).status,
  ).toBe(422);
  expect((await new CookieJar(host).get(`${RESET}?token=${"x".repeat(300)}`)).status).toBe(422);
});

test("a flood from one address is refused, for whomever it asks", async () => {
  await using other = await TestApp.start({ config: { security: SECURITY } });
  const ask = (email: string) =>
    other.fetch(FORGOT, { method: "POST", headers: JSON_BODY, body: JSON.stringify({ email }) });
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => ask(`user-${index}@example.com`)),
  );
  const statuses = answers.map(({ status }) => status);
  expect([
    statuses.filter((status) => status === 202).length,
    statuses.filter((status) => status === 429).length,
  ]).toEqual([30, 10]);
  expect(answers.find(({ status }) => status === 429)?.headers.get("retry-after")).toMatch(/^\d+$/);
  // Where no mail is sent, the page says what to do.
  const page = await (await new CookieJar(other).get(FORGOT)).text();
  expect(page).toContain("xcore user passwd");
  expect(page).not.toContain("<form");
});

test("in debug mode without a mail server, the link is shown on the terminal", async () => {
  const printed: string[] = [];
  const shown = Promise.withResolvers<void>();
  await using other = await TestApp.start({
    config: { security: SECURITY, app: { debug: true } },
    print(text) {
      printed.push(text);
      if (text.includes(RESET)) shown.resolve();
    },
  });
  const jar = new CookieJar(other);
  await jar.register("ada@example.com");
  expect(await (await jar.get(FORGOT)).text()).toContain("shown on its terminal");
  await jar.post(FORGOT, { email: "ada@example.com" });
  await shown.promise;
  const link = linkIn({ text: printed.join("\n") }, RESET);
  expect((await jar.get(link)).status).toBe(200);
  expect(await other.log("app")).not.toContain(tokenOf(link));
});

test("PASSWORD is of no use after a reset by JSON", async () => {
  const email = "json@example.com";
  const jar = new CookieJar(host);
  await jar.register(email);
  await jar.signIn(email);
  await send(FORGOT, { email });
  const token = tokenOf(await lastLinkTo(email));
  const answer = await send(RESET, { token, new_password: NEW_PASSWORD });
  expect([answer.status, answer.headers.get("cache-control")]).toEqual([204, "no-store"]);
  expect((await jar.get("/auth/me")).status).toBe(303);
  expect((await send("/auth/login", { email, password: PASSWORD })).status).toBe(401);
  expect((await send("/auth/login", { email, password: NEW_PASSWORD })).status).toBe(200);
});

test("of an account that was deactivated meanwhile no page promises what doesn't come, in either language", async () => {
  const email = "gone@example.com";
  const jar = new CookieJar(host);
  const userId = await jar.register(email);
  const { accounts, store } = host.app;
  const { users } = store.tables;
  const pages: string[] = [];
  for (const language of ["en", "fr"]) {
    for (const [path, purpose] of [
      ["/auth/email/verify", "verify_email"],
      ["/auth/report", "report_change"],
      ["/auth/email/undo", "undo_email_change"],
    ] as const) {
      /* oxlint-disable no-await-in-loop -- of one account */
      const link = { purpose, userId, lifetimeMs: 60_000, data: { email } };
      const token = await store.db.transaction((tx) => accounts.links.issue(tx, link));
      await store.db.update(users).set({ is_active: false, locked_at: null }).where(eq(users.id, userId));
      const answer = await jar.post(path, { token }, { headers: { "accept-language": language } });
      expect([path, answer.status]).toEqual([path, 200]);
      pages.push(await answer.text());
      /* oxlint-enable no-await-in-loop */
    }
  }
  const said = ["nobody signs in to it", "ask them to activate it", "ask them to activate it"];
  const enFrancais = [
    "personne ne s’y connecte",
    "demandez-lui de le réactiver",
    "demandez-lui de le réactiver",
  ];
  for (const [at, text] of [...said, ...enFrancais].entries()) expect(pages[at]).toContain(text);
  for (const page of pages)
    expect(page).not.toMatch(/on its way|en route|You can sign in|Vous pouvez maintenant/);
  expect((await readMails(host)).filter(({ to }) => to === email)).toEqual([]);
});
