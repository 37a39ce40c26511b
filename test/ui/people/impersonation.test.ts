import { expect, test } from "bun:test";
import { placeOf, SECURITY } from "../../accounts/browser/browser.ts";
import { World } from "../../accounts/impersonation/world.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

const ROUTER = `
  .get("/", () => templates.render("own.html"), { permission: "shop:see" })
  .get("/framed", () => templates.render("framed.html"), { permission: "shop:see" })`;
const files = plugin("shop", ROUTER, {
  permissions: { "shop:see": "" },
  menu: [{ title: "Shelves", icon: "box", permission: "shop:see", path: "/framed" }],
});
const PLUGINS = {
  ...files,
  "shop/run.ts": (files["shop/run.ts"] as string).replace(
    'from "xcore";',
    'from "xcore";\nimport { templates } from "xcore";',
  ),
  "shop/templates/own.html":
    '{% extends "xcore/layout.html" %}{% block title %}Own{% endblock %}{% block content %}<h1>Own</h1>{% endblock %}',
  "shop/templates/framed.html":
    '{% extends "xcore/ui/shell.html" %}{% block title %}Shelves{% endblock %}{% block page %}<p>Books</p>{% endblock %}',
};

async function start() {
  const app = await TestApp.start({ plugins: PLUGINS, config: { security: SECURITY } });
  return { app, world: new World(app), [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

test("the button is shown where it does something, and each page says who views as whom until that is ended", async () => {
  await using started = await start();
  const { world } = started;
  const { viewer, user } = await world.pair();
  const admin = await world.join([], ["admin"]);
  const page = `/ui/users/${user.id}`;
  const shows = async (jar = viewer.jar, path = page) =>
    (await (await jar.get(path)).text()).includes("/impersonate");
  expect(await shows()).toBe(true);
  expect(await shows(viewer.jar, `/ui/users/${viewer.id}`)).toBe(false);
  expect(await shows(viewer.jar, `/ui/users/${admin.id}`)).toBe(false);
  expect(await shows((await world.join(["users:read"])).jar)).toBe(false);

  const begun = await viewer.jar.post(`${page}/impersonate`, { csrf_token: "" });
  expect(placeOf(begun, `${page}/impersonate`)).toBe("/ui");
  const banner = `${viewer.email}, you see what ${user.email} sees.`;
  for (const path of [
    "/",
    "/ui",
    "/shop/",
    "/shop/framed",
    "/ui/nothing-here",
    "/auth/logout",
    "/ui/account/sessions",
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect([path, (await (await viewer.jar.get(path)).text()).includes(banner)]).toEqual([path, true]);
    // oxlint-disable-next-line no-await-in-loop
    expect([path, (await (await user.jar.get(path)).text()).includes("you see what")]).toEqual([path, false]);
  }
  const shell = await (await viewer.jar.get("/ui")).text();
  expect(shell).not.toContain("/ui/account/api-keys");
  expect(shell).not.toContain("/ui/preferences");
  const refused = await viewer.jar.post("/ui/account/api-keys", { name: "K", permissions: "" });
  expect([refused.status, (await refused.text()).includes("for the owner of the account alone")]).toEqual([
    403,
    true,
  ]);

  const ended = await viewer.jar.post("/ui/view/end", { csrf_token: "" });
  expect(placeOf(ended, "/ui/view/end")).toBe(page);
  const after = await (await viewer.jar.get(page)).text();
  expect([after.includes(`view as ${user.email} any more.`), after.includes("you see what")]).toEqual([
    true,
    false,
  ]);
});

test("the button leads to the page for the password after ten minutes, and what somebody can't view as is said", async () => {
  await using started = await start();
  const { app, world } = started;
  const { viewer, user } = await world.pair();
  await world.give(user.id, ["users:write"]);
  const page = `/ui/users/${user.id}`;
  const refused = await viewer.jar.post(`${page}/impersonate`, { csrf_token: "" });
  expect(placeOf(refused, `${page}/impersonate`)).toBe(page);
  expect(
    (await (await viewer.jar.get(page)).text()).includes("it takes &quot;users:write&quot;, which you"),
  ).toBe(true);
  const { db, tables } = app.app.store;
  await db.update(tables.sessions).set({ created_at: new Date(Date.now() - 11 * 60_000) });
  const asked = await viewer.jar.post(`${page}/impersonate`, { csrf_token: "" });
  expect(placeOf(asked, `${page}/impersonate`)).toBe(`/auth/verify?next=${encodeURIComponent(page)}`);
});

test("the audit log's page names both", async () => {
  await using started = await start();
  const { world } = started;
  const { viewer, user } = await world.viewing(["cache:clear"]);
  await viewer.jar.send("DELETE", "/system/cache?pattern=x:*", {});
  const admin = await world.join([], ["admin"]);
  const page = await (await admin.jar.get(`/ui/audit?actor=${viewer.id}&action=cache.cleared`)).text();
  expect(page).toContain(user.email);
  expect(page).toContain(`by ${viewer.email}, who viewed as them`);
});

testInBrowser(
  "an administrator views as somebody in a browser, in both languages, by keyboard and on a phone",
  async (browser) => {
    await using started = await start();
    const { app, world } = started;
    const { viewer, user } = await world.pair();
    const path = `/ui/users/${user.id}`;
    await using opened = await CheckedPage.open(browser, app, { user: viewer.jar, path });
    const { page } = opened;
    await opened.check();
    await page.getByRole("button", { name: `View as user ${user.email}` }).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL("**/ui");
    const banner = page.getByRole("complementary", { name: "View as user" });
    await banner.getByText(`you see what ${user.email} sees`).waitFor();
    for (const shown of ["/", "/shop/", "/shop/framed", "/ui"]) {
      /* oxlint-disable no-await-in-loop -- one after the other */
      await page.goto(shown);
      expect([shown, await banner.getByRole("button").isVisible()]).toEqual([shown, true]);
      await opened.check();
      /* oxlint-enable no-await-in-loop */
    }
    await page.setViewportSize({ width: 390, height: 800 });
    await page.goto("/shop/framed");
    await opened.check();
    await banner.getByRole("button", { name: "End the view" }).press("Enter");
    await page.waitForURL(app.url + path);
    expect(await banner.count()).toBe(0);
    await opened.check();

    await using french = await CheckedPage.open(browser, app, {
      user: {
        cookie:
          (await page.context().cookies())
            .map(({ name, value }) => `${name}=${value}`)
            .find((one) => one.includes("session=")) ?? "",
      },
      path,
      locale: "fr-FR",
      javaScriptEnabled: false,
    });
    await french.page.getByRole("button", { name: /^Voir à sa place/ }).click();
    await french.page.getByText(`vous voyez ce que voit ${user.email}`).waitFor();
    await french.page.getByRole("button", { name: "Mettre fin à la vue" }).click();
    await french.page.waitForURL(app.url + path);
  },
);
