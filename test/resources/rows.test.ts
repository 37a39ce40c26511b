import { join } from "node:path";
import { expect, test } from "bun:test";
import { xcore } from "../cli/xcore-process.ts";
import { TestFolder } from "../setup.ts";
import { Crm } from "./crm.ts";

const ALL = [
  "companies:read",
  "companies:write",
  "companies:delete",
  "contacts:read",
  "contacts:write",
  "deals:read",
  "deals:write",
  "deals:delete",
];

test("a resource makes, lists, reads, changes and deletes rows", async () => {
  await using crm = await Crm.start();
  const ada = await crm.user("ada@example.com", ALL);
  const company = await crm.send(ada, "POST", "/crm/companies", { name: "Acme", city: "Paris" });
  expect([company.status, company.body]).toEqual([201, { id: 1, name: "Acme", city: "Paris", notes: null }]);
  expect(company.headers.get("location")).toBe("/crm/companies/1");
  const deal = await crm.send(ada, "POST", "/crm/deals?expand=company", {
    title: "Engines",
    amount: "1500.5",
    company_id: 1,
  });
  expect(deal.status).toBe(201);
  expect(deal.body).toMatchObject({
    id: 1,
    stage: "open",
    amount: "1500.50",
    owner_id: ada.id,
    company: { id: 1, name: "Acme" },
  });
  expect(deal.body).not.toHaveProperty("margin");
  const read = await crm.send(ada, "GET", "/crm/deals/1?fields=title,stage&expand=owner");
  expect(read.body).toEqual({
    title: "Engines",
    stage: "open",
    owner: { id: ada.id, email: "ada@example.com", full_name: null },
  });
  expect(read.headers.get("etag")).toBe(deal.headers.get("etag"));
  const changed = await crm.send(
    ada,
    "PATCH",
    "/crm/deals/1",
    { stage: "won" },
    { "if-match": read.headers.get("etag") },
  );
  expect([changed.status, changed.body.stage]).toEqual([200, "won"]);
  const stale = await crm.send(
    ada,
    "PATCH",
    "/crm/deals/1",
    { stage: "lost" },
    { "if-match": read.headers.get("etag") },
  );
  expect([stale.status, stale.body.code, stale.body.current.stage]).toEqual([
    412,
    "precondition_failed",
    "won",
  ]);
  const list = await crm.send(
    ada,
    "GET",
    "/crm/deals?stage=won&stage=open&amount.gte=1000&expand=company&sort=-amount",
  );
  expect(list.body).toMatchObject({
    page: 1,
    per_page: 20,
    total: 1,
    items: [{ id: 1, company: { name: "Acme" } }],
  });
  expect(
    (await crm.send(ada, "GET", '/crm/deals?filter=stage = "won" %26%26 company.name ~ "acm"')).body.total,
  ).toBe(1);
  expect((await crm.send(ada, "GET", "/crm/deals?q=acme eng")).body.total).toBe(1);
  expect((await crm.send(ada, "GET", "/crm/deals?q=acme nothing")).body.total).toBe(0);
  expect((await crm.send(ada, "DELETE", "/crm/companies/1")).body).toMatchObject({
    code: "conflict",
    status: 409,
    detail: 'Cannot delete the row: 1 row of resource "crm.deals" refers to it',
    referred_by: { resource: "crm.deals", count: 1 },
  });
  const batch = await crm.send(ada, "POST", "/crm/companies/batch", { delete: [1] });
  expect(batch.body.errors).toMatchObject([
    { path: "/body/delete/0", code: "conflict", message: expect.stringContaining('of resource "crm.deals"') },
  ]);
  expect((await crm.send(ada, "DELETE", "/crm/deals/1")).status).toBe(204);
  expect((await crm.send(ada, "GET", "/crm/deals/1")).body).toMatchObject({ code: "not_found", status: 404 });
});

test("the plugin of docs/resources.md is served as it says", async () => {
  const text = await Bun.file(join(import.meta.dir, "../../docs/resources.md")).text();
  const files = Object.fromEntries(
    [...text.matchAll(/```ts\n\/\/ plugins\/(sales\/\S+)\n([^]*?)```/g)].map(([, path, code]) => [
      path ?? "",
      code ?? "",
    ]),
  );
  await using folder = await TestFolder.create(
    Object.fromEntries(Object.entries(files).map(([path, code]) => [`plugins/${path}`, code])),
  );
  await folder.write({ "plugins/sales/plugin.json": { name: "sales", version: "1.0.0" } });
  expect((await xcore(folder, ["db", "generate", "sales"])).code).toBe(0);
  const [sql = ""] = [...new Bun.Glob("plugins/sales/drizzle/sqlite/*.sql").scanSync(folder.path)];
  await using crm = await Crm.start({
    plugins: {
      ...files,
      "sales/plugin.json": { name: "sales", version: "1.0.0" },
      "sales/drizzle/sqlite/0000_made.sql": await Bun.file(join(folder.path, sql)).text(),
    },
  });
  const ada = await crm.user("ada@example.com", [
    "companies:read",
    "companies:write",
    "deals:read",
    "deals:write",
  ]);
  await crm.send(ada, "POST", "/sales/companies", { name: "Acme" });
  const deal = { title: "Engines", amount: "1500", stage: "won", company_id: 1 };
  expect((await crm.send(ada, "POST", "/sales/deals", deal)).status).toBe(201);
  const [, filter = ""] = /```text\n(.*)\n```/.exec(text) ?? [];
  const found = await crm.send(
    ada,
    "GET",
    `/sales/deals?expand=company&filter=${encodeURIComponent(filter)}`,
  );
  expect(found.body.items).toMatchObject([{ title: "Engines", company: { name: "Acme" } }]);
  const wrong = await crm.send(ada, "GET", "/sales/deals?filter=title = 5");
  const [, told = ""] = /```json\n(.*)\n```/.exec(text) ?? [];
  expect(wrong.body.errors).toEqual([JSON.parse(told)]);
  expect(
    (await crm.send(ada, "GET", '/sales/companies?filter=deals.stage ?= "won"&expand=deals')).body.items,
  ).toMatchObject([{ name: "Acme", deals: [{ title: "Engines" }] }]);
});
