import { expect, test } from "bun:test";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { readAccessChanges } from "../factor-accounts.ts";
import { createIdentity, PASSWORD } from "../identity.ts";
import { TestApp } from "../../setup.ts";

testWithCoreTables(
  "register() makes an account with the role that everybody has, and nothing else that is sent",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { store, send } = identity;
    const { status, body } = await send("POST", "/auth/register", {
      email: "Ada@Example.com",
      password: PASSWORD,
      full_name: "  Ada Lovelace ",
      id: 7,
      is_active: false,
      roles: ["admin"],
      permissions: ["*"],
      has_long_password: false,
      password_hash: "x",
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(Number),
      email: "ada@example.com",
      full_name: "Ada Lovelace",
      is_active: true,
      created_at: expect.any(String),
    });
    const [row] = await store.db.select().from(store.tables.users);
    expect(row).toMatchObject({ id: body.id, is_active: true, has_long_password: true });
    expect(row?.password_hash).toStartWith("$2b$04$");
    const { body: tokens } = await identity.logIn("ada@example.com");
    const me = await send("GET", "/auth/me", undefined, { token: tokens.access_token });
    expect(me.body).toMatchObject({ roles: ["user"], permissions: [], full_name: "Ada Lovelace" });
    expect(await readAccessChanges(store)).toContain(body.id);
    const { entries, text } = await identity.audit();
    expect(entries[0]).toMatchObject({
      action: "user.registered",
      actor_id: body.id,
      target_id: String(body.id),
    });
    expect(text).not.toContain(PASSWORD);
    expect(identity.events[0]).toMatchObject({
      name: "user.registered",
      data: { user: { id: body.id, email: "ada@example.com", full_name: "Ada Lovelace" } },
    });
  },
);

testWithCoreTables("register() gives one email, in whatever form, one account", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { send, store } = identity;
  const variants = [
    "é@example.com",
    "É@EXAMPLE.COM",
    "e\u0301@example.com",
    "É＠example.com",
    " é@example.com ",
  ];
  const results = await Promise.all(
    variants.map((email) => send("POST", "/auth/register", { email, password: PASSWORD })),
  );
  expect(results.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409, 409]);
  expect(results.find(({ status }) => status === 409)?.body).toMatchObject({ code: "conflict" });
  expect(await store.db.$count(store.tables.users)).toBe(1);
  for (const email of variants) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await identity.logIn(email)).status).toBe(200);
  }
});

testWithCoreTables(
  "register() is cancelled by a handler that runs before, and leaves nothing",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { hooks, send, store } = identity;
    const seen: unknown[] = [];
    const undo = hooks.on(
      "user.registered",
      async ({ data, cancel }) => {
        seen.push((await identity.logIn(data.user.email)).status);
        cancel("Only with an invitation");
      },
      { order: "before" },
    );
    const user = { email: "ada@example.com", password: PASSWORD };
    const refused = await send("POST", "/auth/register", user);
    expect(refused).toMatchObject({
      status: 403,
      body: { code: "authorization_error", detail: "Only with an invitation" },
    });
    // The account can't be used while handlers look at it.
    expect(seen).toEqual([401]);
    expect(await store.db.$count(store.tables.users)).toBe(0);
    expect((await identity.audit()).entries.at(-1)).toMatchObject({
      action: "user.registered",
      result: "refused",
    });
    undo();
    expect((await send("POST", "/auth/register", user)).status).toBe(201);
  },
);

testOnDialect("sqlite", "register() is refused when registration is closed", async ({ driver }) => {
  const { send, store } = await createIdentity(driver, { isOpen: false });
  const { status, body } = await send("POST", "/auth/register", {
    email: "ada@example.com",
    password: PASSWORD,
  });
  expect({ status, code: body.code }).toEqual({ status: 403, code: "registration_closed" });
  expect(await store.db.$count(store.tables.users)).toBe(0);
});

testOnDialect("sqlite", "register() leaves nothing where its mail can't be made", async ({ driver }) => {
  const { registration, send, store } = await createIdentity(driver);
  const user = { email: "ada@example.com", password: PASSWORD };
  Object.assign(registration, {
    sendVerification: () => Promise.reject(new Error("The template is broken")),
  });
  expect((await send("POST", "/auth/register", user)).status).toBe(500);
  expect(await store.db.$count(store.tables.users)).toBe(0);
  Object.assign(registration, { sendVerification: async () => {} });
  expect((await send("POST", "/auth/register", user)).status).toBe(201);
});

testOnDialect("sqlite", "register() says what is wrong, and where", async ({ driver }) => {
  const { send, store } = await createIdentity(driver);
  const good = { email: "ada@example.com", password: PASSWORD };
  const cases: [object, string][] = [
    [{ ...good, email: "ada" }, "/body/email"],
    [{ ...good, email: "ada@example.com\r\nBcc: eve@example.com" }, "/body/email"],
    [{ ...good, email: 7 }, "/body/email"],
    // No mail goes there.
    [{ ...good, email: `${"\u00e9".repeat(40)}@example.com` }, "/body/email"],
    [{ ...good, password: "short" }, "/body/password"],
    [{ ...good, password: "12345678\0" }, "/body/password"],
    [{ ...good, password: "x".repeat(1025) }, "/body/password"],
    [{ ...good, full_name: "Ada\r\nBcc: eve@example.com" }, "/body/full_name"],
    [{ ...good, full_name: "Ada \u202Emoc.elpmaxe" }, "/body/full_name"],
    [{ ...good, full_name: "x".repeat(256) }, "/body/full_name"],
    [{ email: good.email }, "/body/password"],
  ];
  for (const [index, [body, path]] of cases.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await send("POST", "/auth/register", body, { address: `192.0.2.${index}` });
    expect(answer).toMatchObject({ status: 422, body: { code: "validation_error", errors: [{ path }] } });
  }
  expect(await store.db.$count(store.tables.users)).toBe(0);
});

testOnDialect("sqlite", "register() is limited by address", async ({ driver }) => {
  const { send } = await createIdentity(driver);
  const address = "2001:db8::1";
  for (let round = 0; round < 20; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { status } = await send(
      "POST",
      "/auth/register",
      { email: `u${round}@example.com`, password: PASSWORD },
      { address },
    );
    expect(status).toBe(201);
  }
  const more = { email: "more@example.com", password: PASSWORD };
  const refused = await send("POST", "/auth/register", more, { address: "2001:db8::2" });
  expect(refused).toMatchObject({ status: 429, body: { code: "rate_limited" } });
  expect(refused.headers.get("retry-after")).toBe("3600");
  expect((await send("POST", "/auth/register", more, { address: "2001:db8:0:1::1" })).status).toBe(201);
});

test("nobody makes an account for themselves unless the server allows it", async () => {
  await using app = await TestApp.start();
  const body = JSON.stringify({ email: "ada@example.com", password: PASSWORD });
  const headers = { "content-type": "application/json" };
  const answer = await app.fetch("/auth/register", { method: "POST", headers, body });
  expect(answer.status).toBe(403);
  expect(await answer.json()).toMatchObject({ code: "registration_closed" });
  const document = (await app.get("/openapi.json")).body;
  expect(document.paths["/auth/register"].post.description).toContain("security.allow_registration");
});

testOnDialect("sqlite", "register() refuses a password that is tried first", async ({ driver }) => {
  const identity = await createIdentity(driver);
  for (const password of ["password123", "ada.lovelace", "Lovelace1815"]) {
    const body = { email: "ada.lovelace@example.com", password };
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await identity.send("POST", "/auth/register", body);
    expect([password, answer.status]).toEqual([password, 422]);
    expect(answer.body.errors).toMatchObject([{ path: "/body/password" }]);
  }
});
