import { areEqual, compare, isIn, isPlain, isTrue, SafeString, toText, unwrap } from "./values.ts";

type Test = (value: never, ...args: never[]) => boolean;

const equal: Test = (value: unknown, other: unknown) => areEqual(value, other);
const less: Test = (value: unknown, other: unknown) => compare(value, "<", other);
const greater: Test = (value: unknown, other: unknown) => compare(value, ">", other);
const atMost: Test = (value: unknown, other: unknown) => compare(value, "<=", other);
const atLeast: Test = (value: unknown, other: unknown) => compare(value, ">=", other);
const unequal: Test = (value: unknown, other: unknown) => !areEqual(value, other);

/** Jinja2's tests, by name: what may stand behind `is`. */
export const TESTS: Readonly<Record<string, Test>> = {
  boolean: (value: unknown) => typeof value === "boolean",
  callable: (value: unknown) => typeof value === "function",
  defined: (value: unknown) => value !== undefined,
  divisibleby: (value: number, by: number) => value % by === 0,
  eq: equal,
  equalto: equal,
  escaped: (value: unknown) => value instanceof SafeString,
  even: (value: number) => value % 2 === 0,
  false: (value: unknown) => value === false,
  falsy: (value: unknown) => !isTrue(value),
  float: (value: unknown) => typeof value === "number" && !Number.isInteger(value),
  ge: atLeast,
  greaterthan: greater,
  gt: greater,
  in: (value: unknown, whole: unknown) => isIn(value, whole),
  integer: (value: unknown) => Number.isInteger(value),
  iterable: (value: unknown) => typeof value === "object" && value !== null && Symbol.iterator in value,
  le: atMost,
  lessthan: less,
  lower: (value: unknown) => toText(value) === toText(value).toLowerCase(),
  lt: less,
  mapping: (value: unknown) =>
    typeof value === "object" && value !== null && (value instanceof Map || isPlain(value)),
  ne: unequal,
  none: (value: unknown) => value === null,
  null: (value: unknown) => value === null,
  number: (value: unknown) => typeof value === "number",
  odd: (value: number) => Math.abs(value % 2) === 1,
  sameas: (value: unknown, other: unknown) => value === other,
  sequence: (value: unknown) => Array.isArray(value) || typeof unwrap(value) === "string",
  string: (value: unknown) => typeof unwrap(value) === "string",
  true: (value: unknown) => value === true,
  truthy: (value: unknown) => isTrue(value),
  undefined: (value: unknown) => value === undefined,
  upper: (value: unknown) => toText(value) === toText(value).toUpperCase(),
};
