import { expect, test } from "bun:test";
import { CookieJar, SECURITY } from "../../accounts/browser/browser.ts";
import { PluginHost } from "../../plugins/remote/plugin-host.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

const LIST = "/ui/plugins";
const SCRIPT = "<script>alert(1)</script>";
const PLUGINS = {
  ...plugin("shop", '.get("/", () => "shop", { permission: "shop:read" }).get("/open", () => "")', {
    description: SCRIPT,
    author: SCRIPT,
    permissions: { "shop:read": SCRIPT },
  }),
  "broken/plugin.json": { name: "broken", version: "1.0.0" },
  "broken/run.ts": `const token = "xc_not_for_you";\n// ${SCRIPT}\nthrow new Error("${SCRIPT}");\n`,
};

async function start(host: PluginHost) {
  const app = await TestApp.start({
    plugins: PLUGINS,
    files: { "config.json": "{}" },
    config: { security: SECURITY, plugins: { fetch: { allow_hosts: [new URL(host.origin).host] } } },
  });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

function publish(host: PluginHost, version = "1.0.0"): string {
  const code = `import { createRouter } from "xcore";
export const PLUGIN_INFO = ${JSON.stringify({ name: "crm", version, description: SCRIPT, permissions: { "crm:read": SCRIPT } })};
export default createRouter().get("/", () => "crm ${version}");`;
  return host.publish("/crm", { "plugin.ts": code }, "plugin.ts").url;
}

const textOf = async (answer: Promise<Response>): Promise<string> => (await answer).text();

test("a plugin's page shows its routes with their guards, and the source that has failed, as text", async () => {
  await using host = new PluginHost();
  await using started = await start(host);
  const { app, jar } = started;
  const shop = await textOf(jar.get(`${LIST}/shop`));
  expect(shop).toContain("<code>shop:read</code>");
  expect(shop).toContain("everybody");
  expect(shop).not.toContain(SCRIPT);

  const { body } = await app.get("/system/plugins/broken");
  expect(body.excerpt.map(({ line }: { line: number }) => line)).toEqual([1, 2, 3, 4]);
  const broken = await textOf(jar.get(`${LIST}/broken`));
  expect(broken).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(broken).not.toContain(SCRIPT);
  expect((await jar.get(`${LIST}/nobody`)).status).toBe(404);
  expect((await jar.get(`${LIST}/%3Cscript%3E`)).status).toBe(404);
});

test("a plugin is looked at before it is added, pinned to what was shown, updated and removed", async () => {
  await using host = new PluginHost();
  await using started = await start(host);
  const { app, jar } = started;
  const url = publish(host);
  const preview = await textOf(jar.post(`${LIST}/-/preview`, { urls: url }));
  expect(preview).toContain("Install crm?");
  expect(preview).toContain("crm:read");
  expect(preview).not.toContain(SCRIPT);
  const [, integrity = ""] = /name="integrity" value="([^"]+)"/.exec(preview) ?? [];

  publish(host, "1.0.1");
  const refused = await jar.post(LIST, { urls: url, integrity });
  expect([refused.status, await refused.text()]).toEqual([
    422,
    expect.stringContaining(integrity.slice(0, 20)),
  ]);
  expect((await app.get("/system/plugins/crm")).status).toBe(404);

  publish(host);
  await jar.post(LIST, { urls: url, integrity });
  expect((await app.get("/system/plugins/crm")).body).toMatchObject({ state: "serving", version: "1.0.0" });
  publish(host, "1.0.2");
  const update = await textOf(jar.post(`${LIST}/-/preview`, { urls: url }));
  expect(update).toContain("Update crm?");
  const [, next = ""] = /name="integrity" value="([^"]+)"/.exec(update) ?? [];
  await jar.post(LIST, { urls: url, integrity: next });
  expect(await textOf(app.fetch("/crm/"))).toBe("crm 1.0.2");

  const asked = await textOf(jar.post(`${LIST}/crm/remove`, { purge: "true" }));
  expect(asked).toContain("Remove crm?");
  await jar.post(`${LIST}/crm/remove`, { purge: "true", confirmed: "yes" });
  expect((await app.get("/system/plugins/crm")).status).toBe(404);
});

test("what can't be fetched is said in the form, which keeps the address", async () => {
  await using host = new PluginHost();
  await using started = await start(host);
  const refused = await started.jar.post(`${LIST}/-/preview`, { urls: `https://127.0.0.1:1/"><script>` });
  const html = await refused.text();
  expect(refused.status).toBeGreaterThanOrEqual(400);
  expect(html).toContain("https://127.0.0.1:1/&quot;&gt;&lt;script&gt;");
});

testInBrowser("a plugin is added, disabled, broken and repaired in a browser", async (browser) => {
  await using host = new PluginHost();
  await using started = await start(host);
  const { app, jar } = started;
  await using checked = await CheckedPage.open(browser, app, {
    user: jar,
    path: LIST,
    viewport: { width: 390, height: 844 },
  });
  const { page } = checked;
  await page.getByRole("link", { name: "Add a plugin" }).press("Enter");
  await page.getByLabel("Address").fill(publish(host));
  await checked.check();
  await page.getByRole("button", { name: "Look at it" }).press("Enter");
  await page.getByRole("heading", { name: "Install crm?" }).waitFor();
  await checked.check();
  await page.getByRole("button", { name: "Install" }).press("Enter");
  await page.getByText("crm is installed.").waitFor();
  await page.getByRole("link", { name: "broken" }).press("Enter");
  await page.getByText("Why it has failed").waitFor();
  await checked.check();
  await app.after("plugin.loaded", () => app.writePlugins(plugin("broken", '.get("/", () => "repaired")')));
  await page.reload();
  await page.getByText("serving", { exact: true }).waitFor();
  await checked.check();
  await page.getByRole("button", { name: "Disable", exact: true }).press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).press("Enter");
  await page.getByText("broken is disabled.").waitFor();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(390);
});
