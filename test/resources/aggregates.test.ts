import { expect, test } from "bun:test";
import type { SQL } from "drizzle-orm";
import { createSchemaModule } from "../../src/db/schema/schema.ts";
import { DATE_PARTS, datePart } from "../../src/db/schema/portable-sql.ts";
import { testOnEachDialect } from "../database-servers.ts";
import { createTables } from "../db/schema/created-tables.ts";
import type { TestUser } from "../setup.ts";
import { Crm, EVERYTHING, testCrm } from "./crm.ts";

interface Item {
  readonly group: object;
  readonly count: number;
  readonly sum: { readonly amount: string };
}

async function withDeals(crm: Crm) {
  const [boss, ada, bob] = [
    await crm.user("boss@example.com", [...EVERYTHING, "deals:all"]),
    await crm.user("ada@example.com", EVERYTHING),
    await crm.user("bob@example.com", ["deals:read", "deals:write"]),
  ] as const;
  await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
  await crm.send(boss, "POST", "/crm/companies", { name: "Bolt" });
  const deals: [TestUser, string, string, string | null, number][] = [
    [boss, "0.10", "open", "2026-01-31", 1],
    [boss, "0.20", "won", "2026-02-01", 1],
    [boss, "9999999999999.99", "won", "2025-12-31", 2],
    [boss, "9", "lost", null, 2],
    [ada, "10", "won", "2026-02-28", 2],
    [bob, "7", "open", "2026-11-01", 1],
  ];
  for (const [user, amount, stage, close_on, company_id] of deals) {
    const deal = { title: `${amount} Ü`, amount, stage, close_on, company_id };
    // oxlint-disable-next-line no-await-in-loop -- in this order
    expect((await crm.send(user, "POST", "/crm/deals", deal)).status).toBe(201);
  }
  await crm.send(boss, "PATCH", "/crm/deals/1", { margin: "0.05" });
  const aggregate = async (user: TestUser, query: string) =>
    (await crm.send(user, "GET", `/crm/deals/aggregate?${query}`)).body;
  return { boss, ada, bob, aggregate };
}

testCrm("rows are counted, summed up and grouped, exactly", async (crm) => {
  const { boss, aggregate } = await withDeals(crm);
  expect(await aggregate(boss, "")).toEqual({ items: [{ group: {}, count: 6 }], has_more: false });
  expect(
    await aggregate(boss, "count&sum=amount,margin&avg=amount&min=amount,close_on&max=title,id"),
  ).toEqual({
    items: [
      {
        group: {},
        count: 6,
        sum: { amount: "10000000000026.29", margin: "0.05" },
        avg: { amount: "1666666666671.048333" },
        min: { amount: "0.10", close_on: "2025-12-31" },
        max: { title: "9999999999999.99 Ü", id: 6 },
      },
    ],
    has_more: false,
  });
  expect(await aggregate(boss, "sum=amount&group=stage")).toEqual({
    items: [
      { group: { stage: "lost" }, sum: { amount: "9.00" } },
      { group: { stage: "open" }, sum: { amount: "7.10" } },
      { group: { stage: "won" }, sum: { amount: "10000000000010.19" } },
    ],
    has_more: false,
  });
  const byMonth = await aggregate(
    boss,
    "count&sum=amount&group=stage,close_on.month&sort=-close_on.month,stage",
  );
  expect(
    byMonth.items.map(({ group, count, sum }: Item) => [...Object.values(group), count, sum.amount]),
  ).toEqual([
    ["lost", null, 1, "9.00"],
    ["open", "2026-11", 1, "7.00"],
    ["won", "2026-02", 2, "10.20"],
    ["open", "2026-01", 1, "0.10"],
    ["won", "2025-12", 1, "9999999999999.99"],
  ]);
  // The same filters, words and parameters as the list has.
  expect(await aggregate(boss, 'count&filter=close_on >= "2026-01-01"&stage=won&q=acme')).toEqual({
    items: [{ group: {}, count: 1 }],
    has_more: false,
  });
  expect(
    await aggregate(boss, "sum=amount&stage=won&amount.gte=9999999999999.99&amount.gt=9999999999999.99"),
  ).toEqual({
    items: [{ group: {}, sum: { amount: null } }],
    has_more: false,
  });
  expect(await aggregate(boss, "group=stage&amount.gte=9999999999999.99&amount.gt=9999999999999.99")).toEqual(
    {
      items: [],
      has_more: false,
    },
  );
});

testCrm("groups are of other tables too, sorted by value, and bounded", async (crm) => {
  const { boss, aggregate } = await withDeals(crm);
  expect(await aggregate(boss, "sum=amount&group=company.name,owner.email&sort=-sum.amount")).toEqual({
    items: [
      ["Bolt", "boss@example.com", "10000000000008.99"],
      ["Bolt", "ada@example.com", "10.00"],
      ["Acme", "bob@example.com", "7.00"],
      ["Acme", "boss@example.com", "0.30"],
    ].map(([name, email, amount]) => ({
      group: { "company.name": name, "owner.email": email },
      sum: { amount },
    })),
    has_more: false,
  });
  const year = String(new Date().getUTCFullYear());
  expect(await aggregate(boss, "group=contact.name,created_at.year&count=true")).toEqual({
    items: [{ group: { "contact.name": null, "created_at.year": year }, count: 6 }],
    has_more: false,
  });
  const most = await aggregate(boss, "count&group=stage&sort=-count,-stage&limit=2");
  expect(most).toEqual({
    items: [
      { group: { stage: "won" }, count: 3 },
      { group: { stage: "open" }, count: 2 },
    ],
    has_more: true,
  });
  expect((await aggregate(boss, "group=stage&limit=3")).has_more).toBe(false);
});

testCrm("only what whoever asks may see is counted, summed up and grouped by", async (crm) => {
  const { ada, bob, aggregate } = await withDeals(crm);
  expect((await aggregate(ada, "count&sum=amount")).items).toEqual([
    { group: {}, count: 1, sum: { amount: "10.00" } },
  ]);
  // Bob may read deals, and no companies.
  expect((await aggregate(bob, "group=company.name")).items).toEqual([
    { group: { "company.name": null }, count: 1 },
  ]);
  expect((await crm.send(null, "GET", "/crm/deals/aggregate")).status).toBe(401);
  expect((await crm.send(bob, "GET", "/crm/companies/aggregate")).status).toBe(403);
  const refused: [string, string, string][] = [
    ["sum=margin", "/query/sum", "unknown_name"],
    ["max=margin", "/query/max", "unknown_name"],
    ["group=margin", "/query/group", "unknown_name"],
    ["count&sort=-sum.margin", "/query/sort", "unknown_name"],
    ["filter=margin > 1", "/query/filter", "filter"],
    ["sum=title", "/query/sum", "unknown_name"],
    ["avg=amount,nope", "/query/avg", "unknown_name"],
    ["min=stage", "/query/min", "unknown_name"],
    ["group=owner.password_hash", "/query/group", "unknown_name"],
    ["group=stage.month", "/query/group", "unknown_name"],
    ["group=close_on.week", "/query/group", "unknown_name"],
    ["group=constructor", "/query/group", "unknown_name"],
    ["group=company.contacts.name", "/query/group", "unknown_name"],
    ["group=id,title,stage,amount,company_id,owner_id", "/query/group", "too_many"],
    ["group=", "/query/group", "invalid"],
    ["count=maybe", "/query/count", "invalid"],
    ["limit=0", "/query/limit", "invalid"],
    ["limit=1001", "/query/limit", "invalid"],
    ["page=2", "/query/page", "unknown"],
    ["sum=amount'--", "/query/sum", "unknown_name"],
  ];
  for (const [query, path, code] of refused) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { status, body } = await crm.send(bob, "GET", `/crm/deals/aggregate?${query}`);
    expect([query, status, body.errors]).toMatchObject([query, 422, [{ path, code }]]);
    expect(body.errors[0].message.replace(/, (not|found) .*/, "")).not.toMatch(/margin|password/);
  }
});

test("a column may be called as a parameter", async () => {
  const run = `
    import { createRouter, db, resource } from "xcore";
    import { sql } from "drizzle-orm";
    import { id, integer, table } from "xcore/schema";
    const stock = table("crm_stock", { id: id(), count: integer(), sum: integer() });
    export default createRouter().use(resource(stock));
    export async function setup() {
      await db.execute(sql.raw("create table crm_stock (id integer primary key, count integer, sum integer)"));
      await db.insert(stock).values([{ count: 1, sum: 5 }, { count: 1, sum: 7 }, { count: 2, sum: 9 }]);
    }
  `;
  await using crm = await Crm.start({ run });
  const { status, body } = await crm.send(
    await crm.app.admin(),
    "GET",
    "/crm/stock/aggregate?count&sum=count,sum&group=count&filter=sum > 5&sum.lt=9",
  );
  expect([status, body.items]).toEqual([
    200,
    [{ group: { count: 1 }, count: 1, sum: { count: "1", sum: "7" } }],
  ]);
});

const MOMENTS = [
  "0001-01-01T00:00:00.000Z",
  "1969-12-31T23:59:59.999Z",
  "1970-01-01T00:00:00.000Z",
  "1999-12-31T23:59:59.999Z",
  "2024-02-29T23:59:59.999Z",
  "2026-03-31T21:59:59.999Z",
  "2026-04-01T00:00:00.000Z",
  "9999-12-31T23:59:59.999Z",
];

testOnEachDialect("parts of dates are the same text everywhere, in UTC", async ({ driver }) => {
  const { date, id, table, timestamp } = createSchemaModule(driver.tableMakers);
  const moments = table("moments", { id: id(), at: timestamp(), day: date() });
  await createTables(driver, { moments });
  const db = driver.toDatabase({ moments });
  await db.insert(moments).values(MOMENTS.map((text) => ({ at: new Date(text), day: text.slice(0, 10) })));
  await db.insert(moments).values({});
  for (const column of [moments.at, moments.day]) {
    const fields = Object.fromEntries(
      DATE_PARTS.map((part) => [part, datePart(column, part) as SQL<string | null>]),
    );
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await db.select(fields).from(moments).orderBy(moments.id)).toEqual([
      ...MOMENTS.map((text) => ({
        day: text.slice(0, 10),
        month: text.slice(0, 7),
        quarter: `${text.slice(0, 4)}-Q${Math.ceil(Number(text.slice(5, 7)) / 3)}`,
        year: text.slice(0, 4),
      })),
      { day: null, month: null, quarter: null, year: null },
    ]);
  }
});
