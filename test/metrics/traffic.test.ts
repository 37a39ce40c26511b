import { expect, test } from "bun:test";
import { Traffic } from "../../src/metrics/traffic.ts";

const NOON = Date.UTC(2026, 0, 1, 12);

test("points() counts requests by two seconds, with what was refused and what failed", () => {
  const traffic = new Traffic();
  for (const [at, status] of [
    [NOON, 200],
    [NOON + 1999, 404],
    [NOON + 2000, 503],
    [NOON + 2001, 500],
  ] as const) {
    traffic.record({ at, status, duration_ms: 1 });
  }
  const points = traffic.points(NOON + 2001);
  expect(points).toHaveLength(150);
  expect(points.at(-2)).toMatchObject({ at: NOON, requests: 2, refusals: 1, failures: 0 });
  expect(points.at(-1)).toMatchObject({ at: NOON + 2000, requests: 2, refusals: 0, failures: 2 });
  expect(points[0]).toEqual({
    at: NOON + 2000 - 149 * 2000,
    requests: 0,
    failures: 0,
    refusals: 0,
    p50_ms: null,
    p99_ms: null,
  });
});

test("points() forgets what is older than five minutes, also when its place wasn't used again", () => {
  const traffic = new Traffic();
  traffic.record({ at: NOON, status: 200, duration_ms: 1 });
  expect(count(traffic, NOON + 299_999)).toBe(1);
  expect(count(traffic, NOON + 300_000)).toBe(0);
  traffic.record({ at: NOON + 300_000, status: 200, duration_ms: 1 });
  expect(count(traffic, NOON + 300_000)).toBe(1);
});

test("points() tells durations within 13 %, from none at all to hours", () => {
  for (const duration of [0.004, 0.005, 0.02, 0.9, 1, 1.5, 7, 33, 250, 999, 30_000, 67_000]) {
    const traffic = new Traffic();
    traffic.record({ at: NOON, status: 200, duration_ms: duration });
    const { p50_ms: median } = traffic.points(NOON).at(-1)!;
    expect(Math.abs(median! / duration - 1)).toBeLessThan(0.13);
  }
  for (const odd of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 3_600_000]) {
    const traffic = new Traffic();
    traffic.record({ at: NOON, status: 200, duration_ms: odd });
    expect(traffic.points(NOON).at(-1)!.p99_ms).toBeGreaterThan(0);
  }
});

test("points() tells the slowest of a hundred by p99_ms, and the usual by p50_ms", () => {
  const traffic = new Traffic();
  for (let index = 0; index < 200; index++) {
    traffic.record({ at: NOON, status: 200, duration_ms: index < 195 ? 2 : 800 });
  }
  const { p50_ms: median, p99_ms: slowest } = traffic.points(NOON).at(-1)!;
  expect(median).toBeWithin(1.7, 2.3);
  expect(slowest).toBeWithin(700, 900);
});

test("failures() keeps the last fifty, the last one first", () => {
  const traffic = new Traffic<{ at: number; status: number; duration_ms: number; path: string }>();
  for (let index = 0; index < 60; index++) {
    traffic.record({ at: NOON + index, status: 500, duration_ms: 1, path: `/${index}` });
    traffic.record({ at: NOON + index, status: 404, duration_ms: 1, path: "/missing" });
  }
  const paths = traffic.failures().map(({ path }) => path);
  expect(paths).toHaveLength(50);
  expect(paths.slice(0, 2)).toEqual(["/59", "/58"]);
});

function count(traffic: Traffic, now: number): number {
  return traffic.points(now).reduce((sum, { requests }) => sum + requests, 0);
}
