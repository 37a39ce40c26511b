import { expect } from "bun:test";
import { EVERYTHING, testCrm } from "./crm.ts";

const RUN = `
  import { eq, ne, or, isNull } from "drizzle-orm";
  import { createRouter, resource } from "xcore";
  import { companies, contacts, deals } from "./schema.ts";
  export default createRouter()
    .use(resource(companies, {
      rows: ({ can }) => (can("companies:all") ? undefined : or(isNull(companies.city), ne(companies.city, "hidden"))),
    }))
    .use(resource(contacts, { expand: ["company"] }))
    .use(resource(deals, {
      expand: ["company", "contact"],
      history: true,
      fields: { margin: { read: "deals:all" } },
      create: { owner_id: ({ user }) => user.id },
      workflow: { field: "stage", transitions: { win: { from: "open", to: "won", permission: "deals:win" } } },
    }));
`;

const tries = (company: number): [string, string, unknown][] => [
  ["POST", "", { name: "x", company_id: company }],
  ["PATCH", "/1", { company_id: company }],
  ["POST", "/batch", { create: [{ name: "x", company_id: company }] }],
  ["POST", "/batch", { update: [{ id: 1, company_id: company }] }],
  ["POST", "/import?dry_run=true", [{ name: "x", company_id: company }]],
  ["POST", "/import?dry_run=true", ["x", "y"].map((name) => ({ name, company_id: company }))],
];

testCrm(
  "nothing is told of fields that are hidden by the version of a row",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const boss = await crm.user("boss@example.com", [...EVERYTHING, "deals:all"]);
    await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
    await crm.send(boss, "POST", "/crm/deals", { title: "A", amount: "10", margin: "1.5", company_id: 1 });
    const tagOf = async (user: typeof ada) =>
      (await crm.send(user, "GET", "/crm/deals/1")).headers.get("etag") ?? "";
    const [adas, bosss] = [await tagOf(ada), await tagOf(boss)];
    const patched = await crm.send(boss, "PATCH", "/crm/deals/1", { margin: "2.5" });
    expect(patched.headers.get("etag")).toBe(await tagOf(boss));
    expect([await tagOf(ada), (await tagOf(boss)) === bosss]).toEqual([adas, false]);
    // What she sees is as she has read it.
    const changed = await crm.send(ada, "PATCH", "/crm/deals/1", { title: "B" }, { "if-match": adas });
    expect([changed.status, changed.headers.get("etag")]).toEqual([200, await tagOf(ada)]);
    const late = await crm.send(ada, "PATCH", "/crm/deals/1", { title: "C" }, { "if-match": adas });
    expect([late.status, late.body.current.title, late.headers.get("etag")]).toEqual([
      412,
      "B",
      await tagOf(ada),
    ]);
    expect(late.body.current).not.toHaveProperty("margin");
  },
  RUN,
);

testCrm(
  "who may write and not read is answered with keys alone",
  async (crm) => {
    const boss = await crm.user("boss@example.com", [...EVERYTHING, "deals:all", "deals:win"]);
    const drop = await crm.user("drop@example.com", [
      "deals:write",
      "deals:delete",
      "deals:all",
      "deals:win",
    ]);
    await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
    const deal = { title: "A", amount: "10", margin: "1.5", company_id: 1 };
    await crm.send(boss, "POST", "/crm/deals", deal);
    const made = await crm.send(drop, "POST", "/crm/deals?expand=company", deal);
    expect([made.status, made.body]).toEqual([201, { id: 2 }]);
    const patched = await crm.send(drop, "PATCH", "/crm/deals/1", { title: "B" });
    expect([patched.status, patched.body]).toEqual([200, { id: 1 }]);
    const stale = await crm.send(drop, "PATCH", "/crm/deals/1", { title: "B" }, { "if-match": '"x"' });
    expect([stale.status, stale.body.current]).toEqual([412, { id: 1 }]);
    const batch = await crm.send(drop, "POST", "/crm/deals/batch", { update: [{ id: 1, title: "C" }] });
    expect(batch.body).toEqual({ create: [], update: [{ id: 1 }], delete: [] });
    const won = await crm.send(drop, "POST", "/crm/deals/1/win");
    expect([won.status, won.body]).toEqual([200, { id: 1 }]);
    const again = await crm.send(drop, "POST", "/crm/deals/1/win");
    expect([again.status, again.body.current]).toEqual([409, { id: 1 }]);
    expect(again.body.detail).toContain("it is in a state from which");
    expect((await crm.send(drop, "PATCH", "/crm/deals/1?fields=title", { title: "D" })).status).toBe(422);
    expect((await crm.send(boss, "GET", "/crm/deals/1")).body).toMatchObject({ title: "C", stage: "won" });
  },
  RUN,
);

testCrm(
  "what is refused for how it is to be shown isn't written",
  async (crm) => {
    const boss = await crm.user("boss@example.com", [...EVERYTHING, "deals:all", "deals:win"]);
    await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
    await crm.send(boss, "POST", "/crm/deals", { title: "A", amount: "10", company_id: 1 });
    const { id: entry } = (await crm.send(boss, "GET", "/crm/deals/1/history")).body.items[0];
    await crm.send(boss, "PATCH", "/crm/deals/1", { title: "B" });
    const deal = { title: "C", amount: "10", company_id: 1 };
    for (const [method, path, body] of [
      ["POST", "?fields=nope", deal],
      ["POST", "?expand=nope", deal],
      ["PATCH", "/1?fields=nope", { title: "C" }],
      ["PATCH", "/1?expand=owner", { title: "C" }],
      ["POST", "/1/win?fields=nope", undefined],
      ["POST", "/1/revert?fields=nope", { to: entry }],
      ["POST", "/batch?fields=nope", { delete: [1] }],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const answer = await crm.send(boss, method, `/crm/deals${path}`, body);
      expect([path, answer.status, answer.body.errors[0].code]).toEqual([path, 422, "unknown_name"]);
    }
    const { items } = (await crm.send(boss, "GET", "/crm/deals")).body;
    expect(items).toMatchObject([{ id: 1, title: "B", stage: "open" }]);
    expect(items).toHaveLength(1);
  },
  RUN,
);

testCrm(
  "a row that may not be seen can't be referred to, as one that isn't there",
  async (crm) => {
    const ada = await crm.user("ada@example.com", [...EVERYTHING, "deals:all"]);
    const boss = await crm.user("boss@example.com", [...EVERYTHING, "companies:all", "deals:all"]);
    const drop = await crm.user("drop@example.com", ["contacts:write"]);
    for (const [name, city] of [
      ["Acme", null],
      ["Bolt", "hidden"],
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- in this order
      await crm.send(boss, "POST", "/crm/companies", { name, city });
    }
    await crm.send(boss, "POST", "/crm/contacts", { name: "Of Acme", company_id: 1 });
    await crm.send(boss, "POST", "/crm/contacts", { name: "Of Bolt", company_id: 2 });
    for (const user of [ada, drop]) {
      const toShown = ({ status, body }: Awaited<ReturnType<typeof crm.send>>) => {
        const { request_id: _, ...rest } = body;
        return [status, JSON.stringify(rest)];
      };
      for (const [at, [method, path, body]] of tries(99).entries()) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        const missing = await crm.send(user, method, `/crm/contacts${path}`, body);
        // oxlint-disable-next-line no-await-in-loop
        const hidden = await crm.send(user, method, `/crm/contacts${path}`, tries(2)[at]?.[2]);
        expect([path, ...toShown(hidden)]).toEqual([path, ...toShown(missing)]);
        expect(JSON.stringify(hidden.body)).toContain("missing_reference");
      }
    }
    expect((await crm.send(drop, "POST", "/crm/contacts", { name: "New", company_id: 1 })).status).toBe(201);
    // One that stays as it is isn't asked for again.
    const kept = await crm.send(ada, "PATCH", "/crm/contacts/2", { name: "Other", company_id: 2 });
    expect([kept.status, kept.body.company_id]).toEqual([200, 2]);
    expect((await crm.send(boss, "PATCH", "/crm/contacts/1", { company_id: 2 })).status).toBe(200);
  },
  RUN,
);
