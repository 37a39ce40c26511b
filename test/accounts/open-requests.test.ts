import { afterAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { Principals } from "../../src/accounts/identity/principals.ts";
import { OpenRequests } from "../../src/accounts/open-requests.ts";
import { noteAccessChange } from "../../src/accounts/people/store.ts";
import { createPermissions } from "../../src/accounts/rights/permission-set.ts";
import { AppError } from "../../src/errors/errors.ts";
import { testWithCoreTables } from "../database-servers.ts";
import { plugin, TestApp, type TestUser } from "../setup.ts";
import { RawSocket } from "../web/raw-socket.ts";
import { addPrincipal, Clock, openStore } from "./factor-accounts.ts";
import { Instance, withOther } from "./instances.ts";

/** Streams that say one thing and then wait for ever. */
const ROUTER = `
  .ws("/socket", { permission: "x:see", message(ws, text) { ws.send(text); } })
  .ws("/role", { role: "admin", message() {} })
  .ws("/optional", { optionalAuth: true, message() {} })
  .ws("/any/*", { message() {} })
  .ws("/any/:id", { permission: "x:see", message() {} })
  .ws("/asked", { auth: true, message(ws) { ws.send(auth.hasPermission(ws.data.user, "x:see")); } })
  .ws("/plain", { message() {} })
  .get("/by-hand", ({ server, request }) => { server.upgrade(request, { data: {} }); }, { auth: true })
  .get("/events", async function* () { yield sse("hello"); await new Promise(() => {}); }, { permission: "x:see" })
  .get("/ticks", async function* () { for (let n = 0; ; n += 1) { yield sse(String(n)); await Bun.sleep(1); } }, { permission: "x:see" })
  .get("/stream", () => forever(), { permission: "x:see" })
  .get("/response", () => new Response(forever(), { headers: { "content-type": "text/event-stream" } }), { role: "admin" })
  .post("/posted", ({ body }) => new Response(forever()), { permission: "x:see" })
  .get("/labelled", () => new Response(forever(), { headers: { "content-type": "application/json;charset=utf-8" } }), { permission: "x:see" })
  .get("/measured", () => new Response(forever(), { headers: { "content-length": "1000" } }), { permission: "x:see" })
  .get("/mapped", () => 1, { permission: "x:see", mapResponse: () => new Response(forever()) })
  .get("/status", ({ status }) => status(200, forever()), { permission: "x:see" })
  .get("/status-events", ({ status }) => status(200, (async function* () { yield "hello"; await new Promise(() => {}); })()), { permission: "x:see" })
  .get("/optional-stream", () => forever(), { optionalAuth: true })
  .get("/open", () => forever())
  .get("/text", () => new Response("text"), { auth: true })
  .get("/json", () => Response.json({ a: 1 }), { auth: true })
  .get("/finite", async function* () { yield "a"; yield "b"; }, { auth: true })
  .get("/whole", () => new Response(new ReadableStream({ start(c) { c.enqueue(Buffer.from("ab")); c.close(); } }), { status: 201, headers: { "x-own": "kept" } }), { auth: true })`;

const files = plugin("x", ROUTER, { permissions: { "x:see": "" } });
const code = (files["x/run.ts"] as string)
  .replace('from "xcore";', 'from "xcore";\nimport { sse } from "elysia";\nimport { auth } from "xcore";')
  .concat(
    "function forever() { return new ReadableStream({ start(c) { c.enqueue(Buffer.from('hello')); } }); }\n",
  );
const app = await TestApp.start({ plugins: { ...files, "x/run.ts": code } });
afterAll(() => app[Symbol.asyncDispose]());
await app.admin();

let made = 0;
const makeAdmin = (): Promise<TestUser> => app.createUser(`open-${++made}@example.com`, ["admin"]);

async function act(method: string, path: string): Promise<void> {
  const answer = await app.fetch(path, { method, headers: (await app.admin()).headers });
  expect([path, answer.ok]).toEqual([path, true]);
}

/** What ends the access of somebody. */
const ENDS: Readonly<Record<string, (user: TestUser) => Promise<unknown>>> = {
  logout: ({ headers }) => app.fetch("/auth/logout", { method: "POST", headers }),
  "a lost role": async ({ id }) => {
    const { body } = await getAs(`/admin/users/${id}`);
    for (const role of body.roles) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await act("DELETE", `/admin/users/${id}/roles/${role.id}`);
    }
  },
  deactivation: ({ id }) => act("POST", `/admin/users/${id}/deactivate`),
  deletion: ({ id }) => act("DELETE", `/admin/users/${id}`),
};

async function getAs(path: string) {
  const answer = await app.fetch(path, { headers: (await app.admin()).headers });
  return { body: await answer.json() };
}

function openSocket(path: string, { headers }: Pick<TestUser, "headers"> | { headers: object }) {
  const url = app.url.replace("http", "ws");
  const socket = new WebSocket(url + path, { headers } as unknown as string[]);
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<number>();
  socket.addEventListener("open", () => opened.resolve());
  socket.addEventListener("close", ({ code: reason }) => closed.resolve(reason));
  return { socket, opened: opened.promise, closed: closed.promise };
}

/** What a client takes a stream for that is cut before its content-length. */
const cut = (): { done: true } => ({ done: true });

/** Opens a stream, and returns what resolves once it has ended. */
async function openStream(path: string, headers: object): Promise<{ ended: Promise<void> }> {
  const isPosted = path.endsWith("posted");
  const answer = await app.fetch(path, {
    headers: { ...headers, ...(isPosted && { "content-type": "application/json" }) },
    ...(isPosted && { method: "POST", body: "{}" }),
  });
  expect([path, answer.status]).toEqual([path, 200]);
  const reader = answer.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  expect((await reader.read()).done).toBe(false);
  const drain = async (): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop
    while (!(await reader.read().catch(cut)).done);
  };
  return { ended: drain() };
}

const SOCKETS = ["/x/socket", "/x/role", "/x/by-hand", "/x/optional", "/x/any/one"];
const STREAMS =
  "events ticks stream response posted labelled measured mapped status status-events optional-stream"
    .split(" ")
    .map((name) => `/x/${name}`);
/** These routes ask who it is, and for nothing that a role gives. */
const ASKS_NO_ROLE = new Set(["/x/by-hand", "/x/optional", "/x/optional-stream"]);

for (const [what, end] of Object.entries(ENDS)) {
  const isEnded = (path: string): boolean => what !== "a lost role" || !ASKS_NO_ROLE.has(path);

  test(`WebSockets and streams of somebody end within a second of ${what}, and others go on`, async () => {
    const [user, other] = [await makeAdmin(), await makeAdmin()];
    const sockets = SOCKETS.filter(isEnded).map((path) => openSocket(path, user));
    const kept = [openSocket("/x/socket", other), openSocket("/x/plain", { headers: {} })];
    await Promise.all([...sockets, ...kept].map(({ opened }) => opened));
    const streams = await Promise.all(STREAMS.filter(isEnded).map((path) => openStream(path, user.headers)));
    const startedAt = performance.now();
    await end(user);
    expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual(sockets.map(() => 1008));
    await Promise.all(streams.map(({ ended }) => ended));
    expect(performance.now() - startedAt).toBeLessThan(1500);
    expect(kept.map(({ socket }) => socket.readyState)).toEqual([WebSocket.OPEN, WebSocket.OPEN]);
    for (const { socket } of kept) socket.close();
    await Promise.all(kept.map(({ closed }) => closed));
  });
}

test("an open WebSocket is told what its user may do now", async () => {
  const [user, { opened }] = [await makeAdmin(), app.app.accounts.authenticator];
  const { socket, opened: open, closed } = openSocket("/x/asked", user);
  await open;
  const ask = async (): Promise<string> => {
    const answer = Promise.withResolvers<string>();
    socket.addEventListener("message", ({ data }) => answer.resolve(String(data)), { once: true });
    socket.send("may I?");
    return answer.promise;
  };
  expect(await ask()).toBe("true");
  await ENDS["a lost role"]?.(user);
  await opened.look(); // may have begun before
  await opened.look();
  expect(await ask()).toBe("false");
  socket.close();
  await closed;
});

test("whole answers of guarded routes are as they were, and nothing is followed after them", async () => {
  const { headers } = await makeAdmin();
  const text = await app.fetch("/x/text", { headers });
  expect([text.headers.get("content-type"), text.headers.get("content-length")]).toEqual([
    "text/plain;charset=utf-8",
    "4",
  ]);
  expect(await (await app.fetch("/x/json", { headers })).json()).toEqual({ a: 1 });
  expect(await (await app.fetch("/x/finite", { headers })).text()).toBe("ab");
  const whole = await app.fetch("/x/whole", { headers });
  expect([whole.status, whole.headers.get("x-own"), await whole.text()]).toEqual([201, "kept", "ab"]);
  const { opened } = app.app.accounts.authenticator;
  expect(opened.size).toBe(0);
});

test("a stream whose client has gone away, and a socket that is closed, are followed no more", async () => {
  const { headers } = await makeAdmin();
  const { opened } = app.app.accounts.authenticator;
  for (const path of ["/x/ticks", "/x/stream"]) {
    const socket = new RawSocket(app.url);
    const head = `GET ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: ${headers.authorization}\r\n\r\n`;
    await socket.write(head); // oxlint-disable-line no-await-in-loop
    await socket.until(/200 OK/); // oxlint-disable-line no-await-in-loop
    expect(opened.size).toBe(1);
    socket[Symbol.dispose]();
    await socket.closed(); // oxlint-disable-line no-await-in-loop
    while (opened.size > 0) await new Promise(setImmediate); // oxlint-disable-line no-await-in-loop
  }
  const { socket, opened: open, closed } = openSocket("/x/socket", { headers });
  await open;
  expect(opened.size).toBe(1);
  socket.close();
  await closed;
  while (opened.size > 0) await new Promise(setImmediate); // oxlint-disable-line no-await-in-loop
});

testWithCoreTables(
  "OpenRequests ends what another instance, or the clock, has ended",
  async ({ driver, ...context }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const instance = new Instance(store, driver, clock);
    const { opened } = instance.authenticator;
    const { sessions } = store.tables;
    const open = async () => {
      const { user, sessionId } = await addPrincipal(store, `u${opened.size}-${clock.ms}@example.com`);
      const token = await instance.tokens.sign(user.id, sessionId);
      const request = new Request("http://localhost/", { headers: { authorization: `Bearer ${token}` } });
      await instance.authenticator.authenticate(request);
      const ended = Promise.withResolvers<void>();
      opened.follow(request, { check() {}, end: ended.resolve });
      return { user, sessionId, ended: ended.promise };
    };
    const [first, second] = [await open(), await open()];
    await opened.look();
    expect(opened.size).toBe(2);
    await withOther({ driver, ...context }, clock, async (_other, { db }) => {
      await db.transaction(async (tx) => {
        await tx.update(sessions).set({ revoked_at: new Date() }).where(eq(sessions.id, first.sessionId));
        await noteAccessChange(tx, store.tables, first.user.id);
      });
    });
    await first.ended; // by itself
    expect(opened.size).toBe(1);
    clock.ms += 1_801_000; // past the life of a token
    await second.ended;
    expect(opened.size).toBe(0);
    await instance.authenticator.settle();
  },
);

test("OpenRequests ends what has expired while the database can't say who asks, and nothing else", async () => {
  const [principals, clock] = [new Principals(), new Clock()];
  const away = new AppError("database_unavailable", 503, "away");
  const open = new OpenRequests({
    principals,
    authenticate(request) {
      principals.set(request, away);
      return null;
    },
    lookForChanges: () => Promise.reject(away),
    now: clock.now,
  });
  const ended: string[] = [];
  for (const [name, expiresAt] of Object.entries({ token: clock.ms + 1000, key: Infinity })) {
    const request = new Request("http://localhost/");
    const user = { id: 1, email: "", full_name: null, roles: [] };
    const permissions = createPermissions([]);
    principals.set(request, { user, permissions, lacksOtp: false, sessionId: null, apiKeyId: 1, expiresAt });
    open.follow(request, { check() {}, end: () => void ended.push(name) });
  }
  await open.look();
  expect(ended).toEqual([]);
  clock.ms += 1000;
  await open.look();
  expect(ended).toEqual(["token"]);
  await open.settle();
});
