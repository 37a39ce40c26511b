import { expect, test } from "bun:test";
import { CookieJar, placeOf, SECURITY } from "../../accounts/browser/browser.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

const SHOP = {
  ...plugin("shop", "", { permissions: { "shop:read": "See orders" } }),
  "shop/run.ts": `import { createRouter, dashboard } from "xcore";
dashboard.card("open", { title: "Open orders", path: "/orders", permission: "shop:read" }, ({ user }) => ({
  value: 1234, note: "of <" + user.email + ">", rows: [{ label: "<b>late</b>", value: 3 }],
}));
dashboard.card("broken", { title: "Broken" }, () => { throw new Error("no database"); });
dashboard.card("long", { title: "Long" }, () => ({ value: '"'.repeat(9_000_000), note: "n".repeat(400), rows: [{ label: "r".repeat(400), value: 1 }] }));
dashboard.card("wrong", { title: "Wrong" }, () => ({ value: { nested: true } }));
export default createRouter().get("/fail", () => { throw new Error("failed"); });`,
  "shop/templates/languages/fr.json": { "Open orders": "Commandes ouvertes" },
};

async function start(roles: readonly string[] = ["admin"]) {
  const app = await TestApp.start({ plugins: SHOP, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", roles);
  await jar.signIn("ada@example.com");
  return { app, jar, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

test("GET /system/status says what runs, to who may see it", async () => {
  await using started = await start([]);
  const { app, jar } = started;
  expect((await jar.send("GET", "/system/status", undefined)).status).toBe(403);
  expect((await jar.send("GET", "/system/traffic", undefined)).status).toBe(403);
  expect((await jar.send("GET", "/system/traffic/events", undefined)).status).toBe(403);
  expect((await app.fetch("/system/cards")).status).toBe(401);
  const { body } = await app.get("/system/status");
  expect(body).toMatchObject({
    name: "xcore",
    version: "0.0.0-test",
    database: "sqlite",
    redis: null,
    workers: 1,
    plugins: { serving: 1, failed: 0, disabled: 0 },
  });
});

test("who may see nothing of the server is led to what they may see", async () => {
  const shelf = `import { createRouter, resource } from "xcore";
    import { id, table, varchar } from "xcore/schema";
    const books = table("shelf_books", { id: id(), name: varchar(20) });
    export default createRouter().use(resource(books));`;
  const plugins = { "shelf/plugin.json": { name: "shelf", version: "1.0.0" }, "shelf/run.ts": shelf };
  await using app = await TestApp.start({ plugins, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register("bob@example.com", ["user"]);
  await jar.signIn("bob@example.com");
  const main = async () => /<main[^]*<\/main>/.exec(await (await jar.get("/ui")).text())?.[0] ?? "";
  expect(await main()).toContain("Nothing is here for you yet.");
  const admin = await app.admin();
  const { body: roles } = await app.getAsAdmin("/admin/roles");
  const { id } = roles.items.find(({ name }: { name: string }) => name === "user");
  const granted = await app.fetch(`/admin/roles/${id}/permissions`, {
    method: "PUT",
    headers: { ...admin.headers, "content-type": "application/json" },
    body: JSON.stringify({ permissions: ["books:read"] }),
  });
  expect(granted.status).toBe(200);
  const html = await main();
  expect(html).toContain('href="/ui/records/shelf/books"');
  expect(html).not.toContain("Nothing is here for you yet.");
});

test("GET /system/traffic has the requests of five minutes, and those that failed", async () => {
  await using started = await start();
  const { app } = started;
  await app.fetch("/shop/fail?secret=1");
  const { body } = await app.get("/system/traffic");
  expect(body.points).toHaveLength(150);
  expect(body.failures).toMatchObject([{ method: "GET", path: "/shop/fail", status: 500, plugin: "shop" }]);
  expect(JSON.stringify(body.failures)).not.toContain("secret");
});

test("GET /system/traffic/events begins with the last point, and ends with the session", async () => {
  await using started = await start();
  const { app, jar } = started;
  const { headers } = await app.admin();
  const response = await app.fetch("/system/traffic/events", { headers });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n\n")) text += (await reader.read()).value;
  expect(text).toMatch(/^retry: 2000\ndata: \{"at":\d+,"requests":/);
  const own = await jar.fetch("/system/traffic/events", { headers: { accept: "text/event-stream" } });
  await jar.send("POST", "/auth/logout", undefined);
  expect(await own.text()).toContain("data: {");
  await reader.cancel();
});

test("cards of plugins show what their viewer may see, as text, and one that fails fails alone", async () => {
  await using started = await start();
  const { app, jar } = started;
  const html = await (await jar.get("/ui", { headers: { "accept-language": "fr" } })).text();
  expect(html).toContain("Commandes ouvertes");
  expect(html).toContain('href="/shop/orders"');
  expect(html).toContain("of &lt;ada@example.com&gt;");
  expect(html).toContain("&lt;b&gt;late&lt;/b&gt;");
  expect(html.match(/illisible/g)).toHaveLength(2);
  // However much a card has to say, the others are shown beside it.
  expect(html).toContain(`${"&quot;".repeat(300)}...`);
  for (const letter of ["n", "r"]) expect(html).toContain(`>${letter.repeat(300)}...<`);
  expect(await app.log("app")).toContain("no database");

  const other = new CookieJar(app);
  await other.register("eve@example.com");
  await other.signIn("eve@example.com");
  const page = await (await other.get("/ui")).text();
  expect(page).not.toContain("Open orders");
  expect(page).not.toContain("Requests per second");
  await app.writePlugins({ "shop/run.ts": `export {};` });
  const { body } = await app.getAsAdmin("/system/cards");
  expect(body.items.length).toBeLessThanOrEqual(4);
});

test("a card that can't be is refused as the plugin is loaded", async () => {
  for (const [call, why] of [
    ['dashboard.card("A", { title: "A" }, () => ({}))', "expected a name"],
    ['dashboard.card("a", { title: "" }, () => ({}))', "its title must have"],
    ['dashboard.card("a", { title: "A", path: "//evil.example" }, () => ({}))', "its path must be"],
    ['dashboard.card("a", { title: "A", permission: "all" }, () => ({}))', "its permission must be"],
    ['for (const _ of "ab") dashboard.card("a", { title: "A" }, () => ({}))', "there is one"],
  ] as const) {
    await using app = await TestApp.start({
      plugins: {
        "shop/plugin.json": { name: "shop", version: "1.0.0" },
        "shop/run.ts": `import { dashboard } from "xcore";\n${call};\nexport {};`,
      },
    });
    const { body } = await app.get("/system/plugins/shop");
    expect(body.failure?.message).toContain(why);
  }
});

test("who isn't signed in is led to the login", async () => {
  await using started = await start();
  expect(placeOf(await new CookieJar(started.app).get("/ui"), "/ui")).toBe("/auth/login?next=%2Fui");
});

testInBrowser(
  "the dashboard draws the requests as they come, and has them as a table without scripts",
  async (browser) => {
    await using started = await start();
    const { app, jar } = started;
    await app.fetch("/shop/fail");
    await using checked = await CheckedPage.open(browser, app, { user: jar });
    const { page } = checked;
    await page.locator("canvas").first().waitFor();
    const latest = await page.locator("#charts[data-latest]").getAttribute("data-latest");
    await page.locator(`#charts:not([data-latest="${latest}"])`).waitFor();
    await page.getByText("/shop/fail").waitFor();
    await checked.check();

    // While nobody can see the page, nothing is asked for.
    const setHidden = (isHidden: boolean) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange"));
      }, isHidden);
    const ended = Promise.race([
      page.waitForEvent("requestfailed", isStream),
      page.waitForEvent("requestfinished", isStream),
    ]);
    await setHidden(true);
    await ended;
    const again = page.waitForRequest(isStream);
    await setHidden(false);
    await again;
    await checked.check();

    await using plain = await CheckedPage.open(browser, app, { user: jar, javaScriptEnabled: false });
    await plain.page.getByText("The last five minutes as a table").click();
    await plain.page.getByRole("columnheader", { name: "99 of 100 within" }).waitFor();

    await using phone = await CheckedPage.open(browser, app, {
      user: jar,
      viewport: { width: 390, height: 844 },
    });
    await phone.page.locator("canvas").first().waitFor();
    const width = await phone.page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(390);
    await phone.check();
  },
);

function isStream(request: { url(): string }): boolean {
  return request.url().endsWith("/system/traffic/events");
}
