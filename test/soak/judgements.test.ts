import { expect, test } from "bun:test";
import { Ledger, noteWrite } from "./ledger.ts";
import { fitGrowth, type Sample } from "./memory.ts";
import { explain, type Failure, type Window } from "./windows.ts";

const DATABASE: Window = {
  fault: "database killed",
  from: 1000,
  to: 2000,
  codes: ["database_unavailable"],
  instance: null,
};
const KILLED: Window = { fault: "server killed", from: 5000, to: 6000, codes: [], instance: 1 };
const REFUSED: Failure = {
  request: "POST /notes",
  instance: 0,
  status: 503,
  code: "database_unavailable",
  detail: "",
  from: 1900,
  to: 2100,
};

const faultOf = (failure: Partial<Failure>): string | null =>
  explain({ ...REFUSED, ...failure }, [DATABASE, KILLED])?.fault ?? null;

test("explain() finds the fault that a failure overlaps with and is told truthfully of", () => {
  expect(faultOf({})).toBe("database killed");
  expect(faultOf({ from: 500, to: 1000 })).toBe("database killed");
  expect(faultOf({ from: 2001 })).toBeNull();
  expect(faultOf({ from: 500, to: 999 })).toBeNull();
  expect(faultOf({ status: 500, code: "internal_error" })).toBeNull();
  expect(faultOf({ from: 5100, to: 5200 })).toBeNull(); // the database was well then
});

test("explain() takes a broken connection only for the instance that was ended, and only then", () => {
  const broken = { status: null, code: "", from: 5500, to: 5501 };
  expect(faultOf({ ...broken, instance: 1 })).toBe("server killed");
  expect(faultOf({ ...broken, instance: 0 })).toBeNull();
  expect(faultOf({ ...broken, instance: 1, from: 6001, to: 6002 })).toBeNull();
  expect(faultOf({ ...broken, instance: 1, from: 1500, to: 1501 })).toBeNull();
});

test("noteWrite() leaves open what nobody knows, and nothing else", () => {
  const note = new Ledger().addNote("a");
  const valuesAfter = (...write: [number | null, "acknowledged" | "unknown" | "refused"]) => {
    noteWrite(note, ...write);
    return [...note.possible];
  };
  expect([...note.possible]).toEqual([null]);
  expect(valuesAfter(1, "refused")).toEqual([null]);
  expect(valuesAfter(1, "acknowledged")).toEqual([1]);
  expect(valuesAfter(2, "unknown")).toEqual([1, 2]);
  expect(valuesAfter(null, "acknowledged")).toEqual([null]);
});

const toSamples = (toMb: (at: number) => number): Sample[] =>
  Array.from({ length: 41 }, (_, at) => ({ minute: 10 + at / 2, mb: toMb(at), descriptors: 50 }));

const growthOf = (toMb: (at: number) => number): number => fitGrowth(toSamples(toMb), ({ mb }) => mb).share;

test("fitGrowth() finds what grows, whatever single samples say", () => {
  expect(growthOf((at) => 200 + at)).toBeCloseTo(0.2);
  expect(growthOf((at) => 200 + at + (at % 5 === 0 ? 300 : 0))).toBeCloseTo(0.2, 1);
  expect(growthOf((at) => 200 + (at % 2) * 40)).toBeCloseTo(0);
  expect(growthOf((at) => 240 - at)).toBeLessThan(0);
});
