import { expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import { t } from "elysia";
import { SchemaConverter } from "../../../src/web/openapi/schemas.ts";
import { mendTypes } from "../../../src/sdk/types.ts";

mendTypes(); // as for plugins

const convert = (schema: unknown): unknown => new SchemaConverter("x", {}).convert(schema, "input");

const DATE = { type: "string", format: "date-time" };
const FILE = { type: "string", format: "binary" };

test.each<[string, unknown, object]>([
  ["a date", t.Date({ description: "When" }), { ...DATE, description: "When" }],
  ["a date's default", t.Date({ default: new Date(0) }), { ...DATE, default: "1970-01-01T00:00:00.000Z" }],
  [
    "numbers and texts of an author",
    t.Union([t.Number(), t.String({ format: "date" })]),
    {
      anyOf: [{ type: "number" }, { type: "string", format: "date" }],
    },
  ],
  ["a number in text", t.Numeric({ minimum: 1 }), { type: "number", minimum: 1 }],
  ["a list in text", t.ArrayQuery(t.Integer()), { type: "array", items: { type: "integer" } }],
  [
    "an object in text",
    t.ObjectString({ a: t.Boolean() }),
    {
      type: "object",
      properties: { a: { type: "boolean" } },
      required: ["a"],
    },
  ],
  ["a big integer", t.BigInt({ minimum: 5n }), { type: "integer", minimum: 5 }],
  ["a regular expression", t.RegExp(/^a$/), { type: "string", pattern: "^a$" }],
  ["one that JSON Schema can't read", t.RegExp("^\\@$"), { type: "string" }],
  [
    "a tuple",
    t.Tuple([t.Date(), t.String()]),
    {
      type: "array",
      prefixItems: [DATE, { type: "string" }],
      items: false,
      minItems: 2,
      maxItems: 2,
    },
  ],
  ["bytes", t.Uint8Array(), FILE],
  ["a file", t.File({ type: "image/png", maxSize: "2m" }), FILE],
  ["files", t.Files({ maxItems: 2 }), { type: "array", maxItems: 2, items: FILE }],
  [
    "a form",
    t.Form({ file: t.File() }),
    {
      type: "object",
      properties: { file: FILE },
      required: ["file"],
    },
  ],
  ["what is never there", t.Undefined(), { not: {}, description: "Never there" }],
  [
    "what may be missing",
    t.Object({ a: t.MaybeEmpty(t.String()), b: t.Null() }),
    {
      type: "object",
      properties: { a: { type: ["string", "null"] }, b: { type: "null" } },
      required: ["b"],
    },
  ],
  [
    "null or a choice",
    t.Nullable(t.UnionEnum(["a", "b"])),
    {
      anyOf: [{ type: "string", enum: ["a", "b"] }, { type: "null" }],
    },
  ],
  ["literals", t.Union([t.Literal("a"), t.Literal("b")]), { type: "string", enum: ["a", "b"] }],
  ["literals of two types", t.Union([t.Literal("a"), t.Literal(1)]), { enum: ["a", 1] }],
  [
    "literals with words",
    t.Union([t.Literal("a", { title: "A" }), t.Literal("b")]),
    {
      anyOf: [
        { type: "string", const: "a", title: "A" },
        { type: "string", const: "b" },
      ],
    },
  ],
  [
    "cookies, and nothing of how they are signed",
    t.Cookie({ a: t.String() }, { secrets: "s", sign: ["a"] }),
    {
      type: "object",
      properties: { a: { type: "string" } },
      required: ["a"],
    },
  ],
  [
    "a function",
    t.Object({ run: t.Function([], t.Void()) }),
    {
      type: "object",
      properties: { run: { description: "No value of JSON" } },
      required: ["run"],
    },
  ],
  [
    "a reference to nothing",
    t.Ref("Missing"),
    {
      description: "Anything: this can't be said in JSON Schema",
    },
  ],
  [
    "wrong rules",
    Type.String({ minLength: -1, pattern: "(", maxLength: "3" as never, format: "uri" }),
    {
      type: "string",
      format: "uri",
    },
  ],
  [
    "OpenAPI 3.0",
    { type: "string", nullable: true, example: "a", exclusiveMinimum: true },
    {
      type: ["string", "null"],
      example: "a",
    },
  ],
  ["nothing", null, {}],
])("SchemaConverter converts %s", (_, schema, expected) => {
  expect(convert(schema)).toEqual(expected);
});

test("SchemaConverter makes models of what refers to itself, each under its own name", () => {
  const schemas = new SchemaConverter("x", {});
  const chain = t.Recursive((This) => t.Object({ next: t.Optional(This) }), { $id: "Chain" });
  const other = t.Recursive((This) => t.Object({ other: t.Optional(This) }), { $id: "Chain" });
  const unnamed = t.Recursive((This) => t.Array(This));
  const references = [chain, t.Optional(chain), other, unnamed].map((one) => schemas.convert(one, "input"));
  expect(references).toEqual(
    ["x.Chain", "x.Chain", "x.Chain_2", "x.Recursive"].map((name) => ({
      $ref: `#/components/schemas/${name}`,
    })),
  );
  expect(schemas.models).toMatchObject({
    "x.Chain": { properties: { next: { $ref: "#/components/schemas/x.Chain" } } },
    "x.Chain_2": { properties: { other: { $ref: "#/components/schemas/x.Chain_2" } } },
    "x.Recursive": { type: "array", items: { $ref: "#/components/schemas/x.Recursive" } },
  });
});

test("SchemaConverter finds what references mean where they stand", () => {
  const schemas = new SchemaConverter("x", { Item: t.Object({ model: t.Date() }) });
  const module = t.Module({ Item: t.Object({ inner: t.Ref("Other") }), Other: t.Date() });
  expect(schemas.convert(t.Object({ a: t.Ref("Item"), b: module.Import("Item") }), "input")).toMatchObject({
    properties: { a: { $ref: "#/components/schemas/x.Item" }, b: { $ref: "#/components/schemas/x.Item_2" } },
  });
  const standard = {
    "~standard": {
      version: 1,
      vendor: "test",
      jsonSchema: {
        input: () => ({
          type: "object",
          properties: { self: { $ref: "#" }, part: { $ref: "#/$defs/part" } },
          $defs: { part: { type: "integer" } },
        }),
      },
    },
  };
  expect(schemas.convert(standard, "input")).toEqual({
    type: "object",
    properties: {
      self: { $ref: "#/components/schemas/x.Recursive" },
      part: { $ref: "#/components/schemas/x.part" },
    },
  });
  expect(schemas.models).toMatchObject({
    "x.Item": { properties: { model: DATE } },
    "x.Item_2": { properties: { inner: { $ref: "#/components/schemas/x.Other" } } },
    "x.Other": DATE,
    "x.part": { type: "integer" },
  });
});
