import type { TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { t } from "elysia";
import { expect, test } from "bun:test";
import { mendTypes } from "../../../src/sdk/types.ts";
import { createCleaner } from "../../../src/web/input/cleaner.ts";
import { createEncoder } from "../../../src/web/input/encoder.ts";
import { plugin, TestApp } from "../../setup.ts";

mendTypes();

/** The same numbers each time: a failure comes again. */
function createPick(seed: number) {
  let state = seed;
  return <T>(from: readonly T[]): T => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return from[Math.floor((state / 2 ** 32) * from.length)] as T;
  };
}
type Pick = ReturnType<typeof createPick>;

/** What is sent isn't what the handler returns. */
function toLoud(): TSchema {
  return t
    .Transform(t.String())
    .Decode((text) => text.toLowerCase())
    .Encode((text) => text.toUpperCase());
}

const LEAVES: readonly (() => TSchema)[] = [
  () => t.Date(),
  () => t.Date(),
  () => t.Date({ description: "When" }),
  () => t.Date({ minimumTimestamp: 0 }),
  () => t.Nullable(t.Date()),
  () => t.Optional(t.Date()),
  () => t.Union([t.Null(), t.Date()]),
  () => t.Union([t.String(), t.Date()]),
  () => t.Union([t.Date(), t.Integer()]),
  () => t.Integer(),
  () => t.String(),
  () => t.Nullable(t.String()),
  () => t.Any(),
  () => t.Numeric(),
  toLoud,
  () => t.Union([t.Literal("a"), t.Literal("b")]),
];

function toSchema(pick: Pick, depth: number): TSchema {
  if (depth === 0) return pick(LEAVES)();
  const inner = () => toSchema(pick, pick([0, depth - 1]));
  return pick<() => TSchema>([
    () => t.Object({ a: inner(), b: t.Optional(inner()), c: inner() }),
    () => t.Object({ a: inner(), at: t.Date() }, { additionalProperties: pick([true, false]) }),
    () => t.Object({ at: t.Date() }, { additionalProperties: t.Date() }),
    () => t.Object({ at: t.Date() }, { additionalProperties: toLoud() }),
    () => t.Array(inner()),
    () => t.Array(inner()),
    () => t.Nullable(inner()),
    () => t.Record(t.String(), inner()),
    () => t.Tuple([inner(), inner()]),
    () => t.Intersect([t.Object({ a: inner() }), t.Object({ at: t.Date() })]),
    () => t.Union([t.Object({ a: inner() }), t.Object({ at: t.Date() })]),
  ])();
}

class Row {
  a = "own";
  at = new Date(5);
  toJSON(): string {
    return "its own";
  }
}

/** Its date is of its class, which no copy has. */
class Shown {
  a = "own";
  get at(): Date {
    return new Date(6);
  }
}

const VALUES: readonly (() => unknown)[] = [
  () => new Date(0),
  () => new Date(1.7e12),
  () => new Date(Number.NaN),
  () => new Date(8e15),
  () => new Date(-7e13),
  () => new Date("0000-06-01T00:00:00.000Z"),
  () => "2024-02-29T23:59:59.987Z",
  () => "2024-02-29",
  () => "2026-02-30",
  () => 12,
  () => 1.5,
  () => "a",
  () => null,
  () => undefined,
  () => new Row(),
  () => new Shown(),
  () => new Map([["at", new Date(0)]]),
];

/** Mostly what a schema says, and sometimes something else. */
function toValue(pick: Pick, schema: TSchema): unknown {
  if (pick([0, 0, 0, 0, 0, 0, 0, 1]) === 1) return pick(VALUES)();
  const { properties, items, anyOf, allOf, patternProperties, elysiaMeta } = schema as unknown as Record<
    string,
    never
  >;
  if (elysiaMeta === "Date") return pick(VALUES.slice(0, 2))();
  if (properties !== undefined) {
    const known = Object.entries<TSchema>(properties);
    const entries = known
      .filter(() => pick([0, 1, 1, 1, 1, 1]))
      .map(([key, one]) => [key, toValue(pick, one)] as const);
    return Object.fromEntries([
      ...entries,
      ...pick([[], [], [["more", new Date(1)] as const], [["more", "text"] as const]]),
    ]);
  }
  if (Array.isArray(items)) return (items as TSchema[]).map((item) => toValue(pick, item));
  if (items !== undefined) return Array.from({ length: pick([0, 1, 3]) }, () => toValue(pick, items));
  if (patternProperties !== undefined) {
    const [item] = Object.values<TSchema>(patternProperties);
    return { x: toValue(pick, item as TSchema) };
  }
  if (allOf !== undefined) {
    return Object.assign({}, ...(allOf as TSchema[]).map((part) => toValue(pick, part))) as object;
  }
  if (anyOf !== undefined) return toValue(pick, pick(anyOf as TSchema[]));
  return schema["type"] === "string"
    ? "text"
    : schema["const"] === undefined
      ? pick(VALUES)()
      : schema["const"];
}

function outcomeOf(encode: (value: unknown) => unknown, value: unknown): string {
  try {
    return `encoded as ${JSON.stringify(encode(value))}`;
  } catch (error) {
    return `${(error as Error).constructor.name}: ${(error as Error).message}`;
  }
}

test("createEncoder() encodes whatever a schema and a value are as the validator does", () => {
  const pick = createPick(3);
  const outcomes = { encoded: 0, refused: 0 };
  for (let round = 0; round < 1500; round += 1) {
    const schema = toSchema(pick, pick([1, 2, 3]));
    const validator = TypeCompiler.Compile(schema);
    if (!Reflect.get(validator, "hasTransform")) continue;
    const encode = createEncoder(validator);
    for (let times = 0; times < 6; times += 1) {
      const value = toValue(pick, schema);
      const expected = outcomeOf((one) => validator.Encode(one), value);
      const actual = outcomeOf(encode, value);
      outcomes[expected.startsWith("encoded") ? "encoded" : "refused"] += 1;
      if (actual === expected) continue;
      expect([JSON.stringify(schema), Bun.inspect(value), actual]).toEqual([
        JSON.stringify(schema),
        Bun.inspect(value),
        expected,
      ]);
    }
  }
  expect(outcomes.encoded).toBeGreaterThan(1000);
  expect(outcomes.refused).toBeGreaterThan(1000);
});

test("createEncoder() leaves the value as it is, and TypeBox out of a list with dates", () => {
  const schema = t.Object({
    items: t.Array(t.Object({ at: t.Date(), end: t.Nullable(t.Date()) })),
    total: t.Nullable(t.Integer()),
  });
  const validator = TypeCompiler.Compile(schema);
  let slow = 0;
  const counted = {
    Schema: () => validator.Schema(),
    Check: (value: unknown) => validator.Check(value),
    Encode(value: unknown): unknown {
      slow += 1;
      return validator.Encode(value);
    },
  };
  const encode = createEncoder(counted);
  const value = { items: [{ at: new Date(0), end: null }], total: 1 };
  expect(encode(value)).toEqual({ items: [{ at: "1970-01-01T00:00:00.000Z", end: null }], total: 1 });
  expect(value.items[0]?.at).toEqual(new Date(0));
  expect(slow).toBe(0);
  expect(() => encode({ items: [{ at: new Date(Number.NaN), end: null }], total: 1 })).toThrow();
  expect(slow).toBe(1);
});

test("createEncoder() leaves TypeBox out of a page with a cursor that its schema doesn't name", () => {
  const schema = t.Object({ items: t.Array(t.Object({ at: t.Date() })) }, { additionalProperties: false });
  const validator = TypeCompiler.Compile(schema);
  let slow = 0;
  const encode = createEncoder({
    Schema: () => validator.Schema(),
    Check: (value) => validator.Check(value),
    Clean: createCleaner(schema),
    Encode(value): unknown {
      slow += 1;
      return validator.Encode(value);
    },
  });
  expect(encode({ items: [{ at: new Date(0) }], next: "WzFd" })).toEqual({
    items: [{ at: "1970-01-01T00:00:00.000Z" }],
  });
  expect(slow).toBe(0);
});

test("a response schema with a date answers as before, and refuses what isn't one", async () => {
  const code = `import { createRouter } from "xcore";
import { t } from "elysia";
export default createRouter().get("/:kind", ({ params: { kind } }) => ({ at: { date: new Date(0), none: new Date(NaN), text: "2024-02-29", word: "x" }[kind], more: 1 }), { response: t.Object({ at: t.Date() }) });`;
  await using app = await TestApp.start({ plugins: { ...plugin("dates", ""), "dates/run.ts": code } });
  expect((await app.get("/dates/date")).body).toEqual({ at: "1970-01-01T00:00:00.000Z" });
  expect((await app.get("/dates/text")).body).toEqual({ at: "2024-02-29T00:00:00.000Z" });
  for (const kind of ["none", "word"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await app.get(`/dates/${kind}`)).status).toBe(500);
  }
});
