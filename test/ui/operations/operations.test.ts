import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CookieJar, PASSWORD, placeOf, SECURITY } from "../../accounts/browser/browser.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

const SCRIPT = "<script>alert(1)</script>";
const PLUGINS = {
  ...plugin("shop", '.get("/", () => "shop")'),
  "shop/run.ts": `import { cache, createRouter, log } from "xcore";
export default createRouter()
  .get("/", async () => { await cache.set("greeting", "hello"); return "shop"; })
  .get("/warn", () => { log.warn({ password: "hunter2", note: "${SCRIPT}" }, "${SCRIPT}"); return "said"; });
`,
};

async function start(roles: readonly string[] = ["admin"]) {
  const app = await TestApp.start({
    plugins: PLUGINS,
    files: { "config.json": { app: { name: SCRIPT } } },
    config: { security: SECURITY },
    env: { JWT_SECRET_KEY: "kQ7v2ZrT9wXe4LmB8nYc1GhJ5sDf6hunter2", XCORE_CACHE__MAX_ENTRIES: "500" },
  });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", roles);
  await jar.signIn("ada@example.com");
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const textOf = async (answer: Promise<Response>): Promise<string> => (await answer).text();

test("who may not see what the server does is refused each of its pages", async () => {
  await using started = await start([]);
  const { app, jar } = started;
  const paths = ["logs", "logs/events", "config", "backups", "cache"].map((name) => `/system/${name}`);
  const answers = await Promise.all(paths.map(async (path) => (await jar.get(path)).status));
  expect(answers).toEqual(paths.map(() => 403));
  const pages = ["logs", "audit", "config", "backups", "cache"].map((name) => `/ui/${name}`);
  const shown = await Promise.all(pages.map(async (path) => (await jar.get(path)).status));
  expect(shown).toEqual(pages.map(() => 403));
  expect((await app.fetch("/system/cache?pattern=*", { method: "DELETE" })).status).toBe(401);
});

test("the logs are shown as text, filtered, and without secrets", async () => {
  await using started = await start();
  const { app, jar } = started;
  await app.fetch("/shop/warn");
  const html = await textOf(jar.get("/ui/logs?level=warn&q=&plugin=shop&from=&to="));
  expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(html).not.toContain(SCRIPT);
  expect(html).not.toContain("hunter2");
  expect(await textOf(jar.get("/ui/logs?q=nothing-like-this-%22%3E%3Cscript%3E"))).toContain(
    "No line is like that",
  );
  expect((await jar.get("/ui/logs?file=..%2F..%2Fetc%2Fpasswd")).status).toBe(422);
  expect((await jar.get("/ui/logs?level=nope")).status).toBe(422);
});

test("the audit log is filtered and paged", async () => {
  await using started = await start();
  const { jar } = started;
  await jar.post("/ui/roles", { name: "clerk", description: SCRIPT });
  const html = await textOf(
    jar.get("/ui/audit?action=role.*&actor=ada@example.com&result=done&from=2020-01-01T00:00"),
  );
  expect(html).toContain("role.created");
  expect(html).toContain("&lt;script&gt;");
  expect(html).not.toContain(SCRIPT);
  expect(await textOf(jar.get("/ui/audit?target=user:999"))).toContain("Nothing is written down of that.");
});

test("the cache is cleared by a pattern once that is confirmed", async () => {
  await using started = await start();
  const { app, jar } = started;
  await app.fetch("/shop/");
  expect(await textOf(jar.get("/ui/cache"))).toContain("memory");
  expect(await textOf(jar.post("/ui/cache/clear", { pattern: SCRIPT }))).not.toContain(SCRIPT);
  await jar.post("/ui/cache/clear", { pattern: "shop:*", confirmed: "yes" });
  expect(await textOf(jar.get("/ui/cache"))).toContain("shop:* is cleared.");
  const { body } = await app.getAsAdmin("/admin/audit?action=cache.cleared");
  expect(body.items).toMatchObject([{ actor: "ada@example.com", after: { pattern: "shop:*", deleted: 1 } }]);
});

test("the configuration says what counts and where it comes from, and no secret", async () => {
  await using started = await start();
  const { app, jar } = started;
  const { body } = await app.getAsAdmin("/system/config");
  const find = (name: string) => body.items.find(({ key }: { key: string }) => key === name);
  expect(find("app.name")).toMatchObject({
    value: SCRIPT,
    source: expect.stringContaining("config.json:1:"),
  });
  expect(find("cache.max_entries")).toMatchObject({ value: 500, where: "XCORE_CACHE__MAX_ENTRIES" });
  expect(find("security.bcrypt_cost")).toMatchObject({ value: 4, source: "flag" });
  expect(find("server.port")).toMatchObject({ default: 8000, variable: "XCORE_SERVER__PORT" });
  expect(find("security.jwt_secret_key").value).toBe("***");
  const html = await textOf(jar.get("/ui/config"));
  expect(html).not.toContain("hunter2");
  expect(html).not.toContain(SCRIPT);
  expect(await textOf(jar.get("/ui/config?q=max_entries&set=yes"))).toContain("XCORE_CACHE__MAX_ENTRIES");
});

test("the command that restores a backup names the folder that it is in", async () => {
  await using app = await TestApp.start({
    config: { security: SECURITY, backups: { directory: "var/lib & more/backups" } },
  });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  await jar.post("/ui/backups", { csrf_token: "" });
  const { body } = await app.getAsAdmin("/system/backups");
  expect(body.folder).toBe("var/lib & more/backups");
  const html = await (await jar.get("/ui/backups")).text();
  expect(html).toContain(`xcore db restore "var/lib &amp; more/backups/${body.items[0].name}"`);
});

test("a backup is made, verified and downloaded by who has just given the password", async () => {
  await using started = await start();
  const { app, jar } = started;
  expect(await textOf(jar.get("/ui/backups"))).toContain("There is no backup.");
  await jar.post("/ui/backups", { csrf_token: "" });
  const { body } = await app.getAsAdmin("/system/backups");
  const [{ name, size }] = body.items;
  expect(await textOf(jar.get("/ui/backups"))).toContain(`xcore db restore "data/backups/${name}"`);
  await jar.post(`/ui/backups/${name}/verify`, { csrf_token: "" });
  expect(await textOf(jar.get("/ui/backups"))).toContain(`${name} is whole.`);
  const download = await jar.get(`/ui/backups/${name}/download`);
  expect(download.headers.get("content-disposition")).toBe(`attachment; filename="${name}"`);
  expect((await download.bytes()).length).toBe(size);

  const created_at = new Date(Date.now() - 11 * 60_000);
  await app.app.store.db.update(app.app.store.tables.sessions).set({ created_at });
  const path = `/ui/backups/${name}/download`;
  const verify = `/auth/verify?next=${encodeURIComponent(path)}`;
  expect(placeOf(await jar.get(path), path)).toBe(verify);
  await jar.post(verify, { current_password: PASSWORD });
  expect((await jar.get(path)).status).toBe(200);
  expect((await jar.get("/ui/backups/..%2F..%2Fconfig.json/download")).status).toBe(422);

  await writeFile(join(app.folder.path, "data/backups", name), "no backup");
  await jar.post(`/ui/backups/${name}/verify`, { csrf_token: "" });
  const html = await textOf(jar.get("/ui/backups"));
  expect(html).toContain("is damaged or was changed");
  expect(html).not.toContain(app.folder.path);
  const audit = await app.getAsAdmin("/admin/audit?action=backup.*&sort=id");
  expect(audit.body.items.map(({ action }: { action: string }) => action)).toEqual([
    "backup.made",
    "backup.downloaded",
    "backup.downloaded",
  ]);
});

testInBrowser(
  "the log is followed while it is written, and every page is in order on a phone",
  async (browser) => {
    await using started = await start();
    const { app, jar } = started;
    await using checked = await CheckedPage.open(browser, app, { user: jar, path: "/ui/logs" });
    const { page } = checked;
    await checked.check();
    await page.getByLabel("Follow").press("Space");
    await page.locator("[data-following]").waitFor();
    await app.fetch("/shop/warn");
    await page.getByText(SCRIPT, { exact: true }).first().waitFor();
    await checked.check();
    await page.getByLabel("Follow").press("Space");
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of ["/ui/logs", "/ui/audit", "/ui/cache", "/ui/backups", "/ui/config"]) {
      /* oxlint-disable no-await-in-loop -- one page after another */
      await page.goto(path);
      await checked.check();
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect([path, width]).toEqual([path, 390]);
      /* oxlint-enable no-await-in-loop */
    }
    await page.goto("/ui/backups");
    await page.getByRole("button", { name: "Make a backup" }).press("Enter");
    await page.getByText("The backup is made.").waitFor();
    await checked.check();
  },
);
