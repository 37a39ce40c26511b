import { expect, test } from "bun:test";
import { Crm } from "../crm.ts";

/** Deals before companies, which they refer to, and which refer back. */
const RUN = `import { createRouter, resource } from "xcore";
import { companies, contacts, deals } from "./schema.ts";

export default createRouter()
  .use(
    resource(deals, {
      permission: null,
      expand: ["company.deals.company", "contact", "owner"],
      fields: { margin: { read: false, write: false } },
      create: { owner_id: () => 1 },
    }),
  )
  .use(resource(companies, {
    permission: null,
    relations: { deals: deals.company_id },
    expand: ["deals"],
    fields: { notes: { read: "companies:notes" } },
  }));
`;

interface Schema {
  readonly type: string | readonly string[];
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, Schema>>;
  readonly items: Schema;
}

test("rows that expand adds are described as their own resource shows them, however they refer to each other", async () => {
  await using crm = await Crm.start({ run: RUN });
  const { paths } = (await crm.send(null, "GET", "/openapi.json")).body;
  const rowOf = (path: string, status = 200, method = "get"): Schema =>
    paths[path][method].responses[status].content["application/json"].schema;
  const deal = rowOf("/crm/deals/{id}");
  const { company, contact, owner } = deal.properties;
  expect(deal.required).not.toContain("company");
  expect(company).toMatchObject({
    type: ["object", "null"],
    required: ["id", "name", "city"],
    properties: { name: { type: "string", maxLength: 200 }, notes: { type: ["string", "null"] } },
  });
  const deals = company?.properties["deals"];
  expect(deals).toMatchObject({ type: "array", items: { type: "object" } });
  expect(deals?.items.required).not.toContain("margin");
  expect(deals?.items.properties["amount"]).toEqual(deal.properties["amount"] as Schema);
  expect(Object.keys(deals?.items.properties["company"]?.properties ?? {})).toEqual([
    "id",
    "name",
    "city",
    "notes",
  ]);
  expect(Object.keys(contact?.properties ?? {})).toEqual(["id", "name", "email", "company_id"]);
  expect(Object.keys(owner?.properties ?? {})).toEqual(["id", "email", "full_name"]);
  expect(rowOf("/crm/deals").properties["items"]?.items).toEqual(deal);
  expect(rowOf("/crm/deals", 201, "post")).toEqual(deal);
  expect(rowOf("/crm/companies/{id}").properties["deals"]?.items.properties).not.toHaveProperty("company");
});
