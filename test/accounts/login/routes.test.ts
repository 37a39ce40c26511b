import { expect } from "bun:test";
import { noteAccessChange } from "../../../src/accounts/people/store.ts";
import type { Transaction } from "../../../src/db/contract/database.ts";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { readAccessChanges } from "../factor-accounts.ts";
import { createIdentity, PASSWORD } from "../identity.ts";

const EMAIL = "ada@example.com";
const NEW_PASSWORD = "a new password";
const ANY_ID = "0190163d-8694-739b-aea5-966c26f8ad91";

const GUARDED: [method: string, path: string, body?: object][] = [
  ["GET", "/auth/me"],
  ["POST", "/auth/logout"],
  ["PUT", "/auth/password", { current_password: PASSWORD, new_password: NEW_PASSWORD }],
  ["GET", "/auth/sessions"],
  ["DELETE", "/auth/sessions"],
  ["DELETE", `/auth/sessions/${ANY_ID}`],
];

testOnDialect(
  "sqlite",
  "authRoutes() and sessionRoutes() ask for a login, even before the input is looked at",
  async ({ driver }) => {
    const { send } = await createIdentity(driver);
    for (const [method, path] of GUARDED) {
      for (const token of [undefined, "x", "a.b.c"]) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        const answer = await send(method, path, undefined, token === undefined ? {} : { token });
        expect(answer).toMatchObject({ status: 401, body: { code: "authentication_error" } });
        expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      }
    }
  },
);

testOnDialect(
  "sqlite",
  "authRoutes() and sessionRoutes() let an API key read who it is for, and no more",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { send, store } = identity;
    const id = await identity.register(EMAIL);
    const { body } = await identity.logIn(EMAIL);
    const sessionId = (await store.db.select().from(store.tables.sessions))[0]?.id ?? "";
    const principal = {
      user: { id, email: EMAIL, full_name: null, roles: ["user"] },
      permissions: { granted: [], has: () => false },
      lacksOtp: false,
      sessionId,
      apiKeyId: null,
      expiresAt: Infinity,
    };
    const { key } = await identity.apiKeys.create(principal, { name: "CI", permissions: [] });
    const statuses: number[] = [];
    for (const [method, path, input] of GUARDED) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      statuses.push((await send(method, path, input, { token: key })).status);
    }
    expect(statuses).toEqual([200, 403, 403, 403, 403, 403]);
    expect((await send("GET", "/auth/me", undefined, { token: body.access_token })).status).toBe(200);
  },
);

testOnDialect("sqlite", "POST /auth/login takes the form of OAuth 2", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.register(EMAIL);
  const form = {
    grant_type: "password",
    username: "ADA@example.com",
    password: PASSWORD,
    scope: "",
    client_id: "x",
  };
  const { status, body } = await identity.send("POST", "/auth/login", new URLSearchParams(form));
  expect({ status, type: body.token_type }).toEqual({ status: 200, type: "bearer" });
  const refresh = { grant_type: "refresh_token", refresh_token: body.refresh_token };
  expect((await identity.send("POST", "/auth/refresh", new URLSearchParams(refresh))).status).toBe(200);
});

testOnDialect("sqlite", "POST /auth/login says what is missing", async ({ driver }) => {
  const { send } = await createIdentity(driver);
  const cases: [object, string][] = [
    [{ password: PASSWORD }, "/body/email"],
    [{ email: EMAIL }, "/body/password"],
    [{ email: EMAIL, password: "" }, "/body/password"],
    [{ email: EMAIL, password: "x".repeat(1025) }, "/body/password"],
    [{ email: "x".repeat(321), password: PASSWORD }, "/body/email"],
    [{ email: { $gt: "" }, password: { $gt: "" } }, "/body/email"],
  ];
  for (const [body, path] of cases) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await send("POST", "/auth/login", body);
    expect(answer).toMatchObject({ status: 422, body: { code: "validation_error" } });
    expect(answer.body.errors[0].path).toBe(path);
    expect(answer.text).not.toContain(PASSWORD);
  }
});

testWithCoreTables(
  "POST /auth/logout ends the session on the next request, and tells the hooks",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { send } = identity;
    const id = await identity.register(EMAIL);
    const { body } = await identity.logIn(EMAIL);
    const other = (await identity.logIn(EMAIL)).body;
    const token = body.access_token;
    expect((await send("GET", "/auth/me", undefined, { token })).status).toBe(200);
    expect(await send("POST", "/auth/logout", undefined, { token })).toMatchObject({ status: 204, text: "" });
    expect((await send("GET", "/auth/me", undefined, { token })).status).toBe(401);
    expect((await send("POST", "/auth/logout", undefined, { token })).status).toBe(401);
    expect((await send("POST", "/auth/refresh", { refresh_token: body.refresh_token })).status).toBe(401);
    expect((await send("GET", "/auth/me", undefined, { token: other.access_token })).status).toBe(200);
    expect(identity.events.at(-1)).toMatchObject({
      name: "user.logout",
      data: { user: { id, email: EMAIL } },
    });
    expect((await identity.audit()).actions.at(-1)).toBe("user.logout");
  },
);

testWithCoreTables("PUT /auth/password changes it, and ends the other sessions", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { send, store } = identity;
  const id = await identity.register(EMAIL);
  const [mine, other] = [(await identity.logIn(EMAIL)).body, (await identity.logIn(EMAIL)).body];
  const token = mine.access_token;
  expect((await send("GET", "/auth/me", undefined, { token: other.access_token })).status).toBe(200);
  const body = { current_password: PASSWORD, new_password: NEW_PASSWORD };
  expect((await send("PUT", "/auth/password", body, { token })).status).toBe(204);
  expect((await send("GET", "/auth/me", undefined, { token })).status).toBe(200);
  expect((await send("GET", "/auth/me", undefined, { token: other.access_token })).status).toBe(401);
  expect((await send("POST", "/auth/refresh", { refresh_token: other.refresh_token })).status).toBe(401);
  expect((await send("POST", "/auth/refresh", { refresh_token: mine.refresh_token })).status).toBe(200);
  expect((await identity.logIn(EMAIL)).status).toBe(401);
  expect((await identity.logIn(EMAIL, NEW_PASSWORD)).status).toBe(200);
  expect(await readAccessChanges(store)).toContain(id);
  const { actions, text } = await identity.audit();
  expect(actions).toContain("user.password_changed");
  expect(text).not.toContain(NEW_PASSWORD);
});

testOnDialect("sqlite", "PUT /auth/password asks for the current one, a few times", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { send, clock } = identity;
  await identity.register(EMAIL);
  const token = (await identity.logIn(EMAIL)).body.access_token;
  const change = (current_password: string, new_password = NEW_PASSWORD) =>
    send("PUT", "/auth/password", { current_password, new_password }, { token });
  expect(await change(PASSWORD, "short")).toMatchObject({
    status: 422,
    body: { errors: [{ path: "/body/new_password" }] },
  });
  for (let round = 0; round < 5; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await change(`wrong ${round}`)).toMatchObject({
      status: 401,
      body: { code: "invalid_credentials" },
    });
  }
  expect(await change(PASSWORD)).toMatchObject({ status: 429, body: { code: "rate_limited" } });
  clock.ms += 60_000;
  expect((await change(PASSWORD)).status).toBe(204);
});

testWithCoreTables(
  "GET and DELETE /auth/sessions show and end where somebody is logged in",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { send, clock } = identity;
    await identity.register(EMAIL);
    await identity.register("bob@example.com");
    const foreign = (await identity.logIn("bob@example.com")).body.access_token;
    const phone = (await identity.logIn(EMAIL, PASSWORD, { headers: { "user-agent": "Phone" } })).body;
    clock.ms += 1000;
    const token = (await identity.logIn(EMAIL, PASSWORD, { headers: { "user-agent": "Laptop" } })).body
      .access_token;
    const { body } = await send("GET", "/auth/sessions", undefined, { token });
    expect(body).toMatchObject({
      items: [
        { user_agent: "Laptop", current: true },
        { user_agent: "Phone", current: false, ip_address: "192.0.2.1", has_otp: false },
      ],
      page: 1,
      per_page: 20,
      total: 2,
    });
    expect(Object.keys(body.items[0]).toSorted()).toEqual([
      "created_at",
      "current",
      "expires_at",
      "has_otp",
      "id",
      "ip_address",
      "last_used_at",
      "user_agent",
    ]);
    const path = `/auth/sessions/${body.items[1].id}`;
    expect((await send("DELETE", path, undefined, { token: foreign })).body.code).toBe("not_found");
    expect((await send("DELETE", "/auth/sessions/7", undefined, { token })).status).toBe(422);
    expect((await send("DELETE", path, undefined, { token })).status).toBe(204);
    expect((await send("GET", "/auth/me", undefined, { token: phone.access_token })).status).toBe(401);
    await identity.logIn(EMAIL);
    expect((await send("DELETE", "/auth/sessions", undefined, { token })).body).toEqual({ ended: 1 });
    expect((await send("GET", "/auth/sessions?total=false", undefined, { token })).body.items).toHaveLength(
      1,
    );
  },
);

testOnDialect(
  "sqlite",
  "A token is worth nothing once its user is deactivated or deleted",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { send, store } = identity;
    const id = await identity.register(EMAIL);
    const token = (await identity.logIn(EMAIL)).body.access_token;
    expect((await send("GET", "/auth/me", undefined, { token })).status).toBe(200);
    const { users } = store.tables;
    const changes = [
      (tx: Transaction) => tx.update(users).set({ is_active: false }),
      (tx: Transaction) => tx.delete(users),
    ];
    for (const change of changes) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await store.db.transaction(async (tx) => {
        await change(tx);
        await noteAccessChange(tx, store.tables, id);
      });
      // oxlint-disable-next-line no-await-in-loop
      expect((await send("GET", "/auth/me", undefined, { token })).status).toBe(401);
    }
  },
);
