import { expect, expectTypeOf, test } from "bun:test";
import type { Static, StaticDecode } from "@sinclair/typebox";
import { DIALECTS } from "../../../src/db/contract/driver.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { bodyOf, pageOf, patchOf, rowOf } from "../../../src/resources/schemas/tables.ts";
import { TABLE_MAKERS } from "../../db/table-makers.ts";
import { TestApp } from "../../setup.ts";

const SCHEMA = `
  export const things = table("shop_things", {
    id: id(),
    key: uuid().notNull().defaultRandom(),
    title: varchar(5).notNull(),
    note: text(),
    count: integer(),
    big: bigint(),
    price: decimal(6, 2).notNull(),
    part: decimal(2, 2),
    whole: decimal(3, 0),
    paid: boolean().notNull().default(false),
    due: date(),
    at: timestamp().notNull().defaultNow(),
    data: json(),
    stage: enumOf(["new", "won"]).notNull().default("new"),
    owner_id: references(() => users.id),
  });
`;
const PLUGIN = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/run.ts": `
    import { bigint, boolean, date, decimal, enumOf, id, integer, json, references, table, text, timestamp, users, uuid, varchar } from "xcore/schema";
    import { bodyOf, createRouter, pageOf, patchOf, rowOf } from "xcore";
    ${SCHEMA}
    const row = {
      id: 1, key: "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b", title: "🎉🎉🎉🎉🎉", note: null, count: 1, big: 2, price: "1.50", part: null,
      whole: null, paid: true, due: "2026-01-31", at: new Date("2026-01-31T08:30:00.000Z"), data: { a: [1] }, stage: "won", owner_id: null,
    };
    export default createRouter()
      .get("/", () => ({ items: [row], page: 1, per_page: 20, total: 1 }), { response: pageOf(rowOf(things)) })
      .get("/:id", () => ({ ...row, secret: 1 }), { response: rowOf(things) })
      .post("/", ({ body }) => ({ ...body, isDate: body.at instanceof Date }), { body: bodyOf(things, { omit: ["key"] }) })
      .patch("/:id", ({ body }) => body, { body: patchOf(things) });
  `,
};
const NEW = { title: "a", price: "1.5" };

interface Body {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, object>>;
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> & { readonly errors?: readonly { path: string; code: string }[] };
}

/** What an operation of the API documentation says of its body. */
function schemaOf(operation: unknown): Body {
  const { requestBody } = operation as { requestBody: { content: Record<string, { schema: Body }> } };
  return requestBody.content["application/json"]?.schema as Body;
}

async function send(app: TestApp, body: unknown, method = "POST"): Promise<Answer> {
  const path = method === "POST" ? "/shop" : "/shop/1";
  const headers = { "content-type": "application/json" };
  const response = await app.fetch(path, { method, headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

test("a body takes what the table takes", async () => {
  await using app = await TestApp.start({ plugins: PLUGIN });
  const taken: [string, unknown][] = [
    ["title", "🎉🎉🎉🎉🎉"],
    ["note", null],
    ["note", "x".repeat(10_000)],
    ["count", -(2 ** 31)],
    ["big", Number.MAX_SAFE_INTEGER],
    ["price", "-9999.99"],
    ["part", "0.25"],
    ["part", ".25"],
    ["whole", "999"],
    ["paid", true],
    ["due", "2024-02-29"],
    ["at", "2026-01-31T08:30:00+01:00"],
    ["data", [{ a: null }]],
    ["data", null],
    ["stage", "won"],
    ["owner_id", 7],
  ];
  for (const [name, value] of taken) {
    const { status, body } = await send(app, { ...NEW, [name]: value });
    expect([name, status]).toEqual([name, 200]);
    if (name !== "at") expect(body[name]).toEqual(value);
  }
  expect((await send(app, { ...NEW, at: "2026-01-31T08:30:00+01:00" })).body).toMatchObject({
    at: "2026-01-31T07:30:00.000Z",
    isDate: true,
  });
});

test("a body says of each field what rule it breaks", async () => {
  await using app = await TestApp.start({ plugins: PLUGIN });
  const refused: [string, unknown, string][] = [
    ["title", "🎉🎉🎉🎉🎉🎉", "too_long"],
    ["title", 1, "type"],
    ["title", null, "type"],
    ["title", undefined, "required"],
    ["note", "a\0b", "invalid"],
    ["note", "\ud800", "invalid"],
    ["count", 2 ** 31, "out_of_range"],
    ["count", 1.5, "type"],
    ["count", "1", "type"],
    ["big", 2 ** 53, "out_of_range"],
    ["price", "10000", "decimal"],
    ["price", "1.555", "decimal"],
    ["price", 1.5, "type"],
    ["price", "1e3", "decimal"],
    ["part", "1.5", "decimal"],
    ["whole", "1.5", "decimal"],
    ["paid", "yes", "type"],
    ["due", "2023-02-29", "date"],
    ["at", "2026-02-30T08:30:00Z", "date_time"],
    ["at", "2026-01-31", "date_time"],
    ["at", 0, "type"],
    ["data", { a: "\0" }, "invalid"],
    ["stage", "lost", "one_of"],
    ["stage", null, "type"],
    ["owner_id", "7", "type"],
  ];
  for (const [name, value, code] of refused) {
    const { status, body } = await send(app, { ...NEW, [name]: value });
    expect([name, value, status, body.errors?.[0]?.code]).toEqual([name, value, 422, code]);
    expect(body.errors?.[0]?.path).toBe(`/body/${name}`);
  }
});

test("a change has at least one of the columns, each by the same rules", async () => {
  await using app = await TestApp.start({ plugins: PLUGIN });
  expect(await send(app, { title: "b" }, "PATCH")).toEqual({ status: 200, body: { title: "b" } });
  expect((await send(app, {}, "PATCH")).status).toBe(422);
  expect((await send(app, { id: 5 }, "PATCH")).status).toBe(422);
  expect((await send(app, { title: null }, "PATCH")).status).toBe(422);
});

test("rows are answered as the table declares them, and without what it doesn't", async () => {
  await using app = await TestApp.start({ plugins: PLUGIN });
  const row = (await (await app.fetch("/shop/1")).json()) as Record<string, unknown>;
  expect(row).toMatchObject({
    title: "🎉🎉🎉🎉🎉",
    price: "1.50",
    at: "2026-01-31T08:30:00.000Z",
    note: null,
  });
  expect(row).not.toHaveProperty("secret");
  expect(await (await app.fetch("/shop")).json()).toEqual({ items: [row], page: 1, per_page: 20, total: 1 });
});

test("the API documentation says what the table does", async () => {
  await using app = await TestApp.start({ plugins: PLUGIN });
  const answer = await app.fetch("/openapi.json");
  const { paths } = (await answer.json()) as { paths: Record<string, Record<string, unknown>> };
  const body = schemaOf(paths["/shop/"]?.["post"]);
  expect(body.required).toEqual(["title", "price"]);
  expect(Object.keys(body.properties)).not.toContain("id");
  expect(Object.keys(body.properties)).not.toContain("key");
  expect(body.properties).toMatchObject({
    title: { type: "string", maxLength: 5 },
    note: { type: ["string", "null"] },
    count: { type: ["integer", "null"], minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
    price: { type: "string", pattern: "^-?(0|[1-9]\\d{0,3})(\\.\\d{1,2})?$" },
    paid: { type: "boolean" },
    due: { type: ["string", "null"], format: "date" },
    at: { type: "string", format: "date-time" },
    stage: { type: "string", enum: ["new", "won"] },
    owner_id: { type: ["integer", "null"] },
  });
  expect(schemaOf(paths["/shop/{id}"]?.["patch"])).toMatchObject({ minProperties: 1 });
});

for (const dialect of DIALECTS) {
  test(`columns tell what they were declared as on ${dialect}`, () => {
    const { kindOf, targetOf, ...schema } = createSchemaModule(TABLE_MAKERS[dialect]);
    const { decimal, enumOf, id, references, table, users, varchar } = schema;
    const deals = table("deals", {
      id: id(),
      title: varchar(80).notNull(),
      stage: enumOf(["open", "won"]),
      amount: decimal(15, 2),
      owner_id: references(() => users.id),
    });
    expect(kindOf(deals.title)).toEqual({ type: "varchar", length: 80 });
    expect(kindOf(deals.stage)).toEqual({ type: "enum", values: ["open", "won"] });
    expect(kindOf(deals.amount)).toEqual({ type: "decimal", precision: 15, scale: 2 });
    expect(targetOf(deals.owner_id)).toBe(users.id);
    expect(targetOf(deals.title)).toBeNull();
  });
}

test("schemas have the types of the table", () => {
  const { decimal, enumOf, id, table, timestamp, varchar } = createSchemaModule(TABLE_MAKERS.sqlite);
  const deals = table("deals", {
    id: id(),
    title: varchar(80).notNull(),
    stage: enumOf(["open", "won"]).notNull().default("open"),
    amount: decimal(15, 2),
    closed_at: timestamp(),
  });
  const row = rowOf(deals);
  expectTypeOf<Static<typeof row>>().toEqualTypeOf<typeof deals.$inferSelect>();
  const body = bodyOf(deals, { omit: ["closed_at"] });
  expectTypeOf<StaticDecode<typeof body>>().toEqualTypeOf<{
    title: string;
    stage?: "open" | "won";
    amount?: string | null;
  }>();
  const patch = patchOf(deals, { pick: ["title", "stage"] });
  expectTypeOf<StaticDecode<typeof patch>>().toEqualTypeOf<{ title?: string; stage?: "open" | "won" }>();
  const rows = pageOf(row);
  expectTypeOf<Static<typeof rows>["items"][number]>().toEqualTypeOf<typeof deals.$inferSelect>();
  // @ts-expect-error -- a generated key isn't given
  expect(() => bodyOf(deals, { pick: ["id"] })).toThrow('Cannot take "id" of "deals"');
  // @ts-expect-error -- no such column
  expect(() => patchOf(deals, { omit: ["nme"] })).toThrow('Cannot take "nme" of "deals"');
});
