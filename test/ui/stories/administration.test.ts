import { expect } from "bun:test";
import { CookieJar, SECURITY } from "../../accounts/browser/browser.ts";
import { PluginHost } from "../../plugins/remote/plugin-host.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage } from "../checked-page.ts";
import { tellStories } from "./stories.ts";

/** A server, an administrator who is signed in, and a web server of a plugin's author. */
async function open() {
  const opened = new AsyncDisposableStack();
  const host = opened.use(new PluginHost());
  const app = opened.use(
    await TestApp.start({
      files: { "config.json": "{}" },
      config: { security: SECURITY, plugins: { fetch: { allow_hosts: [new URL(host.origin).host] } } },
    }),
  );
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  return { app, host, jar, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

tellStories(open, {
  "a plugin is looked at, added by its URL, disabled and enabled": async ({
    hand,
    browser,
    stage,
    toName,
    check,
  }) => {
    const { app, host, jar } = stage;
    const name = toName("till");
    const code = `import { createRouter } from "xcore";
export const PLUGIN_INFO = ${JSON.stringify({ name, version: "1.0.0", permissions: { [`${name}:open`]: "Open the till" } })};
export default createRouter().get("/", () => "the till is open");`;
    const { url } = host.publish(`/${name}`, { "plugin.ts": code }, "plugin.ts");
    await using checked = await CheckedPage.open(browser, app, { user: jar });
    const { page } = checked;
    await hand.goTo(page, "Plugins");
    await hand.press(page.getByRole("link", { name: "Add a plugin" }));
    await hand.write(page.getByRole("textbox", { name: "Address" }), url);
    await hand.press(page.getByRole("button", { name: "Look at it" }));
    await page.getByRole("heading", { name: `Install ${name}?` }).waitFor();
    await page.getByText("Open the till").waitFor();
    expect((await app.fetch(`/${name}`)).status).toBe(404);
    await check(checked);
    await hand.press(page.getByRole("button", { name: "Install" }));
    await page.getByRole("alert").getByText(name).waitFor();
    expect(await (await app.fetch(`/${name}`)).text()).toBe("the till is open");

    await hand.goTo(page, "Plugins");
    await hand.press(page.getByRole("link", { name, exact: true }));
    await hand.press(page.getByRole("button", { name: "Disable", exact: true }));
    await hand.press(page.getByRole("dialog").getByRole("button", { name: "Disable" }));
    await page.locator(".badge").getByText("disabled").waitFor();
    expect((await app.fetch(`/${name}`)).status).toBe(404);
    await check(checked);
    await hand.press(page.getByRole("button", { name: "Enable" }));
    await page.locator(".badge").getByText("serving").waitFor();
    expect((await app.fetch(`/${name}`)).status).toBe(200);
    await check(checked);
  },

  "a plugin that fails shows the line of its source, and serves again once that is mended": async ({
    hand,
    browser,
    stage: { app, jar },
    toName,
    check,
  }) => {
    const name = toName("ledger");
    await app.after(
      "plugin.loaded",
      () => app.writePlugins(plugin(name, '.get("/", () => "first")')),
      ({ data }) => data.name === name,
    );
    const broken = `import { createRouter } from "xcore";\n\nthrow new Error("There is no ledger");\nexport default createRouter();\n`;
    await app.after(
      "plugin.failed",
      () => app.writePlugins({ [`${name}/run.ts`]: broken }),
      ({ data }) => data.name === name,
    );
    await using checked = await CheckedPage.open(browser, app, { user: jar });
    const { page } = checked;
    await hand.goTo(page, "Plugins");
    await hand.press(page.getByRole("link", { name, exact: true }));
    await page.getByRole("heading", { name: "Why it has failed" }).waitFor();
    await page.getByText("The last version that could be loaded goes on serving.").waitFor();
    expect(await page.locator("pre .bg-error").textContent()).toBe(
      '   3  throw new Error("There is no ledger");',
    );
    expect(await (await app.fetch(`/${name}`)).text()).toBe("first");
    await check(checked);

    await app.after(
      "plugin.reloaded",
      () => app.writePlugins(plugin(name, '.get("/", () => "second")')),
      ({ data }) => data.name === name,
    );
    await hand.press(page.getByRole("button", { name: "Reload" }));
    await page.getByText("serving", { exact: true }).waitFor();
    expect(await page.getByText("Why it has failed").count()).toBe(0);
    expect(await (await app.fetch(`/${name}`)).text()).toBe("second");
    await check(checked);
  },

  "what a role grants is changed, and felt at once by who holds it": async ({
    hand,
    browser,
    stage: { app, jar },
    toName,
    check,
  }) => {
    const role = toName("clerk");
    const email = `${toName("bob")}@example.com`;
    const bob = new CookieJar(app);
    await jar.send("POST", "/admin/roles", { name: role });
    await bob.register(email, [role]);
    await bob.signIn(email);
    await using theirs = await CheckedPage.open(browser, app, { user: bob });
    const menu = theirs.page.getByRole("navigation", { name: "Main" });
    expect(await menu.getByRole("link", { name: "Users" }).count()).toBe(0);

    await using checked = await CheckedPage.open(browser, app, { user: jar });
    const { page } = checked;
    await hand.goTo(page, "Permissions");
    const grant = page.getByRole("checkbox", { name: `${role}: users:read` });
    await hand.tick(grant);
    await hand.press(page.getByRole("button", { name: "Save" }));
    await page.getByText(`Saved: ${role}.`).waitFor();
    await check(checked);

    await theirs.page.reload();
    await hand.goTo(theirs.page, "Users");
    await hand.press(theirs.page.getByRole("link", { name: "ada@example.com" }));
    await theirs.page.getByRole("heading", { level: 1, name: "ada@example.com" }).waitFor();
    expect(await theirs.page.getByRole("button", { name: "Deactivate" }).count()).toBe(0);
    await check(theirs);

    await hand.goTo(page, "Permissions"); // where nothing says yet that it is saved
    await hand.tick(grant);
    await hand.press(page.getByRole("button", { name: "Save" }));
    await page.getByText(`Saved: ${role}.`).waitFor();
    expect(await grant.isChecked()).toBe(false);
    await hand.press(theirs.page.getByRole("link", { name: "Users" }).first());
    await theirs.page.getByText("You may not see this").first().waitFor();
    theirs.forgive(/403/);
    await check(theirs);
  },
});
