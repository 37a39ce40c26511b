import { expect, test } from "bun:test";
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
  });
  expect((await crm.send(ada, "DELETE", "/crm/deals/1")).status).toBe(204);
  expect((await crm.send(ada, "GET", "/crm/deals/1")).body).toMatchObject({ code: "not_found", status: 404 });
});
