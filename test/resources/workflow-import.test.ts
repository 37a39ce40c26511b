import { expect } from "bun:test";
import { type Crm, EVERYTHING, testCrm } from "./crm.ts";

const RUN = `
  import { createRouter, hooks, resource } from "xcore";
  import { companies, deals } from "./schema.ts";
  const told = [];
  hooks.on("crm.deal.creating", ({ data: { values } }) => { told.push(values.stage ?? "none"); });
  const transitions = { win: { from: "open", to: "won", permission: "deals:close" } };
  export default createRouter()
    .use(resource(companies, {
      workflow: { field: "city", transitions: { move: { from: "Paris", to: "Lyon" } }, import: "deals:migrate" },
      create: { city: () => "Paris" },
    }))
    .use(resource(deals, {
      create: { owner_id: ({ user }) => user.id },
      workflow: { field: "stage", transitions, import: "deals:migrate" },
      history: true,
    }))
    .get("/told", () => told);
`;
const CLOSED = `
  import { createRouter, resource } from "xcore";
  import { companies, deals } from "./schema.ts";
  export default createRouter().use(resource(companies)).use(resource(deals, {
    create: { owner_id: ({ user }) => user.id },
    workflow: { field: "stage", transitions: { win: { from: "open", to: "won" } } },
  }));
`;

const deal = (title: string, stage?: string) => ({
  title,
  amount: "1",
  company_id: 1,
  ...(stage && { stage }),
});
const importOf = async (crm: Crm, user: Awaited<ReturnType<Crm["user"]>>, rows: object[], query = "") =>
  crm.send(user, "POST", `/crm/deals/import${query}`, rows);

testCrm(
  "rows are imported in the states that they had by whoever may, and then by an import alone",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const mover = await crm.user("mover@example.com", [...EVERYTHING, "deals:migrate"]);
    await crm.send(ada, "POST", "/crm/companies", { name: "Acme" });
    const refused = await importOf(crm, ada, [deal("a", "won")]);
    expect([refused.status, refused.body.errors]).toEqual([
      422,
      [
        {
          path: "/header",
          code: "read_only",
          message: expect.stringMatching(/state.*takes the permission "deals:migrate"/),
        },
      ],
    ]);
    expect((await importOf(crm, ada, [deal("a", "won")], "?dry_run=true")).status).toBe(422);
    expect((await importOf(crm, ada, [deal("a", "won")], "?map=stage:")).body.created).toBe(1);

    const done = await importOf(crm, mover, [deal("b", "won"), deal("c", "lost"), deal("d")]);
    expect([done.status, done.body.created, done.body.failed]).toEqual([200, 3, 0]);
    const list = async () =>
      (await crm.send(mover, "GET", "/crm/deals?fields=title,stage&sort=id")).body.items;
    expect(await list()).toEqual(
      [deal("a", "open"), deal("b", "won"), deal("c", "lost"), deal("d", "open")].map(({ title, stage }) => ({
        title,
        stage,
      })),
    );
    expect((await crm.send(ada, "GET", "/crm/told")).body).toEqual(["none", "won", "lost", "none"]);
    const history = await crm.send(mover, "GET", "/crm/deals/2/history");
    expect(history.body.items[0].changes.stage).toEqual({ before: null, after: "won" });

    // What isn't a state, and what is there in another one.
    const wrong = await importOf(crm, mover, [deal("e", "wno")]);
    expect([wrong.status, wrong.body.errors[0]]).toMatchObject([
      422,
      { column: "stage", path: "/lines/1/stage" },
    ]);
    const known = await importOf(crm, mover, [{ ...deal("b2", "won"), id: 2 }], "?key=id");
    expect([known.status, known.body.updated]).toEqual([200, 1]);
    const moved = await importOf(crm, mover, [{ ...deal("d2", "won"), id: 4 }], "?key=id");
    expect([moved.status, moved.body.errors]).toMatchObject([
      422,
      [{ path: "/lines/1/stage", code: "read_only" }],
    ]);
    expect((await list())[3]).toEqual({ title: "d", stage: "open" });

    // Elsewhere it is by steps alone, for them too.
    for (const [method, path, body] of [
      ["POST", "", deal("f", "won")],
      ["PATCH", "/1", { stage: "won" }],
      ["POST", "/batch", { create: [deal("f", "won")] }],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const answer = await crm.send(mover, method, `/crm/deals${path}`, body);
      expect([path, answer.status, answer.body.errors?.[0].code]).toEqual([path, 422, "read_only"]);
    }
    // States that no enum names are those of the steps; what create makes is for rows that come without one.
    const companies = (rows: object[]) => crm.send(mover, "POST", "/crm/companies/import", rows);
    const unknown = await companies([{ name: "x", city: "Nice" }]);
    expect([unknown.status, unknown.body.errors[0]]).toMatchObject([
      422,
      { path: "/lines/1/city", code: "invalid" },
    ]);
    expect((await companies([{ name: "x", city: "Lyon" }, { name: "y" }])).body.created).toBe(2);
    const cities = (await crm.send(ada, "GET", "/crm/companies?fields=city&sort=id")).body.items;
    expect(cities).toEqual([{ city: "Paris" }, { city: "Lyon" }, { city: "Paris" }]);
    // A CSV as it was exported.
    const csv = await crm.app.fetch("/crm/deals/import", {
      method: "POST",
      headers: { ...mover.headers, "content-type": "text/csv" },
      body: "title;amount;company_id;stage\ng;1;1;won\nh;1;1;\n",
    });
    expect([csv.status, (await csv.json()).created]).toEqual([200, 2]);
    expect((await list()).slice(-2)).toEqual([
      { title: "g", stage: "won" },
      { title: "h", stage: "open" },
    ]);
  },
  RUN,
);

testCrm(
  "a state can't be imported where the resource doesn't say who may",
  async (crm) => {
    const boss = await crm.user("boss@example.com", ["*"]);
    await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
    const refused = await importOf(crm, boss, [deal("a", "won")]);
    expect([refused.status, refused.body.errors]).toEqual([
      422,
      [
        {
          path: "/header",
          code: "read_only",
          message:
            'The column "stage" is a state that rows come to by steps, and the resource lets no import set it: leave it out with ?map=stage:',
        },
      ],
    ]);
  },
  CLOSED,
);
