import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { generateOtpCode } from "../../../src/accounts/two-factor/codes.ts";
import { noteAccessChange } from "../../../src/accounts/people/store.ts";
import { plugin, TestApp, type TestAppOptions, type TestUser } from "../../setup.ts";
import { PluginHost } from "../remote/plugin-host.ts";

const NOTES = plugin("notes", '.get("/", () => "notes")');

async function send(
  app: TestApp,
  who: { readonly headers: Readonly<Record<string, string>> },
  method: string,
  path: string,
  body?: object,
) {
  const headers = { ...who.headers, "content-type": "application/json" };
  const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
  const response = await app.fetch(path, init);
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

async function createHolder(app: TestApp, name: string, permissions: readonly string[]): Promise<TestUser> {
  const { db, tables } = app.app.store;
  const [role] = await db.insert(tables.roles).values({ name }).returning();
  const rows = permissions.map((permission) => ({ role_id: role?.id ?? 0, permission }));
  await db.insert(tables.rolePermissions).values(rows);
  return app.createUser(`${name}@example.com`, [name]);
}

/** A host with a plugin, and an app that may fetch from it. */
function startApp(host: PluginHost, options: TestAppOptions = {}): Promise<TestApp> {
  const config = { plugins: { fetch: { allow_hosts: [new URL(host.origin).host] } } };
  return TestApp.start({ files: { "config.json": "{}" }, plugins: NOTES, config, ...options });
}

function publish(host: PluginHost, name = "crm"): string {
  const code = `import { createRouter } from "xcore";
export const PLUGIN_INFO = { name: "${name}", version: "1.0.0" };
export default createRouter().get("/", () => "crm");`;
  return host.publish(`/${name}`, { "plugin.ts": code }, "plugin.ts").url;
}

test("seeing, switching and adding plugins are rights of their own", async () => {
  await using host = new PluginHost();
  const url = publish(host);
  await using app = await startApp(host);
  const holders = {
    reader: await createHolder(app, "reader", ["plugins:read"]),
    switcher: await createHolder(app, "switcher", ["plugins:switch"]),
    both: await createHolder(app, "both", ["plugins:*", "system:*", "system:plugins"]),
    admin: await app.admin(),
  };
  const calls = [
    ["GET", "/system/plugins", undefined],
    ["GET", "/system/plugins/notes", undefined],
    ["PUT", "/system/plugins/notes/reload", undefined],
    ["PUT", "/system/plugins/notes/disable", undefined],
    ["PUT", "/system/plugins/notes/enable", undefined],
    ["POST", "/system/plugins", { url, dry_run: true }],
    ["POST", "/system/plugins", { url }],
    ["DELETE", "/system/plugins/crm", undefined],
  ] as const;
  const passed: Record<string, string> = {};
  for (const [name, who] of Object.entries(holders)) {
    for (const [method, path, body] of calls) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const { status } = await send(app, who, method, path, body);
      passed[name] = `${passed[name] ?? ""}${status === 403 ? "-" : status < 300 ? "+" : String(status)}`;
    }
  }
  expect(passed).toEqual({
    reader: "++------",
    switcher: "--+++---",
    both: "+++++---",
    admin: "++++++++",
  });
});

test("no API key brings code, whatever it may do", async () => {
  await using host = new PluginHost();
  const url = publish(host);
  await using app = await startApp(host);
  const admin = await app.admin();
  const principal = {
    user: { id: admin.id, email: admin.email, full_name: null, roles: [] },
    lacksOtp: false,
  };
  const { key } = await app.app.accounts.apiKeys.create(
    {
      ...principal,
      permissions: { granted: ["*"], has: () => true },
      sessionId: admin.sessionId,
      apiKeyId: null,
      expiresAt: Infinity,
    },
    { name: "all", permissions: ["*"] },
  );
  const byKey = { headers: { "x-api-key": key } };
  expect((await send(app, byKey, "PUT", "/system/plugins/notes/reload")).status).toBe(200);
  for (const [method, path, body] of [
    ["POST", "/system/plugins", { url }],
    ["POST", "/system/plugins", { url, dry_run: true }],
    ["DELETE", "/system/plugins/notes", undefined],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await send(app, byKey, method, path, body)).toMatchObject({
      status: 403,
      body: { code: "authorization_error" },
    });
  }
  expect((await app.fetch("/notes")).status).toBe(200);
});

test("who has two factors gives a code before bringing code", async () => {
  await using host = new PluginHost();
  const url = publish(host);
  await using app = await startApp(host);
  const admin = await app.admin();
  const { devices } = app.app.accounts;
  const { db, tables } = app.app.store;
  const { id, secret } = await devices.create(admin.id, "My phone");
  const first = generateOtpCode(secret, Date.now());
  const { recovery_codes: codes } = await devices.confirm(admin.id, id, first, {
    sessionId: admin.sessionId,
  });
  // The code with which the device was confirmed counts, until it is ten minutes old.
  expect((await send(app, admin, "POST", "/system/plugins", { url })).status).toBe(201);
  await db
    .update(tables.sessions)
    .set({ otp_at: new Date(Date.now() - 600_001) })
    .where(eq(tables.sessions.id, admin.sessionId));
  const stale = { status: 403, body: { code: "otp_expired" } };
  expect(await send(app, admin, "POST", "/system/plugins", { url })).toMatchObject(stale);
  expect(await send(app, admin, "DELETE", "/system/plugins/crm")).toMatchObject(stale);
  // Looking, and switching what is there, go on.
  expect((await send(app, admin, "POST", "/system/plugins", { url, dry_run: true })).status).toBe(200);
  expect((await send(app, admin, "PUT", "/system/plugins/crm/disable")).status).toBe(200);

  expect((await send(app, admin, "POST", "/auth/otp/verify", { code: "000000" })).status).toBe(401);
  expect(await send(app, admin, "DELETE", "/system/plugins/crm")).toMatchObject(stale);
  const verified = await send(app, admin, "POST", "/auth/otp/verify", { code: codes?.[0] ?? "" });
  expect(verified.status).toBe(200);
  expect(Date.parse(verified.body.fresh_until) - Date.now()).toBeGreaterThan(590_000);
  expect((await send(app, admin, "DELETE", "/system/plugins/crm")).status).toBe(204);
  const entries = await db.select().from(tables.auditLog);
  expect(entries.filter(({ action }) => action === "plugin.added").map(({ result }) => result)).toEqual([
    "done",
    "refused",
  ]);
});

test("who lost the right while a plugin is fetched doesn't add it", async () => {
  await using host = new PluginHost();
  const url = publish(host);
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const [path = ""] = [...host.answers.keys()];
  const code = host.answers.get(path) as string;
  host.answers.set(path, async () => {
    asked.resolve();
    await go.promise;
    return new Response(code);
  });
  await using app = await startApp(host);
  const admin = await app.admin();
  const adding = send(app, admin, "POST", "/system/plugins", { url });
  await asked.promise;
  const { db, tables } = app.app.store;
  await db.delete(tables.userRoles).where(eq(tables.userRoles.user_id, admin.id));
  await noteAccessChange(db, tables, admin.id);
  go.resolve();
  expect((await adding).status).toBe(403);
  expect((await app.fetch("/crm")).status).toBe(404);
});

test("over HTTP, private addresses are asked only where config.json says so, and it is accounted for", async () => {
  await using host = new PluginHost();
  const url = publish(host);
  await using app = await TestApp.start({ files: { "config.json": "{}" } });
  const admin = await app.admin();
  for (const body of [
    { url, dry_run: true },
    { url },
    { url: "https://127.0.0.1:1/x.ts", dry_run: true },
    { url: "https://10.0.0.1/x.ts", dry_run: true },
    { urls: ["https://169.254.169.254/latest/x.ts", url], dry_run: true },
    { url: "https://[::1]/x.ts" },
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await send(app, admin, "POST", "/system/plugins", body);
    expect([body, answer.status, answer.body.code]).toEqual([body, 422, "plugin_refused"]);
    expect(answer.body.detail).toContain("plugins.fetch.allow_hosts");
  }
  expect(host.requests).toEqual([]);
  const { db, tables } = app.app.store;
  const entries = await db.select().from(tables.auditLog);
  expect(entries).toHaveLength(6);
  expect(entries[0]).toMatchObject({
    action: "plugin.inspected",
    result: "refused",
    actor_id: admin.id,
    after: { urls: [url], dry_run: true, reason: expect.stringContaining("allow_hosts") },
  });
});

test("what a URL of a plugin holds is shown to nobody", async () => {
  const url = "https://ada:hunter2@127.0.0.1:1/crm.ts?token=hunter3";
  const remote = { crm: { url, integrity: `sha256-${"A".repeat(43)}=` } };
  await using app = await TestApp.start({
    files: { "config.json": JSON.stringify({ plugins: { remote } }) },
  });
  const admin = await app.admin();
  const reader = await createHolder(app, "reader", ["plugins:read"]);
  const texts = await Promise.all([
    send(app, reader, "GET", "/system/plugins"),
    send(app, reader, "GET", "/system/plugins/crm"),
    send(app, admin, "POST", "/system/plugins", { url, dry_run: true }),
    send(app, admin, "POST", "/system/plugins", { urls: [url] }),
    send(app, admin, "DELETE", "/system/plugins/crm"),
  ]);
  const { db, tables } = app.app.store;
  const entries = await db.select().from(tables.auditLog);
  expect(entries.map(({ action }) => action).toSorted()).toEqual([
    "plugin.added",
    "plugin.inspected",
    "plugin.removed",
  ]);
  const shown = JSON.stringify([texts, entries]);
  expect(shown).toContain("https://[redacted]@127.0.0.1:1/crm.ts?token=[redacted]");
  expect(shown).not.toContain("hunter");
});
