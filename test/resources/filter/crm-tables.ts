import type { AnyColumn } from "xcore/schema";
import type { Driver } from "../../../src/db/contract/driver.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import type { Field } from "../../../src/resources/filter/conditions.ts";
import { createTables } from "../../db/schema/created-tables.ts";

/** Companies with deals, whose owners are companies' contacts: what filters are tried on. */
export async function createCrm(driver: Driver) {
  const schema = createSchemaModule(driver.tableMakers);
  const { bigint, boolean, date, decimal, enumOf, id, integer, references, table, text, timestamp, varchar } =
    schema;
  const companies = table("crm_companies", {
    id: id(),
    name: varchar(100),
    parent_id: references((): AnyColumn => companies.id),
  });
  const deals = table("crm_deals", {
    id: id(),
    title: varchar(100).notNull(),
    note: text(),
    stage: enumOf(["open", "won", "lost"]),
    amount: decimal(15, 2),
    exact: decimal(30, 4),
    count: integer(),
    big: bigint(),
    is_hot: boolean(),
    due: date(),
    closed_at: timestamp(),
    company_id: references(() => companies.id),
  });
  await createTables(driver, { companies, deals });
  const company = { from: deals.company_id, to: companies.id, isMany: false };
  const parent = { from: companies.parent_id, to: companies.id, isMany: false };
  const fields: Record<string, Field> = {
    "company.name": { column: companies.name, steps: [company] },
    "company.parent.name": { column: companies.name, steps: [company, parent] },
  };
  for (const name of [
    "id",
    "title",
    "note",
    "stage",
    "amount",
    "exact",
    "count",
    "big",
    "is_hot",
    "due",
    "closed_at",
  ] as const)
    fields[name] = { column: deals[name], steps: [] };
  const ofCompanies: Record<string, Field> = {
    name: { column: companies.name, steps: [] },
    "deals.stage": {
      column: deals.stage,
      steps: [{ from: companies.id, to: deals.company_id, isMany: true }],
    },
    "deals.amount": {
      column: deals.amount,
      steps: [{ from: companies.id, to: deals.company_id, isMany: true }],
    },
  };
  return { db: driver.toDatabase({ companies, deals }), companies, deals, fields, ofCompanies };
}
