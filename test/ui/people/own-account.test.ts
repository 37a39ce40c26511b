import { expect, test } from "bun:test";
import type { ConfigOverrides } from "../../../src/config/schema.ts";
import { CookieJar, PASSWORD, placeOf, SECURITY } from "../../accounts/browser/browser.ts";
import { TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

const PAGE = "/ui/account";
const ADA = "ada@example.com";
const SCRIPT = '"><script>alert(1)</script>';
const OTHER = "another horse battery";

async function start(server: ConfigOverrides["server"] = {}) {
  const app = await TestApp.start({ config: { security: SECURITY, server } });
  await app.admin();
  const jar = new CookieJar(app);
  const id = await jar.register(ADA, ["user"]);
  await jar.signIn(ADA);
  return { app, jar, id, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const textOf = async (answer: Promise<Response>): Promise<string> => (await answer).text();

test("without a script, people change their name, pages and password, and download what is held of them", async () => {
  await using started = await start();
  const { jar, id } = started;
  const html = await textOf(jar.get(PAGE));
  expect(html).toContain(`<dd class="break-words">${ADA}</dd>`);
  expect(html).not.toContain("Give it up");
  expect(placeOf(await jar.post(PAGE, { full_name: SCRIPT }), PAGE)).toBe(PAGE);
  const named = await textOf(jar.get(PAGE));
  expect([named.includes("Saved."), named.includes(SCRIPT)]).toEqual([true, false]);
  const bad = await jar.post(PAGE, { full_name: "x".repeat(300) });
  expect([bad.status, (await bad.text()).includes('aria-invalid="true"')]).toEqual([422, true]);
  await jar.post("/ui/preferences", { next: PAGE, language: "fr", theme: "dark" });
  const french = await textOf(jar.get(PAGE));
  expect(french).toContain('lang="fr" data-theme="dark"');
  expect(french).toContain("Télécharger mes données");
  await jar.post("/ui/preferences", { next: PAGE, language: "en" });

  const path = `${PAGE}/password`;
  const wrong = await jar.post(path, { current_password: "wrong", new_password: OTHER });
  expect([wrong.status, (await wrong.text()).includes("The current password is wrong")]).toEqual([401, true]);
  const short = await textOf(jar.post(path, { current_password: PASSWORD, new_password: "short" }));
  expect(short).toContain("it has fewer than 8 characters");
  expect([short.includes(PASSWORD), short.includes('value="short"')]).toEqual([false, false]);
  const changed = await jar.post(path, { current_password: PASSWORD, new_password: OTHER });
  expect(placeOf(changed, path)).toBe(PAGE);
  expect(await textOf(jar.get(PAGE))).toContain("The password is set.");
  const asked = await textOf(jar.post(`${path}/give-up`, { csrf_token: "" }));
  expect(asked).toContain("Give your password up?");
  await jar.post(`${path}/give-up`, { confirmed: "yes" });
  expect(await textOf(jar.get(PAGE))).toContain("nothing else lets you in; add a passkey first");

  const file = await jar.post(`${PAGE}/export`, { csrf_token: "" });
  expect(file.headers.get("content-disposition")).toBe(`attachment; filename="account-${id}.json"`);
  expect((await file.json()) as object).toMatchObject({ account: { id, email: ADA, theme: "dark" } });
});

test("nobody is promised a mail that nobody gets: pages and API say where the link is, or that there is none", async () => {
  await using started = await start();
  const { app, jar, id } = started;
  const { accounts, store } = app.app;
  const headers = {
    ...(await app.createUser("api@example.com")).headers,
    "content-type": "application/json",
  };
  let asked = 0;
  const toForm = () => ({ email: `ada-${(asked += 1)}@example.com` });
  const post = async (path: string) => {
    const answer = await jar.post(path, toForm());
    return answer.status === 303 ? textOf(jar.get(PAGE)) : answer.text();
  };
  /** The pages that a link was asked for on, and what the API answers. */
  const ask = async (config: object) => {
    await app.folder.write({ "config.json": config });
    await app.reloadConfig();
    const page = await textOf(jar.get(PAGE));
    const said = await post(`${PAGE}/email`);
    const others = [await post("/auth/password/forgot"), await post("/auth/email/verification")];
    const api = new Set<unknown>();
    for (const path of ["/auth/email", "/auth/password/forgot", "/auth/email/verification"]) {
      // oxlint-disable-next-line no-await-in-loop -- of one account
      const answer = await app.fetch(path, { method: "POST", headers, body: JSON.stringify(toForm()) });
      // oxlint-disable-next-line no-await-in-loop
      api.add(answer.status === 202 ? 202 : ((await answer.json()) as { code: string }).code);
    }
    return { page, said, others, api: [...api] };
  };
  /** The page by which an account is taken back, whose password is then to be set by mail. */
  const takeBack = async (path: string, purpose: "report_change" | "undo_email_change") => {
    const link = { purpose, userId: id, lifetimeMs: 60_000, data: { email: ADA } };
    const token = await store.db.transaction((tx) => accounts.links.issue(tx, link));
    return textOf(jar.post(path, { token }));
  };

  const mail = { url: "smtp://127.0.0.1:1", from: "noreply@example.com" }; // where nobody listens
  const mailed = await ask({ mail });
  expect([mailed.said, ...mailed.others].map((html) => html.includes("on its way"))).toEqual([
    true,
    true,
    true,
  ]);
  const shown = await ask({ app: { debug: true } });
  for (const html of [shown.said, ...shown.others]) expect(html).toContain("shown on its terminal");
  expect([mailed.api, shown.api]).toEqual([[202], [202]]);
  const none = await ask({});
  expect(none.api).toEqual([202]); // as everywhere, whatever it knows
  expect(none.page).not.toContain("/ui/account/email");
  await jar.post("/ui/preferences", { next: PAGE, language: "fr" });
  expect(await post(`${PAGE}/email`)).toContain("pas de courrier : demandez");
  await jar.post("/ui/preferences", { next: PAGE, language: "en" });
  const taken = [
    await takeBack("/auth/report", "report_change"),
    await takeBack("/auth/email/undo", "undo_email_change"),
  ];
  for (const html of [none.page, none.said, ...none.others, ...taken]) {
    expect(html).toContain("This server sends no mail");
    expect(html).not.toContain("on its way");
  }
  expect(none.others[0]).toContain("xcore user passwd");
});

test("who has a passkey gives their password up once they have shown it, and sets one again", async () => {
  // An address has no passkeys.
  await using started = await start({ public_url: "http://localhost" });
  const { app, jar, id } = started;
  const { db, tables } = app.app.store;
  const known = {
    credential_hash: "x",
    credential_id: "x",
    public_key: "x",
    user_handle: "x",
    rp_id: "localhost",
  };
  await db.insert(tables.passkeys).values({ user_id: id, name: "Key", transports: [], ...known });
  expect(await textOf(jar.get(PAGE))).toContain("Give it up");
  const path = `${PAGE}/password/give-up`;
  const asked = await jar.post(path, { confirmed: "yes" });
  expect(placeOf(asked, path)).toBe(`/auth/verify?next=${encodeURIComponent(PAGE)}`);
  await db.update(tables.sessions).set({ has_otp: true, otp_at: new Date() });
  expect(placeOf(await jar.post(path, { confirmed: "yes" }), path)).toBe(PAGE);
  const html = await textOf(jar.get(PAGE));
  expect(html).toContain("Your account has none: nothing can be guessed.");
  expect(html).not.toContain("Current password");
  expect(placeOf(await jar.post(`${PAGE}/password`, { new_password: OTHER }), PAGE)).toBe(PAGE);
  expect(await textOf(jar.get(PAGE))).toContain("Current password");
});

test("an account is deleted from its page once its owner has confirmed it, and shown who it is", async () => {
  await using started = await start();
  const { app, jar, id } = started;
  const { sessions, users } = app.app.store.tables;
  const path = `${PAGE}/delete`;
  const asked = await textOf(jar.post(path, { email: "eve@example.com" }));
  expect(asked).toContain("Have your account deleted?");
  const other = await jar.post(path, { email: "eve@example.com", confirmed: "yes" });
  expect([other.status, (await other.text()).includes("Expected the email of your account")]).toEqual([
    422,
    true,
  ]);
  await app.app.store.db.update(sessions).set({ created_at: new Date(Date.now() - 11 * 60_000) });
  const late = await jar.post(path, { email: ADA, confirmed: "yes" });
  expect(placeOf(late, path)).toBe(`/auth/verify?next=${encodeURIComponent(PAGE)}`);
  await jar.post("/auth/verify?next=/ui/account", { current_password: PASSWORD });
  const left = await jar.post(path, { email: ADA, confirmed: "yes" });
  expect([left.status, left.headers.get("cache-control")]).toEqual([200, "no-store"]);
  const leaving = await left.text();
  expect(leaving).toContain("Your account is to be deleted");
  expect(leaving).not.toContain("on its way");
  expect((await jar.get(PAGE)).status).toBe(303);
  const [ada] = (await app.app.store.db.select().from(users)).filter((user) => user.id === id);
  expect(ada?.deletion_at).not.toBeNull();

  const admin = new CookieJar(app);
  await admin.register("boss@example.com", ["admin"]);
  await admin.signIn("boss@example.com");
  expect(await textOf(admin.get("/ui/users?q=ada"))).toContain("To be deleted");
  expect(await textOf(admin.get(`/ui/users/${id}`))).toContain("Its owner wants it deleted");
  await admin.post(`/ui/users/${id}/keep`, { confirmed: "yes" });
  expect(await textOf(admin.get(`/ui/users/${id}`))).toContain("The account stays.");
});

test("who views as somebody sees nothing of their account's page, and does nothing there", async () => {
  await using started = await start();
  const { app, id } = started;
  const admin = new CookieJar(app);
  await admin.register("boss@example.com", ["admin"]);
  await admin.signIn("boss@example.com");
  await admin.post(`/ui/users/${id}/impersonate`, { csrf_token: "" });
  const forms = {
    "": { full_name: "Eve" },
    "/email": { email: "eve@example.com" },
    "/password": { new_password: OTHER },
    "/export": { csrf_token: "" },
  };
  const answers = [await admin.get(PAGE)];
  for (const [path, fields] of Object.entries({ ...forms, "/delete": { email: ADA, confirmed: "yes" } })) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    answers.push(await admin.post(PAGE + path, fields));
  }
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
  const text = (await Promise.all(answers.map((answer) => answer.text()))).join("");
  expect([text.includes("for the owner of the account alone"), text.includes("Download my data")]).toEqual([
    true,
    false,
  ]);
});

testInBrowser(
  "the page of one's own account works by the keyboard, on a phone, in French and in the dark",
  async (browser) => {
    await using started = await start();
    const { app, jar } = started;
    await jar.post("/ui/preferences", { next: PAGE, language: "fr", theme: "dark" });
    await using checked = await CheckedPage.open(browser, app, {
      user: jar,
      path: PAGE,
      viewport: { width: 390, height: 844 },
    });
    const { page } = checked;
    await checked.check();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(390);
    await page.getByLabel("Nom", { exact: true }).fill("Ada Lovelace");
    await page.keyboard.press("Enter");
    await page.getByText("Enregistré.").waitFor();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Télécharger mes données" }).press("Enter");
    expect((await download).suggestedFilename()).toMatch(/^account-\d+\.json$/);
    await page.getByRole("link", { name: "Sessions" }).press("Enter");
    await checked.check("structure");
    await page.getByRole("link", { name: "Compte", exact: true }).press("Enter");
    await page.getByLabel("Votre email, pour confirmer").fill(ADA);
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Faire supprimer votre compte ?" });
    await dialog.waitFor();
    await checked.check();
    await dialog.getByRole("button", { name: "Supprimer mon compte" }).press("Enter");
    await page.getByRole("heading", { name: "Votre compte va être supprimé" }).waitFor();
    await checked.check();
  },
);
