import { type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { expect, test } from "bun:test";
import { t } from "elysia";
import { readPayload } from "../../src/jobs/definition/payloads.ts";
import { readPortableSchema, toPortableSchema } from "../../src/jobs/definition/portable-schemas.ts";
import { mendTypes } from "../../src/sdk/types.ts";

mendTypes(); // as for plugins

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  7,
  1e12,
  "",
  "a",
  "b",
  "long text",
  "7",
  "ada@example.com",
  "2026-01-31",
  "2026-01-31T08:30:00Z",
  [],
  [1, 2],
  [1, 1],
  ["a", 1],
  ["a"],
  {},
  { a: 1 },
  { a: "x" },
  { a: "x", b: 2 },
  { b: 2 },
  { a: null },
  { 7: "seven" },
  { a: "x", c: [{ a: 1 }, {}] },
  { constructor: 1, toString: "x" },
];

test.each<[string, TSchema]>([
  ["any", t.Any()],
  ["unknown", t.Unknown()],
  ["null", t.Null()],
  ["boolean", t.Boolean()],
  ["integer", t.Integer({ minimum: 0, maximum: 10 })],
  ["number", t.Number({ exclusiveMinimum: 0, multipleOf: 0.5 })],
  ["text", t.String({ minLength: 1, maxLength: 5 })],
  ["email", t.String({ format: "email" })],
  ["date", t.Date()],
  ["literal", t.Literal("a")],
  ["number literal", t.Literal(7)],
  ["choice", t.UnionEnum(["a", "b"])],
  ["enum", t.Enum({ A: "a", B: "b" })],
  ["nullable", t.Nullable(t.String())],
  ["maybe empty", t.MaybeEmpty(t.String())],
  ["list", t.Array(t.Integer(), { minItems: 1, uniqueItems: true })],
  ["pair", t.Tuple([t.String(), t.Number()])],
  ["object", t.Object({ a: t.String(), b: t.Optional(t.Integer()) })],
  ["strict object", t.Object({ a: t.String() }, { additionalProperties: false })],
  ["object of numbers", t.Object({ a: t.String() }, { additionalProperties: t.Number() })],
  ["object with defaults", t.Object({ a: t.String({ default: "x" }), b: t.Integer({ default: 3 }) })],
  ["object with a wrong default", t.Object({ b: t.Integer({ default: "x" }) })],
  ["partial", t.Partial(t.Object({ a: t.String() }))],
  ["nested", t.Object({ c: t.Array(t.Object({ a: t.Integer({ default: 1 }) })) })],
  ["record", t.Record(t.String(), t.Integer())],
  ["record of numbers", t.Record(t.Number(), t.String())],
  ["record of names", t.Record(t.Union([t.Literal("a"), t.Literal("b")]), t.Unknown())],
  ["union", t.Union([t.Object({ a: t.String() }), t.Integer(), t.Array(t.String())])],
  ["intersection", t.Intersect([t.Object({ a: t.String() }), t.Object({ b: t.Number() })])],
  ["composite", t.Composite([t.Object({ a: t.String() }), t.Object({ b: t.Number() })])],
  ["never", t.Never()],
  ["described", t.Object({ a: t.String({ title: "A", description: "An a" }) }, { $id: "x", examples: [{}] })],
])("a portable schema takes what its TypeBox takes: %s", (_name, schema) => {
  const portable = toPortableSchema(schema);
  // As another process finds it in a plugin.json.
  const read = readPortableSchema(JSON.parse(JSON.stringify(portable)));
  if (read === null) throw new Error(`can't be read: ${JSON.stringify(portable)}`);
  for (const value of VALUES) {
    const text = JSON.stringify(value);
    const takes = (one: TSchema) => Value.Check(one, Value.Default(one, JSON.parse(text)));
    expect([text, takes(read.schema)]).toEqual([text, "payload" in readPayload({ schema }, text)]);
  }
});

test("without a schema, any JSON is taken", () => {
  expect(toPortableSchema(null)).toEqual({});
});

const deep = (levels: number): TSchema => (levels === 0 ? t.String() : t.Array(deep(levels - 1)));

test.each<[string, TSchema]>([
  ["an expression", t.String({ pattern: "^(a+)+$" })],
  ["a template", t.TemplateLiteral("a${string}")],
  ["keys by an expression", t.Record(t.String({ pattern: "^(a+)+$" }), t.Unknown())],
  ["something decoded", Type.Transform(t.String()).Decode(Number).Encode(String)],
  ["something decoded within", t.Object({ n: t.Numeric() })],
  ["a type of its own", t.Unsafe({ type: "string" })],
  ["itself within", t.Recursive((self) => t.Object({ c: t.Array(self) }))],
  ["a reference", t.Ref("other")],
  ["what it contains", t.Array(t.Unknown(), { contains: t.String() })],
  ["the rest of an intersection", t.Intersect([t.Object({})], { unevaluatedProperties: false })],
  ["a default that is made", t.Object({ a: t.Integer({ default: () => 1 }) })],
  ["a default that JSON doesn't know", t.Object({ a: t.Unknown({ default: new Date(0) }) })],
  ["an unknown format", t.String({ format: "of-nobody" })],
  ["too many levels", deep(30)],
  ["too much", t.UnionEnum(Array.from({ length: 3000 }, (_, i) => `choice ${i}`) as [string, ...string[]])],
  ["a property that is a prototype", t.Object({ ["__proto__"]: t.String() })],
])("a schema that others couldn't check alike isn't told: %s", (_name, schema) => {
  expect(toPortableSchema(schema)).toBeNull();
});

const nested = JSON.parse(`${'{"type":"array","items":'.repeat(5000)}{}${"}".repeat(5000)}`) as unknown;

test.each<[string, unknown]>([
  ["nothing", null],
  ["a text", "string"],
  ["a list", []],
  ["an unknown type", { type: "file" }],
  ["a type of every object", { type: "constructor" }],
  ["several types", { type: ["string", "null"] }],
  ["an unknown rule", { type: "string", maxBytes: 3 }],
  ["an expression", { type: "string", pattern: "^(a+)+$" }],
  ["keys by an expression", { type: "object", patternProperties: { "^(a+)+$": {} } }],
  ["two expressions", { type: "object", patternProperties: { "^(.*)$": {}, "^(0|[1-9][0-9]*)$": {} } }],
  ["a reference", { $ref: "https://example.com/schema.json" }],
  ["a rule of another type", { type: "integer", minLength: 1 }],
  ["a size that is a text", { type: "string", minLength: "1" }],
  ["a multiple of nothing", { type: "number", multipleOf: 0 }],
  ["an object without properties", { type: "object" }],
  ["properties that are a list", { type: "object", properties: [] }],
  ["a property that is none", { type: "object", properties: { a: true } }],
  ["a prototype", JSON.parse('{"type":"object","properties":{"__proto__":{}}}')],
  ["required that is a text", { type: "object", properties: {}, required: "a" }],
  ["a list without items", { type: "array" }],
  [
    "a tuple of another length",
    { type: "array", items: [{}], minItems: 2, maxItems: 2, additionalItems: false },
  ],
  ["an open tuple", { type: "array", items: [{}], minItems: 1, maxItems: 1 }],
  ["a union of nothing", { anyOf: [] }],
  ["a union that is an object", { anyOf: { a: {} } }],
  ["a denial of something", { not: { type: "string" } }],
  ["a choice of objects", { enum: [{}] }],
  ["a format of nobody", { type: "string", format: "of-nobody" }],
  ["too many levels", nested],
  ["a default of many levels", { type: "string", default: nested }],
  ["too much", { enum: Array.from({ length: 20_000 }, (_, i) => i) }],
])("a stranger's schema is not checked by: %s", (_name, given) => {
  expect(readPortableSchema(given)).toBeNull();
});
