import { expect, test } from "bun:test";
import { createSchemaModule } from "../../src/db/schema/schema.ts";
import { seriesOf } from "../../src/resources/definition/numbering.ts";
import { TABLE_MAKERS } from "../db/table-makers.ts";
import { Crm, testCrm } from "./crm.ts";

const RUN = `
  import { sql } from "drizzle-orm";
  import { AppError, createRouter, db, hooks, resource } from "xcore";
  import { enumOf, id, table, varchar } from "xcore/schema";
  const columns = () => ({
    id: id(),
    name: varchar(50).notNull().unique(),
    state: enumOf(["draft", "submitted"]).notNull().default("draft"),
    number: varchar(16).unique(),
  });
  export const orders = table("crm_orders", columns());
  export const invoices = table("crm_invoices", columns());
  hooks.on("crm.order.creating", ({ data: { values } }) => {
    if (values.name.startsWith("refused")) throw new AppError("conflict", 409, "No");
  });
  const states = { submit: { from: "draft", to: "submitted" }, reopen: { from: "submitted", to: "draft" } };
  export default createRouter()
    .use(resource(orders, { permission: null, numbered: { field: "number", series: "O-{000}" } }))
    .use(resource(invoices, {
      permission: null,
      history: true,
      workflow: { field: "state", transitions: states },
      numbered: { field: "number", series: "INV-{YYYY}-{00000}", when: "submitted" },
    }))
    .post("/exhaust", () => db.execute(sql.raw("update number_series set last = 99999999999998 where name = 'crm_orders.number:O-{000}'")));
  const KEYS = ["integer primary key autoincrement", "bigint auto_increment primary key", "bigserial primary key"];
  export async function setup() {
    for (const key of KEYS) {
      try {
        for (const name of ["orders", "invoices"])
          await db.execute(sql.raw("create table crm_" + name + " (id " + key + ", name varchar(50) not null unique, state varchar(63) not null default 'draft', number varchar(16) unique)"));
        return;
      } catch {}
    }
  }
`;

const toName = (_: unknown, index: number): string => String(index);

testCrm(
  "rows that are made at once are numbered without gaps",
  async (crm) => {
    const make = (name: string) => crm.send(null, "POST", "/crm/orders", { name });
    const answers = await Promise.all(Array.from({ length: 50 }, toName).map(make));
    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
    const expected = Array.from({ length: 50 }, (_, index) => `O-${String(index + 1).padStart(3, "0")}`);
    expect(answers.map(({ body }) => String(body.number)).toSorted()).toEqual(expected);
    // What is refused, by whom ever, takes none.
    const refused = await Promise.all(["1", "2", "refused"].map(make));
    expect(refused.map(({ status }) => status)).toEqual([409, 409, 409]);
    const batch = { create: [{ name: "a" }, { name: "1" }, { name: "b" }] };
    expect((await crm.send(null, "POST", "/crm/orders/batch", batch)).status).toBe(422);
    const good = { create: [{ name: "a" }, { name: "b" }] };
    const { body } = await crm.send(null, "POST", "/crm/orders/batch", good);
    expect(body.create.map(({ number }: { number: string }) => number)).toEqual(["O-051", "O-052"]);

    const set = await crm.send(null, "PATCH", "/crm/orders/1", { number: "O-001" });
    expect([set.status, set.body.errors]).toMatchObject([422, [{ path: "/body/number", code: "read_only" }]]);
    expect((await crm.send(null, "POST", "/crm/orders", { name: "c", number: "1" })).status).toBe(422);
    // More digits than were asked for, until there is no room.
    await crm.send(null, "POST", "/crm/exhaust");
    expect((await make("d")).body.number).toBe("O-99999999999999");
    const full = await make("e");
    expect([full.status, full.body.detail]).toEqual([
      409,
      'Cannot number it "O-100000000000000": "number" has room for 16 characters',
    ]);
  },
  RUN,
);

testCrm(
  "a row can get its number by a step of its workflow, once",
  async (crm) => {
    const year = new Date().getUTCFullYear();
    for (const name of ["a", "b"]) {
      // oxlint-disable-next-line no-await-in-loop -- in this order
      expect((await crm.send(null, "POST", "/crm/invoices", { name })).body.number).toBeNull();
    }
    const step = async (way: string) => (await crm.send(null, "POST", `/crm/invoices/${way}`)).body.number;
    expect(await step("2/submit")).toBe(`INV-${year}-00001`);
    expect(await step("1/submit")).toBe(`INV-${year}-00002`);
    expect(await step("2/reopen")).toBe(`INV-${year}-00001`);
    expect(await step("2/submit")).toBe(`INV-${year}-00001`);
    const { body } = await crm.send(null, "GET", "/crm/invoices/1");
    expect(body).toMatchObject({ name: "a", number: `INV-${year}-00002`, state: "submitted" });
  },
  RUN,
);

test("numbers that can't be are refused as the plugin is loaded", async () => {
  const refused = [
    ['{ field: "numbr", series: "{00}" }', 'there is no "numbr"; did you mean "number"?'],
    ['{ field: "number", series: "INV" }', 'the series "INV" needs one counter'],
    ['{ field: "number", series: "{00}{00}" }', "needs one counter"],
    ['{ field: "number", series: "{DD}-{00}" }', 'has "{DD}": expected {YYYY}, {YY}, {MM} or {00000}'],
    ['{ field: "number", series: "{MM}-{00}" }', "has months without their year"],
    ['{ field: "number", series: "INVOICE-{YYYY}-{00000}" }', "must be a varchar of at least 18 characters"],
    ['{ field: "id", series: "{00000}" }', "must be a varchar of at least 5 characters"],
    ['{ field: "number", series: "{00}", when: "submitted" }', `it needs a "workflow", or "created"`],
  ] as const;
  await Promise.all(
    refused.map(async ([numbered, message]) => {
      const run = `
        import { createRouter, resource } from "xcore";
        import { id, table, varchar } from "xcore/schema";
        const orders = table("crm_orders", { id: id(), number: varchar(16) });
        export default createRouter().use(resource(orders, { numbered: ${numbered} }));
      `;
      await using crm = await Crm.start({ run });
      const plugin = await crm.send(await crm.app.admin(), "GET", "/system/plugins/crm");
      expect(plugin.body.failure?.message).toContain(message);
    }),
  );
});

test("seriesOf() counts each year, or each month of a year, on its own, in UTC", () => {
  const { id, table, varchar } = createSchemaModule(TABLE_MAKERS.sqlite);
  const { number: column } = table("orders", { id: id(), number: varchar(30) });
  const seriesAt = (pattern: string, moment: string) => {
    const { name, write } = seriesOf({ column, pattern }, new Date(moment));
    return [name, write(7)];
  };
  expect([
    seriesAt("INV-{YYYY}-{00000}", "2026-12-31T23:59:59.999Z"),
    seriesAt("INV-{YYYY}-{00000}", "2027-01-01T00:59:00+01:00"),
    seriesAt("INV-{YYYY}-{00000}", "2027-01-01T00:00:00Z"),
    seriesAt("{YY}{MM}/{0}", "2027-02-01T00:00:00Z"),
    seriesAt("{000}", "2027-02-01T00:00:00Z"),
  ]).toEqual([
    ["orders.number:INV-2026-{00000}", "INV-2026-00007"],
    ["orders.number:INV-2026-{00000}", "INV-2026-00007"],
    ["orders.number:INV-2027-{00000}", "INV-2027-00007"],
    ["orders.number:2702/{0}", "2702/7"],
    ["orders.number:{000}", "007"],
  ]);
});
