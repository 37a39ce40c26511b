import { expect } from "bun:test";
import { loadSchedules } from "../../../src/jobs/scheduler/schedule.ts";
import { anyText, fc, testProperty } from "../../properties.ts";

const makeSchedule = await loadSchedules();
const MINUTE_MS = 60_000;

/** One part of an expression, with the values that it means. */
function part(min: number, max: number): fc.Arbitrary<{ text: string; values: ReadonlySet<number> }> {
  const all = Array.from({ length: max - min + 1 }, (_, at) => min + at);
  const number = fc.integer({ min, max });
  const range = fc.tuple(number, number).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  return fc.oneof(
    fc.constant({ text: "*", values: new Set(all) }),
    fc
      .uniqueArray(number, { minLength: 1, maxLength: 3 })
      .map((some) => ({ text: some.join(","), values: new Set(some) })),
    range.map(([from, to]) => ({
      text: `${from}-${to}`,
      values: new Set(all.filter((one) => one >= from && one <= to)),
    })),
    fc.tuple(range, fc.integer({ min: 1, max: 7 })).map(([[from, to], step]) => ({
      text: `${from}-${to}/${step}`,
      values: new Set(all.filter((one) => one >= from && one <= to && (one - from) % step === 0)),
    })),
  );
}

const at = fc.integer({ min: Date.parse("2000-01-01"), max: Date.parse("2090-01-01") });
const zone = fc.constantFrom(
  null,
  "UTC",
  "Europe/Paris",
  "America/St_Johns",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
);
const word = fc.constantFrom(
  "*",
  "0",
  "59",
  "*/5",
  "1-5",
  "L",
  "W",
  "LW",
  "15W",
  "MON#2",
  "5L",
  "JAN",
  "7",
  "99",
  "-1",
  "1/0",
  "?",
  "*/61",
  "a",
  ",",
  "1,",
  "#",
  "@daily",
  "\t",
);

testProperty(
  "Schedule knows the moments of an expression, and none between",
  [part(0, 59), part(0, 23), at],
  (minute, hour, moment) => {
    const schedule = makeSchedule(`${minute.text} ${hour.text} * * *`, null);
    const isDue = (time: number): boolean => {
      const date = new Date(time);
      return minute.values.has(date.getUTCMinutes()) && hour.values.has(date.getUTCHours());
    };
    const next = schedule.next(moment);
    expect(next).toBeGreaterThan(moment);
    expect(next % MINUTE_MS).toBe(0);
    for (let time = moment - (moment % MINUTE_MS) + MINUTE_MS; time < next; time += MINUTE_MS)
      expect(isDue(time)).toBe(false);
    expect(isDue(next)).toBe(true);
    expect(schedule.previous(next)).toBe(next);
    expect(schedule.previous(next - 1)).toBeLessThanOrEqual(moment);
  },
);

testProperty(
  "Schedule moves forward in any time zone, and comes back to the same moments",
  [part(0, 59), part(0, 23), zone, at],
  (minute, hour, timezone, moment) => {
    const schedule = makeSchedule(`${minute.text} ${hour.text} * * *`, timezone);
    let last = moment;
    for (let count = 0; count < 5; count += 1) {
      const next = schedule.next(last);
      expect(next).toBeGreaterThan(last);
      expect(schedule.previous(next)).toBe(next);
      last = next;
    }
  },
);

testProperty(
  "makeSchedule() takes any text, or says what is wrong with it",
  [
    fc.oneof(
      anyText(300),
      fc.array(word, { maxLength: 8 }).map((words) => words.join(" ")),
    ),
    fc.oneof(zone, anyText(20)),
    at,
  ],
  (text, timezone, moment) => {
    try {
      const schedule = makeSchedule(text, timezone);
      expect(schedule.next(moment)).toBeGreaterThan(moment);
      expect(schedule.previous(moment) ?? moment).toBeLessThanOrEqual(moment);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      expect(error.message).not.toContain("CronPattern");
      expect(error.message.length).toBeLessThan(400);
    }
  },
);
