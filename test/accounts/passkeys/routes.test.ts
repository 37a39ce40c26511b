import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { TestApp, type TestUser } from "../../setup.ts";
import { PASSWORD, SECURITY } from "../browser/browser.ts";
import { type Bent, SoftPasskey } from "./authenticator.ts";

const ORIGIN = "https://erp.example.com";
const ADA = "ada@example.com";

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  readonly body: any;
}

/** A server that is known by a domain, and what is asked of it. */
async function start(publicUrl: string | null = ORIGIN) {
  const app = await TestApp.start({
    config: { security: { ...SECURITY, allow_registration: true }, server: { public_url: publicUrl } },
  });
  const send = async (
    path: string,
    body?: unknown,
    {
      user = null,
      method = "POST",
      headers = {},
    }: { user?: TestUser | null; method?: string; headers?: object } = {},
  ): Promise<Answer> => {
    const response = await app.fetch(path, {
      method,
      headers: {
        ...headers,
        ...user?.headers,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === "" ? null : JSON.parse(text),
    };
  };
  /** Makes a passkey and adds it. */
  const add = async (user: TestUser, passkey = new SoftPasskey(ORIGIN), bent: Bent = {}) => {
    const options = await send("/auth/passkeys/options", {}, { user });
    expect(options.status).toBe(200);
    const credential = passkey.create(options.body, bent);
    return { passkey, added: await send("/auth/passkeys", { name: "My laptop", credential }, { user }) };
  };
  /** Logs in with a passkey. */
  const enter = async (passkey: SoftPasskey, bent: Bent = {}, otpToken?: string) => {
    const token = otpToken === undefined ? {} : { otp_token: otpToken };
    const options = await send("/auth/login/passkey/options", token);
    const credential = passkey.get(options.body, bent);
    return send("/auth/login/passkey", { credential, ...token });
  };
  const withPassword = () => send("/auth/login", { email: ADA, password: PASSWORD });
  const audited = async (action: string) => {
    const { auditLog } = app.app.store.tables;
    return app.app.store.db.select().from(auditLog).where(eq(auditLog.action, action));
  };
  return {
    app,
    send,
    add,
    enter,
    withPassword,
    audited,
    register: () => send("/auth/register", { email: ADA, password: PASSWORD }),
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}

const bearer = (answer: Answer) => ({ headers: { authorization: `Bearer ${answer.body.access_token}` } });

test("a passkey is added, logs its owner in with two factors, is renamed and removed", async () => {
  await using world = await start();
  const { app, send, add, enter } = world;
  await world.register();
  const ada = { headers: bearer(await world.withPassword()).headers } as TestUser;
  const other = await app.createUser("bob@example.com");
  const { passkey, added } = await add(ada);
  expect([added.status, added.headers.get("cache-control")]).toEqual([201, "no-store"]);
  expect(added.body).toMatchObject({ id: 1, name: "My laptop", is_synced: false, last_used_at: null });
  expect(added.body.recovery_codes).toHaveLength(10);
  expect((await send("/auth/me", undefined, { user: ada, method: "GET" })).body.has_otp).toBe(true);
  const users = await app.getAsAdmin("/admin/users?q=ada@");
  expect(users.body.items).toMatchObject([{ has_otp: true }]);

  const entered = await enter(passkey);
  expect([entered.status, entered.headers.get("cache-control")]).toEqual([200, "no-store"]);
  const sessions = await send("/auth/sessions", undefined, { method: "GET", ...bearer(entered) });
  expect(sessions.body.items.find(({ current }: { current: boolean }) => current).has_otp).toBe(true);
  expect(await world.audited("user.login")).toMatchObject([
    { after: null },
    { actor: ADA, after: { passkey: 1 } },
  ]);
  const list = await send("/auth/passkeys", undefined, { user: ada, method: "GET" });
  expect(list.body.items).toMatchObject([{ name: "My laptop", last_used_at: expect.any(String) }]);

  const renamed = await send("/auth/passkeys/1", { name: " Old laptop " }, { user: ada, method: "PATCH" });
  expect([renamed.status, renamed.body.name]).toEqual([200, "Old laptop"]);
  for (const method of ["PATCH", "DELETE"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const refused = await send("/auth/passkeys/1", { name: "Mine" }, { user: other, method });
    expect([method, refused.status, refused.body.code]).toEqual([method, 404, "not_found"]);
  }
  expect((await send("/auth/passkeys/1", undefined, { user: ada, method: "DELETE" })).status).toBe(204);
  const gone = await enter(passkey);
  expect([gone.status, gone.body.code]).toEqual([401, "invalid_credentials"]);
  expect((await send("/auth/me", undefined, { user: ada, method: "GET" })).body.has_otp).toBe(false);
  const told = await Promise.all(["passkey.added", "passkey.renamed", "passkey.removed"].map(world.audited));
  expect(told.map((entries) => entries.length)).toEqual([1, 1, 1]);
});

test("with a passkey, the password alone opens nothing: the passkey or a recovery code is the second step", async () => {
  await using world = await start();
  const { send, add, enter, withPassword } = world;
  await world.register();
  const first = await withPassword();
  const ada = { headers: bearer(first).headers } as TestUser;
  const { passkey, added } = await add(ada);
  const challenge = await withPassword();
  expect(challenge.body).toMatchObject({ otp_required: true });
  const token: string = challenge.body.otp_token;
  const options = await send("/auth/login/passkey/options", { otp_token: token });
  expect(options.body.allowCredentials).toHaveLength(1);
  expect((await enter(passkey, {}, token)).status).toBe(200);
  // Nobody else's: it is asked for the account whose password was right.
  const bob = await world.app.createUser("bob@example.com");
  const others = await add(bob);
  const wrong = await enter(others.passkey, {}, token);
  expect([wrong.status, wrong.body.code]).toEqual([401, "invalid_credentials"]);
  // What was signed for a login is no second step, and the other way round.
  const anybody = passkey.get((await send("/auth/login/passkey/options", {})).body);
  const crossed = await send("/auth/login/passkey", { credential: anybody, otp_token: token });
  expect([crossed.status, crossed.body.code]).toEqual([401, "invalid_credentials"]);
  const second = passkey.get((await send("/auth/login/passkey/options", { otp_token: token })).body);
  expect((await send("/auth/login/passkey", { credential: second })).status).toBe(401);
  const [code] = added.body.recovery_codes;
  expect((await send("/auth/login/otp", { otp_token: token, code })).status).toBe(200);
  const forged = await enter(passkey, {}, "forged");
  expect([forged.status, forged.body.code]).toEqual([401, "authentication_error"]);
});

test("answers that were bent are refused, whatever is bent, and let nobody in", async () => {
  await using world = await start();
  const { app, add, enter } = world;
  const ada = await app.createUser(ADA);
  const bob = await app.createUser("bob@example.com");
  const { passkey } = await add(ada);
  const { passkey: bobs } = await add(bob);
  const bents: Readonly<Record<string, Bent>> = {
    "another origin": { origin: "https://erp.example.com.evil.example" },
    "http of the same host": { origin: "http://erp.example.com" },
    "another port": { origin: "https://erp.example.com:8443" },
    "another domain": { rpId: "example.com" },
    "another challenge": { challenge: Buffer.alloc(54, 7).toString("base64url") },
    "no challenge": { challenge: "" },
    "a registration": { type: "webauthn.create" },
    "no finger, face or PIN": { isVerified: false },
    "somebody else's handle": { userHandle: bobs.userHandle },
    "no handle": { userHandle: null },
    "an empty handle": { userHandle: "" },
    "another signature": { signature: new Uint8Array(70) },
  };
  for (const [name, bent] of Object.entries(bents)) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await enter(passkey, bent);
    expect([name, answer.status, answer.body.code]).toEqual([name, 401, "invalid_credentials"]);
  }
  expect((await enter(passkey)).status).toBe(200);
  const unmade: Readonly<Record<string, Bent>> = {
    "another origin": { origin: "https://evil.example" },
    "another domain": { rpId: "evil.example" },
    "no finger, face or PIN": { isVerified: false },
    "a signature": { type: "webauthn.get" },
    "no algorithm": { alg: 0 },
    "an algorithm that isn't taken": { alg: -37 },
    "another challenge": { challenge: "AAAA" },
  };
  for (const [name, bent] of Object.entries(unmade)) {
    // oxlint-disable-next-line no-await-in-loop
    const { added } = await add(ada, new SoftPasskey(ORIGIN), bent);
    expect([name, added.status, added.body.code]).toEqual([name, 422, "validation_error"]);
  }
});

test("a challenge is answered once, by whom it was for, and a copy of a passkey is told by its count", async () => {
  await using world = await start();
  const { app, send, add, enter } = world;
  const ada = await app.createUser(ADA);
  const { passkey } = await add(ada);
  const options = await send("/auth/login/passkey/options");
  const credential = passkey.get(options.body);
  const answers = await Promise.all([1, 2, 3].map(() => send("/auth/login/passkey", { credential })));
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 401, 401]);

  // A registration is of the session that began it.
  const bob = await app.createUser("bob@example.com");
  const begun = await send("/auth/passkeys/options", {}, { user: ada });
  const made = new SoftPasskey(ORIGIN).create(begun.body);
  const stolen = await send("/auth/passkeys", { name: "Mine", credential: made }, { user: bob });
  expect([stolen.status, stolen.body.code]).toEqual([422, "validation_error"]);
  expect((await send("/auth/passkeys", { name: "Mine", credential: made }, { user: ada })).status).toBe(201);
  const again = await send("/auth/passkeys", { name: "Mine", credential: made }, { user: ada });
  expect([again.status, again.body.code]).toEqual([422, "validation_error"]);

  passkey.count = 0;
  const copied = await enter(passkey);
  expect([copied.status, copied.body.code]).toEqual([401, "invalid_credentials"]);
  expect(copied.body.detail).toContain("there may be a copy of it");
  expect(await world.audited("passkey.copied")).toMatchObject([{ result: "refused", target_id: "1" }]);
  passkey.count = -1;
  expect((await enter(passkey)).status).toBe(401);
  passkey.count = 50;
  expect((await enter(passkey)).status).toBe(200);
  const { passkey: uncounted } = await add(ada, new SoftPasskey(ORIGIN, { count: null }));
  expect([(await enter(uncounted)).status, (await enter(uncounted)).status]).toEqual([200, 200]);
});

test("a passkey stands in for a fresh code, and makes new recovery codes", async () => {
  await using world = await start();
  const { app, send, add } = world;
  const ada = await app.createUser(ADA);
  const { passkey, added } = await add(ada);
  const { db, tables } = app.app.store;
  const old = new Date(Date.now() - 3_600_000);
  await db.update(tables.sessions).set({ otp_at: old, created_at: old });
  const late = await send("/auth/passkeys/1", undefined, { user: ada, method: "DELETE" });
  expect([late.status, late.body.code]).toEqual([403, "otp_expired"]);
  const ask = async () =>
    passkey.get((await send("/auth/passkeys/verify/options", undefined, { user: ada })).body);
  const renewed = await send("/auth/passkeys/recovery_codes", { credential: await ask() }, { user: ada });
  expect(renewed.body.recovery_codes).toHaveLength(10);
  expect(renewed.body.recovery_codes).not.toContain(added.body.recovery_codes[0]);
  const verified = await send("/auth/passkeys/verify", { credential: await ask() }, { user: ada });
  expect(verified.body).toEqual({ fresh_until: expect.any(String) });
  // Tests make accounts without a password: nothing else would let this one in.
  const last = await send("/auth/passkeys/1", undefined, { user: ada, method: "DELETE" });
  expect([last.status, last.body.code]).toEqual([409, "conflict"]);
});

test("an administrator's reset takes passkeys too, and who has only a key or views changes none", async () => {
  await using world = await start();
  const { app, send, add, enter } = world;
  const ada = await app.createUser(ADA);
  const admin = await app.admin();
  const { passkey } = await add(ada);
  const reset = await send(`/admin/users/${ada.id}/otp`, undefined, { user: admin, method: "DELETE" });
  expect(reset.status).toBe(204);
  expect((await enter(passkey)).status).toBe(401);
  for (const path of ["/auth/passkeys/options", "/auth/passkeys/verify/options"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await send(path, {})).status).toBe(401);
  }
});

test("without a domain that browsers make passkeys for, it says what to set", async () => {
  const cases: [publicUrl: string | null, host: string, status: number, said: string][] = [
    [null, "erp.example.com", 409, "set server.public_url"],
    [null, "127.0.0.1:8000", 409, "set server.public_url"],
    [null, "localhost:8000", 200, ""],
    [null, "localhost.evil.example", 409, "set server.public_url"],
    ["http://erp.example.com", "erp.example.com", 409, "https: alone"],
    ["https://192.0.2.1", "192.0.2.1", 409, "not for IP addresses"],
    ["https://[2001:db8::1]", "[2001:db8::1]", 409, "not for IP addresses"],
    ["http://localhost:8000", "erp.example.com", 200, ""],
  ];
  for (const [publicUrl, host, status, said] of cases) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await using world = await start(publicUrl);
    // oxlint-disable-next-line no-await-in-loop
    const answer = await world.send("/auth/login/passkey/options", {}, { headers: { host } });
    expect([publicUrl, host, answer.status]).toEqual([publicUrl, host, status]);
    if (status === 409)
      expect([answer.body.code, answer.body.detail]).toEqual([
        "passkeys_unavailable",
        expect.stringContaining(said),
      ]);
    else expect(answer.body.rpId).toBe("localhost");
  }
});

test("an account gives its password up while a passkey lets it in, and sets one again", async () => {
  await using world = await start();
  const { app, send, add, enter } = world;
  await world.register();
  const ada = { headers: bearer(await world.withPassword()).headers } as TestUser;
  const give = (body?: object, user = ada) => send("/auth/password", body, { user, method: "DELETE" });
  const set = (body: object, user = ada) => send("/auth/password", body, { user, method: "PUT" });

  const only = await give({ current_password: PASSWORD });
  expect([only.status, only.body.code, only.body.detail]).toEqual([
    409,
    "conflict",
    "Cannot give the password up: nothing else lets you in; add a passkey first",
  ]);
  const { passkey } = await add(ada);
  const wrong = await give({ current_password: "wrong horse battery" });
  expect([wrong.status, wrong.body.code]).toEqual([401, "invalid_credentials"]);
  // A session of before, whose second factor is too old, is asked for it again.
  const { sessions } = app.app.store.tables;
  await app.app.store.db.update(sessions).set({ otp_at: new Date(0), identified_at: new Date(0) });
  expect((await give()).body.code).toBe("otp_expired");
  const fresh = { headers: bearer(await enter(passkey)).headers } as TestUser;
  expect((await give(undefined, fresh)).status).toBe(204);
  expect((await send("/auth/me", undefined, { user: ada, method: "GET" })).status).toBe(401);
  expect((await send("/auth/me", undefined, { user: fresh, method: "GET" })).body.has_password).toBe(false);
  expect((await give(undefined, fresh)).body.code).toBe("conflict");
  expect((await world.withPassword()).body.code).toBe("invalid_credentials");
  expect((await set({ current_password: PASSWORD, new_password: "another horse" }, fresh)).status).toBe(401);
  expect((await send("/auth/passkeys/1", undefined, { user: fresh, method: "DELETE" })).status).toBe(409);

  expect((await set({ new_password: "12345678" }, fresh)).status).toBe(422);
  expect((await set({ new_password: PASSWORD }, fresh)).status).toBe(204);
  const missing = await set({ new_password: "another horse battery" }, fresh);
  expect([missing.status, missing.body.errors[0].path]).toEqual([422, "/body/current_password"]);
  expect((await world.withPassword()).body.otp_required).toBe(true);
  expect((await send("/auth/passkeys/1", undefined, { user: fresh, method: "DELETE" })).status).toBe(204);
  const refused = expect.objectContaining({ actor: ADA, result: "refused" });
  expect(await world.audited("user.password_removed")).toMatchObject([
    refused,
    { actor: ADA, result: "done" },
  ]);
});

test("its owner changes the name of an account, and nobody by an API key", async () => {
  await using world = await start();
  const { app, send } = world;
  await world.register();
  const ada = { headers: bearer(await world.withPassword()).headers } as TestUser;
  const rename = (full_name: string | null, user: { headers: object } = ada) =>
    send("/auth/me", { full_name }, { user: user as TestUser, method: "PATCH" });
  expect((await rename("  Ada Lovelace ")).body.full_name).toBe("Ada Lovelace");
  expect((await rename("Ada Lovelace")).status).toBe(200);
  expect((await rename("Ada\nBcc: eve@example.com")).status).toBe(422);
  const made = await send("/auth/api_keys", { name: "CI", permissions: [] }, { user: ada });
  expect((await rename("Eve", { headers: { "x-api-key": made.body.key } })).status).toBe(403);
  expect(await world.audited("user.updated")).toMatchObject([
    { actor: ADA, before: { full_name: null }, after: { full_name: "Ada Lovelace" } },
  ]);
  expect((await app.getAsAdmin("/admin/users?q=ada love")).body.total).toBe(1);
});
