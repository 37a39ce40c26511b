import { eq } from "drizzle-orm";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";
import { plugin, TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, placeOf, SECURITY } from "../browser/browser.ts";
import { codeOf, type Pair, whoIs, World } from "./world.ts";

const ROUTER = `
  .get("/", ({ user }) => user, { permission: "shop:see" })
  .get("/boss", () => "boss", { role: "boss" })
  .post("/orders", ({ user }) => ({ by: user.email, n: (n += 1) }), { auth: true, idempotent: true })
  .ws("/socket", { permission: "shop:see", open(ws) { ws.send(ws.data.user.email); }, message() {} })
  .get("/stream", async function* () { yield "hello"; await new Promise(() => {}); }, { permission: "shop:see" })`;
const files = plugin("shop", ROUTER, { permissions: { "shop:see": "", "shop:sell": "" } });
const app = await start();
afterAll(() => app[Symbol.asyncDispose]());
const world = new World(app);
const events: { name: string; data: unknown }[] = [];
app.app.hooks.on("user.*", ({ name, data }: { name: string; data: unknown }) => events.push({ name, data }));
const { db, tables } = app.app.store;
// A route asks for it by its name.
await db.insert(tables.roles).values({ name: "boss" });

test("an administrator sees what a user sees, and both are named wherever something is noted", async () => {
  const pair = await world.pair();
  const { viewer, user } = pair;
  const own = viewer.jar.cookie;
  const before = Date.now();
  const begun = await world.view(pair);
  const answer = (await begun.json()) as { user: unknown; expires_at: string };
  expect(answer.user).toEqual({ id: user.id, email: user.email, full_name: null });
  const minutes = (Date.parse(answer.expires_at) - before) / 60_000;
  expect([begun.status, Math.round(minutes)]).toEqual([200, 30]);
  expect(viewer.jar.cookie).not.toBe(own);

  const named = { id: viewer.id, email: viewer.email };
  const me = (await (await viewer.jar.fetch("/auth/me")).json()) as Record<string, unknown>;
  expect([me["id"], me["permissions"], me["viewer"]]).toEqual([
    user.id,
    ["shop:see"],
    { ...named, until: answer.expires_at },
  ]);
  const seen = (await (await viewer.jar.fetch("/shop/")).json()) as { viewer: unknown };
  expect(seen.viewer).toEqual(named);
  expect(((await (await user.jar.fetch("/auth/me")).json()) as { viewer: unknown }).viewer).toBeNull();

  const back = await viewer.jar.send("DELETE", "/auth/impersonation", {});
  expect([back.status, await whoIs(viewer.jar)]).toEqual([204, viewer.email]);
  expect(viewer.jar.cookie).not.toBe(own);
  expect(
    (await world.audit(`target=user:${user.id}`)).map(({ action, actor }) => [action, actor]),
  ).toContainEqual(["user.impersonated", viewer.email]);
  expect((await world.audit(`target=user:${user.id}&action=user.impersonation_ended`)).length).toBe(1);
  const who = { user: { id: user.id, email: user.email }, viewer: named };
  const told = events.filter(
    ({ name, data }) => name.startsWith("user.impersonat") && (data as typeof who).viewer.id === viewer.id,
  );
  expect(told).toEqual([
    {
      name: "user.impersonated",
      data: { ...who, expires_at: answer.expires_at, ip_address: "127.0.0.1" },
    },
    { name: "user.impersonation_ended", data: who },
  ]);
});

test("what is done while viewing is in the audit log, and in that of requests, with both", async () => {
  // The log writes the first equal refusals of a while, and counts the others: none have been here before.
  await using quiet = await start();
  const calm = new World(quiet);
  const { viewer, user } = await calm.viewing(["cache:clear"]);
  expect((await viewer.jar.send("DELETE", "/system/cache?pattern=x:*", {})).status).toBe(200);
  const refused = await viewer.jar.send("POST", `/admin/users/${user.id}/password`, { password: PASSWORD });
  expect(refused.status).toBe(403); // hasn't the permission
  const names = { actor_id: user.id, actor: user.email, viewer_id: viewer.id, viewer: viewer.email };
  const [entry] = await calm.audit(`action=cache.cleared&actor=${user.id}`);
  expect(entry).toMatchObject(names);
  for (const who of [viewer.id, encodeURIComponent(viewer.email)]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await calm.audit(`action=cache.cleared&actor=${who}`)).toEqual([entry ?? {}]);
  }
  const lines = await readLog(quiet);
  const request = lines.findLast(({ msg, path }) => msg === "request" && path === "/system/cache");
  expect(request).toMatchObject({ user_id: user.id, viewer_id: viewer.id, method: "DELETE" });
  const refusal = lines.findLast(({ msg }) => msg === "access refused");
  expect(refusal).toMatchObject({ code: "authorization_error", user_id: user.id, viewer_id: viewer.id });
});

test("a request of nobody who is viewed as says nothing of that in the log", async () => {
  const { user } = await world.pair();
  await user.jar.fetch("/shop/?own");
  const last = (await readLog(app)).findLast(({ msg, path }) => msg === "request" && path === "/shop/");
  expect(Object.keys(last ?? {})).toEqual([
    "level",
    "time",
    "request_id",
    "method",
    "path",
    "status",
    "duration_ms",
    "ip_address",
    "user_id",
    "plugin",
    "msg",
  ]);
});

/** Whom nobody may view as, and what is answered. */
const REFUSALS: Readonly<Record<string, (pair: Pair) => Promise<readonly [path: string, code: unknown]>>> = {
  oneself: async ({ viewer }) => [`/admin/users/${viewer.id}/impersonate`, [409, "conflict"]],
  nobody: async () => ["/admin/users/999999/impersonate", [404, "not_found"]],
  "an administrator": async () => {
    const { id } = await world.join([], ["admin"]);
    return [`/admin/users/${id}/impersonate`, [403, "authorization_error"]];
  },
  "who holds more": async ({ user }) => {
    await world.give(user.id, ["shop:sell"]);
    return [`/admin/users/${user.id}/impersonate`, [403, "authorization_error"]];
  },
  "who holds a wildcard of what the viewer has in part": async ({ user }) => {
    await world.give(user.id, ["shop:*"]);
    return [`/admin/users/${user.id}/impersonate`, [403, "authorization_error"]];
  },
  "who holds a role that a route asks for by its name": async () => {
    const { id } = await world.join([], ["boss"]);
    return [`/admin/users/${id}/impersonate`, [403, "authorization_error"]];
  },
  "an account that isn't active": async ({ user }) => {
    await world.act("PUT", `/admin/users/${user.id}/deactivate`);
    return [`/admin/users/${user.id}/impersonate`, [409, "conflict"]];
  },
};
for (const [whom, prepare] of Object.entries(REFUSALS)) {
  test(`nobody views as ${whom}, and the refusal is in the audit log`, async () => {
    const pair = await world.pair();
    const [path, expected] = await prepare(pair);
    expect(await codeOf(await pair.viewer.jar.send("POST", path, {}))).toEqual(expected);
    expect(await whoIs(pair.viewer.jar)).toBe(pair.viewer.email);
    const refused = await world.audit(`actor=${pair.viewer.id}&action=user.impersonated&result=refused`);
    expect(refused.length).toBe(whom === "nobody" ? 0 : 1);
  });
}

test("an administrator who may do everything views as anybody but administrators", async () => {
  const admin = await world.join([], ["admin"]);
  const user = await world.join(["shop:*", "users:write", "roles:write"], ["boss"]);
  expect((await world.view({ viewer: admin, user })).status).toBe(200);
  expect(await whoIs(admin.jar)).toBe(user.email);
});

test("without the permission nobody views as anybody", async () => {
  const { user } = await world.pair();
  const viewer = await world.join(["users:read", "users:write", "shop:see"]);
  expect(await codeOf(await world.view({ viewer, user }))).toEqual([403, "authorization_error"]);
});

test("neither an API key nor an access token views as somebody", async () => {
  const { viewer, user } = await world.pair();
  const path = `/admin/users/${user.id}/impersonate`;
  const made = await viewer.jar.send("POST", "/auth/api_keys", {
    name: "K",
    permissions: ["users:impersonate"],
  });
  const { key } = (await made.json()) as { key: string };
  const headers = { "content-type": "application/json" };
  const asKey = { method: "POST", body: "{}", headers: { ...headers, "x-api-key": key } };
  expect(await codeOf(await app.fetch(path, asKey))).toEqual([403, "authorization_error"]);
  const login = { email: viewer.email, password: PASSWORD };
  const tokens = await app.fetch("/auth/login", { method: "POST", headers, body: JSON.stringify(login) });
  const { access_token } = (await tokens.json()) as { access_token: string };
  const authorization = `Bearer ${access_token}`;
  const asToken = { method: "POST", body: "{}", headers: { ...headers, authorization } };
  expect(await codeOf(await app.fetch(path, asToken))).toEqual([409, "conflict"]);
  const me = await app.fetch("/auth/me", { headers: { authorization } });
  expect(((await me.json()) as { id: number }).id).toBe(viewer.id);
  const end = { method: "DELETE", headers: { authorization } };
  expect(await codeOf(await app.fetch("/auth/impersonation", end))).toEqual([404, "not_found"]);
});

test("it asks for the password again after ten minutes", async () => {
  const pair = await world.pair();
  const { viewer, user } = pair;
  const created_at = new Date(Date.now() - 11 * 60_000);
  await db.update(tables.sessions).set({ created_at }).where(eq(tables.sessions.user_id, viewer.id));
  const path = `/admin/users/${user.id}/impersonate`;
  expect(await codeOf(await world.view(pair))).toEqual([403, "identification_expired"]);
  const wrong = await viewer.jar.send("POST", path, { current_password: "wrong" });
  expect(await codeOf(wrong)).toEqual([401, "invalid_credentials"]);
  const right = await viewer.jar.send("POST", path, { current_password: PASSWORD });
  expect([right.status, await whoIs(viewer.jar)]).toEqual([200, user.email]);
});

test("a role of either that asks for two factors is given them by the viewer alone", async () => {
  const { viewer, user } = await world.pair();
  const role = await world.give(user.id, []);
  await db.update(tables.roles).set({ requires_otp: true }).where(eq(tables.roles.id, role));
  expect((await world.view({ viewer, user })).status).toBe(200);
  expect(await codeOf(await viewer.jar.fetch("/shop/"))).toEqual([403, "otp_required"]);
  await viewer.jar.send("DELETE", "/auth/impersonation", {});
  await viewer.jar.enrol();
  expect((await world.view({ viewer, user })).status).toBe(200);
  expect((await viewer.jar.fetch("/shop/")).status).toBe(200);
});

test("a view isn't among the sessions of anybody", async () => {
  const { viewer, user } = await world.pair();
  const before = [await countSessions(viewer.id), await countSessions(user.id)];
  await world.view({ viewer, user });
  expect([await countSessions(viewer.id), await countSessions(user.id)]).toEqual(before);
  const own = (await (await user.jar.fetch("/auth/sessions")).json()) as { total: number };
  expect(own.total).toBe(before[1] ?? 0);
});

/** What ends a view, and who the browser is known as then: the status of the refusal, and after its login page. */
const ENDS: Readonly<
  Record<string, readonly [end: (pair: Pair) => Promise<unknown>, after: "viewer" | "nobody"]>
> = {
  "its time": [(pair) => world.expire(pair), "viewer"],
  "a deactivation of the user": [
    ({ user }) => world.act("PUT", `/admin/users/${user.id}/deactivate`),
    "viewer",
  ],
  "another password of the user": [
    ({ user }) => world.act("POST", `/admin/users/${user.id}/password`, { password: `${PASSWORD} staple` }),
    "viewer",
  ],
  "the end of all sessions of the user": [
    ({ user }) => world.act("DELETE", `/admin/users/${user.id}/sessions`),
    "viewer",
  ],
  "a right that the user is given": [({ user }) => world.give(user.id, ["shop:sell"]), "viewer"],
  "a role of a route that the user is given": [
    async ({ user }) => {
      const [role] = await db.select().from(tables.roles).where(eq(tables.roles.name, "boss"));
      await world.act("POST", `/admin/users/${user.id}/roles/${role?.id}`);
    },
    "viewer",
  ],
  "a right that a role of the user is given": [
    async ({ user }) => {
      const { body } = await app.getAsAdmin(`/admin/users/${user.id}`);
      const { id } = body.roles.find(({ name }: { name: string }) => name.startsWith("role-"));
      await world.act("PUT", `/admin/roles/${id}/permissions`, { permissions: ["shop:see", "shop:sell"] });
    },
    "viewer",
  ],
  "the making of the user an administrator": [
    async ({ user }) => {
      const [role] = await db.select().from(tables.roles).where(eq(tables.roles.name, "admin"));
      await db.insert(tables.userRoles).values({ user_id: user.id, role_id: role?.id ?? 0 });
      await db.insert(tables.accessChanges).values({ user_id: user.id });
    },
    "viewer",
  ],
  "the loss of the viewer's right": [
    async ({ viewer }) => {
      const { body } = await app.getAsAdmin(`/admin/users/${viewer.id}`);
      const { id } = body.roles.find(({ name }: { name: string }) => name.startsWith("role-"));
      await world.act("DELETE", `/admin/users/${viewer.id}/roles/${id}`);
    },
    "viewer",
  ],
  "a deactivation of the viewer": [
    ({ viewer }) => world.act("PUT", `/admin/users/${viewer.id}/deactivate`),
    "nobody",
  ],
  "the end of the viewer's sessions": [
    ({ viewer }) => world.act("DELETE", `/admin/users/${viewer.id}/sessions`),
    "nobody",
  ],
  "the end of the viewer's session from another browser": [
    async ({ viewer }) => {
      const other = new CookieJar(app);
      await other.signIn(viewer.email);
      await other.send("DELETE", "/auth/sessions", {});
    },
    "nobody",
  ],
  "another password of the viewer": [
    async ({ viewer }) => {
      const other = new CookieJar(app);
      await other.signIn(viewer.email);
      const passwords = { current_password: PASSWORD, new_password: `${PASSWORD} staple` };
      await other.send("PUT", "/auth/password", passwords);
    },
    "nobody",
  ],
  "a deletion of the viewer": [({ viewer }) => world.act("DELETE", `/admin/users/${viewer.id}`), "nobody"],
};

for (const [what, [end, after]] of Object.entries(ENDS)) {
  test(`a view ends by ${what}, with what is open by it; ${after === "viewer" ? "its viewer goes on as themselves" : "nobody is known then"}`, async () => {
    const pair = await world.viewing();
    const { viewer, user } = pair;
    const opened = await open(viewer.jar);
    expect(await whoIs(viewer.jar)).toBe(user.email);
    await end(pair);
    expect(await whoIs(viewer.jar)).toBe(401);
    expect(await opened.socket).toBe(1008);
    await opened.stream;
    const ticket = await app.fetch(`/shop/stream?ticket=${opened.ticket}`, {
      headers: { accept: "text/event-stream" },
    });
    expect(ticket.status).toBe(401);
    const stale = viewer.jar.cookie;
    const page = await viewer.jar.get("/auth/login?next=/shop/");
    if (after === "nobody") {
      expect([page.status, await whoIs(viewer.jar)]).toEqual([200, 401]);
      return;
    }
    expect([page.status, placeOf(page, "/auth/login")]).toEqual([303, "/shop/"]);
    expect(await whoIs(viewer.jar)).toBe(viewer.email);
    // Once: whoever has kept the cookie of the view gets nowhere with it.
    const again = new CookieJar(app);
    again.cookie = stale;
    expect([(await again.get("/auth/login")).status, await whoIs(again)]).toEqual([200, 401]);
    const ended = await world.audit(`target=user:${user.id}&action=user.impersonation_ended`);
    expect(ended.map(({ actor_id, viewer_id }) => [actor_id, viewer_id])).toEqual([[viewer.id, null]]);
  });
}

test("a view ends when it is ended, with what is open by it", async () => {
  const { viewer } = await world.viewing();
  const opened = await open(viewer.jar);
  const stale = viewer.jar.cookie;
  await viewer.jar.send("DELETE", "/auth/impersonation", {});
  expect(await opened.socket).toBe(1008);
  await opened.stream;
  const again = new CookieJar(app);
  again.cookie = stale;
  expect([(await again.get("/auth/login")).status, await whoIs(again)]).toEqual([200, 401]);
  expect(await whoIs(viewer.jar)).toBe(viewer.email);
});

test("signing out while viewing ends the viewer's own session too", async () => {
  const { viewer, user } = await world.pair();
  const own = viewer.jar.cookie;
  await world.view({ viewer, user });
  const page = await viewer.jar.get("/auth/logout");
  const [, csrf_token = ""] = /name="csrf_token" value="([^"]+)"/.exec(await page.text()) ?? [];
  await viewer.jar.post("/auth/logout", { csrf_token });
  viewer.jar.cookie = own;
  expect([await whoIs(viewer.jar), await whoIs(user.jar)]).toEqual([401, user.email]);
});

test("so does signing in anew", async () => {
  const { viewer, user } = await world.pair();
  const own = viewer.jar.cookie;
  await world.view({ viewer, user });
  const view = viewer.jar.cookie;
  await viewer.jar.signIn(user.email);
  expect(await whoIs(viewer.jar)).toBe(user.email);
  for (const cookie of [own, view]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await app.fetch("/auth/me", { headers: { cookie } })).status).toBe(401);
  }
});

test("a key of a request belongs to who views, and not to whom they view as", async () => {
  const { viewer, user } = await world.viewing();
  const [first, again, own] = [await orderBy(viewer.jar), await orderBy(viewer.jar), await orderBy(user.jar)];
  expect(again).toEqual(first);
  expect([own.by, own.n]).toEqual([user.email, first.n + 1]);
  await viewer.jar.send("DELETE", "/auth/impersonation", {});
  expect(await orderBy(viewer.jar)).toEqual({ by: viewer.email, n: own.n + 1 });
});

/** Opens a WebSocket and a stream with the cookie of a browser, and has a ticket made that isn't used. */
async function open(jar: CookieJar) {
  const made = async () =>
    ((await (await jar.send("POST", "/auth/ticket", {})).json()) as { ticket: string }).ticket;
  const [first, ticket] = [await made(), await made()];
  const url = `${app.url.replace("http", "ws")}/shop/socket?ticket=${first}`;
  const socket = new WebSocket(url);
  const [opened, closed] = [Promise.withResolvers<string>(), Promise.withResolvers<number>()];
  socket.addEventListener("message", ({ data }) => opened.resolve(String(data)));
  socket.addEventListener("close", ({ code }) => closed.resolve(code));
  await opened.promise;
  const stream = await jar.fetch("/shop/stream", { headers: { accept: "text/event-stream" } });
  const reader = stream.body?.getReader();
  await reader?.read();
  const ended = async (): Promise<void> => {
    try {
      while ((await reader?.read())?.done === false);
    } catch {
      // cut
    }
  };
  return { socket: closed.promise, stream: ended(), ticket };
}

async function readLog(of: TestApp): Promise<Record<string, unknown>[]> {
  await of.app.loggers.flush();
  const lines = (await readFile(join(of.folder.path, "logs/access.log"), "utf8")).trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function countSessions(userId: number): Promise<number> {
  return (await app.getAsAdmin(`/admin/users/${userId}/sessions`)).body.total;
}

/** Sends an order that can be sent again, by one key for everybody. */
async function orderBy(jar: CookieJar): Promise<{ by: string; n: number }> {
  const answer = await jar.send("POST", "/shop/orders", {}, { "idempotency-key": "the-same" });
  return (await answer.json()) as { by: string; n: number };
}

function start(): Promise<TestApp> {
  return TestApp.start({
    plugins: { ...files, "shop/run.ts": `let n = 0;\n${files["shop/run.ts"] as string}` },
    config: { security: SECURITY },
  });
}
