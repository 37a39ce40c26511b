import { eq } from "drizzle-orm";
import { afterAll, expect, test } from "bun:test";
import { readCookie, toSetCookie } from "../../../src/accounts/browser/cookies.ts";
import { type DialectTest, testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, placeOf, SECURITY } from "./browser.ts";

const MINUTE_MS = 60_000;
const SHOP = plugin("shop", '.get("/", ({ user }) => user.email, { auth: true })');

const HEADERS: [header: string, isSecure: boolean, found: string | null][] = [
  ["xcore_session=a", false, "a"],
  ["theme=dark; xcore_session=a; x=y", false, "a"],
  ["theme=dark;xcore_session=a=b", false, "a=b"],
  ["__Host-xcore_session=a", true, "a"],
  ["__Host-xcore_session=a; xcore_session=planted", true, "a"],
  ["xcore_session=planted; __Host-xcore_session=a", true, "a"],
  // Set by another host of the domain, or by its HTTP.
  ["xcore_session=planted", true, null],
  ["xcore_session=planted; xcore_session=a", false, null],
  ["xcore_session=a; xcore_session=planted", false, null],
  ["__Host-xcore_session=a; __Host-xcore_session=b", true, null],
  ["my_xcore_session=a", false, null],
  ["x=xcore_session=a", false, null],
  ["xcore_session", false, null],
  ["xcore_sessions=a", false, null],
  ["", false, null],
];

test.each(HEADERS)("readCookie() finds in %p of a browser with HTTPS %p: %p", (header, isSecure, found) => {
  expect(readCookie(header, () => isSecure)).toBe(found);
});

test("toSetCookie() keeps scripts, other sites and other hosts from the cookie", () => {
  expect(toSetCookie("v", { isSecure: true, maxAge: 60 })).toBe(
    "__Host-xcore_session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure",
  );
  expect(toSetCookie("v", { isSecure: false, maxAge: 60 })).toBe(
    "xcore_session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax",
  );
});

const shared = await TestApp.start({ plugins: SHOP, config: { security: SECURITY } });
afterAll(() => shared[Symbol.asyncDispose]());
await new CookieJar(shared).register("ada@example.com");

interface Place {
  readonly publicOrigin?: string;
  readonly trustedProxies?: readonly string[];
  readonly cors?: { readonly allow_origins: string[]; readonly allow_credentials: boolean };
}

/** Signs in with what config.json says of where the server stands. */
async function signInAt(place: Place, headers: Record<string, string>) {
  const cors = { allow_origins: [], allow_credentials: false, ...place.cors };
  shared.app.web.configure({
    bodyLimit: 10_000,
    trustedProxies: [],
    ...place,
    cors: { ...cors, allow_methods: ["*"], allow_headers: ["*"] },
  });
  const jar = new CookieJar(shared);
  const body = new URLSearchParams({ username: "ada@example.com", password: PASSWORD });
  const sent = { accept: "text/html", ...headers };
  const response = await jar.fetch("/auth/login", { method: "POST", body, headers: sent });
  return { jar, response };
}

const TRUSTED = { trustedProxies: ["127.0.0.1"] };
const PUBLIC = { publicOrigin: "https://erp.example.com" };
const PROXIES: [name: string, place: Place, headers: Record<string, string>, isSecure: boolean][] = [
  ["no proxy", {}, {}, false],
  ["an https: public_url", PUBLIC, {}, true],
  ["a trusted proxy with HTTPS", TRUSTED, { "x-forwarded-proto": "https" }, true],
  ["a trusted proxy before which there is another", TRUSTED, { "x-forwarded-proto": "http, https" }, true],
  ["a trusted proxy without", TRUSTED, { "x-forwarded-proto": "http" }, false],
  ["somebody who says so", {}, { "x-forwarded-proto": "https" }, false],
  ["another proxy", { trustedProxies: ["192.0.2.1"] }, { "x-forwarded-proto": "https" }, false],
];

test.each(PROXIES)(
  "the cookie is Secure as the browser's connection is: %s",
  async (_, place, headers, isSecure) => {
    const { jar } = await signInAt(place, { ...headers, "sec-fetch-site": "same-origin" });
    expect(jar.given.at(-1)?.startsWith("__Host-xcore_session=")).toBe(isSecure);
    expect(jar.given.at(-1)?.endsWith("; Secure")).toBe(isSecure);
    expect(await (await jar.fetch("/shop/", { headers })).text()).toBe("ada@example.com");
    // By HTTPS a cookie that a sibling host could have planted is none.
    const planted = { ...headers, cookie: `xcore_session=${jar.value}` };
    expect((await shared.fetch("/shop/", { headers: planted })).status).toBe(isSecure ? 401 : 200);
  },
);

const CORS = { allow_origins: ["https://app.example"], allow_credentials: true };
const FROM_APP = { origin: "https://app.example", "sec-fetch-site": "same-site" };
const ORIGINS: [name: string, place: Place, headers: Record<string, string>, isOwn: boolean][] = [
  ["the public URL's", PUBLIC, { origin: "https://erp.example.com" }, true],
  ["the public URL's by HTTP", PUBLIC, { origin: "http://erp.example.com" }, false],
  [
    "what a trusted proxy forwards for",
    TRUSTED,
    { origin: "https://erp.example.com", "x-forwarded-host": "erp.example.com" },
    true,
  ],
  [
    "what somebody says they forward for",
    {},
    { origin: "https://evil.example", "x-forwarded-host": "evil.example" },
    false,
  ],
  [
    "the host with the port that goes without saying",
    {},
    { origin: "http://own.example", host: "own.example:80" },
    true,
  ],
  ["one that cors lets send credentials", { cors: CORS }, FROM_APP, true],
  ["one that cors lets read only", { cors: { ...CORS, allow_credentials: false } }, FROM_APP, false],
];

test.each(ORIGINS)("a form counts as sent by a page of ours from %s", async (_, place, headers, isOwn) => {
  const { response } = await signInAt(place, headers);
  expect(response.status).toBe(isOwn ? 303 : 403);
});

/** An app on a database of this dialect, with somebody who has signed in. */
async function start({ url }: Pick<DialectTest, "url">, security: object = {}) {
  const config = { database: { url }, security: { ...SECURITY, ...security } };
  const app = await TestApp.start({ plugins: SHOP, config });
  const jar = new CookieJar(app);
  const id = await jar.register("ada@example.com");
  await jar.signIn("ada@example.com");
  const { db, tables } = app.app.store;
  const readSession = async () => {
    const rows = await db.select().from(tables.sessions).where(eq(tables.sessions.user_id, id));
    const session = rows.find(({ cookie_at }) => cookie_at !== null);
    if (session === undefined) throw new Error("no session");
    return session;
  };
  return { app, jar, id, readSession, db, tables };
}

testWithCoreTables("a cookie is of a session like any other, and ends with it", async (context) => {
  const { app, jar, id, readSession } = await start(context);
  await using _ = app;
  const session = await readSession();
  expect(session).toMatchObject({ refresh_hash: "", has_otp: false, revoked_at: null });
  const admin = await app.admin();
  const list = await app.getAsAdmin(`/admin/users/${id}/sessions`);
  expect(list.body.items.map((item: { id: string }) => item.id)).toContain(session.id);
  // Nothing of it is a refresh token.
  const refresh = await jar.send("POST", "/auth/refresh", { refresh_token: jar.value });
  expect(refresh.status).toBe(401);
  expect((await jar.fetch("/shop/")).status).toBe(200);
  const ends = await app.fetch(`/admin/users/${id}/deactivate`, { method: "PUT", headers: admin.headers });
  expect(ends.status).toBe(200);
  expect((await jar.fetch("/shop/")).status).toBe(401);
});

testWithCoreTables(
  "a change of rights replaces the cookie, whose next requests it reaches",
  async (context) => {
    const { app, jar, id, readSession, db, tables } = await start(context);
    await using _ = app;
    const { cookie } = jar;
    expect((await jar.fetch("/shop/")).headers.getSetCookie()).toEqual([]);
    const [role] = await db.insert(tables.roles).values({ name: "clerk" }).returning();
    const given = await app.fetch(`/admin/users/${id}/roles/${role?.id}`, {
      method: "POST",
      headers: (await app.admin()).headers,
    });
    expect(given.status).toBe(200);
    // Two that are under way at once: both go on with what they have.
    const before = (await readSession()).cookie_at?.getTime() ?? 0;
    const both = await Promise.all([1, 2].map(() => app.fetch("/shop/", { headers: { cookie } })));
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    const renewed = both.flatMap(({ headers }) => headers.getSetCookie());
    expect(renewed.length).toBeGreaterThan(0);
    expect(both.find(({ headers }) => headers.has("set-cookie"))?.headers.get("cache-control")).toBe(
      "no-store",
    );
    const at = (await readSession()).cookie_at?.getTime() ?? 0;
    expect(at).toBeGreaterThan(before);
    // Who has missed the answer is told again.
    const response = await jar.fetch("/shop/");
    expect(response.headers.getSetCookie()).toHaveLength(1);
    expect(jar.cookie).not.toBe(cookie);
    expect((await jar.fetch("/shop/")).headers.getSetCookie()).toEqual([]);
  },
);

testWithCoreTables("a cookie that was replaced ends after a moment", async (context) => {
  const { app, jar, readSession, db, tables } = await start(context);
  await using _ = app;
  const { id, cookie_at } = await readSession();
  // Replaced a minute ago by a later one.
  const at = (cookie_at?.getTime() ?? 0) - MINUTE_MS;
  const old = app.app.accounts.browser.credentials;
  const stale = await old.toCookie(new Request("http://localhost/"), {
    sessionId: id,
    userId: 0,
    issuedAt: at - 1,
  });
  await db
    .update(tables.sessions)
    .set({ cookie_at: new Date(at) })
    .where(eq(tables.sessions.id, id));
  const [cookie = ""] = stale.split(";");
  expect((await app.fetch("/shop/", { headers: { cookie } })).status).toBe(401);
  expect((await jar.fetch("/shop/")).status).toBe(200);
});

testWithCoreTables("another password ends other sessions, and every cookie from before", async (context) => {
  const { app, jar } = await start(context);
  await using _ = app;
  const elsewhere = new CookieJar(app);
  await elsewhere.signIn("ada@example.com");
  const { cookie } = jar;
  const change = { current_password: PASSWORD, new_password: "another horse battery" };
  expect((await jar.send("PUT", "/auth/password", change)).status).toBe(204);
  expect(jar.cookie).not.toBe(cookie);
  expect((await jar.fetch("/shop/")).status).toBe(200);
  expect((await app.fetch("/shop/", { headers: { cookie } })).status).toBe(401);
  expect((await elsewhere.fetch("/shop/")).status).toBe(401);
});

testWithCoreTables("using a cookie keeps its session from ending, but not for ever", async (context) => {
  const { app, jar, readSession, db, tables } = await start(context, { session_max_days: 1 });
  await using _ = app;
  const { id, created_at } = await readSession();
  const set = (values: Partial<typeof tables.sessions.$inferInsert>) =>
    db.update(tables.sessions).set(values).where(eq(tables.sessions.id, id));
  const soon = new Date(Date.now() + MINUTE_MS);
  await set({ last_used_at: new Date(Date.now() - 2 * MINUTE_MS), expires_at: soon });
  expect((await jar.fetch("/shop/")).status).toBe(200);
  await app.app.accounts.browser.credentials.settle();
  const used = await readSession();
  expect(used.last_used_at.getTime()).toBeGreaterThan(Date.now() - MINUTE_MS);
  expect(used.expires_at.getTime()).toBe(created_at.getTime() + 86_400_000);
  // Idle for too long.
  await set({ expires_at: new Date(Date.now() - 1) });
  await db.insert(tables.accessChanges).values({ user_id: null });
  expect((await jar.fetch("/shop/")).status).toBe(401);
  expect(placeOf(await jar.get("/shop/"), "/shop/")).toBe("/auth/login?next=%2Fshop%2F");
});

testOnDialect("sqlite", "a cookie that nobody has sealed is none, whatever it says", async (context) => {
  const { app, jar } = await start(context);
  await using _ = app;
  const parts = jar.value.split(".");
  const [head = "", issued = "", rights = "", seal = ""] = parts;
  for (const value of [
    [head, (Number.parseInt(issued, 36) + 1).toString(36), rights, seal],
    [head, issued, "AAAAAAAA", seal],
    [`xs_${crypto.randomUUID()}`, issued, rights, seal],
    [head, issued, rights],
    [head, issued, rights, seal, seal],
    ["x".repeat(10_000)],
  ]) {
    const cookie = `xcore_session=${value.join(".")}`;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await app.fetch("/shop/", { headers: { cookie } })).status).toBe(401);
  }
});
