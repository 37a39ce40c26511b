import { expect, test } from "bun:test";
import { CookieJar, PASSWORD, placeOf, SECURITY } from "../../accounts/browser/browser.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CheckedPage, testInBrowser } from "../checked-page.ts";

const SCRIPT = '"><script>alert(1)</script>';
const PLUGINS = plugin("shop", '.get("/", () => "shop", { permission: "shop:read" })', {
  permissions: { "shop:read": SCRIPT, "shop:write": "Sell" },
});

async function start(roles: readonly string[] = ["admin"]) {
  const app = await TestApp.start({ plugins: PLUGINS, config: { security: SECURITY } });
  const jar = new CookieJar(app);
  const id = await jar.register("ada@example.com", roles);
  await jar.signIn("ada@example.com");
  return { app, jar, id, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const textOf = async (answer: Promise<Response>): Promise<string> => (await answer).text();

test("users are found, made, changed and deleted, and the audit log says by whom", async () => {
  await using started = await start();
  const { app, jar } = started;
  const made = await jar.post("/ui/users", {
    email: "bob@example.com",
    full_name: SCRIPT,
    password: "tangerine-window",
  });
  expect(placeOf(made, "/ui/users")).toBe("/ui/users");
  const list = await textOf(jar.get("/ui/users?q=bob&is_active=true&role=&sort=-created_at"));
  expect(list).toContain("bob@example.com has an account now.");
  expect(list).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(list).not.toContain(SCRIPT);
  expect(await textOf(jar.get("/ui/users?q=nobody"))).toContain("Nobody is found by that.");

  const { body } = await app.getAsAdmin("/admin/users?q=bob");
  const page = `/ui/users/${body.items[0].id}`;
  expect(await textOf(jar.get(page))).not.toContain(SCRIPT);
  const saved = await jar.post(page, { email: "bob@example.com", full_name: "Bob" });
  expect(placeOf(saved, page)).toBe(page);
  const asked = await textOf(jar.post(`${page}/deactivate`, { csrf_token: "" }));
  expect(asked).toContain("Deactivate bob@example.com?");
  await jar.post(`${page}/deactivate`, { confirmed: "yes" });
  expect((await app.getAsAdmin("/admin/users?q=bob")).body.items).toMatchObject([
    { full_name: "Bob", is_active: false },
  ]);
  const gone = await jar.post(`${page}/delete`, { confirmed: "yes" });
  expect(placeOf(gone, `${page}/delete`)).toBe("/ui/users");
  expect((await jar.get(page)).status).toBe(404);
  const audit = await app.getAsAdmin("/admin/audit?target=user&actor=ada@example.com&action=user.*");
  expect(audit.body.items.map(({ action }: { action: string }) => action)).toEqual([
    "user.deleted",
    "user.deactivated",
    "user.updated",
    "user.created",
  ]);
});

test("a form that is refused says why at its field, and keeps what was in it but the password", async () => {
  await using started = await start();
  const { jar } = started;
  const fields = { email: SCRIPT, full_name: SCRIPT, password: "short" };
  const refused = await jar.post("/ui/users", fields);
  expect(refused.status).toBe(422);
  const html = await refused.text();
  expect(html).toContain('value="&quot;&gt;&lt;script&gt;');
  expect(html).toContain("input-error");
  expect(html).not.toContain(SCRIPT);
  expect(html).not.toContain('value="short"');
});

test("roles are given and taken, and who loses one loses what it lets them do", async () => {
  await using started = await start();
  const { app, jar } = started;
  const bob = new CookieJar(app);
  const id = await bob.register("bob@example.com");
  await bob.signIn("bob@example.com");
  expect((await bob.get("/ui/users")).status).toBe(403);

  await jar.post("/ui/roles", { name: "clerk", description: SCRIPT });
  expect(await textOf(jar.get("/ui/roles"))).not.toContain(SCRIPT);
  const { body: roles } = await app.getAsAdmin("/admin/roles?q=clerk");
  const [clerk] = roles.items;
  const matrix = await textOf(jar.get("/ui/permissions"));
  expect(matrix).toContain("&lt;script&gt;");
  expect(matrix).not.toContain(SCRIPT);
  const granted = await jar.post("/ui/permissions", toFields(matrix, [`${clerk.id} users:read`]));
  expect(placeOf(granted, "/ui/permissions")).toBe("/ui/permissions");
  expect((await app.getAsAdmin(`/admin/roles/${clerk.id}`)).body.permissions).toEqual(["users:read"]);

  await jar.post(`/ui/users/${id}/roles`, { role: String(clerk.id) });
  const page = await bob.get("/ui/users");
  expect(page.status).toBe(200);
  expect(await page.text()).not.toContain("New user");
  await jar.post(`/ui/users/${id}/roles/${clerk.id}/take`, { csrf_token: "" });
  expect((await bob.get("/ui/users")).status).toBe(403);
});

test("a matrix that shows what isn't so any more changes nothing", async () => {
  await using started = await start();
  const { app, jar } = started;
  await jar.post("/ui/roles", { name: "clerk" });
  const [clerk] = (await app.getAsAdmin("/admin/roles?q=clerk")).body.items;
  const matrix = await textOf(jar.get("/ui/permissions"));
  const path = `/admin/roles/${clerk.id}/permissions`;
  await jar.send("PUT", path, { permissions: ["users:read", "gone:read"] });
  await jar.post("/ui/permissions", toFields(matrix, [`${clerk.id} shop:read`]));
  expect(await textOf(jar.get("/ui/permissions"))).toContain(
    "Somebody has changed the role clerk meanwhile.",
  );
  const { body } = await app.getAsAdmin(`/admin/roles/${clerk.id}`);
  expect(body.permissions).toEqual(["gone:read", "users:read"]);
});

test("sessions are seen and ended, one's own and those of others", async () => {
  await using started = await start();
  const { app, jar } = started;
  const bob = new CookieJar(app);
  const id = await bob.register("bob@example.com");
  await bob.post(
    "/auth/login",
    { username: "bob@example.com", password: PASSWORD },
    {
      headers: { "user-agent": SCRIPT },
    },
  );
  const page = await textOf(jar.get(`/ui/users/${id}`));
  expect(page).toContain("&lt;script&gt;");
  expect(page).not.toContain(SCRIPT);
  await jar.post(`/ui/users/${id}/sign-out`, { confirmed: "yes" });
  expect((await bob.get("/ui/account/sessions")).status).toBe(303);

  const other = new CookieJar(app);
  await other.signIn("ada@example.com");
  expect(await textOf(other.get("/ui/account/sessions"))).toContain("This one");
  await other.post("/ui/account/sessions/end-others", { csrf_token: "" });
  expect((await jar.get("/ui/account/sessions")).status).toBe(303);
  expect((await other.get("/ui/account/sessions")).status).toBe(200);
});

test("an API key is shown once, when it is made, and revoked", async () => {
  await using started = await start();
  const { app, jar } = started;
  const fields = { name: SCRIPT, permissions: "users:read\nshop:read" };
  const wrong = await jar.post("/ui/account/api-keys", { ...fields, permissions: "nobody" });
  expect(wrong.status).toBeGreaterThanOrEqual(400);
  expect(await wrong.text()).not.toContain(SCRIPT);
  const made = await jar.post("/ui/account/api-keys", fields);
  expect(made.headers.get("cache-control")).toBe("no-store");
  const html = await made.text();
  const [key = ""] = /xc_\w+/.exec(html) ?? [];
  expect(html).not.toContain(SCRIPT);
  const ask = () => app.fetch("/admin/users", { headers: { "x-api-key": key } });
  expect((await ask()).status).toBe(200);
  const list = await textOf(jar.get("/ui/account/api-keys"));
  expect(list).not.toContain(key);
  const [, id = ""] = /api-keys\/(\d+)\/revoke/.exec(list) ?? [];
  await jar.post(`/ui/account/api-keys/${id}/revoke`, { confirmed: "yes" });
  expect((await ask()).status).toBe(401);
});

test("what makes administrators asks for the password again, and leads back to its form", async () => {
  await using started = await start();
  const { app, jar } = started;
  const id = await new CookieJar(app).register("bob@example.com");
  const [admin] = (await app.getAsAdmin("/admin/roles?q=admin")).body.items;
  const created_at = new Date(Date.now() - 11 * 60_000);
  await app.app.store.db.update(app.app.store.tables.sessions).set({ created_at });
  const path = `/ui/users/${id}/roles`;
  const asked = await jar.post(path, { role: String(admin.id) });
  const verify = `/auth/verify?next=${encodeURIComponent(`/ui/users/${id}`)}`;
  expect(placeOf(asked, path)).toBe(verify);
  await jar.post(verify, { current_password: PASSWORD });
  await jar.post(path, { role: String(admin.id) });
  expect((await app.getAsAdmin(`/admin/users/${id}`)).body.roles).toMatchObject([{ name: "admin" }]);
});

testInBrowser("somebody is given a role in a browser, by the keyboard, on a phone", async (browser) => {
  await using started = await start();
  const { app, jar } = started;
  await using checked = await CheckedPage.open(browser, app, {
    user: jar,
    path: "/ui/users",
    viewport: { width: 390, height: 844 },
  });
  const { page } = checked;
  await checked.check();
  await page.getByRole("link", { name: "New user" }).press("Enter");
  await page.getByLabel("Email").fill("bob@example.com");
  await checked.check();
  await page.getByLabel("Email").press("Enter");
  await page.getByText("bob@example.com has an account now.").waitFor();
  await page.goto("/ui/roles/new");
  await checked.check();
  await page.getByLabel("Name").fill("clerk");
  await page.keyboard.press("Enter");
  await page.getByText("The role clerk is there.").waitFor();
  await checked.check();
  await page.goto("/ui/permissions");
  await checked.check();
  await page.getByRole("checkbox", { name: "clerk: shop:read" }).press("Space");
  await page.getByRole("button", { name: "Save" }).press("Enter");
  await page.getByText("Saved: clerk.").waitFor();
  await page.goto("/ui/users?q=bob");
  await page.getByRole("link", { name: "bob@example.com" }).press("Enter");
  await page.getByLabel("Role", { exact: true }).selectOption("clerk");
  await page.getByRole("button", { name: "Give" }).press("Enter");
  await page.getByText("The role is given.").waitFor();
  await checked.check();
  await page.getByRole("button", { name: "Deactivate" }).press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Deactivate" }).press("Enter");
  await page.getByText("The account is deactivated.").waitFor();
  await page.goto("/ui/account/sessions");
  await checked.check();
  await page.goto("/ui/account/api-keys");
  await page.getByLabel("Name").fill("till");
  await page.getByLabel("Permissions").fill("shop:read");
  await checked.check();
  await page.getByLabel("Name").press("Enter");
  await page.getByRole("button", { name: "Copy" }).waitFor();
  await checked.check();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(390);
});

/** The fields of the matrix as its page has them, with more boxes ticked. */
function toFields(html: string, ticked: readonly string[]): string[][] {
  const seen = Array.from(html.matchAll(/name="seen" value="([^"]+)"/g), ([, mark = ""]) => mark);
  const boxes = html.matchAll(/name="grants" value="([^"]+)" aria-label="[^"]*" checked/g);
  const grants = [...Array.from(boxes, ([, grant = ""]) => grant), ...ticked];
  return [...seen.map((mark) => ["seen", mark]), ...grants.map((grant) => ["grants", grant])];
}
