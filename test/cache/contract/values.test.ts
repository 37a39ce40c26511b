import { expect, test } from "bun:test";
import { decodeEntry, encodeEntry } from "../../../src/cache/contract/codec.ts";
import type { Entry } from "../../../src/cache/contract/store.ts";
import { toArgumentText, toMatcher } from "../../../src/cache/contract/keys.ts";
import { giveOut, keep } from "../../../src/cache/contract/values.ts";

const VALUES: Readonly<Record<string, unknown>> = {
  null: null,
  undefined,
  text: "täxt \0 \n \u0001 \ud83d\ude00",
  "empty text": "",
  number: -1.5e-300,
  zero: 0,
  "negative zero": -0,
  NaN: Number.NaN,
  infinities: [Infinity, -Infinity],
  boolean: false,
  bigint: 2n ** 200n,
  array: [1, [2, [3, undefined]]],
  object: { a: { b: [null, { c: "d" }] }, $: "x", v: 1 },
  "tag-like objects": { $: "d", v: 1, inner: { $: { $: "m" } } },
  "undefined member": { a: undefined },
  "__proto__ member": JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}') as unknown,
  date: new Date(0),
  map: new Map<unknown, unknown>([
    ["a", new Map([[1, new Set([2n])]])],
    [{ k: 1 }, null],
  ]),
  set: new Set<unknown>([1, "1", new Date(5), [Number.NaN]]),
  bytes: new Uint8Array([0, 255, 10]),
  "a part of a buffer": new Uint8Array([1, 2, 3, 4]).subarray(1, 3),
  floats: new Float64Array([Math.PI, -0]),
  "big integers of 64 bits": new BigInt64Array([-(2n ** 63n)]),
  mixed: { at: new Date(7), list: [new Set([1])], plain: { a: 1 } },
};

function toEntry(value: unknown): Entry {
  const now = performance.now();
  return {
    kept: keep(value),
    freshUntil: now + 60_000,
    staleUntil: now + 120_000,
    ttlMs: 60_000,
    version: "v",
    tags: ["a"],
    marks: ["1"],
  };
}

test.each(Object.entries(VALUES))("%s is cached as it is, in memory and as text", (_, value) => {
  expect(giveOut(keep(value))).toStrictEqual(value);
  const entry = toEntry(value);
  const decoded = decodeEntry(encodeEntry(entry));
  expect(giveOut(decoded?.kept ?? keep("nothing"))).toStrictEqual(value);
  expect(decoded).toMatchObject({ version: "v", tags: ["a"], marks: ["1"], ttlMs: 60_000 });
  expect(Math.abs((decoded?.freshUntil ?? 0) - entry.freshUntil)).toBeLessThan(20);
});

test("a date that is none stays one", () => {
  const { kept = keep(1) } = decodeEntry(encodeEntry(toEntry(new Date(Number.NaN)))) ?? {};
  expect(String(giveOut(kept))).toBe("Invalid Date");
});

test("what is cached can't be changed by who set it, nor by who got it", () => {
  const value = { list: [1], at: new Date(1), map: new Map([["a", { b: 1 }]]) };
  const kept = keep(value);
  value.list.push(2);
  value.at.setTime(2);
  const got = giveOut(kept) as typeof value;
  expect(got).toEqual({ list: [1], at: new Date(1), map: new Map([["a", { b: 1 }]]) });
  got.at.setTime(3);
  got.map.clear();
  expect(() => got.list.push(3)).toThrow(TypeError);
  expect(giveOut(kept)).toEqual({ list: [1], at: new Date(1), map: new Map([["a", { b: 1 }]]) });
  const plain = keep({ a: [1] });
  expect(giveOut(plain)).toBe(giveOut(plain));
});

class Money {
  amount = 1;
}
const circle: Record<string, unknown> = {};
circle["self"] = { circle };

test.each([
  ["a function", { a: { b: () => 1 } }, 'Cannot cache a function at "a.b"'],
  ["a symbol", [Symbol("x")], 'Cannot cache a symbol at "[0]"'],
  ["an instance of a class", { price: new Money() }, 'Cannot cache an instance of Money at "price"'],
  ["a promise", Promise.resolve(1), "Cannot cache an instance of Promise"],
  ["a DataView", new DataView(new ArrayBuffer(1)), "Cannot cache a DataView"],
  ["what contains itself", circle, "contains itself or is nested too deep"],
])("keep() refuses %s, with its place", (_, value, message) => {
  expect(() => keep(value)).toThrow(message);
});

test("keep() takes what has a toJSON as what that returns", () => {
  expect(giveOut(keep({ url: new URL("http://localhost/") }))).toEqual({ url: "http://localhost/" });
});

test.each([
  "",
  "x",
  "\u0002{}",
  "\u0001",
  "\u0001[]\nj1",
  '\u0001[1,1,1,null,["a"],[]]\nj1',
  '\u0001["now",1,1,null,[],[]]\nj1',
  "\u0001[9e15,9e15,1,null,[],[]]\nj{",
  "\u0001[9e15,9e15,1,null,[],[]]",
  '\u0001[9e15,9e15,1,null,[],[]]\nt{"$":"x","v":1}',
  '\u0001[9e15,9e15,1,null,[],[]]\nt{"$":"b","v":["Function","AA=="]}',
  '\u0001[9e15,9e15,1,null,[],[]]\nt{"$":"m","v":3}',
  '\u0001[9e15,9e15,1,null,[],[]]\nt{"$":"i","v":"1.5"}',
  `\u0001[9e15,9e15,1,null,[],[]]\nj${"[".repeat(200_000)}`,
  `\u0001[9e15,9e15,1,null,[],[]]\nj${"[".repeat(100_000)}${"]".repeat(100_000)}`,
  "99999999999999999999",
  "�\u0000binary",
])("decodeEntry() takes what was written by others, or is damaged, for nothing: %#", (text) => {
  expect(decodeEntry(text)).toBeUndefined();
});

test("decodeEntry() takes any cut of an entry for nothing, or for less of it never", () => {
  const text = encodeEntry(toEntry(VALUES));
  for (let length = 0; length < text.length; length += 7) {
    expect(decodeEntry(text.slice(0, length))).toBeUndefined();
  }
});

test("a clock that was set back makes no entry fresh for longer than it was to be", () => {
  const text = encodeEntry(toEntry(1)).replace(/\[\d+,\d+/, "[99999999999999,99999999999999");
  const decoded = decodeEntry(text);
  expect((decoded?.freshUntil ?? 0) - performance.now()).toBeLessThanOrEqual(60_000);
});

test("toArgumentText() tells arguments apart, and takes equal ones for the same", () => {
  const calls: unknown[][] = [
    [],
    [1],
    ["1"],
    [1, 2],
    ["1,2"],
    ["1", "2"],
    [null],
    [undefined],
    [true],
    [1n],
    [[1, 2]],
    [{ a: 1, b: 2 }],
    [{ a: 1 }, { b: 2 }],
    [new Date(1)],
    [new Set([1])],
    [{ $: "d", v: 1 }],
    ["null"],
  ];
  expect(new Set(calls.map(toArgumentText)).size).toBe(calls.length);
  expect(toArgumentText([{ b: { d: 1, c: 2 }, a: 1 }])).toBe(toArgumentText([{ a: 1, b: { c: 2, d: 1 } }]));
  expect(() => toArgumentText([new AbortController().signal])).toThrow(
    "Cannot cache an instance of AbortSignal",
  );
});

test("toMatcher() takes * for anything, and all else for itself", () => {
  for (const [pattern, key, matches] of [
    ["users:*", "users:", true],
    ["users:*", "users:1\n2", true],
    ["users:*", "xusers:1", false],
    ["*:draft", "a:b:draft", true],
    ["a.c", "abc", false],
    ["a[b]?", "a[b]?", true],
    ["a*c*e", "abcde", true],
    ["a*c*e", "aecd", false],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["ab", "abab", false],
    ["*ab", "aab", true],
    ["*ab*ab", "ab", false],
    ["**", "", true],
    ["*a".repeat(50), "a".repeat(49), false],
    [`${"*a".repeat(50)}b`, "a".repeat(10_000), false], // at once
  ] as const) {
    expect(toMatcher(pattern)(key)).toBe(matches);
  }
});
