import { expect, test } from "bun:test";
import { CookieJar, SECURITY } from "../accounts/browser/browser.ts";
import { plugin, TestApp } from "../setup.ts";
import { CheckedPage, testInBrowser } from "../ui/checked-page.ts";

test("the home page lists the plugins that serve, and says what to do next", async () => {
  await using app = await TestApp.start({ config: { app: { name: "<Shop>" } } });
  const home = async () => (await app.fetch("/")).text();
  const empty = await home();
  expect(empty).toContain("&lt;Shop&gt;</h1>");
  expect(empty).toContain("None is served yet.");
  expect(empty).not.toContain("0.0.0-test"); // strangers need no version
  for (const text of ["xcore plugin new", "xcore user create", 'href="/docs"']) expect(empty).toContain(text);
  await app.writePlugins({
    ...plugin("hello", '.get("/", () => 1)', { api_prefix: "/api/hello", description: "<b>secret</b>" }),
    ...plugin("off", '.get("/", () => 1)', { active: false }),
    ...plugin("broken", ".nothing()"),
    ...plugin("rows", '.get("/rows", () => 1).post("/", () => 1)'),
  });
  await app.app.plugins.refresh(null);
  const full = await home();
  expect(full).toContain('<a class="link font-medium" href="/api/hello">hello</a>');
  // Nothing is answered at its own path.
  expect(full).toContain('<a class="link font-medium" href="/docs">rows</a>');
  for (const text of [">off<", ">broken<", "secret"]) expect(full).not.toContain(text);
});

test("the home page leads to the login, or to the administration, in the language of its reader", async () => {
  await using app = await TestApp.start({ config: { security: SECURITY } });
  const jar = new CookieJar(app);
  expect(await (await jar.get("/")).text()).toContain('href="/auth/login?next=%2Fui"');
  await jar.register("ada@example.com");
  await jar.signIn("ada@example.com");
  const html = await (await jar.get("/", { headers: { "accept-language": "fr" } })).text();
  expect(html).toContain('href="/ui">Administration</a>');
  expect(html).toContain("Que faire ensuite");
  expect(html).not.toContain("--admin");
});

test("a project has a home page of its own", async () => {
  await using app = await TestApp.start({
    files: { "templates/home.html": "ACME: {% for plugin in plugins %}{{ plugin.name }}{% endfor %}" },
    plugins: plugin("shop", '.get("/", () => 1)'),
  });
  expect(await (await app.fetch("/")).text()).toBe("ACME: shop");
});

testInBrowser("the home page is whole in a browser, on a phone too", async (browser) => {
  await using app = await TestApp.start({ plugins: plugin("shop", '.get("/", () => 1)') });
  await using checked = await CheckedPage.open(browser, app, {
    path: "/",
    viewport: { width: 390, height: 844 },
  });
  await checked.page.getByRole("link", { name: "shop" }).waitFor();
  await checked.check();
  expect(await checked.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
});

async function titleOf(response: Response): Promise<string> {
  return ((await response.json()) as { title: string }).title;
}

test("titles of problems are in the language that somebody has chosen, else as their client asks", async () => {
  await using app = await TestApp.start({ config: { security: SECURITY } });
  const ask = (language: string) => app.fetch("/nothing", { headers: { "accept-language": language } });
  expect(await titleOf(await ask("fr-CA, en;q=0.5"))).toBe("Introuvable");
  expect(await titleOf(await ask("de"))).toBe("Not Found");
  const jar = new CookieJar(app);
  await jar.register("ada@example.com");
  await jar.signIn("ada@example.com");
  expect((await jar.send("PATCH", "/auth/me", { language: "fr" })).status).toBe(200);
  expect(await titleOf(await jar.fetch("/admin/users"))).toBe("Acc\u00e8s refus\u00e9");
});
