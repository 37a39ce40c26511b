import { expect, setDefaultTimeout, setSystemTime, test } from "bun:test";
import { CookieJar, PASSWORD, placeOf, SECURITY } from "../../accounts/browser/browser.ts";
import { TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

setDefaultTimeout(120_000);

const SCRIPT = `"><script>alert(1)</script>`;
const KEYS = "/ui/account/api-keys";
const SETTINGS = "/ui/plugins/shop/settings";
const SHOP = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/run.ts": `import { t } from "elysia";\nimport { config, createRouter } from "xcore";
export const settings = t.Object({
  currency: t.String({ default: "EUR" }),
  kind: t.Optional(t.Union([t.Literal("big"), t.Literal("small")])),
  open: t.Boolean({ default: true }),
  tags: t.Array(t.String(), { default: [] }),
  api_key: t.Optional(t.String()),
});
export default createRouter().get("/", () => ({ ...config }));\n`,
};

/** An administrator who has signed in eleven minutes ago. */
async function start() {
  const app = await TestApp.start({ plugins: SHOP, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register("ada@example.com", ["admin"]);
  await jar.signIn("ada@example.com");
  const { db, tables } = app.app.store;
  const forget = () =>
    db.update(tables.sessions).set({ created_at: new Date(Date.now() - 11 * 60_000), identified_at: null });
  await forget();
  return { app, jar, forget, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const draftOf = (response: Response): string =>
  /xcore_draft=[^;]+/.exec(response.headers.get("set-cookie") ?? "")?.[0] ?? "";

test("what was typed is there again after the password, but for secrets, and only where it was typed", async () => {
  await using started = await start();
  const { app, jar } = started;
  const asked = await jar.post(KEYS, { name: SCRIPT, permissions: "a\nb", password: "hunter2" });
  expect(placeOf(asked, KEYS)).toBe(`/auth/verify?next=${encodeURIComponent(KEYS)}`);
  const draft = draftOf(asked);
  expect(draft).not.toBe("");
  expect(
    Buffer.from(Bun.inflateSync(Buffer.from(draft.slice(12).split(".")[0] ?? "", "base64url"))).toString(),
  ).not.toContain("hunter2");
  await jar.post("/auth/verify", { current_password: PASSWORD });
  const withDraft = (path: string, value = draft) =>
    app.fetch(path, { headers: { cookie: `${jar.cookie}; ${value}`, accept: "text/html" } });
  const page = await withDraft(KEYS);
  const html = await page.text();
  expect(html).toContain('value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"');
  expect(html).toContain(">\na\nb</textarea>");
  expect(page.headers.get("set-cookie")).toContain("xcore_draft=; ");
  expect(await (await withDraft("/ui/users/-/new")).text()).not.toContain("alert(1)");
  // What nobody here has sealed is none.
  const [packed = "", mark = ""] = draft.split(".");
  for (const forged of [
    `${packed}x.${mark}`,
    `${packed}.${mark.replace(/^./, (first) => (first === "_" ? "-" : "_"))}`,
    draft.replace("draft", "flash"),
  ]) {
    const answer = await withDraft(KEYS, forged);
    expect(answer.status).toBe(200);
    expect(await answer.text()).not.toContain("alert(1)");
  }
  // What is larger than a cookie is typed again.
  await started.forget();
  const long = Array.from({ length: 400 }, () => crypto.randomUUID()).join("\n");
  const large = await jar.post(SETTINGS, { version: "*", "s/tags": long });
  expect(large.status).toBe(303);
  expect(draftOf(large)).toBe("");
});

test("what somebody has typed fills no form of anybody else, whatever cookies their browser was given", async () => {
  await using started = await start();
  const { app, jar, forget } = started;
  const mallory = new CookieJar(app);
  await mallory.register("mallory@example.com");
  await mallory.signIn("mallory@example.com");
  await forget();
  const draft = draftOf(await mallory.post(KEYS, { name: "Given by mallory", permissions: "a" }));
  const pageOf = async ({ cookie }: CookieJar) =>
    (await app.fetch(KEYS, { headers: { cookie: `${cookie}; ${draft}`, accept: "text/html" } })).text();
  expect(await pageOf(mallory)).toContain("Given by mallory");
  expect(await pageOf(jar)).not.toContain("Given by mallory");
});

test("a message is shown to who it is for, and not long after, whatever cookies their browser was given", async () => {
  await using started = await start();
  const { app, jar } = started;
  const mallory = new CookieJar(app);
  await mallory.register("mallory@example.com");
  await mallory.signIn("mallory@example.com");
  const answer = await mallory.post("/ui/account", { full_name: "Mallory" });
  const [, flash = ""] = /(xcore_flash=[^;]+)/.exec(answer.headers.getSetCookie().join()) ?? [];
  const isShown = async ({ cookie }: CookieJar): Promise<boolean> => {
    const headers = { cookie: `${cookie}; ${flash}`, accept: "text/html" };
    const html = await (await app.fetch("/ui/account", { headers })).text();
    return html.includes('role="alert"') && html.includes("Saved.");
  };
  expect([await isShown(mallory), await isShown(jar)]).toEqual([true, false]);
  try {
    setSystemTime(Date.now() + 61_000);
    expect(await isShown(mallory)).toBe(false);
  } finally {
    setSystemTime();
  }
});

testInBrowser("a form is filled as it was after the password, and then sent", async (browser) => {
  await using started = await start();
  const { app, jar } = started;
  await using checked = await CheckedPage.open(browser, app, { user: jar, path: SETTINGS });
  const { page } = checked;
  await page.getByLabel("currency").fill(`${SCRIPT} U&amp;D`);
  await page.getByLabel("kind").selectOption({ label: "small" });
  await page.getByLabel("open").setChecked(false);
  await page.getByLabel("tags").fill("<b>\n&lt;");
  await page.getByLabel("api_key").fill("typed secret");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/auth/verify?**");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**${SETTINGS}`);
  expect(await page.getByLabel("currency").inputValue()).toBe(`${SCRIPT} U&amp;D`);
  expect(await page.getByLabel("tags").inputValue()).toBe("<b>\n&lt;");
  expect(await page.getByLabel("api_key").inputValue()).toBe("");
  await checked.check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  expect((await app.get("/shop")).body).toEqual({
    currency: `${SCRIPT} U&amp;D`,
    kind: "small",
    open: false,
    tags: ["<b>", "&lt;"],
  });
});
