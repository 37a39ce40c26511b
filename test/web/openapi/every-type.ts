import type { Files } from "../../setup.ts";

/** How plugins write each type of `t`, at least once. */
export const TYPES: Readonly<Record<string, readonly string[]>> = {
  Any: ["t.Any()"],
  Argument: ["t.Argument(0)"],
  Array: ["t.Array(t.Date(), { minItems: 1, uniqueItems: true, contains: t.Date() })"],
  ArrayBuffer: ["t.ArrayBuffer()"],
  ArrayQuery: ["t.ArrayQuery(t.Integer())"],
  ArrayString: ["t.ArrayString(t.Object({ a: t.BigInt() }))"],
  AsyncIterator: ["t.AsyncIterator(t.String())"],
  Awaited: ["t.Awaited(t.Promise(t.String()))"],
  BigInt: ["t.BigInt({ minimum: 5n, default: 7n })", "t.Object({ a: t.BigInt({ multipleOf: 2n }) })"],
  Boolean: ["t.Boolean({ default: false })"],
  BooleanString: ["t.BooleanString()"],
  Capitalize: ['t.Capitalize(t.Literal("a"))'],
  Composite: ["t.Composite([t.Object({ a: t.Date() }), t.Object({ b: t.RegExp(/b/) })])"],
  Const: ['t.Const({ a: [1, "x", 5n, undefined] as const })'],
  Constructor: ["t.Constructor([t.String()], t.Number())"],
  ConstructorParameters: ["t.ConstructorParameters(t.Constructor([t.Date()], t.Number()))"],
  Cookie: ['t.Cookie({ a: t.Date() }, { secrets: "very-secret-key", sign: ["a"], httpOnly: true })'],
  Date: ["t.Date({ default: new Date(0), minimumTimestamp: 5 })", "t.Object({ at: t.Optional(t.Date()) })"],
  Enum: ["t.Enum({ a: 1, b: 'x' })"],
  Exclude: ['t.Exclude(t.Union([t.Literal("a"), t.Literal(1), t.Literal(true)]), t.String())'],
  Extends: ["t.Extends(t.String(), t.Any(), t.Date(), t.BigInt())"],
  Extract: ['t.Extract(t.Union([t.Literal("a"), t.Literal(1)]), t.String())'],
  File: ['t.File({ type: "image/png", maxSize: "2m" })', "t.Object({ file: t.File() })"],
  Files: ["t.Files({ maxItems: 3 })", "t.Object({ files: t.Files() })"],
  Form: ["t.Form({ a: t.File(), b: t.String() })"],
  Function: ["t.Function([t.String()], t.Date())"],
  Index: ['t.Index(t.Object({ a: t.Date() }), ["a"])'],
  InstanceType: ["t.InstanceType(t.Constructor([], t.Date()))"],
  Instantiate: ["t.Instantiate(t.Argument(0), [t.Date()])"],
  Integer: ["t.Integer({ minimum: 1, maximum: Infinity, multipleOf: 0 })"],
  Intersect: [
    "t.Intersect([t.Object({ a: t.Date() }), t.Object({ b: t.Undefined() })], { unevaluatedProperties: t.BigInt() })",
  ],
  Iterator: ["t.Iterator(t.String())"],
  KeyOf: ["t.KeyOf(t.Object({ a: t.Date(), b: t.Date() }))"],
  Literal: ["t.Literal(5)", 't.Object({ a: t.Literal("x") })'],
  Lowercase: ['t.Lowercase(t.Literal("A"))'],
  Mapped: ['t.Mapped(t.Union([t.Literal("a"), t.Literal("b")]), () => t.Date())'],
  MaybeEmpty: ["t.MaybeEmpty(t.Date())", "t.Object({ a: t.MaybeEmpty(t.String({ minLength: 1 })) })"],
  Module: [
    't.Module({ A: t.Object({ b: t.Array(t.Ref("B")), at: t.Date() }), B: t.Object({ a: t.Optional(t.Ref("A")) }), C: t.Partial(t.Ref("A")) }).Import("A")',
    't.Module({ A: t.Object({ other: t.Literal(true) }), C: t.Pick(t.Ref("A"), t.Literal("other")) }).Import("C")',
  ],
  Never: ["t.Never()", "t.Object({ a: t.Never() })"],
  NoValidate: ["t.NoValidate(t.Object({ a: t.Date() }))"],
  Not: ["t.Not(t.RegExp(/a/))"],
  Null: ["t.Null()"],
  Nullable: ["t.Nullable(t.Object({ a: t.Date() }))", "t.Nullable(t.UnionEnum(['a', 'b']))"],
  Number: ["t.Number({ exclusiveMinimum: true as any, maximum: NaN, default: NaN })"],
  Numeric: ["t.Numeric({ minimum: 0 })"],
  NumericEnum: ["t.NumericEnum({ a: 1, b: 2 })"],
  Object: [
    't.Object({ "$ref": t.String(), type: t.Date(), "a/b~c d": t.Integer(), __proto__: t.Any(), "é": t.Any() }, { additionalProperties: t.BigInt() })',
    't.Object({}, { "~standard": undefined, description: 5 as any, title: ["x"] as any, examples: "none" as any })',
  ],
  ObjectString: ["t.ObjectString({ a: t.Date() })"],
  Omit: ['t.Omit(t.Object({ a: t.Date(), b: t.BigInt() }), ["a"])'],
  Optional: ["t.Optional(t.Object({ a: t.Optional(t.Undefined()) }))"],
  Parameters: ["t.Parameters(t.Function([t.Date(), t.String()], t.Void()))"],
  Partial: ["t.Partial(t.Object({ a: t.Date(), b: t.MaybeEmpty(t.BigInt()) }))"],
  Pick: ['t.Pick(t.Object({ a: t.Date(), b: t.BigInt() }), ["b"])'],
  Promise: ["t.Promise(t.String())"],
  Readonly: ["t.Object({ a: t.Readonly(t.Date()) })"],
  ReadonlyOptional: ["t.Object({ a: t.ReadonlyOptional(t.Date()) })"],
  Record: [
    "t.Record(t.String(), t.Date())",
    "t.Record(t.RegExp(/^\\-a$/), t.BigInt())",
    't.Record(t.TemplateLiteral("a${0|1}"), t.Any())',
  ],
  Recursive: [
    "t.Recursive((This) => t.Object({ at: t.Date(), children: t.Array(This) }))",
    't.Recursive((This) => t.Object({ next: t.Optional(t.Nullable(This)) }), { $id: "Chain" })',
    't.Recursive((This) => t.Object({ another: t.Optional(This) }), { $id: "Chain" })',
    't.Recursive((This) => t.Tuple([t.BigInt(), t.Optional(This)]), { $id: "odd name/é" })',
  ],
  Ref: ['t.Ref("Item")', 't.Ref("odd model/é")', 't.Ref("Missing")', 't.Ref("#/components/schemas/Item")'],
  RegExp: ["t.RegExp(/^a$/i)", 't.RegExp("^\\\\@a")', "t.RegExp(/(?<year>\\d{4})/u)"],
  Required: ["t.Required(t.Object({ a: t.Optional(t.Date()) }))"],
  Rest: ["t.Tuple(t.Rest(t.Tuple([t.Date(), t.BigInt()])))"],
  ReturnType: ["t.ReturnType(t.Function([], t.Date()))"],
  String: [
    't.String({ pattern: "(", minLength: -1, maxLength: 1.5, format: "uri" })',
    "t.String({ pattern: /a/ as any })",
  ],
  Symbol: ["t.Symbol()"],
  TemplateLiteral: ['t.TemplateLiteral("v${0|1}-${string}")'],
  Transform: [
    "t.Transform(t.String()).Decode(Number).Encode(String)",
    "t.Transform(t.Date()).Decode(Number).Encode((n) => new Date(n))",
  ],
  Tuple: ["t.Tuple([t.Date(), t.Integer()])", "t.Tuple([])"],
  Uint8Array: ["t.Uint8Array({ minByteLength: 2 })", "t.Object({ a: t.Uint8Array() })"],
  Uncapitalize: ['t.Uncapitalize(t.Literal("A"))'],
  Undefined: ["t.Undefined()", "t.Object({ a: t.Undefined(), b: t.Optional(t.Undefined()) })"],
  Union: [
    "t.Union([])",
    "t.Union([t.Date(), t.BigInt(), t.Undefined(), t.Null()])",
    "t.Union([t.Literal(1), t.Literal('a')])",
  ],
  UnionEnum: ['t.UnionEnum(["a", 1, null])', "t.UnionEnum([5, 6])"],
  Unknown: ["t.Unknown()"],
  Unsafe: [
    't.Unsafe({ type: "Date" })',
    't.Unsafe({ type: ["string", "Date"], nullable: true, items: [{ type: "bigint" }], required: true, default: () => 1 })',
    't.Unsafe({ $ref: "https://example.com/else.json", enum: "a", properties: [], definitions: { a: 5 }, dependencies: { a: ["b"] } })',
    "t.Unsafe(thrower)",
    "t.Unsafe(circle)",
    "t.Unsafe(deep)",
    't.Unsafe({ $defs: { a: { type: "object", properties: { next: { $ref: "#/$defs/a" }, all: { $ref: "#" }, odd: { $ref: "#/%" } } } }, $ref: "#/$defs/a" })',
    't.Unsafe({ anyOf: "none", allOf: [], oneOf: [5], not: 5, not2: {}, if: "x", xml: 5, externalDocs: {}, discriminator: "kind" })',
  ],
  Uppercase: ['t.Uppercase(t.Literal("a"))'],
  Void: ["t.Void()", "t.Object({ a: t.Void() })"],
};

/** A plugin that uses each type wherever a route can have one. */
const RUN = `import { t } from "elysia";
import { createRouter } from "xcore";
const circle: any = { type: "object", properties: {} };
circle.properties.self = circle;
const thrower = { type: "object", properties: Object.defineProperty({}, "a", { enumerable: true, get() { throw new Error("no"); } }) };
let deep: any = { type: "string" };
for (let level = 0; level < 20_000; level += 1) deep = { type: "array", items: deep };
const makers: Record<string, () => any> = {
${Object.values(TYPES)
  .flat()
  .map((code, index) => `  ${JSON.stringify(`n${index}`)}: () => ${code},`)
  .join("\n")}
};
const router: any = createRouter().model({ Item: t.Object({ n: t.Integer() }), "odd model/é": t.Object({ at: t.Date() }) });
const failed: string[] = [];
for (const [name, make] of Object.entries(makers)) {
  const at = (what: string, options: any, method = "post") => {
    try {
      router.route(method.toUpperCase(), "/" + name + "/" + what + (what === "params" ? "/:value" : ""), () => 1, options);
    } catch (error) {
      failed.push(name + " " + what + ": " + error);
    }
  };
  at("body", { body: make() });
  at("within", { body: t.Object({ value: make(), more: t.Optional(make()), all: t.Array(make()) }) });
  at("query", { query: t.Object({ value: make(), more: t.Optional(make()) }) }, "get");
  at("whole-query", { query: make() }, "get");
  at("params", { params: t.Object({ value: make() }) }, "get");
  at("headers", { headers: t.Object({ "x-value": make(), authorization: t.Optional(make()) }) }, "get");
  at("cookie", { cookie: t.Cookie({ value: make() }, { secrets: "very-secret-key" }) }, "get");
  at("response", { response: make() }, "get");
  at("statuses", { response: { 200: make(), 201: make(), 204: make(), 404: t.Object({ value: make() }) } });
  at("detail", { detail: { responses: { 200: { description: "Described", content: { "application/json": { schema: make() } } } } } });
  try {
    router.model({ ["Model" + name]: make() });
  } catch (error) {
    failed.push(name + " model: " + error);
  }
}
router.get("/failed", () => failed, { detail: { hide: true } });
export default router;
`;

export const TYPES_PLUGIN: Files = {
  "types/plugin.json": { name: "types", version: "1.0.0" },
  "types/run.ts": RUN,
};
