import { expect } from "bun:test";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { addDevice, wrongCode } from "../factor-accounts.ts";
import { createIdentity } from "../identity.ts";

const EMAIL = "ada@example.com";

testWithCoreTables("Login takes two steps with a second factor", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { devices, clock, send, store } = identity;
  const id = await identity.register(EMAIL);
  const device = await addDevice(devices, clock, id);
  clock.step();
  const first = await identity.logIn(EMAIL);
  expect(first.body).toEqual({ otp_required: true, otp_token: expect.any(String), expires_in: 300 });
  const { otp_token } = first.body;
  // It opens nothing but the second step.
  expect((await send("GET", "/auth/me", undefined, { token: otp_token })).status).toBe(401);
  expect((await send("POST", "/auth/refresh", { refresh_token: otp_token })).status).toBe(401);
  expect(await store.db.$count(store.tables.sessions)).toBe(0);
  const code = device.code();
  const wrong = await send("POST", "/auth/login/otp", { otp_token, code: wrongCode(code) });
  expect(wrong).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
  const second = await send("POST", "/auth/login/otp", { otp_token, code });
  expect(second.body).toMatchObject({ token_type: "bearer", expires_in: 1800 });
  const [session] = await store.db.select().from(store.tables.sessions);
  expect(session?.has_otp).toBe(true);
  const me = await send("GET", "/auth/me", undefined, { token: second.body.access_token });
  expect(me.body).toMatchObject({ has_otp: true });
  const replayed = await send("POST", "/auth/login/otp", { otp_token, code });
  expect(replayed).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
});

testWithCoreTables(
  "Login counts wrong codes, and a right password doesn't start the count anew",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { devices, clock, send } = identity;
    const device = await addDevice(devices, clock, await identity.register(EMAIL));
    clock.step();
    for (let round = 0; round < 5; round++) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const { body } = await identity.logIn(EMAIL);
      // oxlint-disable-next-line no-await-in-loop
      const { status } = await send("POST", "/auth/login/otp", {
        otp_token: body.otp_token,
        code: wrongCode(device.code()),
      });
      expect(status).toBe(401);
    }
    expect((await identity.logIn(EMAIL)).body.code).toBe("account_locked");
    clock.ms += 60_000;
    const { body } = await identity.logIn(EMAIL);
    const { status } = await send("POST", "/auth/login/otp", {
      otp_token: body.otp_token,
      code: device.code(),
    });
    expect(status).toBe(200);
  },
);

testOnDialect(
  "sqlite",
  "Login refuses the second step late, after a change of the password, or for a token of its own",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { devices, clock, send, store, accessTokens, passwords } = identity;
    const { users } = store.tables;
    const id = await identity.register(EMAIL);
    const device = await addDevice(devices, clock, id);
    clock.step();
    const refuse = async (otp_token: string) =>
      expect(await send("POST", "/auth/login/otp", { otp_token, code: device.code() })).toMatchObject({
        status: 401,
        body: { code: "authentication_error" },
      });
    const late = (await identity.logIn(EMAIL)).body.otp_token;
    clock.ms += 300_000;
    await refuse(late);
    await refuse(await accessTokens.sign(id, crypto.randomUUID()));
    await refuse("x");
    const old = (await identity.logIn(EMAIL)).body.otp_token;
    await store.db.update(users).set({ password_hash: await passwords.hash("a new password") });
    await refuse(old);
    const inactive = (await identity.logIn(EMAIL, "a new password")).body.otp_token;
    await store.db.update(users).set({ is_active: false });
    await refuse(inactive);
    await store.db.delete(users);
    await refuse(inactive);
  },
);

testWithCoreTables("Login makes no session with one factor once two are on", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { devices, clock, hooks, store } = identity;
  const id = await identity.register(EMAIL);
  // The password is right already, and a handler takes its time.
  hooks.on("user.login", async () => void (await addDevice(devices, clock, id)), { once: true });
  expect(await identity.logIn(EMAIL)).toMatchObject({ status: 401, body: { code: "authentication_error" } });
  expect(await store.db.$count(store.tables.sessions)).toBe(0);
  expect((await identity.logIn(EMAIL)).body).toMatchObject({ otp_required: true });
});
