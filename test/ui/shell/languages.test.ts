import { join } from "node:path";
import { expect, test } from "bun:test";
import { CookieJar, SECURITY } from "../../accounts/browser/browser.ts";
import { TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";
import { DEALS, Office, textOf } from "../records/office.ts";

const LIST = "/ui/plugins";
const SHOP = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/run.ts": `import { createRouter, templates } from "xcore";
export default createRouter().get("/", () => templates.render("order.html", { who: "<Ada>" }));`,
  "shop/templates/order.html": '{{ t("Order of {who}", who=who) }}, {{ t("Save") }}, {{ locale }}',
  "shop/templates/languages/fr.json": { "Order of {who}": "Commande de {who}" },
};

async function start(options: Parameters<typeof TestApp.start>[0] = {}) {
  const app = await TestApp.start({ plugins: SHOP, ...options, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const inFrench = { headers: { "accept-language": "fr-CA, en;q=0.5" } };

test("pages are in the language that the browser asks for, until somebody chooses another one", async () => {
  await using started = await start();
  const { app, jar } = started;
  expect(await (await jar.get(LIST)).text()).toContain('<html lang="en"');
  const french = await (await jar.get(LIST, inFrench)).text();
  expect(french).toContain('<html lang="fr"');
  expect(french).toContain("Désactiver shop ?");
  const saved = await jar.post("/ui/preferences", { language: "en", next: "//evil.example" }, inFrench);
  expect(saved.headers.get("location")).toBe("../");
  expect(await (await jar.get(LIST, inFrench)).text()).toContain('<html lang="en"');
  expect((await (await jar.send("GET", "/auth/me", undefined)).json()) as object).toMatchObject({
    language: "en",
    theme: null,
  });

  const other = new CookieJar(app);
  await other.signIn("ada@example.com");
  expect(await (await other.get(LIST, inFrench)).text()).toContain('<html lang="en"');
});

test("a problem's page has its title in the language of the page", async () => {
  await using started = await start();
  const page = await started.jar.get("/ui/nowhere", inFrench);
  expect(page.status).toBe(404);
  expect(await page.text()).toContain("Il n’y a rien ici");
});

test("what the API says most often of a form is in the language of the page", async () => {
  await using started = await start();
  const { app, jar } = started;
  const stranger = new CookieJar(app);
  const wrong = await stranger.post("/auth/login", { username: "ada@example.com", password: "x" }, inFrench);
  expect(wrong.status).toBe(401);
  expect(await wrong.text()).toContain("mot de passe ou le code est incorrect");
  const form = await jar.post("/ui/users", { email: "{name}@", full_name: "", password: "" }, inFrench);
  expect(form.status).toBe(422);
  const text = await form.text();
  expect(text).toContain('value="{name}@"');
});

test("what the API says with values in it is in the language of the page, and the API's own in English", async () => {
  const run = await Bun.file(join(import.meta.dir, "../../../plugins/crm/run.ts")).text();
  await using office = await Office.open({
    run: `${run}
import { hooks } from "xcore";
hooks.on("crm.deal.creating", ({ data, cancel }) => cancel("No deal of " + data.values.amount + " here"), { order: "before" });`,
    files: {
      "crm/templates/languages/fr.errors.json": {
        "No deal of {amount} here": "Pas d’affaire de {amount} ici",
      },
    },
  });
  const { jar } = office;
  const say = async (path: string, fields: Record<string, string>) =>
    textOf(await (await jar.post(path, fields, inFrench)).text());
  expect(await say("/ui/roles", { name: "admin", description: "" })).toContain(
    "Impossible de nommer un rôle « admin » : il y en a déjà un",
  );
  const { id } = await office.send("GET", "/auth/me");
  expect(await say(`/ui/users/${id}/password`, { password: "<b>" })).toContain("il a moins de 8 caractères");
  await jar.post(`/ui/users/${id}/delete`, { confirmed: "yes" }, inFrench);
  expect(await (await jar.get("/ui/users", inFrench)).text()).toContain("demandez à un autre administrateur");
  const refused = await jar.send("DELETE", `/admin/users/${id}`, undefined, inFrench.headers);
  expect(await refused.json()).toMatchObject({
    title: "Conflit",
    detail: 'Cannot delete user "ada@example.com": it is your own; ask another administrator',
  });
  expect(await say(`${DEALS}/~new`, { "f-title": "Deal", "f-amount": "x" })).toContain(
    "Attendu : un nombre décimal comme « 12.50 »",
  );
  // What a plugin refuses rows with is in its own words.
  await office.send("POST", "/crm/companies", { name: "Acme" });
  expect(await say(`${DEALS}/~new`, { "f-title": "Deal", "f-amount": "13", "f-company_id": "1" })).toContain(
    "Pas d’affaire de 13 ici",
  );
  const filtered = await jar.get(`${DEALS}?filter=title+%3D`, inFrench);
  expect(textOf(await filtered.text())).toContain("au caractère 8, trouvé la fin");
});

test("a choice that there isn't is refused, and one felt by every session of the account", async () => {
  await using started = await start();
  const { jar } = started;
  expect((await jar.send("PATCH", "/auth/me", { theme: "neon" })).status).toBe(422);
  expect((await jar.send("PATCH", "/auth/me", { language: "../fr" })).status).toBe(422);
  expect((await jar.send("PATCH", "/auth/me", { language: null, theme: "dark" })).status).toBe(200);
  expect(await (await jar.get(LIST)).text()).toContain('data-theme="dark"');
  // A language that there are no translations of is as good as none.
  expect((await jar.send("PATCH", "/auth/me", { language: "de" })).status).toBe(200);
  expect(await (await jar.get(LIST, inFrench)).text()).toContain('<html lang="fr"');
});

test("a plugin brings translations, and the project may have others", async () => {
  await using started = await start({
    files: {
      "templates/shop/languages/fr.json": { Save: "Garder" },
      "templates/languages/fr.json": { Plugins: "Greffons" },
    },
  });
  const { app, jar } = started;
  const shown = await (await app.fetch("/shop", inFrench)).text();
  expect(shown).toBe("Commande de &lt;Ada&gt;, Garder, fr");
  expect(await (await app.fetch("/shop")).text()).toBe("Order of &lt;Ada&gt;, Save, en");
  expect(await (await jar.get(LIST, inFrench)).text()).toContain("Greffons");
});

test("translations that can't be used fail the plugin, with their place", async () => {
  await using started = await start({
    plugins: { ...SHOP, "shop/templates/languages/fr.json": '{\n  "Save": 1\n}' },
  });
  const { body } = await started.app.get("/system/plugins/shop");
  expect(body.state).toBe("failed");
  expect(body.failure).toMatchObject({ file: "plugins/shop/templates/languages/fr.json", line: 2 });
});

testInBrowser("a choice is sent at once with the mouse, and by keys once it is meant", async (browser) => {
  await using started = await start();
  const { app, jar } = started;
  await using checked = await CheckedPage.open(browser, app, { user: jar, path: LIST });
  const { page } = checked;
  await page.getByTitle("ada@example.com").click();
  await page.getByLabel("Language").selectOption("fr");
  await page.getByText("Enregistré.").waitFor();
  await page.getByTitle("ada@example.com").press("Enter");
  await page.getByLabel("Thème").selectOption("dark");
  await checked.check();
  await page.getByRole("button", { name: "Enregistrer" }).press("Enter");
  await page.waitForSelector('html[data-theme="dark"][lang="fr"]');
  await page.getByTitle("ada@example.com").press("Enter");
  await page.keyboard.press("Escape");
  expect(await page.getByLabel("Thème").isVisible()).toBe(false);
});
