import { expect, test } from "bun:test";
import { CookieJar, placeOf, SECURITY } from "../../accounts/browser/browser.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

const LIST = "/ui/plugins";
const SCRIPT = "<script>alert(1)</script>";
const PLUGINS = {
  ...plugin("shop", '.get("/", () => "shop")', { description: SCRIPT }),
  "broken/plugin.json": { name: "broken", version: "1.0.0" },
  "broken/run.ts": `throw new Error("${SCRIPT}");`,
};

async function start(roles: readonly string[] = ["admin"]) {
  const app = await TestApp.start({ plugins: PLUGINS, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", roles);
  await jar.signIn("ada@example.com");
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

test("the list of plugins shows their states, and why one has failed, as text", async () => {
  await using started = await start();
  const page = await started.jar.get(LIST);
  const html = await page.text();
  expect(page.status).toBe(200);
  expect(html).toContain("Error: &lt;script&gt;alert(1)&lt;/script&gt; <code>plugins/broken/run.ts:1</code>");
  expect(html).toContain("<code>/shop</code>");
  expect(html).not.toContain(SCRIPT);
});

test("who isn't signed in is led to the login and back, and who may not see plugins is told why", async () => {
  await using started = await start([]);
  const { app, jar } = started;
  const stranger = new CookieJar(app);
  expect(placeOf(await stranger.get(LIST), LIST)).toBe("/auth/login?next=%2Fui%2Fplugins");
  const refused = await jar.get(LIST);
  expect(refused.status).toBe(403);
  const html = await refused.text();
  expect(html).toContain("plugins:read");
  expect(html).not.toContain(`href="${LIST}"`);
});

test("a plugin is disabled once that is confirmed, and enabled again", async () => {
  await using started = await start();
  const { app, jar } = started;
  const asked = await jar.post(`${LIST}/shop/disable`, { csrf_token: "" });
  expect(await asked.text()).toContain("Disable shop?");
  expect((await app.get("/system/plugins/shop")).body.state).toBe("serving");

  const done = await jar.post(`${LIST}/shop/disable`, { confirmed: "yes" });
  expect(placeOf(done, `${LIST}/shop/disable`)).toBe(LIST);
  expect((await app.get("/system/plugins/shop")).body.state).toBe("disabled");
  const { body } = await app.getAsAdmin("/admin/audit?action=plugin.disabled");
  expect(body.items).toMatchObject([{ actor: "ada@example.com", target_id: "shop" }]);

  await jar.post(`${LIST}/shop/enable`, { csrf_token: "" });
  expect((await app.get("/system/plugins/shop")).body.state).toBe("serving");
});

test("what a plugin can't do is said on its page, and what another site asks for isn't done", async () => {
  await using started = await start();
  const { jar } = started;
  const away = await jar.post(
    `${LIST}/shop/reload`,
    { csrf_token: "" },
    { headers: { "sec-fetch-site": "cross-site" } },
  );
  expect(away.status).toBe(403);
  expect(await away.text()).toContain("cross_site_request");
  const missing = await jar.post(`${LIST}/nobody/reload`, { csrf_token: "" });
  expect(missing.status).toBe(303);
  expect(await (await jar.get(LIST)).text()).toContain("&quot;nobody&quot;");
  expect(await (await jar.get(LIST)).text()).not.toContain("&quot;nobody&quot;");
});

testInBrowser("plugins are disabled and enabled in a browser, with a script and without", async (browser) => {
  await using started = await start();
  const { app, jar } = started;
  await using checked = await CheckedPage.open(browser, app, { user: jar, path: LIST });
  const { page } = checked;
  await checked.check();
  await page.getByRole("button", { name: "Disable shop" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Disable shop" }).click();
  await checked.check();
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await page.getByText("shop is disabled.").waitFor();
  await checked.check();

  await using plain = await CheckedPage.open(browser, app, {
    user: jar,
    path: LIST,
    javaScriptEnabled: false,
  });
  await plain.page.getByRole("button", { name: "Enable shop" }).click();
  await plain.page.getByText("shop is enabled.").waitFor();
  await plain.page.getByRole("button", { name: "Disable shop" }).click();
  await plain.page.getByRole("button", { name: "Disable", exact: true }).click();
  await plain.page.getByText("shop is disabled.").waitFor();
});
