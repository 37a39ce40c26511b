import { expect } from "bun:test";
import { type Crm, EVERYTHING, testCrm } from "./crm.ts";

async function withDeals(crm: Crm) {
  const [ada, bob, boss] = [
    await crm.user("ada@example.com", EVERYTHING),
    await crm.user("bob@example.com", ["deals:read", "deals:write"]),
    await crm.user("boss@example.com", [...EVERYTHING, "deals:all"]),
  ] as const;
  await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
  await crm.send(boss, "POST", "/crm/companies", { name: "Bolt" });
  for (const [user, title] of [
    [ada, "Ada's"],
    [bob, "Bob's"],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    const made = await crm.send(user, "POST", "/crm/deals", { title, amount: "10", company_id: 1 });
    expect(made.status).toBe(201);
  }
  const set = await crm.send(boss, "PATCH", "/crm/deals/2", { margin: "7.5" });
  expect(set.body).toMatchObject({ margin: "7.50" });
  return { ada, bob, boss };
}

testCrm("a row that may not be seen isn't there", async (crm) => {
  const { ada, boss } = await withDeals(crm);
  const titles = async (user: typeof ada, query = "") =>
    (await crm.send(user, "GET", `/crm/deals${query}`)).body.items.map(
      ({ title }: { title: string }) => title,
    );
  expect(await titles(ada)).toEqual(["Ada's"]);
  expect(await titles(boss, "?sort=id")).toEqual(["Ada's", "Bob's"]);
  for (const [method, body] of [["GET"], ["PATCH", { title: "x" }], ["DELETE"]] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await crm.send(ada, method, "/crm/deals/2", body);
    expect([method, answer.status, answer.body.detail]).toEqual([method, 404, 'Cannot find deal "2"']);
  }
  expect(await titles(ada, "?filter=id = 2")).toEqual([]);
  expect(await titles(ada, "?q=bob")).toEqual([]);
});

testCrm("a hidden field can't be seen, set, filtered or sorted by", async (crm) => {
  const { bob, boss } = await withDeals(crm);
  expect((await crm.send(bob, "GET", "/crm/deals/2")).body).not.toHaveProperty("margin");
  expect((await crm.send(bob, "GET", "/crm/deals")).body.items[0]).not.toHaveProperty("margin");
  const refused: [string, string, string][] = [
    ["filter=margin > 1", "/query/filter", "filter"],
    ["filter=!(margin = null)", "/query/filter", "filter"],
    ["margin.ne=1", "/query/margin.ne", "filter"],
    ["sort=margin", "/query/sort", "unknown_name"],
    ["fields=margin", "/query/fields", "unknown_name"],
  ];
  for (const [query, path, code] of refused) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { status, body } = await crm.send(bob, "GET", `/crm/deals?${query}`);
    expect([query, status, body.errors]).toMatchObject([query, 422, [{ path, code }]]);
    expect(JSON.stringify(body)).not.toContain('"margin"');
  }
  const set = await crm.send(bob, "PATCH", "/crm/deals/2", { margin: "1" });
  expect([set.status, set.body.errors]).toMatchObject([422, [{ path: "/body/margin", code: "read_only" }]]);
  expect(
    (await crm.send(boss, "GET", "/crm/deals?filter=margin > 1&fields=margin&sort=margin")).body.items,
  ).toEqual([{ margin: "7.50" }]);
});

testCrm("what belongs to a row is shown by its own resource's rules", async (crm) => {
  const { ada, bob } = await withDeals(crm);
  expect((await crm.send(ada, "GET", "/crm/deals/1?expand=company,owner")).body).toMatchObject({
    company: { name: "Acme" },
    owner: { email: "ada@example.com" },
  });
  // Bob may read deals, and no companies.
  expect((await crm.send(bob, "GET", "/crm/deals/2?expand=company")).body.company).toBeNull();
  expect((await crm.send(bob, "GET", '/crm/deals?filter=company.name = "Acme"')).body.total).toBe(0);
  expect((await crm.send(bob, "GET", "/crm/deals?q=acme")).body.total).toBe(0);
  expect((await crm.send(ada, "GET", '/crm/deals?filter=owner.email ~ "ADA@"')).body.total).toBe(1);
  const cycle = await crm.send(ada, "GET", "/crm/deals?expand=company.contacts.company");
  expect([cycle.status, cycle.body.errors[0].path]).toEqual([422, "/query/expand"]);
  await crm.send(ada, "POST", "/crm/contacts", { name: "Cy", company_id: 1 });
  expect((await crm.send(ada, "GET", "/crm/companies?expand=contacts&sort=id")).body.items).toMatchObject([
    { name: "Acme", contacts: [{ name: "Cy", company_id: 1 }] },
    { name: "Bolt", contacts: [] },
  ]);
  expect((await crm.send(ada, "GET", '/crm/companies?filter=contacts.name ?= "Cy"')).body.total).toBe(1);
});

testCrm("a body is held to the table, to its rules and to the check", async (crm) => {
  const { ada } = await withDeals(crm);
  const good = { title: "x", amount: "1", company_id: 1 };
  const refused: [object, string, string][] = [
    [{ ...good, title: undefined }, "/body/title", "required"],
    [{ ...good, nope: 1 }, "/body/nope", "unknown"],
    [{ ...good, owner_id: 1 }, "/body/owner_id", "read_only"],
    [{ ...good, created_at: "2026-01-01T00:00:00Z" }, "/body/created_at", "read_only"],
    [{ ...good, id: 7 }, "/body/id", "read_only"],
    [{ ...good, stage: "lots" }, "/body/stage", "one_of"],
    [{ ...good, amount: 5 }, "/body/amount", "type"],
    [{ ...good, company_id: 99 }, "/body/company_id", "missing_reference"],
    [{ ...good, starts_on: "2026-02-01", close_on: "2026-01-01" }, "/body/close_on", "check"],
  ];
  for (const [body, path, code] of refused) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const answer = await crm.send(ada, "POST", "/crm/deals", body);
    expect([path, answer.status, answer.body.errors]).toMatchObject([path, 422, [{ path, code }]]);
  }
  for (const body of [{}, { nope: 1 }, { id: 2 }, { title: null }]) {
    // oxlint-disable-next-line no-await-in-loop
    expect([body, (await crm.send(ada, "PATCH", "/crm/deals/1", body)).status]).toEqual([body, 422]);
  }
  expect((await crm.send(ada, "GET", "/crm/deals")).body.total).toBe(1);
  const same = await crm.send(ada, "POST", "/crm/companies", { name: "Acme" });
  expect([same.status, same.body.code]).toEqual([409, "conflict"]);
});

testCrm("permissions are declared by the resource, and asked for", async (crm) => {
  const { bob } = await withDeals(crm);
  const known = await crm.send(await crm.app.admin(), "GET", "/admin/permissions?per_page=100");
  const names = known.body.items.map(({ name }: { name: string }) => name);
  expect(names).toEqual(expect.arrayContaining([...EVERYTHING, "deals:all"]));
  const plugin = await crm.send(await crm.app.admin(), "GET", "/system/plugins/crm");
  expect(plugin.body).toMatchObject({ state: "serving", warnings: [] });
  expect((await crm.send(null, "GET", "/crm/deals")).status).toBe(401);
  expect((await crm.send(bob, "GET", "/crm/companies")).status).toBe(403);
  expect((await crm.send(bob, "DELETE", "/crm/deals/2")).status).toBe(403);
});
