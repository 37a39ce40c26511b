import { afterAll, expect, test } from "bun:test";
import { plugin, TestApp, type TestUser } from "../setup.ts";
import { RawSocket } from "../web/raw-socket.ts";

const ROUTER = `.post("/guarded", ({ body, user }) => ({ by: user.email, body }), { permission: "x:act" })
  .post("/role", ({ body }) => body, { role: "admin" })
  .post("/auth", ({ body }) => body, { auth: true })
  .post("/optional", ({ body, user }) => ({ by: user?.email ?? null, body }), { optionalAuth: true })
  .all("/all", ({ body }) => body, { permission: "x:act" })
  .put("/parsed", ({ body }) => body, { permission: "x:act", parse: ({ request }) => request.json() })
  .post("/read", async ({ request, user }) => ({ by: user.email, body: await request.json() }), { permission: "x:act" })
  .post("/unparsed", ({ request }) => request.clone().text(), { role: "admin", parse: "none" })
  .post("/pieces", async ({ request }) => { for await (const piece of request.body); return "all"; }, { permission: "x:act" })
  .post("/optional-read", async ({ request, user }) => {
    await hooks.emit("x.told", { user: user?.email ?? null });
    return { by: user?.email ?? null, body: await request.json() };
  }, { optionalAuth: true })
  .group("/own", (app) => app
    .onError(({ error }) => error.code === "authentication_error" ? { mine: error.code } : undefined)
    .post("/", ({ body }) => body, { auth: true }))`;

const app = await TestApp.start({
  plugins: {
    ...plugin("x", "", { permissions: { "x:act": "" } }),
    "x/run.ts": `import { createRouter, hooks } from "xcore";\nexport default createRouter()${ROUTER};\n`,
  },
});
afterAll(() => app[Symbol.asyncDispose]());

let made = 0;
const uniqueEmail = (): string => `late-${++made}@example.com`;
const makeAdmin = (): Promise<TestUser> => app.createUser(uniqueEmail(), ["admin"]);

/** A request whose body stops after its first bytes, until the rest is asked for. */
class SlowRequest implements Disposable {
  readonly socket: RawSocket;
  readonly #rest: string;

  private constructor(socket: RawSocket, rest: string) {
    this.socket = socket;
    this.#rest = rest;
  }

  static async begin(
    method: string,
    path: string,
    { headers, body }: { headers: Readonly<Record<string, string>>; body: unknown },
  ): Promise<SlowRequest> {
    const text = JSON.stringify(body);
    const lines = Object.entries({
      host: "localhost",
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(text)),
      connection: "close",
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = new RawSocket(app.url);
    await socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${text.slice(0, 5)}`);
    await app.fetch("/health"); // answered after the server has seen the head
    return new SlowRequest(socket, text.slice(5));
  }

  /** Sends the rest, and returns the answer. */
  async finish(): Promise<{ status: number; text: string }> {
    await this.socket.write(this.#rest);
    return toAnswer(await this.socket.closed());
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

function toAnswer(received: string): { status: number; text: string } {
  return { status: Number(received.slice(9, 12)), text: received.slice(received.indexOf("\r\n\r\n") + 4) };
}

/** What ends the rights of somebody. */
const ENDS: Readonly<Record<string, (user: TestUser) => Promise<unknown>>> = {
  async "the session is ended"({ id }) {
    const { store, accounts } = app.app;
    await store.db.transaction((tx) => accounts.sessions.endAll(tx, id));
  },
  async "the user logs out"({ headers }) {
    expect((await app.fetch("/auth/logout", { method: "POST", headers })).status).toBe(204);
  },
  async "the account is deactivated"({ id }) {
    const { headers } = await app.admin();
    const answer = await app.fetch(`/admin/users/${id}/deactivate`, { method: "POST", headers });
    expect(answer.status).toBe(200);
  },
  async "the account is deleted"({ id }) {
    const { headers } = await app.admin();
    expect((await app.fetch(`/admin/users/${id}`, { method: "DELETE", headers })).status).toBe(204);
  },
  async "the role is taken"({ id }) {
    const { headers } = await app.admin();
    const user = await (await app.fetch(`/admin/users/${id}`, { headers })).json();
    for (const role of user.roles) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await app.fetch(`/admin/users/${id}/roles/${role.id}`, { method: "DELETE", headers });
    }
  },
};

const ROUTES: readonly (readonly [method: string, path: string, body: () => unknown])[] = [
  ["POST", "/x/guarded", () => ({ a: 1 })],
  ["POST", "/x/role", () => ({ a: 1 })],
  ["PUT", "/x/all", () => ({ a: 1 })],
  ["PUT", "/x/parsed", () => ({ a: 1 })],
  ["POST", "/x/read", () => ({ a: 1 })],
  ["POST", "/x/unparsed", () => ({ a: 1 })],
  ["POST", "/x/pieces", () => ({ a: 1 })],
  ["POST", "/admin/users", () => ({ email: uniqueEmail(), password: "correct horse battery" })],
  ["POST", "/admin/roles", () => ({ name: `late-${++made}`, permissions: ["x:act"] })],
  ["POST", "/system/plugins", () => ({ url: "https://plugins.example/x.ts", dry_run: true })],
];

for (const [what, end] of Object.entries(ENDS)) {
  test(`a body that is complete after ${what} does nothing`, async () => {
    await app.admin();
    for (const [method, path, body] of ROUTES) {
      // oxlint-disable-next-line no-await-in-loop -- each for itself
      const user = await makeAdmin();
      // oxlint-disable-next-line no-await-in-loop
      using slow = await SlowRequest.begin(method, path, { headers: user.headers, body: body() });
      // oxlint-disable-next-line no-await-in-loop
      await end(user);
      // oxlint-disable-next-line no-await-in-loop
      const { status, text } = await slow.finish();
      expect([path, status, text]).toEqual([path, what === "the role is taken" ? 403 : 401, text]);
      expect(text).toContain(what === "the role is taken" ? "authorization_error" : "authentication_error");
    }
  });
}

test("a body that is complete after the password was changed makes no API key, device or session", async () => {
  const routes: [string, string, unknown][] = [
    ["POST", "/auth/api_keys", { name: "mine", permissions: [] }],
    ["POST", "/auth/otp/devices", { name: "mine" }],
    ["PUT", "/auth/password", { current_password: "a", new_password: "correct horse battery" }],
    ["POST", "/x/auth", { a: 1 }],
    ["POST", "/x/own", { a: 1 }],
  ];
  for (const [method, path, body] of routes) {
    // oxlint-disable-next-line no-await-in-loop -- each for itself
    const user = await makeAdmin();
    // oxlint-disable-next-line no-await-in-loop
    using slow = await SlowRequest.begin(method, path, { headers: user.headers, body });
    // oxlint-disable-next-line no-await-in-loop
    await ENDS["the session is ended"]?.(user);
    // oxlint-disable-next-line no-await-in-loop
    const { status, text } = await slow.finish();
    if (path === "/x/own") expect(JSON.parse(text)).toEqual({ mine: "authentication_error" });
    else expect([path, status, JSON.parse(text).code]).toEqual([path, 401, "authentication_error"]);
  }
});

test("a body that is complete after the session has ended is nobody's behind { optionalAuth }", async () => {
  const user = await makeAdmin();
  using slow = await SlowRequest.begin("POST", "/x/optional", { headers: user.headers, body: { a: 1 } });
  await ENDS["the session is ended"]?.(user);
  const { status, text } = await slow.finish();
  expect([status, JSON.parse(text)]).toEqual([200, { by: null, body: { a: 1 } }]);
});

test("a handler that reads a body itself, and was told who it is, gets none for nobody", async () => {
  const [user, path] = [await makeAdmin(), "/x/optional-read"];
  const isTold = app.after("x.told", () => {});
  using slow = await SlowRequest.begin("POST", path, { headers: user.headers, body: { a: 1 } });
  expect((await isTold).data).toEqual({ user: user.email });
  await ENDS["the session is ended"]?.(user);
  const { status, text } = await slow.finish();
  expect([status, JSON.parse(text).code]).toEqual([401, "authentication_error"]);
  using nobody = await SlowRequest.begin("POST", path, { headers: user.headers, body: { a: 1 } });
  expect(JSON.parse((await nobody.finish()).text)).toEqual({ by: null, body: { a: 1 } });
});

test("a body that takes its time is taken from who may still do it", async () => {
  const user = await makeAdmin();
  for (const path of ["/x/guarded", "/x/read", "/x/optional-read"]) {
    // oxlint-disable-next-line no-await-in-loop -- each for itself
    using slow = await SlowRequest.begin("POST", path, { headers: user.headers, body: { a: 1 } });
    const { status, text } = await slow.finish(); // oxlint-disable-line no-await-in-loop
    expect([path, status, JSON.parse(text)]).toEqual([path, 200, { by: user.email, body: { a: 1 } }]);
  }
});

test("a guarded route refuses at the headers, before a body is there", async () => {
  for (const [method, path, body] of ROUTES) {
    // oxlint-disable-next-line no-await-in-loop -- each for itself
    using nobody = await SlowRequest.begin(method, path, { headers: {}, body: body() });
    // oxlint-disable-next-line no-await-in-loop
    const refused = await nobody.socket.closed();
    expect([path, toAnswer(refused).status]).toEqual([path, 401]);
    expect(refused.toLowerCase()).toContain("www-authenticate: bearer");
  }
  const user = await app.createUser(uniqueEmail());
  using slow = await SlowRequest.begin("POST", "/x/guarded", { headers: user.headers, body: { a: 1 } });
  expect(toAnswer(await slow.socket.closed())).toMatchObject({ status: 403 });
});

test("a guarded route refuses before it parses: JSON that isn't valid is 401 for nobody", async () => {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: "{" };
  expect(await app.problem("/x/guarded", init)).toMatchObject({ status: 401 });
  expect(await (await app.fetch("/x/own", init)).json()).toEqual({ mine: "authentication_error" });
  const { headers } = await makeAdmin();
  const known = { ...init, headers: { ...init.headers, ...headers } };
  expect(await app.problem("/x/guarded", known)).toMatchObject({ status: 400 });
});

test("a refused body without a length closes the connection", async () => {
  using socket = new RawSocket(app.url);
  await socket.write(
    "POST /x/guarded HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345",
  );
  expect(toAnswer(await socket.closed()).status).toBe(401);
});
