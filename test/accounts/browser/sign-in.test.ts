import { afterAll, expect, test } from "bun:test";
import { plugin, TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, placeOf, SECURITY } from "./browser.ts";

const ROUTER = `
  .get("/", ({ user }) => user.email, { auth: true })
  .get("/may", () => "yes", { permission: "shop:see" })
  .get("/anybody", ({ user }) => ({ email: user?.email ?? null }), { optionalAuth: true })
  .post("/orders", ({ user }) => ({ by: user.email }), { auth: true })
  .post("/open-orders", ({ user }) => ({ by: user?.email ?? null }), { optionalAuth: true })
  .post("/forms", ({ body, user }) => ({ by: user.email, item: body.item }), { auth: true, body: t.Object({ item: t.String() }) })`;
const files = plugin("shop", ROUTER, { permissions: { "shop:see": "" } });
const code = `import { t } from "elysia";\n${files["shop/run.ts"] as string}`;
const app = await TestApp.start({
  plugins: { ...files, "shop/run.ts": code },
  config: { security: SECURITY },
});
afterAll(() => app[Symbol.asyncDispose]());

let made = 0;
/** A browser whose user has an account. */
async function open(): Promise<{ jar: CookieJar; email: string }> {
  const jar = new CookieJar(app);
  const email = `person-${++made}@example.com`;
  await jar.register(email);
  return { jar, email };
}

test("GET /auth/login is a page that needs no script, and loads nothing from elsewhere", async () => {
  const page = await new CookieJar(app).get("/auth/login?next=/shop%3Fa%3D1");
  const text = await page.text();
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html;charset=utf-8"]);
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/default-src 'self'; script-src 'nonce-[^']+'; [^]*frame-ancestors 'self'/);
  expect(policy).not.toContain("unsafe");
  expect(page.headers.get("cache-control")).toBe("no-store");
  expect(page.headers.get("referrer-policy")).toBe("same-origin");
  expect(text).not.toMatch(/https?:\/\/| style="|\son\w+=/);
  expect(text).toContain('action="../auth/login?next=%2Fshop%3Fa%3D1"');
  expect(text).toMatch(/<label[^>]*for="field-username">[^]*autofocus[^]*<label[^>]*for="field-password">/);
});

test("a guarded page leads a browser to the login, which leads it back with a cookie", async () => {
  const { jar, email } = await open();
  const asked = await jar.get("/shop/?a=1&b=%20");
  expect([asked.status, await asked.text()]).toEqual([303, ""]);
  expect(placeOf(asked, "/shop/")).toBe("/auth/login?next=%2Fshop%2F%3Fa%3D1%26b%3D%2520");
  const signedIn = await jar.signIn(email, { next: "/shop/?a=1&b=%20" });
  expect([signedIn.status, placeOf(signedIn, "/auth/login")]).toEqual([303, "/shop/?a=1&b=%20"]);
  expect(jar.given.map((set) => set.split("=")[0])).toEqual(["xcore_devices", "xcore_session"]);
  expect(jar.given[1]).toMatch(/^xcore_session=xs_[^;]+; Path=\/; Max-Age=7776000; HttpOnly; SameSite=Lax$/);
  expect(await (await jar.get("/shop/?a=1")).text()).toBe(email);
  const me = (await (await jar.fetch("/auth/me")).json()) as { email: string };
  expect(me.email).toBe(email);
  // Who is signed in has nothing to do on the page.
  const again = await jar.get("/auth/login?next=/shop/");
  expect([again.status, placeOf(again, "/auth/login")]).toEqual([303, "/shop/"]);
});

test("other clients are still answered 401 with a problem", async () => {
  for (const headers of [
    {},
    { accept: "application/json" },
    { accept: "*/*" },
    { accept: "text/html", "sec-fetch-mode": "cors" },
    { accept: "text/html", "hx-request": "true" },
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const response = await app.fetch("/shop/", { headers, redirect: "manual" });
    expect([response.status, response.headers.get("content-type")]).toEqual([
      401,
      "application/problem+json",
    ]);
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
  }
});

test("a wrong password is told on the page, and limits are those of every login", async () => {
  const { jar, email } = await open();
  for (let tries = 0; tries < 5; tries += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const wrong = await jar.signIn(email, { password: "wrong" });
    // oxlint-disable-next-line no-await-in-loop
    const text = await wrong.text();
    expect([wrong.status, wrong.headers.get("content-type")]).toEqual([401, "text/html;charset=utf-8"]);
    expect(text).toMatch(/role="alert"[^>]*>The email, the password or the code is wrong</);
    expect(text).toContain(`value="${email}"`);
  }
  const locked = await jar.signIn(email);
  expect([locked.status, Number(locked.headers.get("retry-after")) > 0]).toEqual([429, true]);
  expect(await locked.text()).toContain("try again in");
  expect(jar.given).toEqual([]);
  // As of every client that is refused.
  expect(await app.log("access")).toMatch(
    /"path":"\/auth\/login"[^\n]*"code":"invalid_credentials"[^\n]*access refused/,
  );
  const api = await jar.send("POST", "/auth/login", { email, password: PASSWORD });
  expect(api.status).toBe(429);
});

test("a form that lacks something is shown again, whatever it lacks", async () => {
  const { jar, email } = await open();
  const forms: Record<string, string>[] = [
    {},
    { username: email },
    { username: email, password: "" },
    { password: PASSWORD },
    { username: "", password: PASSWORD },
    { username: email, password: "x".repeat(1025) },
  ];
  for (const fields of forms) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const page = await jar.post("/auth/login?next=/shop/", fields);
    // oxlint-disable-next-line no-await-in-loop
    const text = await page.text();
    expect([page.status, page.headers.get("content-type")]).toEqual([422, "text/html;charset=utf-8"]);
    expect(text).toMatch(/role="alert"[^>]*>Give your email/);
    expect(text).toContain('action="../auth/login?next=%2Fshop%2F"');
    if (fields["username"] !== undefined) expect(text).toContain(`value="${fields["username"]}"`);
    expect(text).not.toContain("x".repeat(1025));
  }
  const twice = new URLSearchParams([
    ["username", email],
    ["username", "eve@example.com"],
    ["password", PASSWORD],
  ]);
  expect((await jar.get("/auth/login", { method: "POST", body: twice })).status).toBe(422);
  const [lost, kept] = [
    await jar.post("/auth/login/otp", { code: "123456" }),
    await jar.post("/auth/login/otp?next=/shop/", { otp_token: '"><b>' }),
  ];
  expect([lost.status, await lost.text()]).toEqual([422, expect.stringContaining('name="password"')]);
  const asked = await kept.text();
  expect([kept.status, asked]).toEqual([422, expect.stringContaining('value="&quot;&gt;&lt;b&gt;"')]);
  expect(asked).toMatch(/role="alert"[^>]*>Give the code/);
  // Where it leads on to isn't believed here either.
  const led = await jar.post(`/auth/login?next=${encodeURIComponent("//evil.example")}`, {});
  expect(await led.text()).not.toContain("evil.example");
  expect(jar.given).toEqual([]);
  // Other clients are answered as before.
  const api = await jar.send("POST", "/auth/login", { email });
  expect([api.status, api.headers.get("content-type")]).toEqual([422, "application/problem+json"]);
});

test("what is typed is shown again as text", async () => {
  const wrong = await new CookieJar(app).signIn('"><script>alert(1)</script>', { password: "x" });
  const text = await wrong.text();
  expect(text).toContain("&quot;&gt;&lt;script&gt;");
  expect(text).not.toContain("<script>alert");
});

test("a second factor is asked for on a page of its own", async () => {
  const { jar, email } = await open();
  await jar.signIn(email);
  const codeOf = await jar.enrol();
  await jar.post("/auth/logout", {});
  expect(jar.cookie).toBe("");
  const asked = await jar.signIn(email, { next: "/shop/" });
  const page = await asked.text();
  expect([asked.status, jar.cookie]).toEqual([200, ""]);
  expect(page).toContain('autocomplete="one-time-code"');
  const [, token = ""] = /name="otp_token" value="([^"]+)"/.exec(page) ?? [];
  const [, action = ""] = /action="([^"]+)"/.exec(page) ?? [];
  expect(new URL(action, "http://x/auth/login").pathname).toBe("/auth/login/otp");
  const path = "/auth/login/otp?next=%2Fshop%2F";
  const wrong = await jar.post(path, { otp_token: token, code: "000000" });
  expect([wrong.status, jar.cookie]).toEqual([401, ""]);
  const again = await wrong.text();
  expect(again).toContain("is wrong");
  const [, second = ""] = /action="([^"]+)"/.exec(again) ?? [];
  expect(new URL(second, "http://x/auth/login/otp").pathname).toBe("/auth/login/otp");
  const right = await jar.post(path, { otp_token: token, code: codeOf(1) });
  expect([right.status, placeOf(right, "/auth/login/otp")]).toEqual([303, "/shop/"]);
  expect(await (await jar.get("/shop/")).text()).toBe(email);
  const late = await jar.post(path, { otp_token: "made.up.token", code: codeOf(2) });
  expect(late.status).toBe(401);
  expect(await late.text()).toContain('name="password"');
});

const EVIL = [
  "//evil.example",
  "/\\evil.example",
  "\\\\evil.example",
  "https://evil.example/",
  "https:evil.example",
  "javascript:alert(1)",
  "/\t/evil.example",
  "/\n/evil.example",
  "/%09/evil.example\u0000",
  "/..//evil.example",
  "/./%2e%2e//evil.example",
  "///evil.example",
  "evil.example",
  " //evil.example",
  "/\u00a0/evil.example",
  "@evil.example",
  `/${"x".repeat(3000)}`,
];

test.each(EVIL)("after a login nobody is led to %p", async (next) => {
  const { jar, email } = await open();
  const response = await jar.signIn(email, { next });
  expect(response.status).toBe(303);
  // As browsers follow it: from the page of the form.
  expect(placeOf(response, "/auth/login")).toBe("/");
  const shown = await jar.get(`/auth/login?next=${encodeURIComponent(next)}`);
  expect([shown.status, placeOf(shown, "/auth/login")]).toEqual([303, "/"]);
});

test("paths that only look like it lead to this server", async () => {
  for (const next of [
    "/%2fevil.example",
    "/%5cevil.example",
    "/javascript:alert(1)",
    "/a//evil.example?x=//y",
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { jar, email } = await open();
    // oxlint-disable-next-line no-await-in-loop
    const place = placeOf(await jar.signIn(email, { next }), "/auth/login");
    expect(place).toBe(next);
  }
});

test("a login from another site's form is refused", async () => {
  const { jar, email } = await open();
  const fields = { username: email, password: PASSWORD };
  for (const headers of [
    { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
    { "sec-fetch-site": "same-site", origin: "http://sibling.own.example" },
    { "sec-fetch-site": "", origin: "null" },
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const response = await jar.post("/auth/login", fields, { headers });
    expect([response.status, jar.given]).toEqual([403, []]);
  }
});

test("a session from before a login is never gone on with, and ends", async () => {
  const { jar, email } = await open();
  await jar.signIn(email);
  const first = jar.cookie;
  await jar.signIn(email);
  expect(jar.cookie).not.toBe(first);
  expect((await app.fetch("/auth/me", { headers: { cookie: first } })).status).toBe(401);
  expect((await jar.fetch("/auth/me")).status).toBe(200);
  // One that somebody has planted is no session either.
  for (const cookie of ["xcore_session=xs_1", first.replace(/.$/, (last) => (last === "A" ? "E" : "A"))]) {
    jar.cookie = cookie;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await jar.signIn(email);
    expect(jar.cookie).not.toBe(cookie);
    // oxlint-disable-next-line no-await-in-loop
    expect((await app.fetch("/auth/me", { headers: { cookie } })).status).toBe(401);
  }
});

test("signing out takes a form of ours, ends the session and takes the cookie", async () => {
  const { jar, email } = await open();
  await jar.signIn(email);
  const { cookie } = jar;
  const page = await jar.get("/auth/logout");
  expect(await page.text()).toContain(`<b>${email}</b>`);
  const forged = await jar.post("/auth/logout", {}, { headers: { "sec-fetch-site": "cross-site" } });
  expect([forged.status, jar.cookie]).toEqual([403, cookie]);
  const out = await jar.post("/auth/logout", {});
  expect([out.status, placeOf(out, "/auth/logout")]).toEqual([303, "/auth/login"]);
  expect(jar.given.at(-1)).toStartWith("xcore_session=; Path=/; Max-Age=0; HttpOnly");
  expect((await app.fetch("/auth/me", { headers: { cookie } })).status).toBe(401);
  // Nobody is there any more: the way in is shown.
  expect(placeOf(await jar.get("/auth/logout"), "/auth/logout")).toBe("/auth/login");
  expect(placeOf(await jar.post("/auth/logout", {}), "/auth/logout")).toBe("/auth/login");
});

test("the page that makes the first administrator signs them in", async () => {
  await using fresh = await TestApp.start({ config: { security: { bcrypt_cost: 4 } } });
  await fresh.app.accounts.setup.announce("http://x", { token: "t".repeat(43), ageMs: 0, isShown: false });
  const jar = new CookieJar(fresh);
  for (const path of ["/", "/auth/login"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await (await jar.get(path)).text()).toContain("xcore user create you@example.com --admin");
  }
  const fields = { token: "t".repeat(43), email: "ada@example.com", full_name: "", password: PASSWORD };
  const done = await jar.post("/auth/setup", fields);
  const text = await done.text();
  expect(done.status).toBe(201);
  expect(text).toContain("ada@example.com is its first administrator, and signed in here.");
  const me = (await (await jar.fetch("/auth/me")).json()) as { email: string; permissions: string[] };
  expect(me).toMatchObject({ email: "ada@example.com", permissions: ["*"] });
  for (const path of ["/", "/auth/login"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await (await fresh.fetch(path, { headers: { accept: "text/html" } })).text()).not.toContain(
      "--admin",
    );
  }
});
