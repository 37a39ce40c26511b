import { expect, setDefaultTimeout, test } from "bun:test";
import { CookieJar, SECURITY } from "../../accounts/browser/browser.ts";
import { TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

setDefaultTimeout(120_000);

const SHOP = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/run.ts": `import { createRouter, templates } from "xcore";
export default createRouter()
  .get("/framed", () => templates.render("framed.html", { user: { email: "somebody@else.example" } }), { auth: true })
  .get("/own", () => templates.render("own.html"), { optionalAuth: true });`,
  "shop/templates/framed.html":
    '{% extends "xcore/ui/shell.html" %}{% block title %}Of {{ user.email }}{% endblock %}{% block page %}<p>Own</p>{% endblock %}',
  "shop/templates/own.html":
    '{% extends "xcore/layout.html" %}{% block content %}<h1>{{ t("Save") }}</h1>{% endblock %}',
};

async function start() {
  const app = await TestApp.start({ plugins: SHOP, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

test("the frame shows who is signed in, whatever data of a page is called", async () => {
  await using started = await start();
  const html = await (await started.jar.get("/shop/framed")).text();
  expect(html).toContain("Of somebody@else.example");
  expect(html).toContain('title="ada@example.com"');
  expect(html).not.toContain('title="somebody@else.example"');
});

testInBrowser("a plugin's own page has theme and language, without any script", async (browser) => {
  await using started = await start();
  const { app, jar } = started;
  await using plain = await CheckedPage.open(browser, app, {
    user: jar,
    path: "/shop/own",
    javaScriptEnabled: false,
    viewport: { width: 390, height: 844 },
  });
  const { page } = plain;
  await page.locator("summary").click();
  await page.getByLabel("Theme").selectOption("dracula");
  await page.getByLabel("Language").selectOption("fr");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Enregistrer" }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/shop/own");
  expect(await page.locator("html").getAttribute("data-theme")).toBe("dracula");
  await using checked = await CheckedPage.open(browser, app, { user: jar, path: "/shop/own" });
  await checked.page.locator("summary").press("Enter");
  await checked.check();
  await using stranger = await CheckedPage.open(browser, app, { path: "/shop/own" });
  expect(await stranger.page.locator("summary").count()).toBe(0);
  await stranger.check();
});
