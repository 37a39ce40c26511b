import { expect } from "bun:test";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { addDevice, wrongCode } from "../factor-accounts.ts";
import { createIdentity, PASSWORD } from "../identity.ts";

const EMAIL = "ada@example.com";
const HOME = { address: "192.0.2.1" };
const MINUTE = 60_000;

function addressOf(index: number): { address: string } {
  return { address: `198.51.${Math.floor(index / 250)}.${(index % 250) + 1}` };
}

for (const [where, guesser] of [
  ["elsewhere", { address: "203.0.113.7" }],
  ["the owner's own address", HOME],
] as const) {
  testOnDialect(
    "sqlite",
    `Login lets the owner in though somebody guesses once an hour from ${where}`,
    async ({ driver }) => {
      const identity = await createIdentity(driver);
      await identity.register(EMAIL);
      for (let hour = 0; hour < 48; hour++) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        expect((await identity.logIn(EMAIL, "wrong password", guesser)).status).toBe(401);
        // oxlint-disable-next-line no-await-in-loop
        if (hour % 12 === 11) expect((await identity.logIn(EMAIL, PASSWORD, HOME)).status).toBe(200);
        identity.clock.ms += 60 * MINUTE;
      }
      expect(identity.waits).toEqual([]);
    },
  );
}

testWithCoreTables("Login locks the address of who guesses, and nobody else's", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.register(EMAIL);
  const { body: tokens } = await identity.logIn(EMAIL, PASSWORD, HOME);
  const guesser = { address: "203.0.113.7" };
  for (let guess = 0; guess < 8; guess++) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { status } = await identity.logIn(EMAIL, `wrong ${guess}`, guesser);
    expect(status).toBe(guess < 5 ? 401 : 429);
  }
  expect((await identity.logIn(EMAIL, PASSWORD, guesser)).body.code).toBe("account_locked");
  expect((await identity.logIn(EMAIL, PASSWORD, { address: "203.0.113.8" })).status).toBe(200);
  expect((await identity.logIn(EMAIL, PASSWORD, HOME)).status).toBe(200);
  // Who has logged in goes on, from wherever.
  const refreshed = await identity.send("POST", "/auth/refresh", tokens, guesser);
  expect(refreshed.status).toBe(200);
  const me = await identity.send("GET", "/auth/me", undefined, {
    ...guesser,
    token: refreshed.body.access_token,
  });
  expect(me.status).toBe(200);
});

testWithCoreTables(
  "Login slows guesses from many addresses, and lets known ones in at once",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { waits } = identity;
    await identity.register(EMAIL);
    expect((await identity.logIn(EMAIL, PASSWORD, HOME)).status).toBe(200);
    const statuses = new Set<number>();
    for (let index = 0; index < 60; index++) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      statuses.add((await identity.logIn(EMAIL, "wrong password", addressOf(index))).status);
    }
    expect([...statuses]).toEqual([401]);
    expect(waits.slice(0, 3)).toEqual([1000, 1000, 1000]);
    expect(waits.at(-1)).toBe(10_000);
    const slowed = waits.length;
    expect((await identity.logIn(EMAIL, PASSWORD, HOME)).status).toBe(200);
    expect(waits).toHaveLength(slowed);
    // From where the account was never used it takes a while, and isn't refused.
    expect((await identity.logIn(EMAIL, PASSWORD, addressOf(70))).status).toBe(200);
    expect(waits).toHaveLength(slowed + 1);
    // From then on that is known too.
    expect((await identity.logIn(EMAIL, PASSWORD, addressOf(70))).status).toBe(200);
    expect(waits).toHaveLength(slowed + 1);
    // It is forgotten.
    identity.clock.ms += 60 * MINUTE;
    expect((await identity.logIn(EMAIL, PASSWORD, addressOf(71))).status).toBe(200);
    expect(waits).toHaveLength(slowed + 1);
  },
);

testOnDialect(
  "sqlite",
  "Login slows guesses at a name without an account in the same way",
  async ({ driver }) => {
    const [known, unknown] = [await createIdentity(driver), await createIdentity(driver)];
    await known.register(EMAIL);
    for (let index = 0; index < 45; index++) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await known.logIn(EMAIL, "wrong password", addressOf(index));
      // oxlint-disable-next-line no-await-in-loop
      await unknown.logIn("nobody@example.com", "wrong password", addressOf(index));
    }
    expect(unknown.waits).toEqual(known.waits);
    expect(known.waits.length).toBeGreaterThan(30);
  },
);

testOnDialect("sqlite", "Login counts guesses from many addresses that come at once", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.register(EMAIL);
  const startedAt = identity.clock.ms;
  await Promise.all(
    Array.from({ length: 100 }, (_, index) => identity.logIn(EMAIL, "wrong password", addressOf(index))),
  );
  // Nobody has failed yet when they begin, and all the same they take their time.
  expect(identity.clock.ms - startedAt).toBeGreaterThan(5 * MINUTE);
});

testWithCoreTables("Login counts each of the guesses that come at once", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.register(EMAIL);
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) => identity.logIn(EMAIL, "wrong password", addressOf(index))),
  );
  expect([...new Set(answers.map(({ status }) => status))]).toEqual([401]);
  const { db, tables } = identity.store;
  const counts = await db.select().from(tables.loginFailures);
  expect(counts).toHaveLength(31);
  expect(counts.filter(({ address }) => address === "").map(({ failed }) => failed)).not.toContain(0);
});

testWithCoreTables("Login locks nobody's codes but those of the address that guesses", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { clock, send } = identity;
  const device = await addDevice(identity.devices, clock, await identity.register(EMAIL));
  clock.step();
  const guesser = { address: "203.0.113.7" };
  const { body: first } = await identity.logIn(EMAIL, PASSWORD, guesser);
  for (let guess = 0; guess < 7; guess++) {
    const body = { otp_token: first.otp_token, code: wrongCode(device.code()) };
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { status } = await send("POST", "/auth/login/otp", body, guesser);
    expect(status).toBe(guess < 5 ? 401 : 429);
  }
  const { body: own } = await identity.logIn(EMAIL, PASSWORD, HOME);
  const body = { otp_token: own.otp_token, code: device.code() };
  expect((await send("POST", "/auth/login/otp", body, HOME)).status).toBe(200);
});

testOnDialect(
  "sqlite",
  "who guesses the password in one session doesn't keep the owner from changing it in another",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    await identity.register(EMAIL);
    const [stolen, own] = [await identity.logIn(EMAIL), await identity.logIn(EMAIL)];
    const change = (token: string, current_password: string) =>
      identity.send("PUT", "/auth/password", { current_password, new_password: "a new password" }, { token });
    for (let guess = 0; guess < 5; guess++) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect((await change(stolen.body.access_token, `wrong ${guess}`)).status).toBe(401);
    }
    expect((await change(stolen.body.access_token, "wrong")).status).toBe(429);
    expect((await change(own.body.access_token, PASSWORD)).status).toBe(204);
  },
);
