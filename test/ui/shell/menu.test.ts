import { expect, test } from "bun:test";
import { join } from "node:path";
import { parseManifest } from "../../../src/plugins/source/manifest.ts";
import { ICONS } from "../../../src/templates/icons.ts";
import { CookieJar, SECURITY } from "../../accounts/browser/browser.ts";
import { TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

const MENU = [
  { title: "Orders & more", path: "/orders", icon: "truck" },
  { title: "Secret figures", path: "/", permission: "shop:figures" },
];
const SHOP = {
  "shop/plugin.json": {
    name: "shop",
    version: "1.0.0",
    permissions: { "shop:figures": "See figures" },
    menu: MENU,
  },
  "shop/run.ts": `import { createRouter, templates } from "xcore";
export default createRouter()
  .get("/orders", () => templates.render("orders.html"), { optionalAuth: true });`,
  "shop/templates/orders.html":
    '{% extends "xcore/ui/shell.html" %}{% block title %}{{ t("Orders & more") }}{% endblock %}{% block page %}<p>none yet</p>{% endblock %}',
  "shop/templates/languages/fr.json": { "Orders & more": "Commandes" },
};

async function start(roles: readonly string[]) {
  const app = await TestApp.start({ plugins: SHOP, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", roles);
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

function problemOf(entry: object): string {
  try {
    parseManifest(JSON.stringify({ name: "shop", version: "1.0.0", menu: [entry] }), "plugin.json");
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

test("a plugin's page may be the first that stands in the frame, and is marked in the menu", async () => {
  await using started = await start([]);
  const { app, jar } = started;
  // Whoever isn't signed in sees the page, and nothing of the administration.
  const stranger = await (await app.fetch("/shop/orders")).text();
  expect(stranger).toContain("none yet");
  expect(stranger).not.toContain("Dashboard");
  await jar.signIn("ada@example.com");
  const html = await (await jar.get("/shop/orders")).text();
  expect(html).toMatch(/<a href="\/shop\/orders" class="[^"]*" aria-current="page">/);
  expect(html).toContain("Orders &amp; more");
  expect(html).not.toContain("Secret figures");
});

test("the menu of a plugin goes with the plugin, and is in the reader's language", async () => {
  await using started = await start(["admin"]);
  const { app, jar } = started;
  await jar.signIn("ada@example.com");
  const french = await (await jar.get("/ui", { headers: { "accept-language": "fr" } })).text();
  expect(french).toContain("Commandes");
  expect(french).toMatch(/<a href="\/shop">/);
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/shop"));
  expect(await (await jar.get("/ui")).text()).not.toContain("/shop/orders");
});

test("an entry that can't be used is told with its place", () => {
  expect(problemOf({ title: "Orders", path: "/orders", icon: "truck", permission: "shop:read" })).toBe("");
  expect(problemOf({ title: "", path: "/" })).toContain(
    '"menu[0].title" must be a text of 1 to 60 characters',
  );
  expect(problemOf({ title: "A", path: "//evil.example" })).toContain('"menu[0].path" must be a path below');
  expect(problemOf({ title: "A", path: "javascript:alert(1)" })).toContain(
    '"menu[0].path" must be a path below',
  );
  expect(problemOf({ title: "A", path: "/", icon: "unicorn" })).toContain(
    '"menu[0].icon" must be one of activity',
  );
  expect(problemOf({ title: "A", path: "/", permission: "all" })).toContain('"menu[0].permission" must name');
  expect(problemOf({ title: "A", path: "/", href: "/x" })).toContain('unknown key "menu[0].href"');
});

test("every icon that a manifest may name is drawn", async () => {
  const file = join(import.meta.dir, "../../../templates/components/icon.html");
  const drawn = [...(await Bun.file(file).text()).matchAll(/^ {2}"([a-z]+)": "/gm)].map(
    ([, name]) => name ?? "",
  );
  expect<readonly string[]>(ICONS).toEqual(drawn);
});

testInBrowser("a plugin's page in the frame is whole in a browser", async (browser) => {
  await using started = await start(["admin"]);
  const { app, jar } = started;
  await jar.signIn("ada@example.com");
  await using checked = await CheckedPage.open(browser, app, { user: jar, path: "/ui" });
  await checked.page.getByRole("link", { name: "Orders & more" }).click();
  await checked.page.getByText("none yet").waitFor();
  await checked.check();
});
