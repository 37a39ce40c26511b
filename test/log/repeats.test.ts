import { expect, jest, test } from "bun:test";
import { Repeats } from "../../src/log/repeats.ts";

test("Repeats admits the first equal lines, and tells of all when its time is over", () => {
  jest.useFakeTimers();
  try {
    const repeats = new Repeats({ most: 2 });
    const told: unknown[] = [];
    const write = (key: string): boolean => repeats.admits(key, (count) => told.push([key, count]));
    expect(["a", "a", "a", "b", "a"].map(write)).toEqual([true, true, false, true, false]);
    expect(told).toEqual([]);
    jest.advanceTimersByTime(10_000);
    expect([told, repeats.size]).toEqual([[["a", 4]], 0]);
    expect(write("a")).toBe(true);
    repeats.flush();
    expect(told).toEqual([["a", 4]]);
  } finally {
    jest.useRealTimers();
  }
});

test("Repeats admits whatever it has no room to count", () => {
  const repeats = new Repeats({ most: 1 });
  for (let index = 0; index < 1000; index += 1) repeats.admits(`line ${index}`, () => {});
  expect([1, 2].map(() => repeats.admits("another", () => {}))).toEqual([true, true]);
  expect(repeats.size).toBe(1000);
  repeats.flush();
});
