import { expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CookieJar, placeOf, SECURITY } from "../../accounts/browser/browser.ts";
import { TestApp, type TestAppOptions } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

setDefaultTimeout(120_000);

const SCRIPT = "<script>alert(1)</script>";
const SHOP = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/run.ts": `import { t } from "elysia";\nimport { config, createRouter } from "xcore";
export const settings = t.Object({
  currency: t.String({ default: "EUR", pattern: "^[A-Z]{3}$", title: "Currency", description: "Of prices" }),
  "max.items": t.Integer({ default: 10, minimum: 1 }),
  rate: t.Optional(t.Number()),
  open: t.Boolean({ default: true }),
  kind: t.Optional(t.Union([t.Literal("big"), t.Literal("small")])),
  tags: t.Array(t.String(), { default: [] }),
  api_key: t.Optional(t.String({ minLength: 8 })),
  mail: t.Object({ host: t.String({ default: "localhost" }), ports: t.Array(t.Integer(), { default: [25] }) }),
  rates: t.Record(t.String(), t.Number(), { default: {} }),
});
export const setup = () => { if (config.currency === "XXX") throw new Error("no such currency"); };
export default createRouter().get("/", () => ({ ...config }));\n`,
};
const PAGE = "/ui/plugins/shop/settings";
const WITH_KEY = { "config.json": { plugins: { settings: { shop: { api_key: "hunter2hunter2" } } } } };

async function start(options: TestAppOptions = {}) {
  const app = await TestApp.start({
    plugins: SHOP,
    files: WITH_KEY,
    ...options,
    config: { security: SECURITY, ...options.config },
  });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  const versionOf = async () =>
    /name="version" value="&quot;([^&]+)/.exec(await (await jar.get(PAGE)).text())?.[1];
  const send = async (fields: Record<string, string>) =>
    jar.post(PAGE, { version: `"${await versionOf()}"`, "s/open": "true", ...fields });
  return { app, jar, send, versionOf, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

test("the form has a field for each setting, and what is sent is what the plugin finds", async () => {
  await using started = await start();
  const { app, jar, send } = started;
  const html = await (await jar.get(PAGE)).text();
  for (const name of [
    "currency",
    "max.items",
    "rate",
    "open",
    "kind",
    "tags",
    "api_key",
    "mail/host",
    "mail/ports",
  ]) {
    expect(html).toContain(`name="s/${name}"`);
  }
  expect(html).toContain("Of prices");
  expect(html).not.toContain("hunter2");
  const saved = await send({
    "s/currency": "USD",
    "s/max.items": "7",
    "s/rate": "1,5",
    "s/kind": '"big"',
    "s/tags": `${SCRIPT}\r\n\r\nb, c\r\n`,
    "s/mail/host": "",
    "s/mail/ports": "25\n465",
    "s/rates": '{ "eur": 1.5 }',
  });
  expect(placeOf(saved, PAGE)).toBe(PAGE);
  expect((await app.get("/shop")).body).toEqual({
    currency: "USD",
    "max.items": 7,
    rate: 1.5,
    open: true,
    kind: "big",
    tags: [SCRIPT, "b, c"],
    api_key: "hunter2hunter2",
    mail: { host: "localhost", ports: [25, 465] },
    rates: { eur: 1.5 },
  });
  expect(await (await jar.get(PAGE)).text()).not.toContain(SCRIPT);
  // A box that isn't ticked, and what is emptied.
  const version = `"${await started.versionOf()}"`;
  await jar.post(PAGE, { version, "s/currency": "", "s/kind": "", "s/api_key-out": "true" });
  const { body } = await app.get("/shop");
  expect(body).toMatchObject({ currency: "EUR", open: false, rate: 1.5 });
  expect(body).not.toHaveProperty("kind");
  expect(body).not.toHaveProperty("api_key");
});

test("what is wrong is said at its field, with all that was typed but secrets", async () => {
  await using started = await start();
  const { app, jar, send } = started;
  const refused = await send({
    "s/currency": "euro",
    "s/max.items": SCRIPT,
    "s/api_key": "typed secret",
    "s/rates": "{",
  });
  expect(refused.status).toBe(422);
  const unread = await refused.text();
  expect(unread).toContain("This is no JSON");
  const again = await send({ "s/currency": "euro", "s/max.items": SCRIPT, "s/api_key": "typed secret" });
  expect(again.status).toBe(422);
  const html = await again.text();
  expect(html).toContain('value="euro"');
  expect(html).toContain("Expected string to match");
  expect(html).toContain("Expected integer, found &quot;&lt;script&gt;");
  expect(html).not.toContain(SCRIPT);
  expect(html + unread).not.toContain("typed secret");
  expect((await app.get("/shop")).body.currency).toBe("EUR");
  // Of two who change them at once, the second sees what is there now beside what they have typed.
  const version = `"${await started.versionOf()}"`;
  await send({ "s/currency": "USD" });
  const late = await jar.post(PAGE, { version, "s/open": "true", "s/currency": "CHF" });
  expect(late.status).toBe(412);
  const both = await late.text();
  expect(both).toContain('value="CHF"');
  expect(both).toContain("Now: USD");
});

test("settings that the plugin fails with are said, and the plugin's page says why", async () => {
  await using started = await start();
  const { app, jar, send } = started;
  const saved = await send({ "s/currency": "XXX" });
  expect(placeOf(saved, PAGE)).toBe("/ui/plugins/shop");
  const html = await (await jar.get("/ui/plugins/shop")).text();
  expect(html).toContain(
    "Saved, but shop can&#x27;t be loaded with these settings: what ran before goes on.",
  );
  expect(html).toContain("no such currency");
  expect((await app.get("/shop")).body.currency).toBe("EUR");
});

test("who may not change settings reads them, and what is set elsewhere is locked", async () => {
  await using started = await start({ env: { XCORE_PLUGINS__SETTINGS__SHOP__CURRENCY: "USD" } });
  const { app, jar } = started;
  const html = await (await jar.get(PAGE)).text();
  expect(html).toMatch(/name="s\/currency"[^>]* disabled/);
  expect(html).toContain("Set by XCORE_PLUGINS__SETTINGS__SHOP__CURRENCY: it can&#x27;t be changed here.");
  expect((await started.send({ "s/currency": "CHF", "s/rate": "2" })).status).toBe(303);
  expect((await app.get("/shop")).body).toMatchObject({ currency: "USD", rate: 2 });
  const text = await readFile(join(app.folder.path, "config.json"), "utf8");
  expect(JSON.parse(text).plugins.settings.shop).toEqual({ api_key: "hunter2hunter2", rate: 2 });
  const stranger = new CookieJar(app);
  await stranger.register("bob@example.com");
  await stranger.signIn("bob@example.com");
  expect((await stranger.get(PAGE)).status).toBe(403);
  expect((await stranger.post(PAGE, { "s/rate": "3" })).status).toBe(403);
});

testInBrowser("settings are changed in a browser, by the keyboard and without a script", async (browser) => {
  await using started = await start();
  const { app, jar } = started;
  await using checked = await CheckedPage.open(browser, app, { user: jar, path: "/ui/plugins/shop" });
  const { page } = checked;
  await page.getByRole("link", { name: "Settings" }).click();
  await checked.check();
  await page.getByLabel("Currency").fill("usd");
  await page.getByLabel("Currency").press("Enter");
  await page.getByText("Expected string to match").waitFor();
  checked.forgive(/status of 422/);
  await checked.check();
  expect(await page.getByLabel("Currency").inputValue()).toBe("usd");
  await page.getByLabel("Currency").fill("USD");
  await page.getByLabel("Currency").press("Enter");
  await page.getByText("Saved.").waitFor();
  expect((await app.get("/shop")).body.currency).toBe("USD");

  const plain = await CheckedPage.open(browser, app, { user: jar, path: PAGE, javaScriptEnabled: false });
  await using _ = plain;
  await plain.page.getByLabel("api_key").fill("another secret");
  await plain.page.getByRole("button", { name: "Save" }).click();
  await plain.page.getByText("Saved.").waitFor();
  expect((await app.get("/shop")).body.api_key).toBe("another secret");
});
