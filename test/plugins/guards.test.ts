import { expect, spyOn, test } from "bun:test";
import { type Files, plugin, TestApp } from "../setup.ts";

const PERMISSIONS = { permissions: { "notes:read": "Read", "notes:write": "Write" } };

/** A plugin whose entry is `code`. */
function entry(code: string, name = "open"): Files {
  return { [`${name}/plugin.json`]: { name, version: "1.0.0" }, [`${name}/run.ts`]: code };
}

/** Gives a user a role of these permissions. */
async function addRole(app: TestApp, userId: number, permissions: readonly string[]): Promise<void> {
  const { db, tables } = app.app.store;
  const { roles, rolePermissions, userRoles, accessChanges } = tables;
  await db.transaction(async (tx) => {
    const [role] = await tx.insert(roles).values({ name: crypto.randomUUID() }).returning({ id: roles.id });
    const role_id = role?.id ?? 0;
    for (const permission of permissions) await tx.insert(rolePermissions).values({ role_id, permission });
    await tx.insert(userRoles).values({ user_id: userId, role_id });
    await tx.insert(accessChanges).values({ user_id: userId });
  });
}

const ROUTES = `
  .get("/open", () => "open")
  .get("/known", ({ user }) => user, { auth: true })
  .get("/asked", () => "asked", { auth: false })
  .get("/read", ({ user }) => user.email, { permission: "notes:read" })
  .get("/role", () => "role", { role: "admin" })
  .get("/text", "text", { permission: "notes:read" })
  .guard({ permission: "notes:write" }, (app) => app.get("/guarded", () => 1).get("/both", () => 2, { permission: "notes:read" }))
  .group("/group", { permission: "notes:write" }, (app) => app.get("/in", () => 1))
  .group("/plain", (app) => app.guard({ permission: "notes:write" }).get("/in", () => 1))
  .guard({ permission: "notes:write" })
  .post("/late", () => 1)
  .all("/all", () => 1)`;

test("guards let through who is known, who holds the permission, and who has the role", async () => {
  await using app = await TestApp.start({ plugins: plugin("notes", ROUTES, PERMISSIONS) });
  const plain = await app.createUser("plain@example.com");
  const reader = await app.createUser("reader@example.com");
  const writer = await app.createUser("writer@example.com");
  await addRole(app, reader.id, ["notes:read"]);
  await addRole(app, writer.id, ["notes:write"]);
  const admin = await app.admin();
  const scenarios: [method: string, path: string, statuses: readonly number[]][] = [
    // anonymous, plain, reader, writer, administrator
    ["GET", "/open", [200, 200, 200, 200, 200]],
    ["GET", "/asked", [200, 200, 200, 200, 200]],
    ["GET", "/known", [401, 200, 200, 200, 200]],
    ["GET", "/read", [401, 403, 200, 403, 200]],
    ["GET", "/text", [401, 403, 200, 403, 200]],
    ["GET", "/role", [401, 403, 403, 403, 200]],
    ["GET", "/guarded", [401, 403, 403, 200, 200]],
    ["GET", "/both", [401, 403, 403, 403, 200]],
    ["GET", "/group/in", [401, 403, 403, 200, 200]],
    ["GET", "/plain/in", [401, 403, 403, 200, 200]],
    ["POST", "/late", [401, 403, 403, 200, 200]],
    ["DELETE", "/all", [401, 403, 403, 200, 200]],
    ["HEAD", "/read", [401, 403, 200, 403, 200]],
  ];
  for (const [method, path, expected] of scenarios) {
    const statuses: number[] = [];
    for (const user of [null, plain, reader, writer, admin]) {
      const init = { method, headers: { ...user?.headers } };
      statuses.push((await app.fetch(`/notes${path}`, init)).status);
    }
    expect([method, path, statuses]).toEqual([method, path, [...expected]]);
  }
  const known = await app.fetch("/notes/known", { headers: admin.headers });
  expect(await known.json()).toEqual({ id: admin.id, email: admin.email, full_name: null, roles: ["admin"] });
  const refused = await app.fetch("/notes/read");
  expect(refused.headers.get("www-authenticate")).toBe("Bearer");
  expect(await refused.json()).toMatchObject({ code: "authentication_error", status: 401 });
  expect(await app.problem("/notes/read", { headers: plain.headers })).toMatchObject({
    code: "authorization_error",
    detail: 'This needs the permission "notes:read"',
  });
});

test("a guard of a WebSocket refuses the upgrade", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "live",
      `.ws("/", { auth: true, message(ws, text) { ws.send(ws.data.user.email); } })
  .ws("/room/:id", { optionalAuth: true, message(ws) { ws.send(ws.data.user?.email ?? "nobody"); } })`,
    ),
  });
  const url = `${app.url.replace("http", "ws")}/live`;
  const connect = (headers: Record<string, string>, path = "") => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = new WebSocket(url + path, { headers } as unknown as string[]);
    socket.addEventListener("open", () => socket.send("who?"));
    socket.addEventListener("message", ({ data }) => {
      socket.close();
      resolve(String(data));
    });
    socket.addEventListener("error", () => resolve("refused"));
    return promise;
  };
  const admin = await app.admin();
  expect(await connect({})).toBe("refused");
  expect(await connect({ authorization: "Bearer a.b.c" })).toBe("refused");
  expect(await connect(admin.headers)).toBe(admin.email);
  expect(await connect(admin.headers, "/room/1")).toBe(admin.email);
  expect(await connect({}, "/room/1")).toBe("nobody");
});

test("options that two routes share guard both of them", async () => {
  await using app = await TestApp.start({
    plugins: entry(`import { createRouter } from "xcore";
const reading = { permission: "notes:read" };
const write = { permission: "notes:write" };
const transform = [() => {}];
export default createRouter().macro({ own: (isAsked) => { if (isAsked) return { beforeHandle() {} }; } })
  .get("/a", () => 1, reading).get("/b", () => 1, reading).get("/g", () => 1, { ...reading, transform: () => {} })
  .get("/h", () => 1, { ...write, transform }).get("/open", () => 1, { transform }).get("/i", () => 1, { own: false, ...reading })
  .get("/c", () => 1, { ...reading }).guard(write, (app) => app.get("/d", () => 1)).guard(write, (app) => app.get("/e", () => 1))
  .guard(write).get("/f", () => 1);`),
  });
  const plain = await app.createUser("plain@example.com");
  for (const path of ["a", "b", "c", "d", "e", "f", "g", "h", "i"]) {
    const { status } = await app.fetch(`/open/${path}`, { headers: plain.headers });
    expect([path, status]).toEqual([path, 403]);
    expect([path, (await app.fetch(`/open/${path}`)).status]).toEqual([path, 401]);
  }
});

test("routes of a plain Elysia inside a guarded router are guarded", async () => {
  await using app = await TestApp.start({
    plugins: entry(`import { Elysia } from "elysia";
import { createRouter } from "xcore";
const routes = new Elysia().get("/own", () => 1, { permission: "notes:read" } as any);
const mounted = () => new Response("mounted");
export default createRouter().use(routes)
  .guard({ auth: true }, (app) => app.use(new Elysia().get("/used", () => 1)).mount("/mounted", mounted));`),
  });
  for (const path of ["own", "used", "mounted"]) {
    expect([path, (await app.fetch(`/open/${path}`)).status]).toEqual([path, 401]);
  }
});

const IGNORED: readonly (readonly [what: string, router: string, where: string])[] = [
  ["auth", '.get("/x", () => 1, { auth: true })', 'GET "/x" with { auth }'],
  ["permission", '.post("/x", () => 1, { permission: "a:b" })', 'POST "/x" with { permission }'],
  ["role", '.get("/x", () => 1, { role: "admin" })', 'GET "/x" with { role }'],
  ["optionalAuth", '.get("/x", () => 1, { optionalAuth: true })', 'GET "/x" with { optionalAuth }'],
  ["a static answer's guard", '.get("/x", "text", { auth: true })', 'GET "/x" with { auth }'],
  ["a WebSocket's guard", '.ws("/x", { auth: true, message() {} })', 'WebSocket "/x" with { auth }'],
  [
    "guard() with a callback",
    '.guard({ permission: "a:b" }, (a: any) => a.get("/x", () => 1))',
    'GET "/x" with { permission }',
  ],
  ["group()", '.group("/g", { role: "admin" }, (a: any) => a.get("/x", () => 1))', "with { role }"],
  ["guard()", '.guard({ permission: "a:b" }).get("/x", () => 1)', "guard() with { permission }"],
  [
    "guard() for those around it",
    '.guard({ as: "scoped", auth: true }).get("/x", () => 1)',
    "guard() with { auth }",
  ],
  [
    "guard() inside group()",
    '.group("/g", (a: any) => a.guard({ auth: true }).get("/x", () => 1))',
    "guard() with { auth }",
  ],
  [
    "guard() inside guard()",
    '.guard({}, (a: any) => a.guard({ auth: true }).get("/x", () => 1))',
    "guard() with { auth }",
  ],
  [
    "guard() of an app that is used",
    '.use(new Elysia().guard({ auth: true } as any).get("/x", () => 1))',
    "guard() with { auth }",
  ],
  [
    "an app that is awaited",
    '.use(Promise.resolve(new Elysia().get("/x", () => 1, { auth: true } as any)))',
    'GET "/x" with { auth }',
  ],
];

for (const [what, router, where] of IGNORED) {
  test(`a plain Elysia fails the plugin when it would ignore ${what}`, async () => {
    const code = `import { Elysia } from "elysia";\nconst app: any = new Elysia();\nexport default app${router};`;
    await using app = await TestApp.start({ plugins: entry(code) });
    const { state, failure } = (await app.get("/system/plugins/open")).body;
    expect(state).toBe("failed");
    expect(failure.message).toContain(where);
    expect(failure.message).toContain("createRouter()");
    for (const path of ["/open/x", "/open/g/x"]) expect((await app.fetch(path)).status).toBe(503);
  });
}

test("a plain Elysia with macros of its own, or auth: false, is left alone", async () => {
  const code = `import { Elysia } from "elysia";
const own = new Elysia({ name: "own" }).macro({ auth: (roles: string[]) => ({ beforeHandle: ({ set }) => { set.headers["x-own"] = String(roles); } }) });
export default new Elysia().use(own).get("/x", () => 1, { auth: ["a", "b"] }).use(new Elysia().get("/y", () => 2, { auth: false } as any));`;
  await using app = await TestApp.start({ plugins: entry(code) });
  expect((await app.fetch("/open/x")).headers.get("x-own")).toBe("a,b");
  expect((await app.fetch("/open/y")).status).toBe(200);
});

test("a permission that is none fails the plugin, in a route and in the manifest", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin("typo", '.get("/", () => 1, { permission: "notes.read" })'),
      ...plugin("lost", '.get("/", () => 1, { permission: undefined as any })'),
      ...plugin("plural", '.get("/", () => 1, { permissions: "notes:read" } as any)'),
      ...plugin("inside", '.guard({ roles: ["admin"] } as any).get("/", () => 1)'),
      ...plugin("named", '.get("/", () => 1)', { permissions: { Notes: "x" } }),
    },
  });
  for (const [name, message] of [
    ["typo", 'Cannot guard a route with the permission "notes.read"'],
    ["lost", 'Cannot guard a route with the permission "undefined"'],
    ["plural", 'Cannot guard GET "/" with { permissions }: there is no such guard'],
    ["inside", "did you mean { role }?"],
    ["named", '"permissions" must name a resource and an action each'],
  ] as const) {
    const { state, failure } = (await app.get(`/system/plugins/${name}`)).body;
    expect(state).toBe("failed");
    expect(failure.message).toContain(message);
  }
});

test("auth and users tell a plugin who asks, who there is, and what they may do", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...entry(
        `import { auth, createRouter, users } from "xcore";
export const may = (request: Request) => auth.hasPermission(request, "notes:read");
export default createRouter()
  .get("/me", ({ request }) => ({ user: auth.currentUser(request), may: may(request) }), { optionalAuth: true })
  .get("/find/:id", async ({ params }) => {
    const user = await users.find(Number(params.id));
    return { user, may: user !== null && auth.hasPermission(user, "notes:read"), copy: user !== null && auth.hasPermission({ ...user }, "notes:read") };
  })
  .get("/email", async () => (await users.findByEmail(" Reader@Example.COM "))?.id ?? null)
  .get("/nobody", async () => [await users.findByEmail("nobody"), await users.findByEmail("no@example.com"), await users.find(99)])
  .get("/device", async ({ user }) => (await auth.createOtpDevice(user.id, "My phone")).qrCodeUri(), { auth: true });`,
        "asker",
      ),
      ...plugin("user", '.get("/", ({ request }) => may(request))', { dependencies: ["asker"] }),
      "user/run.ts": `import { createRouter } from "xcore";
import { may } from "plugin:asker";
export default createRouter().get("/", ({ request }) => may(request), { optionalAuth: true });`,
    },
  });
  const reader = await app.createUser("reader@example.com");
  await addRole(app, reader.id, ["notes:*"]);
  const { headers, id } = reader;
  const ask = async (path: string) => (await app.fetch(path, { headers })).json();
  expect((await app.get("/asker/me")).body).toEqual({ user: null, may: false });
  expect(await ask("/asker/me")).toMatchObject({ user: { id }, may: true });
  expect(await ask("/user")).toBe(true);
  const found = (await app.get(`/asker/find/${id}`)).body;
  expect(found).toMatchObject({ user: { id, is_active: true }, may: true, copy: false });
  expect(JSON.stringify(found)).not.toContain("hash");
  expect((await app.get("/asker/email")).body).toBe(id);
  expect((await app.get("/asker/nobody")).body).toEqual([null, null, null]);
  const device = await app.fetch("/asker/device", { headers });
  expect(await device.text()).toStartWith("otpauth://totp/");
  const { db, tables } = app.app.store;
  await db.update(tables.users).set({ is_active: false });
  await db.insert(tables.accessChanges).values({ user_id: id });
  expect(await ask("/asker/me")).toEqual({ user: null, may: false });
  expect((await app.get(`/asker/find/${id}`)).body).toMatchObject({ user: { is_active: false }, may: false });
});

test("optionalAuth gives a handler the user, or null, and refuses nobody", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "notes",
      `.get("/plain", ({ user }) => ({ email: user?.email ?? null }), { optionalAuth: true })
  .get("/param/:id", ({ user, params }) => ({ email: user?.email ?? null, id: params.id }), { optionalAuth: true })
  .post("/body", ({ user, body }) => ({ email: user?.email ?? null, body }), { optionalAuth: true })
  .get("/not", (context) => ({ knows: "user" in context }), { optionalAuth: false })
  .guard({ permission: "notes:read" }, (app) => app.get("/both", ({ user }) => ({ email: user.email }), { optionalAuth: true }))
  .guard({ optionalAuth: true })
  .get("/all", (context) => ({ email: (context as any).user?.email ?? null }))
  .get("/known", ({ user }) => ({ email: user.email }), { auth: true })`,
      PERMISSIONS,
    ),
  });
  const { email, headers } = await app.admin();
  const body = JSON.stringify({ a: 1 });
  const ask = async (path: string, asked: Record<string, string>) => {
    const method = path === "/body" ? { method: "POST", body } : {};
    const answer = await app.fetch(`/notes${path}`, {
      ...method,
      headers: { ...asked, ...(path === "/body" && { "content-type": "application/json" }) },
    });
    return [answer.status, await answer.json()];
  };
  const invalid = { authorization: "Bearer a.b.c" };
  // The first request of somebody waits for the database; the second finds them remembered.
  for (const [path, rest] of [
    ["/body", { body: { a: 1 } }],
    ["/body", { body: { a: 1 } }],
    ["/plain", {}],
    ["/param/1", { id: "1" }],
    ["/all", {}],
  ] as const) {
    for (const asked of [{}, invalid])
      expect(await ask(path, asked)).toEqual([200, { email: null, ...rest }]);
    expect(await ask(path, headers)).toEqual([200, { email, ...rest }]);
  }
  expect(await ask("/not", headers)).toEqual([200, { knows: false }]);
  for (const path of ["/both", "/known"]) {
    expect((await ask(path, {}))[0]).toBe(401);
    expect((await ask(path, invalid))[0]).toBe(401);
    expect(await ask(path, headers)).toEqual([200, { email }]);
  }
  const { paths } = (await app.get("/openapi.json")).body;
  expect(paths["/notes/plain"].get.security).toEqual([{}, ...lock()]);
  expect(paths["/notes/all"].get.security).toEqual([{}, ...lock()]);
  expect(paths["/notes/both"].get.security).toEqual(lock("notes:read"));
  expect(paths["/notes/known"].get.security).toEqual(lock());
  expect(paths["/notes/not"].get.security).toBeUndefined();
});

test("a route that declares nothing can't ask who makes its requests, whatever its neighbours do", async () => {
  const start = `import { auth, createRouter } from "xcore";
export default createRouter().onError(({ error }) => ({ message: (error as Error).message }))
  .get("/plain", ({ request }) => auth.currentUser(request))
  .get("/param/:id", ({ request }) => auth.hasPermission(request, "notes:read"))`;
  await using app = await TestApp.start({
    plugins: {
      ...entry(start, "alone"),
      ...entry(
        `${start}.get("/known", ({ request }) => auth.currentUser(request), { auth: true })`,
        "beside",
      ),
    },
  });
  const admin = await app.admin();
  expect((await app.fetch("/beside/known", { headers: admin.headers })).status).toBe(200);
  for (const path of ["/alone/plain", "/alone/param/1", "/beside/plain", "/beside/param/1"]) {
    for (const headers of [{}, admin.headers]) {
      const answer = await app.fetch(path, { headers });
      expect([path, answer.status]).toEqual([path, 500]);
      expect((await answer.json()).message).toContain("add { optionalAuth: true } to the route");
    }
  }
});

test("who asks is found out only in routes that declare it", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin(
        "notes",
        `.get("/param/:id", () => 1).get("/static/*", () => "own", { auth: true })${ROUTES}`,
        PERMISSIONS,
      ),
      "notes/public/file.txt": "file",
    },
  });
  const { headers } = await app.admin();
  const authenticate = spyOn(app.app.accounts.authenticator, "authenticate");
  for (const [method, path, times] of [
    ["GET", "/notes/open", 0],
    ["HEAD", "/notes/open", 0],
    ["GET", "/notes/asked", 0],
    ["GET", "/notes/param/1", 0],
    ["GET", "/notes/param/1", 0],
    ["GET", "/notes/nothing/here", 0],
    ["GET", "/openapi.json", 0],
    ["GET", "/", 1],
    ["GET", "/health", 1],
    ["GET", "/notes/known", 1],
    ["GET", "/notes/known", 1],
    ["HEAD", "/notes/known", 1],
    ["PATCH", "/notes/all", 1],
    ["POST", "/notes/late", 1],
    ["GET", "/notes/static/file.txt", 1],
    ["GET", "/auth/me", 1],
    ["GET", "/system/plugins/notes", 1],
  ] as const) {
    authenticate.mockClear();
    expect([method, path, (await app.fetch(path, { method, headers })).status]).toEqual([
      method,
      path,
      path.includes("nothing") ? 404 : 200,
    ]);
    expect([method, path, authenticate.mock.calls.length]).toEqual([method, path, times]);
  }
});

test("permissions of plugins can be assigned, and stay when the plugin goes", async () => {
  await using app = await TestApp.start({ plugins: plugin("notes", '.get("/", () => 1)', PERMISSIONS) });
  const { db, tables } = app.app.store;
  const list = async () =>
    (await db.select().from(tables.permissions))
      .filter(({ owner }) => owner !== "core")
      .map(({ name, description, owner }) => [name, description, owner]);
  const declared = [
    ["notes:read", "Read", "notes"],
    ["notes:write", "Write", "notes"],
  ];
  expect(await list()).toEqual(declared);
  await app.after("plugin.loaded", () =>
    app.writePlugins(
      plugin("other", '.get("/", () => 1)', { permissions: { "notes:read": "Mine", "users:read": "Mine" } }),
    ),
  );
  expect(await list()).toEqual(declared);
  const log = await app.log("manager");
  expect(log).toContain('permission \\"notes:read\\" belongs to \\"notes\\"');
  expect(log).toContain('permission \\"users:read\\" belongs to \\"core\\"');
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/notes"));
  expect(await list()).toEqual(declared);
});

function lock(...needs: string[]): object[] {
  return [{ password: [] }, { bearer: needs }, { api_key: needs }];
}

test("the OpenAPI document locks what is guarded, and says what that takes", async () => {
  await using app = await TestApp.start({ plugins: plugin("notes", ROUTES, PERMISSIONS) });
  const { paths, components } = (await app.get("/openapi.json")).body;
  const scenarios: [method: string, path: string, security: object[] | undefined, description?: string][] = [
    ["get", "/notes/open", undefined],
    ["get", "/notes/asked", undefined],
    ["get", "/notes/known", lock(), "Requires authentication."],
    ["get", "/notes/read", lock("notes:read"), "Requires the permission `notes:read`."],
    [
      "get",
      "/notes/role",
      [{ password: [] }, { bearer: ["admin"] }],
      "Requires the role `admin`, which API keys don't have.",
    ],
    [
      "get",
      "/notes/both",
      lock("notes:read", "notes:write"),
      "Requires the permission `notes:read`.\n\nRequires the permission `notes:write`.",
    ],
    ["post", "/notes/late", lock("notes:write"), "Requires the permission `notes:write`."],
    [
      "put",
      "/system/plugins/{name}/enable",
      lock("plugins:switch"),
      "Requires the permission `plugins:switch`.",
    ],
  ];
  for (const [method, path, security, description] of scenarios) {
    const operation = paths[path][method];
    expect([path, operation.security, operation.description]).toEqual([path, security, description]);
  }
  expect(components.securitySchemes).toMatchObject({
    password: { type: "oauth2", flows: { password: { tokenUrl: "/auth/login", scopes: {} } } },
    bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
    api_key: { type: "apiKey", in: "header", name: "X-API-Key" },
  });
});
