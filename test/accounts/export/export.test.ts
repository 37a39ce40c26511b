import { expect, test } from "bun:test";
import { CookieJar, PASSWORD, SECURITY } from "../browser/browser.ts";
import { plugin, TestApp } from "../../setup.ts";

const ADA = "ada@example.com";

/** A plugin whose only handler is this. */
const holding = (name: string, handler: string, options = "{}") => ({
  [`${name}/plugin.json`]: { name, version: "1.0.0" },
  [`${name}/run.ts`]: `import { createRouter, hooks } from "xcore";
hooks.on("user.exporting", ${handler}, ${options});
export default createRouter();`,
});

test("people download all that is held of them: by the core without secrets, and by each plugin that can say it", async () => {
  await using app = await TestApp.start({
    config: { security: SECURITY },
    plugins: {
      ...holding("blog", "async ({ data }) => ({ articles: [`of ${data.user.email}`], at: new Date(0) })"),
      ...holding("constructor", "() => ['polluted', { ['__proto__']: 1 }]"),
      ...holding("broken", "() => { throw new Error('The disk is away') }"),
      ...holding("slow", "() => new Promise(() => {})", "{ timeout_ms: 20 }"),
      ...holding("circular", "() => { const it = {}; it.it = it; return it; }"),
      ...holding("huge", "() => 'x'.repeat(17 * 1024 * 1024)"),
      ...holding("silent", "() => undefined"),
      ...plugin("shop", '.get("/", () => 1)'),
    },
  });
  const { db, tables } = app.app.store;
  const jar = new CookieJar(app);
  const id = await jar.register(ADA, ["user"]);
  const bob = await new CookieJar(app).register("bob@example.com");
  await jar.signIn(ADA);
  const ofBoth = [id, bob];
  await db.insert(tables.resourceComments).values(
    Array.from({ length: 1201 }, (_, index) => ({
      table_name: "deals",
      row_key: "1",
      author_id: ofBoth[index % 2] ?? 0,
      body: `"${index}" by ${ofBoth[index % 2]}`,
    })),
  );
  const key = await jar.send("POST", "/auth/api_keys", { name: "CI", permissions: [] });
  const secret = ((await key.json()) as { key: string }).key;
  await jar.enrol();
  const [session] = await db.select().from(tables.sessions);
  if (session === undefined) throw new Error("no session");
  const view = { ...session, id: crypto.randomUUID(), viewer_session_id: crypto.randomUUID() };
  await db.insert(tables.sessions).values({ ...view, user_id: id, ip_address: "192.0.2.99" });

  const answer = await jar.send("POST", "/auth/export", {});
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-disposition")).toBe(`attachment; filename="account-${id}.json"`);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const text = await answer.text();
  const held = JSON.parse(text);
  const names =
    "exported_at account roles sessions otp_devices passkeys identities api_keys saved_views comments mails audit_log plugins missing";
  expect(Object.keys(held).join(" ")).toBe(names);
  expect(held.account).toMatchObject({ id, email: ADA, has_password: true, language: null });
  expect(held.roles).toEqual(["user"]);
  expect(held.comments).toHaveLength(601);
  expect(held.comments[600]).toMatchObject({ body: `"1200" by ${id}` });
  const own = { ip_address: "127.0.0.1", revoked_at: null };
  expect(held.sessions).toContainEqual(expect.objectContaining(own));
  expect(held.otp_devices).toMatchObject([{ name: "My phone" }]);
  expect(held.api_keys).toMatchObject([{ name: "CI" }]);
  const actions = held.audit_log.map(({ action }: { action: string }) => action);
  expect(actions).toEqual(expect.arrayContaining(["user.login", "api_key.created", "otp.enrolled"]));
  for (const word of [
    secret.slice(12),
    "password_hash",
    "key_hash",
    "$2b$",
    "bob@",
    "192.0.2.99",
    `by ${bob}`,
    "refresh_hash",
  ])
    expect([word, text.includes(word)]).toEqual([word, false]);
  expect(held.plugins).toEqual({
    blog: { articles: [`of ${ADA}`], at: "1970-01-01T00:00:00.000Z" },
    constructor: ["polluted", JSON.parse('{"__proto__":1}')],
  });
  expect(
    held.missing.toSorted((a: { plugin: string }, b: { plugin: string }) => (a.plugin < b.plugin ? -1 : 1)),
  ).toEqual([
    { plugin: "broken", reason: "It failed" },
    { plugin: "circular", reason: "What it holds can't be written as JSON" },
    { plugin: "huge", reason: "What it holds is larger than 16 MB" },
    { plugin: "slow", reason: "It took too long" },
  ]);
  const [noted] = (await db.select().from(tables.auditLog)).filter(
    ({ action }) => action === "user.exported",
  );
  expect(noted).toMatchObject({ actor: ADA, target_id: String(id), result: "done" });
});

test("an export takes somebody who has shown that it is them, and no key", async () => {
  await using app = await TestApp.start({ config: { security: SECURITY } });
  const jar = new CookieJar(app);
  await jar.register(ADA);
  await jar.signIn(ADA);
  const key = await jar.send("POST", "/auth/api_keys", { name: "CI", permissions: [] });
  const { key: secret } = (await key.json()) as { key: string };
  const ask = async (init: RequestInit) =>
    (await app.fetch("/auth/export", { method: "POST", ...init })).status;
  expect(await ask({})).toBe(401);
  expect(await ask({ headers: { "x-api-key": secret } })).toBe(403);
  await app.app.store.db.update(app.app.store.tables.sessions).set({ created_at: new Date(0) });
  const late = await jar.send("POST", "/auth/export", {});
  expect([late.status, await late.text()]).toEqual([403, expect.stringContaining("identification_expired")]);
  const again = await jar.send("POST", "/auth/export", { current_password: PASSWORD });
  expect([again.status, ((await again.json()) as { plugins: object }).plugins]).toEqual([200, {}]);
});

test("who has registered with another's address reads nothing of the mails to it, until they have shown that it is theirs", async () => {
  await using app = await TestApp.start({ config: { security: { ...SECURITY, allow_registration: true } } });
  await app.app.mail.send({ to: "customer@example.com", template: "test" });
  const jar = new CookieJar(app);
  const credentials = { email: "customer@example.com", password: PASSWORD };
  expect((await jar.send("POST", "/auth/register", credentials)).status).toBe(201);
  await jar.signIn(credentials.email);
  const subjects = async () => {
    const { mails } = (await (await jar.send("POST", "/auth/export", {})).json()) as {
      mails: { template: string }[];
    };
    return mails.map(({ template }) => template);
  };
  expect(await subjects()).toEqual([]);
  const { db, tables } = app.app.store;
  await db.update(tables.users).set({ email_verified_at: new Date() });
  expect(await subjects()).toEqual(["test", "verify-email"]);
});
