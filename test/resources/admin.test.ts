import { expect, test } from "bun:test";
import { TestApp } from "../setup.ts";
import { Crm, EVERYTHING, testCrm } from "./crm.ts";

async function withDeals(crm: Crm) {
  const [boss, ada, bob] = [
    await crm.user("boss@example.com", [...EVERYTHING, "deals:all"]),
    await crm.user("ada@example.com", EVERYTHING),
    await crm.user("bob@example.com", ["deals:read"]),
  ] as const;
  const admin = await crm.app.admin();
  await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
  await crm.send(boss, "POST", "/crm/deals", { title: "Boss's", amount: "1", company_id: 1 });
  const explain = async (query: string, resource = "crm.deals", user = admin) =>
    crm.send(user, "GET", `/system/resources/${resource}/explain?${query}`);
  return { admin, boss, ada, bob, explain };
}

test("/system/resources describes what whoever asks may read, and do", async () => {
  await using crm = await Crm.start();
  const { admin, bob } = await withDeals(crm);
  const all = (await crm.send(admin, "GET", "/system/resources")).body;
  expect(all).toMatchObject({ page: 1, per_page: 20, total: 3 });
  expect(all.items.map(({ name, path }: Record<string, string>) => [name, path])).toEqual([
    ["crm.companies", "/crm/companies"],
    ["crm.contacts", "/crm/contacts"],
    ["crm.deals", "/crm/deals"],
  ]);
  const deals = (await crm.send(admin, "GET", "/system/resources/crm.deals")).body;
  expect(deals).toEqual(all.items[2]);
  expect(deals).toMatchObject({
    plugin: "crm",
    label: "Deals",
    singular: "deal",
    table: "crm_deals",
    key: "id",
    title: "title",
    permission: "deals",
    verbs: ["read", "create", "update", "delete"],
    search: ["title", "company.name"],
    expand: ["company", "contact", "owner"],
    soft_delete: false,
    history: expect.any(Boolean),
    unique: [["id"]],
  });
  const columnOf = (name: string) => deals.columns.find((column: { name: string }) => column.name === name);
  expect(columnOf("title")).toEqual({
    name: "title",
    label: "Title",
    kind: "varchar",
    length: 200,
    is_nullable: false,
    has_default: false,
    default: null,
    is_unique: false,
    is_required: true,
    may_create: true,
    may_update: true,
    references: null,
    shown_by: [],
  });
  expect(columnOf("amount")).toMatchObject({ kind: "decimal", precision: 15, scale: 2 });
  expect(columnOf("stage")).toMatchObject({
    kind: "enum",
    values: ["open", "won", "lost"],
    has_default: true,
    default: "open",
  });
  expect(columnOf("owner_id")).toMatchObject({ may_create: false, may_update: true });
  expect(columnOf("created_at")).toMatchObject({ may_create: false, may_update: false });
  expect(columnOf("company_id")).toMatchObject({
    label: "Company",
    kind: "references",
    references: { table: "crm_companies", column: "id", resource: "crm.companies", title: "name" },
  });
  expect(deals.relations.find(({ name }: { name: string }) => name === "owner")).toEqual({
    name: "owner",
    label: "Owner",
    is_many: false,
    column: "owner_id",
    references: { table: "users", column: "id", resource: null, title: "email" },
  });
  expect(deals.sortable).toContain("margin");
  expect(deals.filterable).toContain("company.name");

  const page = (await crm.send(admin, "GET", "/system/resources?page=2&per_page=2")).body;
  expect([page.total, page.items.length]).toEqual([3, 1]);
  // Bob may read deals, without their margin, and change none.
  const own = (await crm.send(bob, "GET", "/system/resources")).body;
  expect(own.items.map(({ name }: { name: string }) => name)).toEqual(["crm.deals"]);
  expect(own.items[0].verbs).toEqual(["read"]);
  expect(JSON.stringify(own)).not.toContain("margin");
  expect((await crm.send(bob, "GET", "/system/resources/crm.companies")).status).toBe(404);
  expect((await crm.send(bob, "GET", "/system/resources/deals")).status).toBe(404);
  expect((await crm.send(null, "GET", "/system/resources")).status).toBe(401);
});

function toPlugin(name: string): string {
  return `
    import { createRouter, resource } from "xcore";
    import { id, table } from "xcore/schema";
    export const PLUGIN_INFO = { name: "${name}", version: "1.0.0" };
    const deals = table("${name}_deals", { id: id() });
    export default createRouter().group("/v1", (v1) => v1.use(resource(deals, { permission: "${name}_deals" })));
  `;
}

test("resources of the same name in two plugins are told apart", async () => {
  await using app = await TestApp.start({
    plugins: { "shop.ts": toPlugin("shop"), "store.ts": toPlugin("store") },
  });
  const { items } = (await app.get("/system/resources")).body;
  expect(items.map(({ name, path, table }: Record<string, string>) => [name, path, table])).toEqual([
    ["shop.deals", "/shop/v1/deals", "shop_deals"],
    ["store.deals", "/store/v1/deals", "store_deals"],
  ]);
});

testCrm("explain says which rule hides a row from somebody", async (crm) => {
  const { boss, ada, bob, explain } = await withDeals(crm);
  const seen = await explain(`id=1&user=${boss.id}`);
  expect(seen.body).toMatchObject({
    resource: "crm.deals",
    id: "1",
    user: { id: boss.id, email: "boss@example.com", is_active: true },
    exists: true,
    read: { is_allowed: true, reasons: [] },
    update: { is_allowed: true },
    delete: { is_allowed: true },
  });
  expect(seen.body.fields.every((field: { may_read: boolean }) => field.may_read)).toBe(true);
  const hidden = (await explain("id=1&user=ADA@example.com")).body;
  expect(hidden.read).toMatchObject({
    is_allowed: false,
    reasons: [
      {
        rule: "rows",
        message: 'The rule "rows.read" of the resource doesn\'t take it',
        condition: { values: [ada.id] },
      },
    ],
  });
  expect(hidden.read.reasons[0].condition.sql).toMatch(/owner_id/);
  expect(hidden.fields.find(({ name }: { name: string }) => name === "margin")).toEqual({
    name: "margin",
    may_read: false,
    may_write: false,
    read_rule: 'They don\'t hold the permission "deals:all"',
    write_rule: 'They don\'t hold the permission "deals:all"',
  });
  const lacking = (await explain(`id=1&user=${bob.id}`, "crm.companies")).body;
  expect(lacking.read.reasons).toEqual([
    { rule: "permission", message: 'They don\'t hold the permission "companies:read"' },
  ]);
  expect((await explain(`id=1&user=${bob.id}`)).body.update.reasons).toContainEqual({
    rule: "permission",
    message: 'They don\'t hold the permission "deals:write"',
  });
  const missing = (await explain(`id=99&user=${boss.id}`)).body;
  expect([missing.exists, missing.read.reasons]).toEqual([
    false,
    [{ rule: "missing", message: "There is no such deal in the table" }],
  ]);
  expect((await explain(`id=1'--&user=${boss.id}`)).body.errors).toMatchObject([{ path: "/query/id" }]);
  expect((await explain("id=1&user=999")).status).toBe(404);
  expect((await explain("id=1&user=nobody@example.com")).status).toBe(404);
  expect((await explain(`id=1&user=${boss.id}`, "crm.nope")).status).toBe(404);
  expect((await explain(`id=1&user=${boss.id}`, "crm.deals", boss)).status).toBe(403);
});

const FAILING = `
  import { createRouter, resource } from "xcore";
  import { companies } from "./schema.ts";
  export default createRouter().use(resource(companies, {
    rows: { read: ({ user }) => { if (user.email !== "boss@example.com") throw new Error("a secret " + user.email); }, update: () => false },
    fields: {
      city: { read: ({ user }) => { if (user.email === "bob@example.com") throw new Error("a secret of a field"); return false; }, write: false },
    },
  }));
`;

test("a rule that fails is told as such, without what it says", async () => {
  await using crm = await Crm.start({ run: FAILING });
  const [boss, bob] = [
    await crm.user("boss@example.com", EVERYTHING),
    await crm.user("bob@example.com", EVERYTHING),
  ];
  const made = await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
  expect(made.status).toBe(403); // as nobody may change it then
  const { db } = crm.app.app.store;
  const [company] = crm.app.app.resources.list();
  await db.insert(company?.table as never).values({ name: "Acme" } as never);
  const admin = await crm.app.admin();
  const explain = async (user: number) =>
    (await crm.send(admin, "GET", `/system/resources/crm.companies/explain?id=1&user=${user}`)).body;
  const failed = await explain(bob.id);
  expect(failed.read.reasons).toEqual([
    { rule: "failed", message: 'The rule "rows.read" of the resource fails: the log says why' },
  ]);
  expect(failed.fields.find(({ name }: { name: string }) => name === "city")).toEqual({
    name: "city",
    may_read: false,
    may_write: false,
    read_rule: "A function of the resource fails: the log says why",
    write_rule: "It is for nobody",
  });
  expect(JSON.stringify(failed)).not.toContain("secret");
  expect((await explain(boss.id)).update.reasons).toMatchObject([
    { rule: "rows", message: 'The rule "rows.update" of the resource doesn\'t take it' },
  ]);
  // Where its rules fail, a resource isn't described.
  expect((await crm.send(bob, "GET", "/system/resources")).body.items).toEqual([]);
});

const KEPT = `
  import { sql } from "drizzle-orm";
  import { createRouter, db, resource } from "xcore";
  import { decimal, enumOf, id, table, timestamp, varchar } from "xcore/schema";
  const invoices = table("crm_invoices", {
    id: id(),
    number: varchar(20),
    state: enumOf(["draft", "open", "paid"]).notNull().default("draft"),
    amount: decimal(10, 2),
    deleted_at: timestamp(),
  });
  export default createRouter().use(resource(invoices, {
    softDelete: true,
    numbered: { field: "number", series: "INV-{00000}", when: "open" },
    workflow: { field: "state", transitions: {
      submit: { from: "draft", to: "open" },
      pay: { from: "open", to: "paid", permission: "invoices:pay" },
    } },
  }));
  export async function setup() {
    await db.execute(sql.raw("create table crm_invoices (id integer primary key, number text, state text not null default 'draft', amount numeric, deleted_at integer)"));
    await db.insert(invoices).values([{ amount: "1" }, { amount: "2", deleted_at: new Date(0) }, { amount: "4", state: "open" }]);
  }
`;

test("deleted rows and steps are told of, and deleted rows are summed up for who may delete alone", async () => {
  await using crm = await Crm.start({ run: KEPT });
  const admin = await crm.app.admin();
  const clerk = await crm.user("clerk@example.com", ["invoices:read", "invoices:write"]);
  const described = (await crm.send(clerk, "GET", "/system/resources/crm.invoices")).body;
  expect(described).toMatchObject({
    soft_delete: true,
    numbered: "number",
    workflow: {
      field: "state",
      transitions: [
        { name: "submit", label: "Submit", from: ["draft"], to: "open", permission: null, may_use: true },
        { name: "pay", from: ["open"], to: "paid", permission: "invoices:pay", may_use: false },
      ],
    },
  });
  const explained = await crm.send(
    admin,
    "GET",
    `/system/resources/crm.invoices/explain?id=2&user=${clerk.id}`,
  );
  expect(explained.body).toMatchObject({
    exists: true,
    read: {
      is_allowed: false,
      reasons: [{ rule: "deleted", message: 'It is deleted: "deleted_at" says when' }],
    },
  });
  const sum = async (query: string, user = admin) => {
    const { status, body } = await crm.send(user, "GET", `/crm/invoices/aggregate?sum=amount${query}`);
    return status === 200 ? body.items[0].sum.amount : status;
  };
  expect([await sum(""), await sum("&deleted=only"), await sum("&deleted=with")]).toEqual([
    "5.00",
    "2.00",
    "7.00",
  ]);
  expect(await sum("&deleted=only", clerk)).toBe(403);
});
