import { expect, test } from "bun:test";
import { createTestHost } from "xcore/testing";

const PERMISSIONS = ["companies", "contacts", "deals"].flatMap((name) => [`${name}:read`, `${name}:write`]);

test("each seller has their own deals, and closes them by steps", async () => {
  await using host = await createTestHost({ plugins: [import.meta.dir] });
  const [ada, bob] = await Promise.all([
    host.createUser({ permissions: [...PERMISSIONS, "deals:close"] }),
    host.createUser({ permissions: PERMISSIONS }),
  ]);
  const post = async (user: typeof ada, path: string, json: object = {}) => {
    const answer = await host.fetch(`/crm${path}`, { method: "POST", json, headers: user.headers });
    return { status: answer.status, body: await answer.json() };
  };
  const read = async (user: typeof ada, path: string) =>
    (await host.fetch(`/crm${path}`, { headers: user.headers })).json();
  await post(ada, "/companies", { name: "Acme", city: "Paris" });
  const deal = { title: "Engines", amount: "1500", company_id: 1 };
  expect(await post(ada, "/deals", deal)).toMatchObject({
    status: 201,
    body: { stage: "open", amount: "1500.00" },
  });
  expect(await read(bob, "/deals")).toMatchObject({ total: 0 });
  expect(await post(bob, "/deals/1/win")).toMatchObject({ status: 403 });
  expect(await post(ada, "/deals/1/win")).toMatchObject({ status: 200, body: { stage: "won" } });
  expect(await post(ada, "/deals/1/lose")).toMatchObject({ status: 409 });
  expect(await read(ada, "/deals?q=acme&expand=company")).toMatchObject({
    items: [{ title: "Engines", company: { name: "Acme" } }],
  });
  expect(await read(ada, "/deals/aggregate?sum=amount&group=stage")).toMatchObject({
    items: [{ group: { stage: "won" }, sum: { amount: "1500.00" } }],
  });
});

test("contacts are imported, with the company of each by its name", async () => {
  await using host = await createTestHost({ plugins: [import.meta.dir] });
  const { headers } = await host.createUser({ permissions: PERMISSIONS });
  await host.fetch("/crm/companies", { json: { name: "Acme" }, headers });
  const body = "name;email;company.name\nAda;ada@example.com;Acme\nBob;;Nowhere\n";
  const send = async (query: string) => {
    const type = { ...headers, "content-type": "text/csv" };
    return (await host.fetch(`/crm/contacts/import${query}`, { method: "POST", body, headers: type })).json();
  };
  expect(await send("?dry_run=true&on_error=skip")).toMatchObject({ created: 1 });
  expect(await send("?on_error=skip")).toMatchObject({ created: 1 });
  const contacts = await (await host.fetch("/crm/contacts?expand=company", { headers })).json();
  expect(contacts).toMatchObject({ total: 1, items: [{ name: "Ada", company: { name: "Acme" } }] });
});
