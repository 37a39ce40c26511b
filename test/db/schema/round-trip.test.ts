import { asc, desc, eq, gt, gte, inArray, lt, max, sql, sum } from "drizzle-orm";
import { expect } from "bun:test";
import { DatabaseError } from "../../../src/db/contract/database-error.ts";
import type { Dialect, Driver } from "../../../src/db/contract/driver.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { createTables } from "./created-tables.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

function declareTables(dialect: Dialect) {
  const schema = createSchemaModule(TABLE_MAKERS[dialect]);
  const { bigint, boolean, date, decimal, enumOf, id, integer, json, references } = schema;
  const { relations, table, text, timestamp, uuid, varchar } = schema;
  const owners = table("owners", { id: id(), name: text() });
  const samples = table("samples", {
    id: id(),
    owner_id: references(() => owners.id, { onDelete: "cascade" }),
    uuid: uuid().defaultRandom(),
    text: text(),
    varchar: varchar(10),
    integer: integer(),
    bigint: bigint(),
    decimal: decimal(15, 2),
    long_decimal: decimal(18, 4),
    boolean: boolean(),
    timestamp: timestamp(),
    date: date(),
    json: json(),
    status: enumOf(["draft", "it's"]),
  });
  const ownerRelations = relations(owners, ({ many }) => ({ samples: many(samples) }));
  const sampleRelations = relations(samples, ({ one }) => ({
    owner: one(owners, { fields: [samples.owner_id], references: [owners.id] }),
  }));
  return { owners, samples, ownerRelations, sampleRelations };
}

async function createSamples(driver: Driver) {
  const tables = declareTables(driver.dialect);
  await createTables(driver, tables);
  const db = driver.toDatabase(tables);
  await db.insert(tables.owners).values({ id: 1, name: "Zoë" });
  return { ...tables, db };
}

type Sample = ReturnType<typeof declareTables>["samples"]["$inferSelect"];

const EMPTY: Sample = {
  id: 1,
  owner_id: 1,
  uuid: null,
  text: null,
  varchar: null,
  integer: null,
  bigint: null,
  decimal: null,
  long_decimal: null,
  boolean: null,
  timestamp: null,
  date: null,
  json: null,
  status: null,
};

const FULL: Sample = {
  ...EMPTY,
  uuid: "01890a5d-ac96-774b-bcce-b302099a8057",
  text: "Zoë 👩‍👩‍👧 é e\u0301 \\ ' \" ` ? $1 :x %\n\t 漢字",
  varchar: "ten 👩 chars".slice(0, 10),
  integer: -2147483648,
  bigint: 9007199254740991,
  decimal: "1234567890123.45",
  long_decimal: "12345678901234.5678",
  boolean: true,
  timestamp: new Date("2024-02-29T23:59:59.987Z"),
  date: "2024-02-29",
  json: { nested: { list: [1, "two", null, true, { three: 3.5 }] }, 'a"b\\c': "👩 ' \\ \" \n", empty: {} },
  status: "it's",
};

/** The row alone, with the values that matter at the edges. */
const EDGES: readonly Partial<Sample>[] = [
  {},
  { text: "", varchar: "", json: "", decimal: "0.00", integer: 0, bigint: 0, boolean: false },
  { json: "123", text: "123", varchar: "1e3" },
  { json: '{"a":1}', text: "null", varchar: "true" },
  { json: "null" },
  { json: 0 },
  { json: -1.5e-7 },
  { json: 0.1 + 0.2 },
  { json: false },
  { json: [] },
  { json: [null, [null]] },
  { json: "plain" },
  { decimal: "-9999999999999.99", long_decimal: "-99999999999999.9999" },
  { decimal: "0.01", long_decimal: "0.0001" },
  { decimal: "-0.10", long_decimal: "100000000000.0000" },
  { decimal: "100.00", long_decimal: "0.0000" },
  { bigint: -9007199254740991, integer: 2147483647 },
  { timestamp: new Date(0) },
  { timestamp: new Date("1969-12-31T23:59:59.001Z"), date: "1969-12-31" },
  { timestamp: new Date("0001-01-01T00:00:00.000Z"), date: "0001-01-01" },
  { timestamp: new Date("9999-12-31T23:59:59.999Z"), date: "9999-12-31" },
  { timestamp: new Date("2024-03-31T01:30:00.120Z"), date: "2024-03-31" },
];

testOnEachDialect(
  "every type is read as it was written, by select, returning and with",
  async ({ driver }) => {
    const { db, samples } = await createSamples(driver);
    for (const [position, edge] of [FULL, ...EDGES].entries()) {
      const row = { ...EMPTY, ...edge, id: position + 1 };
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect(await db.insert(samples).values(row).returning()).toEqual([row]);
      // oxlint-disable-next-line no-await-in-loop
      expect(await db.select().from(samples).where(eq(samples.id, row.id))).toEqual([row]);
    }
    const rows = await db.select().from(samples).orderBy(asc(samples.id));
    expect(rows).toHaveLength(EDGES.length + 1);

    const [owner] = await db.query.owners.findMany({ with: { samples: true } });
    expect(owner?.samples.toSorted((a, b) => a.id - b.id)).toEqual(rows);
    const [related] = await db.query.samples.findMany({
      where: eq(samples.id, 1),
      with: {
        owner: {
          columns: { name: true },
          with: { samples: { columns: { id: true, long_decimal: true, json: true } } },
        },
      },
    });
    expect(related).toEqual({
      ...FULL,
      owner: {
        name: "Zoë",
        samples: expect.arrayContaining([{ id: 1, long_decimal: FULL.long_decimal, json: FULL.json }]),
      },
    });
  },
);

async function ids(query: PromiseLike<{ id: number }[]>): Promise<number[]> {
  return (await query).map(({ id }) => id);
}

testOnEachDialect("decimals and timestamps sort and compare by their value", async ({ driver }) => {
  const { db, samples } = await createSamples(driver);
  const decimals = ["-10.50", "-9.00", "0.00", "9.99", "10.00", "1000.01", "9999999999999.99"];
  const times = [
    "1900-01-01",
    "1969-12-31T23:59:59.999",
    "1970-01-01",
    "2001-09-09T01:46:39.999",
    "2001-09-09T01:46:40",
    "2024-01-01",
    "2100-01-01",
  ];
  const rows = decimals.map((decimal, index) => ({
    id: index + 1,
    decimal,
    timestamp: new Date(times[index]?.padEnd(10).concat(times[index]?.includes("T") ? "Z" : "") ?? ""),
  }));
  await db.insert(samples).values(rows.toReversed());
  const select = () => db.select({ id: samples.id }).from(samples);

  expect(await ids(select().orderBy(samples.decimal))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(await ids(select().orderBy(desc(samples.timestamp)))).toEqual([7, 6, 5, 4, 3, 2, 1]);
  expect(await ids(select().where(gt(samples.decimal, "9.99")).orderBy(samples.id))).toEqual([5, 6, 7]);
  expect(await ids(select().where(eq(samples.decimal, "10")))).toEqual([5]);
  expect(
    await ids(
      select()
        .where(inArray(samples.decimal, ["-9", "+9.990"]))
        .orderBy(samples.id),
    ),
  ).toEqual([2, 4]);
  const second = new Date("2001-09-09T01:46:40.000Z");
  expect(await ids(select().where(lt(samples.timestamp, second)).orderBy(samples.id))).toEqual([1, 2, 3, 4]);
  expect(await ids(select().where(gte(samples.timestamp, second)).orderBy(samples.id))).toEqual([5, 6, 7]);
  expect(await ids(select().where(eq(samples.timestamp, second)))).toEqual([5]);

  const [totals] = await db
    .select({ max: max(samples.decimal), sum: sum(samples.decimal).mapWith(samples.decimal) })
    .from(samples);
  expect(totals).toEqual({ max: "9999999999999.99", sum: "10000000001000.49" });
});

testOnEachDialect("defaults are the same on every database", async ({ driver }) => {
  const { boolean, date, decimal, enumOf, id, integer, json, table, text, timestamp, uuid, varchar } =
    createSchemaModule(driver.tableMakers);
  const data = { 'it\'s "quoted"': "back\\slash\n", list: [1, null] };
  const defaults = table("defaults", {
    id: id(),
    uuid: uuid().notNull().defaultRandom(),
    text: text().notNull().default('it\'s a \\ ? and "quotes"'),
    varchar: varchar(20).notNull().default("👩"),
    integer: integer().notNull().default(-3),
    decimal: decimal(15, 2).notNull().default("1.5"),
    long_decimal: decimal(20, 4).notNull().default("-1.5"),
    boolean: boolean().notNull().default(true),
    timestamp: timestamp().notNull().defaultNow(),
    fixed: timestamp().notNull().default(new Date("2024-02-29T12:00:00.123Z")),
    date: date().notNull().default("2024-02-29"),
    json: json().notNull().default(data),
    status: enumOf(["draft", "it's"]).notNull().default("it's"),
  });
  await createTables(driver, { defaults });
  const db = driver.toDatabase({ defaults });
  const before = Date.now() - 1000;
  const [row] = await db.insert(defaults).values({}).returning();
  const after = Date.now() + 1000;
  expect(row).toEqual({
    id: 1,
    uuid: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
    text: 'it\'s a \\ ? and "quotes"',
    varchar: "👩",
    integer: -3,
    decimal: "1.50",
    long_decimal: "-1.5000",
    boolean: true,
    timestamp: expect.any(Date),
    fixed: new Date("2024-02-29T12:00:00.123Z"),
    date: "2024-02-29",
    json: data,
    status: "it's",
  });
  expect(row?.timestamp.getTime()).toBeWithin(before, after);
});

async function thrownBy(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    return error;
  }
}

testOnEachDialect("a value that doesn't fit is refused, and isn't in the error", async ({ driver }) => {
  const { db, samples } = await createSamples(driver);
  const loop: Record<string, unknown> = {};
  loop["secret42"] = loop;
  const wrong: readonly Partial<Record<keyof Sample, unknown>>[] = [
    { varchar: "secret42 👩👩👩" },
    { status: "secret42" },
    { integer: 2147483648 },
    { integer: 1.5 },
    { bigint: 9007199254740992 },
    { bigint: 1.5 },
    { decimal: "secret42" },
    { decimal: "1.234" },
    { decimal: "12345678901234" },
    { decimal: "1e3" },
    { decimal: "" },
    { decimal: "NaN" },
    { long_decimal: "123456789012345" },
    { timestamp: new Date("secret42") },
    { timestamp: new Date(8.64e15) },
    { date: "2023-02-29" },
    { date: "today" },
    { date: "0000-01-01" },
    { uuid: "secret42" },
    { text: "secret42\0" },
    { text: "secret42\ud800" },
    { json: { a: "secret42\0" } },
    { json: "secret42\ud800" },
    { json: loop },
    { json: { a: 1n } },
    { json: { secret42: Number.NaN } },
    { json: JSON.parse(`${"[".repeat(32)}${"]".repeat(32)}`) as unknown },
    { varchar: "secret42     " },
    ...[1, 0, "true", "false", "secret42", "", [], {}].map((boolean) => ({ boolean })),
    ...["12", 1.5, true, "secret42", 2 ** 53].map((id) => ({ id })),
  ];
  for (const values of wrong) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const error = await thrownBy(async () => db.insert(samples).values(values as Sample));
    expect(error).toBeInstanceOf(DatabaseError);
    expect(Bun.inspect(error)).not.toContain("secret42");
  }
  expect(await db.$count(samples)).toBe(0);
  for (const boolean of [1, "true"] as unknown as boolean[]) {
    // oxlint-disable-next-line no-await-in-loop
    const error = await thrownBy(async () => db.update(samples).set({ boolean }));
    expect(error).toMatchObject({ fault: "value", table: "samples", column: "boolean" });
  }
  const deepest = JSON.parse(`${"[".repeat(31)}${"]".repeat(31)}`) as unknown;
  await db.insert(samples).values({ id: 2, json: deepest });
  expect(await db.select({ json: samples.json }).from(samples)).toEqual([{ json: deepest }]);
  await db.delete(samples);
  await db.insert(samples).values({ id: 1, varchar: "👩".repeat(10) });
  expect(await db.select({ varchar: samples.varchar }).from(samples)).toEqual([{ varchar: "👩".repeat(10) }]);
});

testOnEachDialect("SQL of one's own is held to lengths and enums too", async ({ driver }) => {
  const { db, samples } = await createSamples(driver);
  await db.insert(samples).values({ id: 1, status: "draft", varchar: "short" });
  const wrong = [
    sql`${sql.identifier("status")} = ${"other"}`,
    sql`${sql.identifier("varchar")} = ${"12345678901"}`,
  ];
  for (const assignment of wrong) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const error = await thrownBy(() => db.execute(sql`update ${samples} set ${assignment}`));
    expect(error).toBeInstanceOf(DatabaseError);
    expect(["check", "value"]).toContain((error as DatabaseError).fault);
  }
  expect(await db.select({ status: samples.status, varchar: samples.varchar }).from(samples)).toEqual([
    { status: "draft", varchar: "short" },
  ]);
});

testOnEachDialect("a value that no column could hold finds nothing, where it is text", async ({ driver }) => {
  const { db, samples } = await createSamples(driver);
  await db.insert(samples).values({ id: 1, status: "draft", varchar: "short" });
  expect(
    await db
      .select()
      .from(samples)
      .where(eq(samples.varchar, "x".repeat(300))),
  ).toEqual([]);
  expect(
    await db
      .select()
      .from(samples)
      .where(eq(samples.status, "other" as "draft")),
  ).toEqual([]);
});

testOnEachDialect(
  "values of relations are right below filters, order, limits and extras",
  async ({ driver }) => {
    const { db, samples } = await createSamples(driver);
    const rows = ["100000000000.0001", "99.9999", "-12345678901234.5678"].map((long_decimal, index) => ({
      id: index + 1,
      owner_id: 1,
      long_decimal,
      json: String(index),
    }));
    await db.insert(samples).values(rows);
    const [owner] = await db.query.owners.findMany({
      with: {
        samples: {
          columns: { json: true, long_decimal: true },
          extras: { twice: sql<number>`${samples.id} * 2`.as("twice") },
          where: gt(samples.id, 1),
          with: { owner: { columns: { name: true } } },
        },
      },
    });
    expect(owner?.samples.toSorted((a, b) => a.twice - b.twice)).toEqual([
      { json: "1", long_decimal: "99.9999", twice: 4, owner: { name: "Zoë" } },
      { json: "2", long_decimal: "-12345678901234.5678", twice: 6, owner: { name: "Zoë" } },
    ]);
    const sorted = await db.query.owners.findFirst({
      with: { samples: { columns: { json: true, long_decimal: true }, orderBy: desc(samples.id), limit: 2 } },
    });
    expect(sorted?.samples).toEqual([
      { json: "2", long_decimal: "-12345678901234.5678" },
      { json: "1", long_decimal: "99.9999" },
    ]);
  },
);

testOnEachDialect("users have their defaults, and the time of their last change", async ({ driver }) => {
  const { users } = createSchemaModule(driver.tableMakers);
  await createTables(driver, { users });
  const db = driver.toDatabase({ users });
  const [user] = await db.insert(users).values({ email: "zoe@example.com" }).returning();
  expect(user).toMatchObject({ id: 1, email: "zoe@example.com", full_name: null, is_active: true });
  const longAgo = new Date("2020-01-01T00:00:00Z");
  await db.update(users).set({ updated_at: longAgo });
  await db.update(users).set({ is_active: false });
  const [changed] = await db.select().from(users);
  expect(changed?.is_active).toBe(false);
  expect(changed?.updated_at.getTime()).toBeGreaterThan(longAgo.getTime());
  expect(changed?.created_at).toEqual(user?.created_at ?? longAgo);
  const error = await thrownBy(async () => db.insert(users).values({ email: "zoe@example.com" }));
  expect(error).toMatchObject({ code: "conflict", constraint: "unique" });
});
