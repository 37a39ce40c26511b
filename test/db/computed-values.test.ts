import { eq, sql } from "drizzle-orm";
import { expect } from "bun:test";
import type { Driver } from "../../src/db/contract/driver.ts";
import { createSchemaModule } from "../../src/db/schema/schema.ts";
import { testOnEachDialect } from "../database-servers.ts";
import { failureOf } from "./failures.ts";
import { createTables } from "./schema/created-tables.ts";

async function createNumbers(driver: Driver) {
  const { bigint, decimal, id, integer, table } = createSchemaModule(driver.tableMakers);
  const numbers = table("numbers", {
    id: id(),
    small: integer(),
    big: bigint(),
    price: decimal(10, 2),
    long: decimal(20, 2),
  });
  await createTables(driver, { numbers });
  const db = driver.toDatabase({ numbers });
  await db
    .insert(numbers)
    .values({ small: 2147483647, big: 9007199254740991, price: "10.05", long: "12.50" });
  return { db, numbers };
}

testOnEachDialect("what SQL computes for a column is rounded to its digits", async ({ driver }) => {
  const { db, numbers } = await createNumbers(driver);
  await db.update(numbers).set({
    small: sql`${numbers.id} + 1.5`,
    big: sql`${numbers.big} - 1`,
    price: sql`${numbers.price} * 1.1`,
    long: sql`${numbers.long} * ${2}`,
  });
  const [row] = await db.select().from(numbers);
  expect(row).toMatchObject({ small: 3, big: 9007199254740990, price: "11.06", long: "25.00" });
  expect(await db.$count(numbers, eq(numbers.price, "11.06"))).toBe(1);
  expect(await db.$count(numbers, eq(numbers.long, "25"))).toBe(1);
  await db.update(numbers).set({ small: sql`null`, price: sql`-1.005 - 0.001`, long: sql`'7.10'` });
  expect((await db.select().from(numbers))[0]).toMatchObject({ small: null, price: "-1.01", long: "7.10" });
  const upsert = await db
    .insert(numbers)
    .values({ id: 1, small: 7, price: "1.10" })
    .onConflictDoUpdate({
      target: numbers.id,
      set: { small: sql`excluded.small`, price: sql`excluded.price / 3` },
    })
    .returning({ small: numbers.small, price: numbers.price });
  expect(upsert).toEqual([{ small: 7, price: "0.37" }]);
});

testOnEachDialect(
  "what SQL computes for a column is refused where it is out of range",
  async ({ driver }) => {
    const { db, numbers } = await createNumbers(driver);
    const before = await db.select().from(numbers);
    const wrong = [
      { small: sql`${numbers.small} + 1` },
      { small: sql`-2147483647 - 2` },
      { big: sql`${numbers.big} * 1000 * 1000` },
      { price: sql`${numbers.price} * 100000000` },
      { price: sql`-99999999.996` },
      { long: sql`${numbers.long} * 100000000000000000000` },
    ];
    for (const set of wrong) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect(await failureOf(db.update(numbers).set(set))).toMatchObject({ fault: "value" });
    }
    expect(await db.select().from(numbers)).toEqual(before);
  },
);
