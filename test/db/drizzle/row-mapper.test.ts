import { eq, getTableColumns, max, sql, sum } from "drizzle-orm";
import {
  customType as sqliteCustomType,
  integer as sqliteInteger,
  sqliteTable,
} from "drizzle-orm/sqlite-core";
import { expect, test } from "bun:test";
import { type Dialect, DIALECTS } from "../../../src/db/contract/driver.ts";
import { RawRows, RowMapping, type SelectedField } from "../../../src/db/drizzle/row-mapper.ts";
import { toPageQuery, toSelect } from "../../../src/db/drizzle/select-parts.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { testOnEachDialect } from "../../database-servers.ts";
import { createTables } from "../schema/created-tables.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

function declareTables(dialect: Dialect) {
  const schema = createSchemaModule(TABLE_MAKERS[dialect]);
  const owners = schema.table("owners", { id: schema.id(), born_at: schema.timestamp() });
  const samples = schema.table("samples", {
    id: schema.id(),
    owner_id: schema.references(() => owners.id),
    uuid: schema.uuid(),
    text: schema.text(),
    varchar: schema.varchar(40),
    integer: schema.integer(),
    bigint: schema.bigint(),
    decimal: schema.decimal(15, 2),
    long_decimal: schema.decimal(30, 4),
    boolean: schema.boolean(),
    timestamp: schema.timestamp(),
    date: schema.date(),
    json: schema.json(),
    status: schema.enumOf(["draft", "it's"]),
  });
  return { owners, samples };
}

/** The same numbers each time: a failure comes again. */
function createRandom(seed: number) {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return { next, pick: <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)] as T };
}
type Random = ReturnType<typeof createRandom>;

const PIECES = [
  'a "quoted" \\ word',
  "\u0000\u0007\n\t\u001f\u007f\u009f",
  "\u2028\u2029",
  "\ud800",
  "\udfff x",
  "👩‍👩‍👧 é 漢字",
  "</script>",
  "'",
  "__proto__",
];

function toText({ next, pick }: Random): string {
  return Array.from({ length: Math.floor(next() * 4) }, () => pick(PIECES)).join(" ");
}

/** Whatever a driver may give, and much that it shouldn't. */
function toDriverValue(random: Random): unknown {
  const { next, pick } = random;
  const text = toText(random);
  const date = new Date((next() - 0.5) * 2 * pick([8.64e15, 1e14, 1e12]));
  return pick<() => unknown>([
    () => null,
    () => Math.floor((next() - 0.5) * 2 ** 34),
    () => pick([0, -0, 1, 1.5, 1e21, 1e-7, 2 ** 53, Number.NaN, Infinity, -Infinity]),
    () => pick([0n, 12n, -(2n ** 63n)]),
    () => pick([true, false]),
    () => text,
    () =>
      pick([
        "1",
        "12.50",
        "-0.00",
        "1e5",
        "",
        "2024-02-29",
        "true",
        '"',
        "[1]",
        '{ "b": 1, "1": "é", "a": [] }',
      ]),
    () => JSON.stringify({ at: date.getTime(), text, list: [null, 1.0, { 2: 1, 1: 2 }] }),
    () =>
      pick(["2024-02-29 23:59:59.987", "2024-02-29 23:59:59.987+00", "0001-01-01T00:00:00Z", "not a time"]),
    () => date,
    () => new Date(Number.NaN),
    () => new Uint8Array([0, 34, 255]),
    () => ({ nested: [date, { text }], none: undefined }),
    () => ({ toJSON: () => ({ text }) }),
    () => [undefined, Number.NaN, date],
    () => undefined,
  ])();
}

function outcomeOf(run: () => unknown): string {
  try {
    return JSON.stringify(run());
  } catch (error) {
    return String(error);
  }
}

function assertSameJson(rows: RawRows, what: string): void {
  const expected = outcomeOf(() => rows.toRows());
  const actual = outcomeOf(() => rows.toJson());
  if (actual !== expected) expect(`${what}: ${actual}`).toBe(`${what}: ${expected}`);
}

function toFields(columns: object, prefix: readonly string[] = []): SelectedField[] {
  return Object.entries(columns).map(([name, field]) => ({ path: [...prefix, name], field }));
}

for (const dialect of DIALECTS) {
  test(`toJson() is written as toRows() is, whatever the driver gives (${dialect})`, () => {
    const { owners, samples } = declareTables(dialect);
    const columns = getTableColumns(samples);
    const random = createRandom(7);
    for (const field of toFields(columns)) {
      const mapping = new RowMapping({ fields: [field], isAlwaysThere: undefined });
      for (let round = 0; round < 400; round += 1) {
        assertSameJson(new RawRows([[toDriverValue(random)]], mapping), field.path.join("."));
      }
    }
    const fields = [
      ...toFields({ id: samples.id, at: samples.timestamp, 1: samples.text, 0: samples.json }),
      ...toFields(getTableColumns(owners), ["owner"]),
      { path: ["last"], field: max(samples.timestamp) },
      { path: ["raw"], field: sql`now()` },
      { path: ["mapped"], field: sql`now()`.mapWith((value: unknown) => new Date(Number(value))) },
      { path: ["toJSON"], field: samples.text },
    ];
    for (const isAlwaysThere of [undefined, {}, { owners: true }]) {
      const mapping = new RowMapping({ fields, isAlwaysThere });
      for (let round = 0; round < 400; round += 1) {
        const rows = Array.from({ length: 2 }, () => fields.map(() => toDriverValue(random)));
        assertSameJson(new RawRows(rows, mapping), "all");
      }
    }
  });
}

test("toJson() is written as toRows() is for columns that aren't of xcore", () => {
  const blob = sqliteCustomType<{ data: unknown; driverData: unknown }>({ dataType: () => "blob" });
  const counter = sqliteCustomType<{ data: unknown; driverData: unknown }>({
    dataType: () => "any",
    fromDriver: (value) => ({ toJSON: () => value }),
  });
  const table = sqliteTable("others", {
    blob: blob(),
    counter: counter(),
    seconds: sqliteInteger({ mode: "timestamp" }),
    flag: sqliteInteger({ mode: "boolean" }),
    doubled: sqliteInteger().generatedAlwaysAs(sql`1`),
  });
  const random = createRandom(11);
  for (const field of toFields(getTableColumns(table))) {
    const mapping = new RowMapping({ fields: [field], isAlwaysThere: undefined });
    for (let round = 0; round < 400; round += 1) {
      assertSameJson(new RawRows([[toDriverValue(random)]], mapping), field.path.join("."));
    }
  }
});

testOnEachDialect("raw() gives rows that are written as those of the query", async ({ dialect, driver }) => {
  const tables = declareTables(dialect);
  const { owners, samples } = tables;
  await createTables(driver, tables);
  const db = driver.toDatabase(tables);
  const random = createRandom(13);
  const { next, pick } = random;
  const orNull = <T>(value: T): T | null => (next() < 0.2 ? null : value);
  const toStorable = (): string => toText(random).toWellFormed().replaceAll("\0", "");
  await db.insert(owners).values([{ born_at: null }, { born_at: new Date(0) }]);
  await db.insert(samples).values(
    Array.from({ length: 60 }, () => ({
      owner_id: orNull(pick([1, 2])),
      uuid: orNull(Bun.randomUUIDv7()),
      text: orNull(toStorable()),
      varchar: orNull(toStorable().slice(0, 8).toWellFormed()),
      integer: orNull(Math.floor((next() - 0.5) * 2 ** 32)),
      bigint: orNull(Math.floor((next() - 0.5) * 2 ** 53)),
      decimal: orNull(((next() - 0.5) * 1e6).toFixed(2)),
      long_decimal: orNull(`${Math.floor(next() * 1e15)}${Math.floor(next() * 1e9)}.5`),
      boolean: orNull(next() < 0.5),
      timestamp: orNull(new Date(Math.floor(pick([next() * 2e12, -6e13 * next(), 2e14 * next()])))),
      date: orNull(new Date(Math.floor(next() * 2e12)).toISOString().slice(0, 10)),
      json: orNull({ text: toStorable(), 2: [1, null, { x: next() }], 1: next() < 0.5 }),
      status: orNull(pick(["draft", "it's"] as const)),
    })),
  );
  const queries = [
    db.select().from(samples),
    db.select({ id: samples.id, at: samples.timestamp, nested: { json: samples.json } }).from(samples),
    db.select().from(samples).leftJoin(owners, eq(owners.id, samples.owner_id)),
    db
      .select({ owner_id: samples.owner_id, total: sum(samples.decimal), last: max(samples.timestamp) })
      .from(samples)
      .groupBy(samples.owner_id),
  ];
  for (const query of queries) {
    const select = toSelect(query);
    const page = toPageQuery(select, { orderBy: [sql`1`], limit: 100, offset: 0 }).prepare("");
    // oxlint-disable-next-line no-await-in-loop -- one query after the other
    const raw = await page.raw();
    expect(raw.length).toBeGreaterThan(1);
    expect(JSON.stringify(raw.toJson())).toBe(JSON.stringify(raw.toRows()));
  }
});
