import {
  asc,
  avg,
  avgDistinct,
  between,
  count,
  desc,
  eq,
  gt,
  gte,
  lt,
  lte,
  max,
  min,
  notBetween,
  sql,
  sum,
  sumDistinct,
} from "drizzle-orm";
import { expect } from "bun:test";
import type { Driver } from "../../src/db/contract/driver.ts";
import { paginate } from "../../src/db/paging/paginate.ts";
import { createSchemaModule } from "../../src/db/schema/schema.ts";
import { testOnEachDialect } from "../database-servers.ts";
import { createTables } from "./schema/created-tables.ts";

async function createAmounts(driver: Driver) {
  const { bigint, decimal, id, integer, table, varchar } = createSchemaModule(driver.tableMakers);
  const amounts = table("amounts", {
    id: id(),
    group: varchar(10).notNull().default("a"),
    price: decimal(10, 2),
    whole: decimal(15, 0),
    tiny: decimal(15, 15),
    long: decimal(30, 4),
    count: integer(),
    big: bigint(),
  });
  await createTables(driver, { amounts });
  return { amounts, db: driver.toDatabase({ amounts }) };
}

testOnEachDialect("sums and averages are exact, with the same digits everywhere", async ({ driver }) => {
  const { db, amounts } = await createAmounts(driver);
  const totals = () =>
    db
      .select({
        price: sum(amounts.price),
        whole: sum(amounts.whole),
        tiny: sum(amounts.tiny),
        long: sum(amounts.long),
        count: sum(amounts.count),
        big: sum(amounts.big),
        id: sum(amounts.id),
      })
      .from(amounts);
  const averages = () =>
    db
      .select({
        price: avg(amounts.price),
        long: avg(amounts.long),
        count: avg(amounts.count),
        big: avg(amounts.big),
      })
      .from(amounts);
  expect(await totals()).toEqual([
    { price: null, whole: null, tiny: null, long: null, count: null, big: null, id: null },
  ]);
  expect(await averages()).toEqual([{ price: null, long: null, count: null, big: null }]);
  await db.insert(amounts).values([
    {
      price: "0.10",
      whole: "999999999999999",
      tiny: "0.000000000000001",
      long: "12345678901234567890123456.7891",
      count: 2147483647,
      big: 9007199254740991,
    },
    {
      price: "0.20",
      whole: "999999999999999",
      tiny: "0.999999999999999",
      long: "-0.0001",
      count: 2147483647,
      big: 9007199254740991,
    },
    { price: "10.00", whole: "-1", tiny: "-0.5", long: "-3.0000", count: -1, big: 1 },
    {},
  ]);
  expect(await totals()).toEqual([
    {
      price: "10.30",
      whole: "1999999999999997",
      tiny: "0.500000000000000",
      long: "12345678901234567890123453.7890",
      count: "4294967293",
      big: "18014398509481983",
      id: "10",
    },
  ]);
  expect(await averages()).toEqual([
    {
      price: "3.433333",
      long: "4115226300411522630041151.26300000",
      count: "1431655764.3333",
      big: "6004799503160661.0000",
    },
  ]);
  await db.insert(amounts).values([
    { group: "b", price: "99999999.99", whole: "999999999999999", big: 9007199254740991 },
    { group: "b", price: "99999999.99", whole: "999999999999998", big: 9007199254740990 },
    { group: "b", price: "99999999.97", whole: "999999999999998", big: 9007199254740990 },
  ]);
  const large = await db
    .select({ price: avg(amounts.price), whole: avg(amounts.whole), big: avg(amounts.big) })
    .from(amounts)
    .where(eq(amounts.group, "b"));
  expect(large).toEqual([
    { price: "99999999.983333", whole: "999999999999998.3333", big: "9007199254740990.3333" },
  ]);
  const [signs] = await db
    .select({ least: min(amounts.long), most: max(amounts.long), low: min(amounts.price) })
    .from(amounts);
  expect(signs).toEqual({ least: "-3.0000", most: "12345678901234567890123456.7891", low: "0.10" });
});

testOnEachDialect("sums stay exact where groups of a subquery are sorted and counted", async ({ driver }) => {
  const { db, amounts } = await createAmounts(driver);
  await db.insert(amounts).values([
    { group: "b", whole: "999999999999999", price: "0.10" },
    { group: "b", whole: "999999999999998", price: "0.20" },
    { group: "a", whole: "1", price: "0.30" },
  ]);
  const rows = db
    .select({ first: sql<string>`substr(${amounts.group}, 1, 1)`.as("first"), whole: amounts.whole })
    .from(amounts)
    .as("rows");
  const totals = db
    .select({ first: sql`${rows.first}`, whole: sum(rows.whole) })
    .from(rows)
    .groupBy(rows.first)
    .orderBy(desc(count()), rows.first);
  expect(await totals).toEqual([
    { first: "b", whole: "1999999999999997" },
    { first: "a", whole: "1" },
  ]);
});

testOnEachDialect("many decimals add up to the cent", async ({ driver }) => {
  const { db, amounts } = await createAmounts(driver);
  await db.insert(amounts).values(
    Array.from({ length: 3000 }, (_, index) => ({
      price: index % 3 === 0 ? "99999999.99" : "0.01",
      group: index % 2 === 0 ? "even" : "odd",
    })),
  );
  expect(await db.select({ total: sum(amounts.price) }).from(amounts)).toEqual([
    { total: "100000000010.00" },
  ]);
  const byGroup = () =>
    db
      .select({ group: amounts.group, total: sum(amounts.price), mean: avg(amounts.price), rows: count() })
      .from(amounts)
      .groupBy(amounts.group);
  const expected = ["even", "odd"].map((group) => ({
    group,
    total: "50000000005.00",
    mean: "33333333.336667",
    rows: 1500,
  }));
  expect(await byGroup().orderBy(amounts.group)).toEqual(expected);
  expect(await byGroup().orderBy(desc(sum(amounts.price)), asc(amounts.group))).toEqual(expected);
  expect(
    await byGroup()
      .having(gt(sum(amounts.price), "50000000004.99"))
      .orderBy(amounts.group),
  ).toEqual(expected);
  const [distinct] = await db
    .select({ total: sumDistinct(amounts.price), mean: avgDistinct(amounts.price) })
    .from(amounts);
  expect(distinct).toEqual({ total: "100000000.00", mean: "50000000.000000" });
});

testOnEachDialect("a sum is a number where a query goes on with it", async ({ driver }) => {
  const { db, amounts } = await createAmounts(driver);
  await db.insert(amounts).values([
    { group: "b", price: "0.10" },
    { group: "b", price: "0.20" },
    { group: "a", price: "10.00" },
    { group: "c", price: "9.00" },
    { group: "d", price: null },
  ]);
  const sums = () =>
    db
      .select({ group: amounts.group, total: sum(amounts.price).as("total") })
      .from(amounts)
      .groupBy(amounts.group);
  const ordered = [
    { group: "a", total: "10.00" },
    { group: "c", total: "9.00" },
    { group: "b", total: "0.30" },
  ];
  const withNull = [{ group: "d", total: null }, ...ordered];
  expect(await sums().orderBy(({ total }) => desc(total))).toEqual(withNull);
  const { items } = await paginate(sums(), { sort: "-total" });
  expect(items).toEqual(withNull);
  const inner = sums().as("sums");
  expect(await db.select().from(inner).where(gt(inner.total, "0.3")).orderBy(desc(inner.total))).toEqual(
    ordered.slice(0, 2),
  );
  expect(await db.select({ all: sql`sum(${inner.total})`.mapWith(Number) }).from(inner)).toEqual([
    { all: 19.3 },
  ]);
  const more = await db
    .select({ group: amounts.group })
    .from(amounts)
    .groupBy(amounts.group)
    .having(eq(sum(amounts.price), "0.3"));
  expect(more).toEqual([{ group: "b" }]);
  const difference = sql`${max(amounts.price)} - ${min(amounts.price)}`.mapWith(Number);
  expect(await db.select({ difference }).from(amounts)).toEqual([{ difference: 9.9 }]);
  const mapped = sum(amounts.price).mapWith(Number);
  expect(await db.select({ mapped }).from(amounts)).toEqual([{ mapped: 19.3 }]);
  const some = () => db.select({ total: sum(amounts.price) }).from(amounts);
  const union = await some().unionAll(some().where(eq(amounts.group, "b")));
  expect(new Set(union.map(({ total }) => total))).toEqual(new Set(["0.30", "19.30"]));
  expect(
    await db
      .select({ total: sum(amounts.price) })
      .from(amounts)
      .where(eq(amounts.group, "x")),
  ).toEqual([{ total: null }]);
});

async function of(query: PromiseLike<{ long: string | null }[]>): Promise<(string | null)[]> {
  return (await query).map(({ long }) => long);
}

testOnEachDialect("decimals of many digits sort and compare by their value", async ({ driver }) => {
  const { db, amounts } = await createAmounts(driver);
  const values = [
    "-12345678901234567890123456.7892",
    "-12345678901234567890123456.7891",
    "-10.0000",
    "-9.0000",
    "-0.0001",
    "0.0000",
    "0.0001",
    "9.0000",
    "10.0000",
    "12345678901234567890123456.7891",
    "12345678901234567890123456.7892",
  ];
  await db.insert(amounts).values([...values.toReversed(), null].map((long) => ({ long })));
  const select = () => db.select({ long: amounts.long }).from(amounts);
  expect(await of(select().orderBy(amounts.long))).toEqual([...values, null]);
  expect(await of(select().orderBy(desc(amounts.long)))).toEqual([null, ...values.toReversed()]);
  expect((await paginate(select(), { sort: "-long" })).items.map(({ long }) => long)).toEqual([
    null,
    ...values.toReversed(),
  ]);
  for (const [position, value] of values.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await of(select().where(gt(amounts.long, value)).orderBy(amounts.long))).toEqual(
      values.slice(position + 1),
    );
    // oxlint-disable-next-line no-await-in-loop
    expect(await of(select().where(gte(amounts.long, value)).orderBy(amounts.long))).toEqual(
      values.slice(position),
    );
    // oxlint-disable-next-line no-await-in-loop
    expect(await of(select().where(lt(amounts.long, value)).orderBy(amounts.long))).toEqual(
      values.slice(0, position),
    );
    // oxlint-disable-next-line no-await-in-loop
    expect(await of(select().where(lte(amounts.long, value)).orderBy(amounts.long))).toEqual(
      values.slice(0, position + 1),
    );
  }
  expect(
    await of(
      select()
        .where(between(amounts.long, "-9", "10"))
        .orderBy(amounts.long),
    ),
  ).toEqual(values.slice(3, 9));
  expect(
    await of(
      select()
        .where(notBetween(amounts.long, "-9", "10"))
        .orderBy(amounts.long),
    ),
  ).toEqual([...values.slice(0, 3), ...values.slice(9)]);
});
