import { expect } from "bun:test";
import { EVERYTHING, testCrm } from "./crm.ts";

testCrm("a batch makes, changes and deletes rows together, and tells each by its place", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const send = (body: unknown, headers = {}) =>
    crm.send(ada, "POST", "/crm/companies/batch?fields=id,name", body, headers);
  const made = await send({ create: [{ name: "a" }, { name: "b" }, { name: "c", city: "Oslo" }] });
  expect([made.status, made.body]).toEqual([
    200,
    {
      create: [
        { id: 1, name: "a" },
        { id: 2, name: "b" },
        { id: 3, name: "c" },
      ],
      update: [],
      delete: [],
    },
  ]);
  // What goes makes room for what comes.
  const all = await send({ create: [{ name: "a" }], update: [{ id: 2, name: "c" }], delete: [1, 3] });
  expect(all.body).toEqual({
    create: [{ id: 4, name: "a" }],
    update: [{ id: 2, name: "c" }],
    delete: [1, 3],
  });
  const { body } = await crm.send(ada, "GET", "/crm/companies?fields=name&sort=id");
  expect(body.items).toEqual([{ name: "c" }, { name: "a" }]);
  const key = { "idempotency-key": crypto.randomUUID() };
  const twice = [
    await send({ create: [{ name: "once" }] }, key),
    await send({ create: [{ name: "once" }] }, key),
  ];
  expect(twice[1]?.body).toEqual(twice[0]?.body);
});

testCrm("of a batch with mistakes nothing is written, and all of them are told", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const batch = async (name: string, body: unknown) => {
    const answer = await crm.send(ada, "POST", `/crm/${name}/batch`, body);
    const errors = (answer.body.errors ?? []) as { path: string; code: string }[];
    return [answer.status, ...errors.map(({ path, code }) => `${path} ${code}`)];
  };
  await crm.send(ada, "POST", "/crm/companies", { name: "a" });
  await crm.send(ada, "POST", "/crm/companies", { name: "b" });
  expect(
    await batch("companies", {
      create: [{ name: "new" }, { name: "a" }, { name: "new" }],
      update: [
        { id: 2, name: "a" },
        { id: 7, name: "x" },
      ],
      delete: [9],
    }),
  ).toEqual([
    422,
    "/body/delete/0 not_found",
    "/body/update/0/name unique",
    "/body/update/1 not_found",
    "/body/create/1/name unique",
    "/body/create/2/name unique",
  ]);
  expect((await crm.send(ada, "GET", "/crm/companies")).body.total).toBe(2);
  const deal = { title: "x", amount: "1", company_id: 1 };
  expect(
    await batch("deals", {
      create: [
        { ...deal, starts_on: "2026-02-01", close_on: "2026-01-01" },
        { ...deal, company_id: 77 },
        { ...deal, margin: "1" },
      ],
    }),
  ).toEqual([
    422,
    "/body/create/0/close_on check",
    "/body/create/1/company_id missing_reference",
    "/body/create/2/margin read_only",
  ]);
  expect(
    await batch("deals", {
      create: [{ title: "x", amount: "a lot", company_id: 1, owner_id: 1, nope: 1 }],
      update: [{ title: "x" }, { id: 1 }, { id: 1, created_at: "2026-01-01T00:00:00Z" }],
      delete: ["1"],
    }),
  ).toEqual([
    422,
    "/body/create/0/owner_id read_only",
    "/body/create/0/nope unknown",
    "/body/create/0/amount decimal",
    "/body/update/0 invalid",
    "/body/update/0/id required",
    "/body/update/1 invalid",
    "/body/update/2/created_at read_only",
    "/body/delete/0 type",
  ]);
  expect(await batch("companies", {})).toEqual([422, "/body invalid"]);
  expect(await batch("companies", { remove: [1] })).toContain("/body/remove unknown");
  const many = await batch("companies", { delete: Array.from({ length: 1001 }, (_, at) => at) });
  expect(many).toEqual([422, "/body/delete invalid"]);
});

testCrm("a batch does what whoever sends it may do, with the rows that they have", async (crm) => {
  const [ada, bob] = [
    await crm.user("ada@example.com", EVERYTHING),
    await crm.user("bob@example.com", [
      "companies:read",
      "companies:write",
      "deals:read",
      "deals:write",
      "deals:delete",
    ]),
  ];
  await crm.send(ada, "POST", "/crm/companies", { name: "a" });
  await crm.send(ada, "POST", "/crm/deals", { title: "x", amount: "1", company_id: 1 });
  const batch = async (name: string, body: unknown) => crm.send(bob, "POST", `/crm/${name}/batch`, body);
  expect((await batch("companies", { create: [{ name: "b" }] })).status).toBe(200);
  expect((await batch("companies", { delete: [1] })).status).toBe(403);
  expect((await crm.send(null, "POST", "/crm/deals/batch", { delete: [1] })).status).toBe(401);
  const others = await batch("deals", { update: [{ id: 1, title: "mine" }], delete: [1] });
  expect(others.body.errors.map(({ path, code }: { path: string; code: string }) => [path, code])).toEqual([
    ["/body/delete/0", "not_found"],
    ["/body/update/0", "not_found"],
  ]);
});
