import { expect, test } from "bun:test";
import { loadSchedules } from "../../../src/jobs/scheduler/schedule.ts";

const makeSchedule = await loadSchedules();
const toTime = (at: number | null) => (at === null || at === Infinity ? at : new Date(at).toISOString());

test.each([
  ["*/5 * * * *", null, "2026-10-24T12:00:00.000Z", "2026-10-24T12:05:00.000Z"],
  ["30 0 3 * * *", null, "2026-10-24T03:00:30.000Z", "2026-10-25T03:00:30.000Z"],
  ["@daily", null, "2026-10-24T00:00:00.000Z", "2026-10-25T00:00:00.000Z"],
  ["0 0 LW * *", null, "2026-09-30T00:00:00.000Z", "2026-10-30T00:00:00.000Z"],
  ["0 0 15W * *", null, "2026-10-15T00:00:00.000Z", "2026-11-16T00:00:00.000Z"],
  ["0 0 * * FRI#2", null, "2026-10-09T00:00:00.000Z", "2026-11-13T00:00:00.000Z"],
  ["0 0 29 2 *", null, "2024-02-29T00:00:00.000Z", "2028-02-29T00:00:00.000Z"],
  ["0 3 * * *", "Europe/Paris", "2026-10-24T01:00:00.000Z", "2026-10-25T02:00:00.000Z"],
  // In the hour that comes twice, once.
  ["30 2 * * *", "Europe/Paris", "2026-10-24T00:30:00.000Z", "2026-10-25T00:30:00.000Z"],
] as const)("Schedule %j in %p knows the moments before and after", (expression, timezone, before, after) => {
  const schedule = makeSchedule(expression, timezone);
  const at = Date.parse("2026-10-24T12:00:30.500Z");
  expect([toTime(schedule.previous(at)), toTime(schedule.next(at))]).toEqual([before, after]);
});

test("Schedule.previous() counts the moment itself, and next() doesn't", () => {
  const schedule = makeSchedule("0 * * * *", null);
  const at = Date.parse("2026-10-24T12:00:00.000Z");
  expect([
    toTime(schedule.previous(at)),
    toTime(schedule.previous(at - 1)),
    toTime(schedule.next(at)),
  ]).toEqual(["2026-10-24T12:00:00.000Z", "2026-10-24T11:00:00.000Z", "2026-10-24T13:00:00.000Z"]);
});

test("Schedule.next() moves what falls into the hour that is left out behind it", () => {
  const schedule = makeSchedule("30 2 * * *", "Europe/Paris");
  expect(toTime(schedule.next(Date.parse("2026-03-28T12:00:00Z")))).toBe("2026-03-29T01:00:00.000Z");
});

test.each([
  "hello",
  "",
  "61 * * * *",
  "0 0 32 * *",
  "* * * *",
  "* * * * * * *",
  "*/0 * * * *",
  "5-1 * * * *",
  "0 0 * * FOO",
  "? * * * *",
  "2030-01-01",
  "2030-01-01T00:00:00Z",
  "0 3 * * *\n0 4 * * *",
  "1,".repeat(100_000),
  null as never,
  7 as never,
])("makeSchedule(%j) throws TypeError", (expression) => {
  expect(() => makeSchedule(expression, null)).toThrow(TypeError);
});

test.each(["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"])(
  "makeSchedule(%j) throws for what never comes",
  (expression) => {
    expect(() => makeSchedule(expression, null)).toThrow(/^".*" never comes: no year has such a day$/);
  },
);

test("makeSchedule() knows time zones by their IANA names", () => {
  expect(() => makeSchedule("0 3 * * *", "Mars/Base")).toThrow(
    '"Mars/Base" isn\'t a time zone: expected a name such as',
  );
});
