import { expect, test } from "bun:test";
import { Counters, type Limit, take, toStanding } from "../../../src/web/throttling/counters.ts";

const LIMIT: Limit = { max: 10, windowMs: 60_000 };

/** Takes as many as are let in at once, at most 100. */
function takeAll(counters: Counters, now: number, limit = LIMIT): number {
  let taken = 0;
  while (taken < 100 && take(counters.of("a", limit.windowMs, now), limit, now)) taken += 1;
  return taken;
}

test("take() lets the whole quota be used at once, and no more until the window slides on", () => {
  const counters = new Counters();
  expect(takeAll(counters, 1000)).toBe(10);
  expect(takeAll(counters, 60_999)).toBe(0);
  // Half a window later, half of what came before counts.
  expect(takeAll(counters, 91_000)).toBe(5);
  expect(takeAll(counters, 1_000_000)).toBe(10);
});

test.each([
  { max: 10, usedAt: [0], askedAt: 30_000 },
  { max: 10, usedAt: [0, 61_000], askedAt: 61_000 },
  { max: 1, usedAt: [0], askedAt: 100 },
  { max: 1, usedAt: [0, 61_000], askedAt: 61_000 },
  { max: 3, usedAt: [0, 90_000], askedAt: 119_000 },
])("toStanding() says when the next is let in: $max, used at $usedAt, asked at $askedAt", (one) => {
  const limit = { max: one.max, windowMs: 60_000 };
  const counters = new Counters();
  for (const at of one.usedAt) takeAll(counters, at, limit);
  takeAll(counters, one.askedAt, limit);
  const counter = counters.of("a", limit.windowMs, one.askedAt);
  const { isAllowed, remaining, waitMs } = toStanding(counter, limit, one.askedAt, false);
  expect([isAllowed, remaining]).toEqual([false, 0]);
  expect(take(counter, limit, one.askedAt + waitMs - 1.1)).toBe(false);
  expect(take(counter, limit, one.askedAt + waitMs)).toBe(true);
});

test("a limit of one lets one in as soon as its window has ended", () => {
  const counters = new Counters();
  const limit = { max: 1, windowMs: 3_600_000 };
  for (const hour of [0, 1, 2, 3]) {
    const now = hour * 3_600_001;
    expect([takeAll(counters, now, limit), takeAll(counters, now + 3_599_000, limit)]).toEqual([1, 0]);
  }
});

test("a client gets no more than twice its quota in any window, and its quota over time", () => {
  const counters = new Counters();
  const times: number[] = [];
  // It takes all that it gets, a hundred times a window.
  for (let now = 0; now < 3_000_000; now += 600) {
    for (let taken = takeAll(counters, now); taken > 0; taken -= 1) times.push(now);
  }
  const most = Math.max(...times.map((at) => times.filter((one) => one > at - 60_000 && one <= at).length));
  expect(most).toBeLessThanOrEqual(20);
  expect(times.length).toBeGreaterThanOrEqual(10 * 45); // what came before is taken for evenly spread
  expect(times.length).toBeLessThanOrEqual(10 * 52);
});

test("Counters hold a bounded number of keys, and forget those that are of no account any more", () => {
  const counters = new Counters(1000);
  for (let key = 0; key < 1_000_000; key += 1) counters.of(`10.${key}`, 60_000, key / 1000);
  expect(counters.size).toBeLessThanOrEqual(1000);
  counters.of("late", 60_000, 500_000);
  counters.of("later", 60_000, 900_000);
  expect(counters.size).toBe(2);
});

test("Counters remember who goes on asking, however many others come", () => {
  const counters = new Counters(1000);
  expect(takeAll(counters, 0)).toBe(10);
  for (let key = 0; key < 100_000; key += 1) {
    counters.of(`10.${key}`, 60_000, key / 10);
    if (key % 100 === 0) expect(takeAll(counters, key / 10)).toBe(0);
  }
});

test("Counters remember what counts in the longest of their windows", () => {
  const counters = new Counters();
  const day = { max: 2, windowMs: 86_400_000 };
  expect(takeAll(counters, 0, day)).toBe(2);
  for (let now = 0; now < day.windowMs; now += 60_000) counters.of("other", 60_000, now);
  expect(takeAll(counters, day.windowMs - 1, day)).toBe(0);
});

test("Counters begin anew where the window of a key is another one", () => {
  const counters = new Counters();
  expect(takeAll(counters, 0)).toBe(10);
  expect(takeAll(counters, 1, { max: 2, windowMs: 1000 })).toBe(2);
});
