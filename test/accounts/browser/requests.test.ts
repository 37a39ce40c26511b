import { afterAll, expect, test } from "bun:test";
import { type Files, plugin, TestApp } from "../../setup.ts";
import { RawSocket } from "../../web/raw-socket.ts";
import { CookieJar, SECURITY } from "./browser.ts";

const ROUTER = `
  .get("/", ({ user }) => user.email, { auth: true })
  .get("/form", () => templates.render("form.html"), { auth: true })
  .get("/whoever", ({ user }) => ({ email: user?.email ?? null }), { optionalAuth: true })
  .post("/orders", ({ user }) => ({ by: user.email }), { auth: true })
  .post("/whoever", ({ user }) => ({ by: user?.email ?? null }), { optionalAuth: true })
  .post("/read", async ({ request, user }) => ({ by: user.email, text: await request.text() }), { auth: true })
  .post("/forms", ({ body, user }) => ({ by: user.email, body }), { auth: true, rateLimit: { max: 1000, window: 60 }, body: t.Object({ item: t.String() }) })
  .post("/whoever-forms", ({ body, user }) => ({ by: user?.email ?? null, body }), { optionalAuth: true, body: t.Object({ item: t.String() }) })
  .ws("/socket", { auth: true, open(ws) { ws.send(ws.data.user.email); }, message() {} })
  .get("/events", async function* ({ user }) { yield sse(user.email); await new Promise(() => {}); }, { auth: true })`;
const FORM = '<form><input name="csrf_token" value="{{ csrf_token }}">{{ user.email }}</form>';
const files: Files = { ...plugin("shop", ROUTER), "shop/templates/form.html": FORM };
const code = `import { sse, t } from "elysia";\nimport { templates } from "xcore";\n${files["shop/run.ts"] as string}`;
const app = await TestApp.start({
  plugins: { ...files, "shop/run.ts": code },
  config: { security: SECURITY },
});
afterAll(() => app[Symbol.asyncDispose]());

let made = 0;
async function signIn(): Promise<{ jar: CookieJar; email: string }> {
  const jar = new CookieJar(app);
  const email = `requests-${++made}@example.com`;
  await jar.register(email);
  await jar.signIn(email);
  return { jar, email };
}

const { jar, email } = await signIn();
const csrf = app.app.accounts.browser.csrf;
const token = csrf.mint(await sessionOf(jar));
const other = await signIn();

async function sessionOf(of: CookieJar): Promise<string> {
  const list = (await (await of.fetch("/auth/sessions")).json()) as {
    items: { id: string; current: boolean }[];
  };
  return list.items.find(({ current }) => current)?.id ?? "";
}

type Row = [name: string, headers: Record<string, string>, isLetIn: boolean];

const PROOFS: Row[] = [
  ["Sec-Fetch-Site of a page of ours", { "sec-fetch-site": "same-origin" }, true],
  ["what somebody does without a page", { "sec-fetch-site": "none" }, true],
  ["Origin of ours", { origin: app.url }, true],
  ["our CSRF token", { "x-csrf-token": token }, true],
  ["our CSRF token from a sibling", { "sec-fetch-site": "same-site", "x-csrf-token": token }, true],
  ["nothing", {}, false],
  ["another site", { "sec-fetch-site": "cross-site" }, false],
  ["a sibling host", { "sec-fetch-site": "same-site" }, false],
  ["a page of ours by another site", { "sec-fetch-site": "cross-site", origin: app.url }, false],
  ["another Origin", { origin: "https://evil.example" }, false],
  ["another port", { origin: "http://127.0.0.1:1" }, false],
  ["no Origin to speak of", { origin: "null" }, false],
  ["an Origin that is none", { origin: "127.0.0.1" }, false],
  ["a token of somebody else", { "x-csrf-token": csrf.mint(await sessionOf(other.jar)) }, false],
  ["a token that is none", { "x-csrf-token": "x" }, false],
];

test.each(PROOFS)("an unsafe request with a cookie and %s", async (_, headers, isLetIn) => {
  const refused = { code: "cross_site_request", status: 403 };
  const ordered = await jar.fetch("/shop/orders", { method: "POST", headers });
  expect(await ordered.json()).toMatchObject(isLetIn ? { by: email } : refused);
  // Where everybody is let in, nobody is known.
  const anybody = await jar.fetch("/shop/whoever", { method: "POST", headers });
  expect(await anybody.json()).toEqual({ by: isLetIn ? email : null });
  const read = await jar.fetch("/shop/read", { method: "POST", headers, body: "text" });
  expect(await read.json()).toMatchObject(isLetIn ? { by: email, text: "text" } : refused);
  // What does nothing needs no proof; a page of another site can't read it.
  expect(await (await jar.fetch("/shop/", { headers })).text()).toBe(email);
});

test("a header that shows who asks needs no proof, and counts before the cookie", async () => {
  const admin = await app.admin();
  const headers = { ...admin.headers, "sec-fetch-site": "cross-site" };
  const ordered = await jar.fetch("/shop/orders", { method: "POST", headers });
  expect(await ordered.json()).toEqual({ by: admin.email });
  const wrong = await jar.fetch("/shop/", { headers: { authorization: "Bearer a.b.c" } });
  expect(wrong.status).toBe(401);
});

test("what is in a cookie is taken from no header", async () => {
  for (const headers of [
    { "x-api-key": jar.value },
    { authorization: `Bearer ${jar.value}` },
    { authorization: jar.value },
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await app.fetch("/shop/", { headers })).status).toBe(401);
  }
});

const FORMS: Row[] = [
  ["our token", { csrf_token: token }, true],
  ["no token", {}, false],
  ["a token of somebody else", { csrf_token: csrf.mint(await sessionOf(other.jar)) }, false],
  ["a token that is none", { csrf_token: "x".repeat(10_000) }, false],
];

test.each(FORMS)("a form that says nothing of its page has %s", async (_, fields, isLetIn) => {
  const asMultipart = new FormData();
  for (const [name, value] of Object.entries({ item: "tea", ...fields })) asMultipart.set(name, value);
  for (const body of [new URLSearchParams({ item: "tea", ...fields }), asMultipart]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await jar.fetch("/shop/forms", { method: "POST", body });
    const right = { by: email, body: { item: "tea" } };
    // oxlint-disable-next-line no-await-in-loop
    expect(await answer.json()).toMatchObject(isLetIn ? right : { code: "cross_site_request" });
    // oxlint-disable-next-line no-await-in-loop
    const anybody = await jar.fetch("/shop/whoever-forms", { method: "POST", body });
    // oxlint-disable-next-line no-await-in-loop
    expect(await anybody.json()).toMatchObject({ ...right, by: isLetIn ? email : null });
  }
  // Elsewhere it isn't looked for: other sites can send any form, and JSON comes from scripts, which set headers.
  for (const path of ["/shop/read", "/shop/orders"]) {
    const body = new URLSearchParams(fields);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await jar.fetch(path, { method: "POST", body })).status).toBe(403);
  }
  const json = { method: "POST", headers: { "content-type": "application/json" } };
  const body = JSON.stringify({ item: "tea", ...fields });
  expect((await jar.fetch("/shop/forms", { ...json, body })).status).toBe(403);
});

test("a template has the token of who asks, where a cookie says so", async () => {
  const page = await (await jar.fetch("/shop/form")).text();
  expect(page).toContain(email);
  const [, csrf_token = ""] = /value="([^"]+)"/.exec(page) ?? [];
  const answer = await jar.fetch("/shop/forms", {
    method: "POST",
    body: new URLSearchParams({ item: "tea", csrf_token }),
  });
  expect(await answer.json()).toMatchObject({ by: email });
});

test("a refused form isn't read", async () => {
  using socket = new RawSocket(app.url);
  const lines = [
    "POST /shop/read HTTP/1.1",
    `host: ${new URL(app.url).host}`,
    `cookie: ${jar.cookie}`,
    "content-type: application/x-www-form-urlencoded",
    "content-length: 100000",
  ];
  await socket.write(`${lines.join("\r\n")}\r\n\r\na=`);
  expect(await socket.until(/\r\n\r\n/)).toStartWith("HTTP/1.1 403");
});

/** What a WebSocket with these headers first says. */
async function connect(path: string, headers: Record<string, string>): Promise<string> {
  const socket = new WebSocket(app.url.replace("http", "ws") + path, { headers } as never);
  const said = Promise.withResolvers<string>();
  socket.addEventListener("message", ({ data }) => said.resolve(String(data)));
  socket.addEventListener("close", () => said.resolve("refused"));
  const text = await said.promise;
  socket.close();
  return text;
}

const SOCKETS = PROOFS.filter(([name]) => !name.includes("somebody else") && !name.includes("is none"));

test.each(SOCKETS)("a WebSocket with a cookie and %s", async (_, headers, isLetIn) => {
  const said = await connect("/shop/socket", { cookie: jar.cookie, ...headers });
  expect(said).toBe(isLetIn ? email : "refused");
});

async function ticketOf(headers: Record<string, string>): Promise<string> {
  const response = await app.fetch("/auth/ticket", { method: "POST", headers });
  expect(response.status).toBe(200);
  const { ticket, expires_in } = (await response.json()) as { ticket: string; expires_in: number };
  expect(ticket).toMatch(/^xt_[\w-]{32}$/);
  expect(expires_in).toBe(30);
  return ticket;
}

test("a ticket opens one WebSocket or stream, from anywhere", async () => {
  const admin = await app.admin();
  const evil = { origin: "https://app.example", "sec-fetch-site": "cross-site" };
  const first = await ticketOf(admin.headers);
  expect(await connect(`/shop/socket?ticket=${first}`, evil)).toBe(admin.email);
  expect(await connect(`/shop/socket?ticket=${first}`, evil)).toBe("refused");
  const second = await ticketOf(admin.headers);
  const path = `/shop/events?ticket=${second}`;
  const stream = await app.fetch(path, { headers: { accept: "text/event-stream", ...evil } });
  const reader = stream.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toContain(admin.email);
  await reader?.cancel();
  expect((await app.fetch(path, { headers: { accept: "text/event-stream" } })).status).toBe(401);
  // It says who asks rather than the cookie of somebody else.
  const third = await ticketOf(admin.headers);
  expect(await connect(`/shop/socket?ticket=${third}`, { cookie: jar.cookie })).toBe(admin.email);
  expect(await app.app.store.db.select().from(app.app.store.tables.sessionTickets)).toEqual([]);
});

test("a ticket opens nothing else, and of many uses at once one succeeds", async () => {
  const admin = await app.admin();
  const ticket = await ticketOf(admin.headers);
  for (const [method, path] of [
    ["GET", "/shop/"],
    ["POST", "/shop/orders"],
    ["GET", "/auth/me"],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const response = await app.fetch(`${path}?ticket=${ticket}`, { method });
    expect([path, response.status]).toEqual([path, 401]);
  }
  const uses = Array.from({ length: 8 }, () => connect(`/shop/socket?ticket=${ticket}`, {}));
  const said = await Promise.all(uses);
  expect(said.filter((text) => text === admin.email)).toHaveLength(1);
  expect(said.filter((text) => text === "refused")).toHaveLength(7);
});

test("tickets are for sessions, and end with them", async () => {
  const leaving = await signIn();
  const ticket = await ticketOf({ cookie: leaving.jar.cookie, origin: app.url });
  await leaving.jar.post("/auth/logout", {});
  expect(await connect(`/shop/socket?ticket=${ticket}`, {})).toBe("refused");
  for (const invented of ["xt_", `xt_${"A".repeat(32)}`, "xs_1"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await connect(`/shop/socket?ticket=${invented}`, {})).toBe("refused");
  }
  expect((await app.fetch("/auth/ticket", { method: "POST" })).status).toBe(401);
});

test("no log has a ticket, a cookie or a CSRF token", async () => {
  const admin = await app.admin();
  const ticket = await ticketOf(admin.headers);
  await connect(`/shop/socket?ticket=${ticket}`, {});
  await connect(`/shop/socket?ticket=${ticket}`, {});
  const log = (await app.log("app")) + (await app.log("access")) + (await app.log("manager"));
  expect(log).toContain("/shop/socket");
  for (const secret of [ticket.slice(3), jar.value.slice(-40), token]) expect(log).not.toContain(secret);
});

test("what a ticket or a cookie has opened ends with the session", async () => {
  const leaving = await signIn();
  const ticket = await ticketOf({ cookie: leaving.jar.cookie, origin: app.url });
  const open = (path: string, headers: Record<string, string>) => {
    const socket = new WebSocket(app.url.replace("http", "ws") + path, { headers } as never);
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<number>();
    socket.addEventListener("message", () => opened.resolve());
    socket.addEventListener("close", ({ code: why }) => closed.resolve(why));
    return { opened: opened.promise, closed: closed.promise, socket };
  };
  const sockets = [
    open(`/shop/socket?ticket=${ticket}`, {}),
    open("/shop/socket", { cookie: leaving.jar.cookie, origin: app.url }),
  ];
  await Promise.all(sockets.map(({ opened }) => opened));
  // Another change of access leaves both open: neither is presented a second time.
  await leaving.jar.send("POST", "/auth/password/verify", { current_password: "correct horse battery" });
  await app.app.accounts.authenticator.opened.look();
  expect(sockets.map(({ socket }) => socket.readyState)).toEqual([WebSocket.OPEN, WebSocket.OPEN]);
  await leaving.jar.post("/auth/logout", {});
  expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([1008, 1008]);
});

test("who has signed in has the limits of a user, whatever comes from the same address", async () => {
  const config = { security: SECURITY, server: { rate_limit: { anonymous_per_minute: 5 } } };
  const shop = plugin("shop", '.get("/", ({ user }) => user.email, { auth: true })');
  await using limited = await TestApp.start({ plugins: shop, config });
  const visitor = new CookieJar(limited);
  await visitor.register(email);
  await visitor.signIn(email);
  const statuses = await Promise.all(
    Array.from({ length: 12 }, async () => (await limited.fetch("/shop/")).status),
  );
  expect(statuses).toContain(429);
  expect(await (await visitor.fetch("/shop/")).text()).toBe(email);
});
