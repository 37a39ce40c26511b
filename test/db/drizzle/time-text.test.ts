import { expect, test } from "bun:test";
import { toTimeText } from "../../../src/db/drizzle/time-text.ts";

const DAY_MS = 86_400_000;
const FIRST_OF_YEARS = [1970, 1972, 1999, 2000, 2001, 2024, 2100, 2400, 9999].map((year) =>
  Date.UTC(year, 0, 1),
);

test("toTimeText() writes times as toISOString() does", () => {
  const days = FIRST_OF_YEARS.flatMap((first) =>
    Array.from({ length: 366 }, (_, day) => first + day * DAY_MS),
  );
  const around = days.flatMap((day) => [
    day - 1,
    day,
    day + 999,
    day + 1000,
    day + 59_999,
    day + 3_599_999,
    day + 45_296_007,
  ]);
  const every = Array.from({ length: 20_000 }, (_, index) => index * 12_670_115_039);
  for (const time of [...around, ...every].filter((one) => one >= 0 && one < Date.UTC(10_000, 0, 1))) {
    expect(toTimeText(time)).toBe(new Date(time).toISOString());
  }
});

test("toTimeText() leaves other times to whoever asks", () => {
  for (const time of [-1, 0.5, Date.UTC(10_000, 0, 1), 8.64e15, Number.NaN, Infinity, -Infinity]) {
    expect(toTimeText(time)).toBeNull();
  }
});
