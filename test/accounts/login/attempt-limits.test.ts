import { expect, test } from "bun:test";
import { AttemptLimit, createAuthLimits } from "../../../src/accounts/login/attempt-limits.ts";

test("AttemptLimit.take() refuses what is too much within the window, and says when to come back", () => {
  let now = 1_000_000;
  const limit = new AttemptLimit({ limit: 2, windowMs: 10_000, now: () => now });
  limit.take("a");
  now += 4000;
  limit.take("a");
  expect(() => limit.take("a")).toThrow(
    expect.objectContaining({ code: "rate_limited", status: 429, headers: { "retry-after": "6" } }),
  );
  limit.take("b");
  now += 5999;
  expect(() => limit.take("a")).toThrow("try again in 1 seconds");
  now += 1; // the first has left the window, the second not: refused ones don't count
  limit.take("a");
  expect(() => limit.take("a")).toThrow();
});

test("AttemptLimit.giveBack() forgets the last attempt", () => {
  const limit = new AttemptLimit({ limit: 1, windowMs: 1000, now: () => 0 });
  limit.take("a");
  limit.giveBack("a");
  expect(limit.size).toBe(0);
  limit.take("a");
  limit.giveBack("unknown");
  expect(() => limit.take("a")).toThrow();
});

test("AttemptLimit remembers so many keys, those that were seen last", () => {
  const limit = new AttemptLimit({ limit: 1, windowMs: 1000, now: () => 0, maxKeys: 3 });
  for (const key of ["a", "b", "c"]) limit.take(key);
  expect(() => limit.take("a")).toThrow(); // seen again
  limit.take("d");
  expect(limit.size).toBe(3);
  limit.take("b"); // was forgotten
  expect(() => limit.take("a")).toThrow();
});

test("AttemptLimit stays small under a flood of one key", () => {
  const limit = new AttemptLimit({ limit: 30, windowMs: 60_000, now: () => 0 });
  let refused = 0;
  for (let round = 0; round < 10_000; round++) {
    try {
      limit.take("a");
    } catch {
      refused++;
    }
  }
  expect(refused).toBe(9970);
});

test("createAuthLimits() keeps each kind apart", async () => {
  const limits = createAuthLimits({ now: () => 0 });
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (let round = 0; round < 30; round++) await limits.login.take("a");
  expect(limits.login.take("a")).rejects.toThrow("Too many attempts");
  await limits.otp.take("a");
  await limits.registration.take("a");
});

test("what createAuthLimits() has counted can be taken back", async () => {
  const limits = createAuthLimits({ now: () => 0 });
  for (let round = 0; round < 100; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const giveBack = await limits.confirmation.take("a");
    giveBack();
  }
  // oxlint-disable-next-line no-await-in-loop
  for (let round = 0; round < 5; round++) await limits.codes.take("a");
  expect(limits.confirmation.take("a")).rejects.toThrow("Too many attempts");
});

test("createAuthLimits() lets nobody with a stolen session guess codes day and night", async () => {
  let now = 0;
  const { codes, confirmation } = createAuthLimits({ now: () => now });
  let taken = 0;
  for (; now < 86_400_000; now += 12_000) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await codes.take("7");
      taken += 1;
    } catch {}
  }
  expect(taken).toBe(30);
  await codes.take("8");
  // A password is still asked for.
  now += 60_000;
  await confirmation.take("7");
});
