import { eq } from "drizzle-orm";
import { afterEach, expect, setSystemTime, test } from "bun:test";
import { createAccessTokens } from "../../src/accounts/identity/access-tokens.ts";
import { AttemptLimit } from "../../src/accounts/login/attempt-limits.ts";
import { Lockout } from "../../src/accounts/login/lockout.ts";
import { assertIdentifiedLately } from "../../src/accounts/two-factor/enrolment.ts";
import { testOnDialect, testWithCoreTables } from "../database-servers.ts";
import { addDevice, addPrincipal, Clock, createDevices, openStore } from "./factor-accounts.ts";
import { createIdentity, PASSWORD, SECRET_KEY } from "./identity.ts";
import { Instance } from "./instances.ts";

const EMAIL = "ada@example.com";
const GUESSER = { address: "203.0.113.7" };
const DAY = 86_400_000;
const MINUTE = 60_000;

afterEach(() => setSystemTime());

/** Sets the clock of this process, as somebody would the system's. */
function jump(ms: number): void {
  setSystemTime(new Date(Date.now() + ms));
}

testWithCoreTables(
  "a lock lasts as long as it was meant to after a clock that went back a day",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    await identity.register(EMAIL);
    for (let guess = 0; guess < 5; guess++) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await identity.logIn(EMAIL, `wrong ${guess}`, GUESSER);
    }
    identity.clock.ms -= DAY;
    const { status, headers } = await identity.logIn(EMAIL, PASSWORD, GUESSER);
    expect(status).toBe(429);
    expect(Number(headers.get("retry-after"))).toBeLessThanOrEqual(60);
    identity.clock.ms += 59_000;
    expect((await identity.logIn(EMAIL, PASSWORD, GUESSER)).status).toBe(429);
    identity.clock.ms += 1000;
    expect((await identity.logIn(EMAIL, PASSWORD, GUESSER)).status).toBe(200);
  },
);

testOnDialect(
  "sqlite",
  "failures are forgotten though a clock that was ahead has counted them",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    await identity.register(EMAIL);
    for (let index = 0; index < 25; index++) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await identity.logIn(EMAIL, "wrong", { address: `198.51.100.${index + 1}` });
    }
    identity.clock.ms -= DAY;
    const slowed = identity.waits.length;
    expect((await identity.logIn(EMAIL, "wrong", { address: "192.0.2.99" })).status).toBe(401);
    expect(identity.waits.length).toBe(slowed);
    expect(Math.max(...identity.waits)).toBeLessThanOrEqual(30_000);
    identity.clock.ms += 30 * MINUTE;
    expect((await identity.logIn(EMAIL, PASSWORD, { address: "192.0.2.98" })).status).toBe(200);
    expect(identity.waits.length).toBe(slowed);
  },
);

for (const [what, ms] of [
  ["back", -DAY],
  ["forward", DAY],
] as const) {
  test(`limits of attempts last as long as before when the clock jumps ${what}`, () => {
    const limit = new AttemptLimit({ limit: 1, windowMs: MINUTE });
    limit.take("a");
    jump(ms);
    expect(() => limit.take("a")).toThrow(/in (60|59) seconds/);
  });

  testOnDialect("sqlite", `a lock goes on when the clock jumps ${what}`, async ({ driver }) => {
    const store = await openStore(driver);
    const lockout = new Lockout({ store });
    const candidate = { name: EMAIL, account: null, ipAddress: "203.0.113.7" };
    for (let guess = 0; guess < 5; guess++) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await store.db.transaction((tx) => lockout.countFailure(tx, "password", candidate));
    }
    jump(ms);
    const attempt = lockout.attempt("password", candidate, async () => "in");
    expect(attempt).rejects.toThrow(/in (60|59|58) seconds/);
    await attempt.catch(() => {});
  });
}

test("AttemptLimit heals after a clock of its own that went back", () => {
  const clock = new Clock();
  const limit = new AttemptLimit({ limit: 1, windowMs: MINUTE, now: clock.now });
  limit.take("a");
  clock.ms -= DAY;
  expect(() => limit.take("a")).toThrow("in 60 seconds");
  clock.ms += MINUTE;
  limit.take("a");
});

testWithCoreTables("codes are taken after a clock that went back, each once", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const devices = createDevices(store, clock);
  const { user } = await addPrincipal(store, EMAIL);
  const device = await addDevice(devices, clock, user.id);
  clock.step();
  expect(await devices.verify(user.id, device.code())).toBe(true);
  clock.ms -= DAY;
  const code = device.code();
  const tries = await Promise.all([devices.verify(user.id, code), devices.verify(user.id, code)]);
  expect(tries.filter(Boolean)).toEqual([true]);
  expect(await devices.verify(user.id, code)).toBe(false);
  clock.ms += DAY;
  clock.step();
  expect(await devices.verify(user.id, device.code())).toBe(true);
  // A correction by a minute or two gives no used code back.
  const used = device.code();
  clock.step(-4);
  expect(await devices.verify(user.id, device.code())).toBe(false);
  clock.step(4);
  expect(await devices.verify(user.id, used)).toBe(false);
});

testOnDialect(
  "sqlite",
  "a code isn't fresh for a day longer after a clock that went back",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const devices = createDevices(store, clock);
    const { user, sessionId } = await addPrincipal(store, EMAIL);
    await addDevice(devices, clock, user.id);
    const { sessions } = store.tables;
    const at = new Date(clock.ms);
    await store.db.update(sessions).set({ has_otp: true, otp_at: at }).where(eq(sessions.id, sessionId));
    const isFresh = () =>
      assertIdentifiedLately(store.db, store.tables, { userId: user.id, sessionId, nowMs: clock.ms });
    await isFresh();
    clock.ms -= DAY;
    expect(isFresh()).rejects.toMatchObject({ code: "otp_expired" });
    await isFresh().catch(() => {});
  },
);

test("an access token lasts no longer than any does after a clock that went back", async () => {
  const clock = new Clock();
  const tokens = createAccessTokens({ secretKey: SECRET_KEY, lifetime: 1800, now: clock.now });
  const token = await tokens.sign(7, Bun.randomUUIDv7());
  clock.ms -= 60_000; // as far as the clocks of instances may be apart
  expect(await tokens.verify(token)).not.toBeNull();
  clock.ms -= DAY;
  expect(await tokens.verify(token)).toBeNull();
});

testWithCoreTables("what is remembered of a token ends with a clock that goes back", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const instance = new Instance(store, driver, clock);
  const { user, sessionId } = await addPrincipal(store, EMAIL);
  const token = await instance.tokens.sign(user.id, sessionId);
  const headers = { authorization: `Bearer ${token}` };
  expect(await instance.ask(headers)).toMatchObject({ user: { id: user.id } });
  clock.ms -= DAY;
  expect(await instance.ask(headers)).toBe("authentication_error");
  clock.ms += DAY;
  expect(await instance.ask(headers)).toMatchObject({ user: { id: user.id } });
});

testOnDialect("sqlite", "sessions are refreshed after a clock that went either way", async ({ driver }) => {
  for (const ms of [-DAY, DAY]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const identity = await createIdentity(driver);
    // oxlint-disable-next-line no-await-in-loop
    await identity.register(`${ms}@example.com`);
    // oxlint-disable-next-line no-await-in-loop
    const { body: tokens } = await identity.logIn(`${ms}@example.com`);
    identity.clock.ms += ms;
    // oxlint-disable-next-line no-await-in-loop
    const { status, body } = await identity.send("POST", "/auth/refresh", tokens);
    expect(status).toBe(200);
    // oxlint-disable-next-line no-await-in-loop
    expect((await identity.send("GET", "/auth/me", undefined, { token: body.access_token })).status).toBe(
      200,
    );
  }
});
