import { and, eq, isNotNull } from "drizzle-orm";
import { afterAll, expect, test } from "bun:test";
import { plugin, TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, SECURITY } from "../browser/browser.ts";
import { codeOf, whoIs, World } from "./world.ts";
import { strangeAnswer } from "../passkeys/authenticator.ts";

const ROUTER = `
  .get("/", ({ user }) => user.email, { permission: "shop:see" })
  .post("/orders", ({ user }) => ({ by: user.email }), { permission: "shop:see" })`;
const app = await TestApp.start({
  plugins: plugin("shop", ROUTER, { permissions: { "shop:see": "", "shop:sell": "" } }),
  config: { security: { ...SECURITY, impersonation_minutes: 5 } },
});
afterAll(() => app[Symbol.asyncDispose]());
const world = new World(app);
const { db, tables } = app.app.store;
/** Routes below /auth that somebody may use who is viewed as, beside those that nobody has to be known for. */
const OPEN = ["GET /auth/me", "POST /auth/logout", "POST /auth/ticket", "DELETE /auth/impersonation"];
const UNSAFE = ["post", "put", "patch", "delete"];
/** As the rights of a whole administration, without everything. */
const OFFICE = ["users:read", "users:write", "roles:read", "roles:write", "audit:read", "shop:see"];

/** Every operation of the core's below a path, as it is told to clients. */
async function operations(below: string) {
  const { body } = await app.get("/openapi.json");
  const paths = body.paths as Record<string, Record<string, { security?: object[] }>>;
  return Object.entries(paths)
    .filter(([path]) => path.startsWith(below))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security }]) => ({
        method,
        path,
        isGuarded: security !== undefined,
      })),
    );
}

test("nothing of an account is shown or changed by who views as its owner: each route below /auth", async () => {
  const { viewer, user } = await world.viewing(OFFICE);
  const asked = (await operations("/auth/")).filter(
    ({ method, path, isGuarded }) => isGuarded && !OPEN.includes(`${method.toUpperCase()} ${path}`),
  );
  expect(asked.length).toBeGreaterThan(14);
  for (const { method, path } of asked) {
    const isRead = method === "get";
    const url = path.replace("{id}", path.includes("sessions") ? crypto.randomUUID() : "1");
    const body = {
      current_password: PASSWORD,
      new_password: `${PASSWORD} staple`,
      code: "123456",
      name: "Mine",
      permissions: [],
      theme: "dark",
      email: user.email,
      credential: strangeAnswer(),
    };
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await (isRead
      ? viewer.jar.fetch(url)
      : viewer.jar.send(method.toUpperCase(), url, pick(body, path)));
    // oxlint-disable-next-line no-await-in-loop
    expect([method, path, await codeOf(answer)]).toEqual([method, path, [403, "viewing_as_user"]]);
  }
  expect(await whoIs(user.jar)).toBe(user.email);
});

/** Of what any route takes, what this one does: an unknown field is refused before. */
function pick(body: Record<string, unknown>, path: string): Record<string, unknown> {
  const names: Readonly<Record<string, readonly string[]>> = {
    "/auth/password": ["current_password", "new_password"],
    "/auth/password/verify": ["current_password"],
    "/auth/api_keys": ["name", "permissions", "current_password"],
    "/auth/otp/devices": ["name", "current_password"],
    "/auth/passkeys": ["name", "credential"],
    "/auth/passkeys/options": ["current_password"],
    "/auth/passkeys/{id}": ["name"],
    "/auth/passkeys/verify/options": [],
    "/auth/passkeys/verify": ["credential"],
    "/auth/passkeys/recovery_codes": ["credential"],
    "/auth/me": ["theme"],
    "/auth/email": ["email"],
    "/auth/deletion": ["email"],
  };
  const taken = names[path] ?? ["code"];
  return Object.fromEntries(Object.entries(body).filter(([name]) => taken.includes(name)));
}

test("nobody is administered by who views as somebody: each route below /admin", async () => {
  const { viewer, user } = await world.viewing([...OFFICE, "users:impersonate"]);
  const other = await world.join([]);
  const role = await world.give(other.id, []);
  const before = await countRows();
  const bodies: Readonly<Record<string, unknown>> = {
    "POST /admin/users": { email: "new@example.com", password: PASSWORD },
    "PUT /admin/users/{id}": { email: "changed@example.com" },
    "POST /admin/users/{id}/password": { password: `${PASSWORD} staple` },
    "POST /admin/users/{id}/impersonate": {},
    "POST /admin/invitations": { email: "invited@example.com" },
    "POST /admin/roles": { name: "new", permissions: ["shop:see"] },
    "PUT /admin/roles/{id}": { name: "renamed" },
    "PUT /admin/roles/{id}/permissions": { permissions: ["shop:see"] },
  };
  const targets = [user.id, viewer.id, other.id];
  const asked = (await operations("/admin/")).filter(({ method }) => UNSAFE.includes(method));
  expect(asked.length).toBeGreaterThan(15);
  for (const { method, path } of asked) {
    const name = `${method.toUpperCase()} ${path}`;
    for (const target of targets) {
      const url = path
        .replace("{id}", String(path.includes("/roles/{id}") ? role : target))
        .replace("{role_id}", String(role))
        .replace("{session_id}", crypto.randomUUID())
        .replace("{api_key_id}", "1");
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await viewer.jar.send(method.toUpperCase(), url, bodies[name] ?? {});
      // oxlint-disable-next-line no-await-in-loop
      expect([name, await codeOf(answer)]).toEqual([name, [403, "viewing_as_user"]]);
    }
  }
  expect(await countRows()).toEqual(before);
  const [refused] = await world.audit(`actor=${user.id}&action=user.password_set&result=refused`);
  expect(refused).toMatchObject({ actor: user.email, viewer: viewer.email });
});

test("a plugin can't be brought, nor a backup with all secrets taken, by who views as somebody", async () => {
  // Whoever may do everything isn't viewed as: these are refused for the lack of it.
  const { viewer } = await world.viewing(["plugins:read", "plugins:switch", "backups:read"]);
  const answers = [
    await viewer.jar.send("POST", "/system/plugins", { url: "https://127.0.0.1:9/plugin.json" }),
    await viewer.jar.fetch("/system/backups/any.tar.gz"),
  ];
  expect(answers.map(({ status }) => status)).toEqual([403, 403]);
});

test("nobody views as a third while viewing, and whoever begins anew with the cookie from before ends the first view", async () => {
  const { viewer, user } = await world.pair(["shop:see", "users:impersonate"]);
  const third = await world.join(["shop:see"]);
  const tab = new CookieJar(app);
  tab.cookie = viewer.jar.cookie;
  await world.view({ viewer, user });
  expect(await codeOf(await world.view({ viewer, user: third }))).toEqual([403, "viewing_as_user"]);
  expect((await world.view({ viewer: { ...viewer, jar: tab }, user: third })).status).toBe(200);
  expect([await whoIs(tab), await whoIs(viewer.jar)]).toEqual([third.email, 401]);
});

test("what one tab ends has ended in the other, which goes on as the viewer once it looks", async () => {
  const { viewer, user } = await world.viewing();
  const other = new CookieJar(app); // whose request was under way with the cookie of the view
  other.cookie = viewer.jar.cookie;
  await viewer.jar.send("DELETE", "/auth/impersonation", {});
  expect(await codeOf(await other.send("POST", "/shop/orders", {}))).toEqual([401, "authentication_error"]);
  expect(await codeOf(await other.send("DELETE", "/auth/impersonation", {}))).toEqual([
    401,
    "authentication_error",
  ]);
  expect((await other.get("/auth/login")).status).toBe(200);
  other.cookie = viewer.jar.cookie; // as the browser has it by then
  const order = await other.send("POST", "/shop/orders", {});
  expect(await order.json()).toEqual({ by: viewer.email });
  expect(await whoIs(user.jar)).toBe(user.email);
});

test("two tabs that end a view at once leave the browser with the viewer's session", async () => {
  for (let round = 0; round < 5; round += 1) {
    /* oxlint-disable no-await-in-loop -- one after the other */
    const { viewer } = await world.viewing();
    const tabs = [viewer.jar.cookie, viewer.jar.cookie].map((cookie) => {
      const jar = new CookieJar(app);
      jar.cookie = cookie;
      return jar;
    });
    const answers = await Promise.all(tabs.map((tab) => tab.send("DELETE", "/auth/impersonation", {})));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, 401]);
    const known = await Promise.all(tabs.map(whoIs));
    expect(known).toContain(viewer.email);
    /* oxlint-enable no-await-in-loop */
  }
});

test("the cookie from before is the viewer's own, while viewing and after", async () => {
  const { viewer, user } = await world.pair();
  const own = viewer.jar.cookie;
  await world.view({ viewer, user });
  const before = new CookieJar(app);
  before.cookie = own;
  expect([await whoIs(before), await whoIs(viewer.jar)]).toEqual([viewer.email, user.email]);
  expect(before.cookie).toBe(own); // nothing takes the view from the browser
  await viewer.jar.send("DELETE", "/auth/impersonation", {});
  expect(viewer.jar.cookie).not.toBe(own);
  const { sessions } = tables;
  const [session] = await db
    .select()
    .from(sessions)
    .where(and(eq(sessions.user_id, viewer.id), isNotNull(sessions.cookie_at)));
  // What is under way has half a minute, as whenever a cookie is replaced.
  expect(session?.cookie_at?.getTime()).toBeGreaterThan(session?.created_at.getTime() ?? Infinity);
});

test("no other site begins or ends a view, and a proof of one session is none of the other", async () => {
  const { viewer, user } = await world.pair();
  const proofOf = async (): Promise<string> => {
    const page = await (await viewer.jar.get("/auth/logout")).text();
    return /name="csrf_token" value="([^"]+)"/.exec(page)?.[1] ?? "";
  };
  const ask = (method: string, path: string, headers: Record<string, string>) =>
    viewer.jar.fetch(path, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(method === "POST" && { body: "{}" }),
    });
  const begin = `/admin/users/${user.id}/impersonate`;
  const refused = [403, "cross_site_request"];
  for (const headers of [{}, { origin: "https://evil.example" }, { "sec-fetch-site": "same-site" }]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await codeOf(await ask("POST", begin, headers))).toEqual(refused);
  }
  const own = await proofOf();
  expect((await ask("POST", begin, { "x-csrf-token": own })).status).toBe(200);
  for (const headers of [{}, { origin: "https://evil.example" }, { "x-csrf-token": own }]) {
    // oxlint-disable-next-line no-await-in-loop
    expect(await codeOf(await ask("DELETE", "/auth/impersonation", headers))).toEqual(refused);
  }
  expect((await ask("DELETE", "/auth/impersonation", { "x-csrf-token": await proofOf() })).status).toBe(204);
});

test("no token is had for a view, and none is exchanged", async () => {
  const { viewer, user } = await world.viewing();
  const { sessions } = tables;
  const isView = and(eq(sessions.user_id, user.id), isNotNull(sessions.viewer_session_id));
  const [view] = await db.select().from(sessions).where(isView);
  expect([view?.refresh_hash, view?.previous_hash]).toEqual(["", null]);
  const minutes = ((view?.expires_at.getTime() ?? 0) - (view?.created_at.getTime() ?? 0)) / 60_000;
  expect(Math.round(minutes)).toBe(5); // as it is set
  const made = await app.createUser(`tokens-${user.id}@example.com`);
  const refresh = await app.fetch("/auth/refresh", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ refresh_token: `${view?.id}.${"A".repeat(32)}.${"A".repeat(43)}` }),
  });
  expect([refresh.status, made.sessionId === view?.id]).toEqual([401, false]);
  // Not even one that the server has signed for its session outlasts what the view hangs on.
  const token = await app.app.accounts.accessTokens.sign(user.id, view?.id ?? "");
  const headers = { authorization: `Bearer ${token}` };
  const me = (await (await app.fetch("/auth/me", { headers })).json()) as { viewer: { id: number } };
  expect(me.viewer.id).toBe(viewer.id);
  await world.act("PUT", `/admin/users/${viewer.id}/deactivate`);
  expect((await app.fetch("/auth/me", { headers })).status).toBe(401);
});

test("use doesn't make a view longer", async () => {
  const { viewer, user } = await world.viewing();
  const { sessions } = tables;
  const isView = and(eq(sessions.user_id, user.id), isNotNull(sessions.viewer_session_id));
  const read = async () => (await db.select().from(sessions).where(isView))[0]?.expires_at;
  const [before] = [await read()];
  const last_used_at = new Date(Date.now() - 4_000_000);
  await db.update(sessions).set({ last_used_at });
  await db.insert(tables.accessChanges).values({ user_id: user.id });
  expect(await whoIs(viewer.jar)).toBe(user.email);
  await app.app.accounts.browser.credentials.settle();
  expect(await read()).toEqual(before);
  // It is the viewer's own session that is used.
  const [own] = await db
    .select()
    .from(sessions)
    .where(and(eq(sessions.user_id, viewer.id), isNotNull(sessions.cookie_at)));
  expect(own?.last_used_at.getTime()).toBeGreaterThan(last_used_at.getTime());
});

/** What makes a view one that may not be, while it begins. */
const RACES: Readonly<
  Record<string, (ids: { user: number; viewer: number; role: number }) => Promise<unknown>>
> = {
  "gives the user more": ({ user, role }) => world.act("POST", `/admin/users/${user}/roles/${role}`),
  "deactivates the viewer": ({ viewer }) => world.act("PUT", `/admin/users/${viewer}/deactivate`),
  "deactivates the user": ({ user }) => world.act("PUT", `/admin/users/${user}/deactivate`),
};
for (const [what, change] of Object.entries(RACES)) {
  test(`nobody is viewed as once somebody ${what}, however close that is`, async () => {
    const other = await world.join([]);
    const role = await world.give(other.id, ["shop:sell"]);
    for (let round = 0; round < 6; round += 1) {
      /* oxlint-disable no-await-in-loop -- one race after another */
      const { viewer, user } = await world.pair();
      const asked = world.view({ viewer, user });
      const using = whoIs(viewer.jar);
      await change({ user: user.id, viewer: viewer.id, role });
      const { status } = await asked;
      expect([200, 401, 403, 409]).toContain(status);
      await using;
      if (status === 200) expect(await whoIs(viewer.jar)).toBe(401);
      else expect(await whoIs(viewer.jar)).not.toBe(user.email);
      /* oxlint-enable no-await-in-loop */
    }
  });
}

test("no cookie of a view is made up, nor of somebody else's session", async () => {
  const { viewer, user } = await world.viewing();
  const { sessions } = tables;
  const isView = and(eq(sessions.user_id, user.id), isNotNull(sessions.viewer_session_id));
  const [view] = await db.select().from(sessions).where(isView);
  const stranger = await world.join([]);
  const jar = new CookieJar(app);
  // The seal of one's own cookie on the session of the view.
  jar.cookie = stranger.jar.cookie.replace(/xs_[0-9a-f-]{36}/, `xs_${view?.id}`);
  expect([await whoIs(jar), (await jar.get("/auth/login")).status]).toEqual([401, 200]);
  expect(await whoIs(viewer.jar)).toBe(user.email);
});

/** How much there is of what administration changes. */
function countRows(): Promise<number[]> {
  const { users, roles, userRoles, rolePermissions, apiKeys, otpDevices } = tables;
  return Promise.all(
    [users, roles, userRoles, rolePermissions, apiKeys, otpDevices].map((table) => db.$count(table)),
  );
}
