import { expect } from "bun:test";
import { EVERYTHING, testCrm } from "./crm.ts";

const RUN = `
  import { createRouter, db, resource } from "xcore";
  import { sql } from "drizzle-orm";
  import { table, uuid, varchar } from "xcore/schema";
  import { companies, contacts, deals } from "./schema.ts";
  export const things = table("crm_things", { id: uuid().primaryKey(), label: varchar(50) });
  export default createRouter()
    .use(resource(companies, { relations: { contacts: contacts.company_id }, expand: ["contacts"] }))
    .use(resource(contacts, { expand: ["company.contacts"] }))
    .use(resource(things, {}))
    .use(resource(deals, { expand: ["contact.company"], create: { owner_id: ({ user }) => user.id } }));
  export async function setup() {
    for (const type of ["uuid", "char(36)", "text"]) {
      try {
        await db.execute(sql.raw("create table crm_things (id " + type + " primary key, label varchar(50))"));
        return;
      } catch {}
    }
  }
`;

const first = ({ contacts }: { contacts: { id: number; name: string; company_id: number }[] }) => [
  contacts.length,
  contacts[0],
  contacts.at(-1)?.id,
];

testCrm(
  "a long list leaves room for those of the other rows of a page",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    await crm.send(ada, "POST", "/crm/companies/import", [{ name: "A" }, { name: "B" }, { name: "C" }]);
    const many = (company: number, count: number) =>
      crm.send(
        ada,
        "POST",
        "/crm/contacts/import",
        Array.from({ length: count }, (_, at) => ({ name: `${company}-${at}`, company_id: company })),
      );
    await many(1, 1100);
    await many(2, 1001);
    await many(1, 1);
    const { items } = (await crm.send(ada, "GET", "/crm/companies?expand=contacts&sort=-id")).body;
    expect(items.map(first)).toEqual([
      [0, undefined, undefined],
      [1000, { id: 1101, name: "2-0", email: null, company_id: 2 }, 2100],
      [1000, { id: 1, name: "1-0", email: null, company_id: 1 }, 1000],
    ]);
    const one = (await crm.send(ada, "GET", "/crm/companies/2?expand=contacts")).body;
    expect(first(one)).toEqual(first(items[1]));
    const far = (await crm.send(ada, "GET", "/crm/contacts?expand=company.contacts&sort=-id&per_page=3"))
      .body;
    expect(
      far.items.map(({ company }: { company: Parameters<typeof first>[0] }) => first(company)[0]),
    ).toEqual([1000, 1000, 1000]);
  },
  RUN,
);

testCrm(
  "what lies two steps away is shown, and grouped by",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    await crm.send(ada, "POST", "/crm/companies", { name: "A" });
    await crm.send(ada, "POST", "/crm/contacts", { name: "Of A", company_id: 1 });
    const deal = { title: "d", amount: "2.50", company_id: 1, contact_id: 1 };
    const made = await crm.send(ada, "POST", "/crm/deals?expand=contact.company&fields=id", deal);
    const shown = { id: 1, contact: { id: 1, name: "Of A", company: { id: 1, name: "A" } } };
    expect(made.body).toMatchObject(shown);
    const read = await crm.send(ada, "GET", "/crm/deals/1?expand=contact.company&fields=id");
    expect(read.body).toMatchObject(shown);
    const groups = await crm.send(ada, "GET", "/crm/deals/aggregate?group=contact.company.name&sum=amount");
    expect(groups.body.items).toEqual([{ group: { "contact.company.name": "A" }, sum: { amount: "2.50" } }]);
  },
  RUN,
);

testCrm(
  "batches at once that write the same rows in orders of their own are all made",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const ids = [1, 2, 3, 4];
    await crm.send(
      ada,
      "POST",
      "/crm/companies/import",
      ids.map((id) => ({ name: `${id}` })),
    );
    const orders = [ids, ids.toReversed(), [2, 4, 1, 3], [3, 1, 4, 2]];
    const done = await Promise.all(
      Array.from({ length: 24 }, (_, at) => {
        const update = (orders[at % orders.length] ?? []).map((id) => ({ id, city: `${at}` }));
        return crm.send(ada, "POST", "/crm/companies/batch", { update });
      }),
    );
    expect(done.map(({ status }) => status)).toEqual(done.map(() => 200));
    const { items } = (await crm.send(ada, "GET", "/crm/companies")).body;
    expect(new Set(items.map(({ city }: { city: string }) => city)).size).toBe(1);
  },
  RUN,
);

testCrm(
  "imports at once change each other's rows, and find keys however they are written",
  async (crm) => {
    const ada = await crm.user("ada@example.com", [...EVERYTHING, "things:read", "things:write"]);
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, city) =>
        crm.send(
          ada,
          "POST",
          "/crm/companies/import?key=name",
          ["A", "B", "C"].map((name) => ({ name, city: `${city}` })),
        ),
      ),
    );
    // MySQL gives some up, which are to be sent again: nobody is told that rows are wrong.
    const done = answers.filter(({ status }) => status !== 503);
    expect(done.map(({ status }) => status)).toEqual(done.map(() => 200));
    expect(done.length).toBeGreaterThan(0);
    const sum = (name: "created" | "updated" | "unchanged") =>
      done.reduce((total, { body }) => total + body[name], 0);
    expect([sum("created"), sum("created") + sum("updated") + sum("unchanged")]).toEqual([
      3,
      3 * done.length,
    ]);
    const { items } = (await crm.send(ada, "GET", "/crm/companies")).body;
    expect([items.length, new Set(items.map(({ city }: { city: string }) => city)).size]).toEqual([3, 1]);

    const id = "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b";
    await crm.send(ada, "POST", "/crm/things", { id, label: "a" });
    const given = [{ id: id.toUpperCase(), label: "b" }];
    const changed = await crm.send(ada, "POST", "/crm/things/import?key=id", given);
    expect([changed.status, changed.body.updated]).toEqual([200, 1]);
    const twice = await crm.send(ada, "POST", "/crm/things/import?key=id", [...given, { id, label: "c" }]);
    expect([twice.status, twice.body.errors?.[0].code]).toEqual([422, "repeated"]);
    expect((await crm.send(ada, "GET", `/crm/things/${id}`)).body).toEqual({ id, label: "b" });
  },
  RUN,
);
