import { expect } from "bun:test";
import { type Crm, EVERYTHING, testCrm } from "./crm.ts";

const RUN = `
  import { eq, sql } from "drizzle-orm";
  import { createRouter, db, hooks, resource } from "xcore";
  import { table, varchar } from "xcore/schema";
  import { companies, contacts, deals } from "./schema.ts";
  const codes = table("crm_codes", { code: varchar(20).primaryKey(), name: varchar(50) });
  const told = [];
  hooks.on("crm.deal.updated", ({ data: { before, after, actor } }) => told.push([before.title, after.title, actor.email]));
  export default createRouter()
    .use(resource(companies, { history: true }))
    .use(resource(contacts))
    .use(resource(deals, {
      history: true,
      rows: ({ user, can }) => (can("deals:all") ? undefined : eq(deals.owner_id, user.id)),
      fields: { margin: { read: "deals:all", write: "deals:all" }, created_at: { write: false } },
      create: { owner_id: ({ user }) => user.id },
      check: ({ value: { starts_on: starts, close_on: closes } }) =>
        starts && closes && closes < starts ? { close_on: "must not be before the start" } : undefined,
    }))
    .use(resource(codes, { history: true, permission: null, rows: ({ user }) => user !== null && undefined }))
    .get("/told", () => told);
  export const setup = () =>
    db.execute(sql.raw("create table crm_codes (code varchar(20) primary key, name varchar(50))"));
`;

async function withDeal(crm: Crm) {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const bob = await crm.user("bob@example.com", EVERYTHING);
  const boss = await crm.user("boss@example.com", [...EVERYTHING, "deals:all"]);
  await crm.send(ada, "POST", "/crm/companies", { name: "Acme" });
  const deal = { title: "Engines", amount: "10", company_id: 1, starts_on: "2026-01-05", close_on: null };
  expect((await crm.send(ada, "POST", "/crm/deals", deal)).status).toBe(201);
  return { ada, bob, boss };
}

testCrm(
  "a history says who changed what, as far as whoever asks may see it",
  async (crm) => {
    const { ada, bob, boss } = await withDeal(crm);
    await crm.send(ada, "PATCH", "/crm/deals/1", { title: "Ships", amount: "12.5" });
    await crm.send(ada, "PATCH", "/crm/deals/1", { title: "Ships" });
    await crm.send(boss, "PATCH", "/crm/deals/1", { margin: "7" });
    // What is rolled back has never been.
    expect((await crm.send(ada, "PATCH", "/crm/deals/1", { company_id: 99 })).status).toBe(422);
    const { status, body } = await crm.send(ada, "GET", "/crm/deals/1/history");
    // Of a change of what is hidden from her alone she is told nothing.
    expect([status, body.total]).toEqual([200, 2]);
    expect(body.items).toMatchObject([
      {
        verb: "update",
        actor_id: ada.id,
        actor: { id: ada.id, email: "ada@example.com", full_name: null },
        changes: {
          title: { before: "Engines", after: "Ships" },
          amount: { before: "10.00", after: "12.50" },
        },
      },
      { verb: "create", changes: { title: { before: null, after: "Engines" }, owner_id: { after: ada.id } } },
    ]);
    expect(JSON.stringify(body)).not.toContain("margin");
    expect(new Date(body.items[0].at).toISOString()).toBe(body.items[0].at);
    const all = await crm.send(boss, "GET", "/crm/deals/1/history?per_page=1");
    expect(all.body.items[0].changes).toEqual({ margin: { before: null, after: "7.00" } });
    const next = await crm.send(boss, "GET", `/crm/deals/1/history?per_page=1&after=${all.body.next}`);
    expect(next.body.items).toEqual([body.items[0]]);
    const pages = await crm.send(ada, "GET", "/crm/deals/1/history?per_page=1");
    expect([pages.body.total, pages.body.items]).toEqual([2, [body.items[0]]]);
    const hidden = all.body.items[0].id;
    const guessed = await crm.send(ada, "POST", "/crm/deals/1/revert", { to: hidden });
    expect([guessed.status, guessed.body.errors[0].code]).toEqual([422, "missing_reference"]);
    expect((await crm.send(bob, "GET", "/crm/deals/1/history")).status).toBe(404);
    expect((await crm.send(ada, "GET", "/crm/deals/9/history")).status).toBe(404);
    expect((await crm.send(null, "GET", "/crm/deals/1/history")).status).toBe(401);
    // What isn't asked to be kept isn't.
    await crm.send(ada, "POST", "/crm/contacts", { name: "Cy", company_id: 1 });
    expect((await crm.send(ada, "GET", "/crm/contacts/1/history")).status).toBe(404);
  },
  RUN,
);

testCrm(
  "what is deleted keeps its history for those from whom no rule would have hidden it",
  async (crm) => {
    const { ada, bob, boss } = await withDeal(crm);
    expect((await crm.send(ada, "DELETE", "/crm/deals/1")).status).toBe(204);
    expect((await crm.send(ada, "GET", "/crm/deals/1/history")).status).toBe(404);
    const gone = await crm.send(boss, "GET", "/crm/deals/1/history");
    expect(gone.body.items.map(({ verb }: { verb: string }) => verb)).toEqual(["delete", "create"]);
    expect(gone.body.items[0].changes).toMatchObject({
      title: { before: "Engines", after: null },
      owner_id: { before: ada.id },
    });
    expect((await crm.send(boss, "POST", "/crm/deals/1/revert", { to: gone.body.items[1].id })).status).toBe(
      404,
    );
    expect((await crm.send(bob, "GET", "/crm/deals/1/history")).status).toBe(404);
  },
  RUN,
);

testCrm(
  "a row is put back to what it was, by the rules of every change",
  async (crm) => {
    const { ada, bob, boss } = await withDeal(crm);
    await crm.send(ada, "PATCH", "/crm/deals/1", { title: "Ships" });
    await crm.send(ada, "PATCH", "/crm/deals/1", { title: "Trains", close_on: "2026-01-09" });
    await crm.send(ada, "PATCH", "/crm/deals/1", { starts_on: "2026-01-08" });
    const entries = async () =>
      (await crm.send(ada, "GET", "/crm/deals/1/history?sort=id")).body.items as {
        id: number;
        verb: string;
      }[];
    const [made = { id: 0 }, renamed = { id: 0 }] = await entries();
    const revert = (user: typeof ada, to: number, headers: object = {}) =>
      crm.send(user, "POST", "/crm/deals/1/revert", { to }, headers);

    expect((await revert(bob, made.id)).status).toBe(404);
    expect((await revert(ada, made.id, { "if-match": '"other"' })).status).toBe(412);
    const unknown = await revert(ada, 99_999);
    expect([unknown.status, unknown.body.errors[0]]).toMatchObject([
      422,
      { path: "/body/to", code: "missing_reference" },
    ]);
    const back = await revert(ada, renamed.id);
    expect([back.status, back.body]).toMatchObject([
      200,
      { title: "Ships", close_on: null, starts_on: "2026-01-05", amount: "10.00" },
    ]);
    expect((await revert(ada, made.id)).body.title).toBe("Engines");
    const after = await entries();
    expect(after.slice(-2)).toMatchObject([
      { verb: "revert", changes: { title: { before: "Trains", after: "Ships" } } },
      { verb: "revert", changes: { title: { before: "Ships", after: "Engines" } } },
    ]);
    // There is nothing to change.
    expect((await revert(ada, made.id)).status).toBe(200);
    expect(await entries()).toHaveLength(after.length);
    expect((await crm.send(null, "GET", "/crm/told")).body.slice(-2)).toEqual([
      ["Trains", "Ships", "ada@example.com"],
      ["Ships", "Engines", "ada@example.com"],
    ]);

    // What somebody else has set beyond their rights isn't theirs to undo.
    await crm.send(boss, "PATCH", "/crm/deals/1", { margin: "7" });
    const refused = await revert(ada, made.id);
    expect([refused.status, refused.body.errors[0]]).toMatchObject([
      422,
      { path: "/body/to", code: "read_only" },
    ]);
    expect(JSON.stringify(refused.body)).not.toContain("margin");
    expect((await revert(boss, made.id)).body).toMatchObject({ margin: null });
  },
  RUN,
);

testCrm(
  "values that are too long aren't kept, and a row with a key of before hasn't its history",
  async (crm) => {
    const { ada } = await withDeal(crm);
    const notes = "x".repeat(70_000);
    await crm.send(ada, "PATCH", "/crm/companies/1", { notes });
    await crm.send(ada, "PATCH", "/crm/companies/1", { notes: "short" });
    const { body } = await crm.send(ada, "GET", "/crm/companies/1/history");
    expect(body.items.slice(0, 2)).toMatchObject([
      { changes: { notes: { after: "short", omitted: true } } },
      { changes: { notes: { before: null, omitted: true } } },
    ]);
    const refused = await crm.send(ada, "POST", "/crm/companies/1/revert", { to: body.items[1].id });
    expect([refused.status, refused.body.errors[0].code]).toEqual([422, "not_kept"]);
    const back = await crm.send(ada, "POST", "/crm/companies/1/revert", { to: body.items[2].id });
    expect([back.status, back.body.notes]).toEqual([200, null]);

    for (const method of ["POST", "DELETE", "POST"])
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await crm.send(ada, method, `/crm/codes${method === "DELETE" ? "/x" : ""}`, { code: "x", name: "a" });
    const codes = await crm.send(ada, "GET", "/crm/codes/x/history");
    expect(codes.body.items.map(({ verb }: { verb: string }) => verb)).toEqual(["create"]);
  },
  RUN,
);
