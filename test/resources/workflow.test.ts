import { expect, test } from "bun:test";
import { checkTypes } from "../cli/typed-project.ts";
import { xcore } from "../cli/xcore-process.ts";
import { TestFolder } from "../setup.ts";
import { Crm, EVERYTHING, testCrm } from "./crm.ts";

const RUN = `
  import { eq } from "drizzle-orm";
  import { createRouter, hooks, resource } from "xcore";
  import { companies, deals } from "./schema.ts";
  const told = [];
  hooks.on("crm.deal.*", ({ name, data: { before, after, values, transition } }) => {
    if (transition !== undefined) told.push([name, transition, before.stage, values ? values.stage : after.stage]);
  });
  export default createRouter()
    .use(resource(companies))
    .use(resource(deals, {
      rows: ({ user, can }) => (can("deals:all") ? undefined : eq(deals.owner_id, user.id)),
      create: { owner_id: ({ user }) => user.id },
      history: true,
      check: ({ value }) => (value.stage === "won" && value.amount === "0.00" ? { amount: "must be known" } : undefined),
      workflow: {
        field: "stage",
        transitions: {
          win: { from: "open", to: "won", permission: "deals:close" },
          lose: { from: ["open", "won"], to: "lost" },
        },
      },
    }))
    .get("/told", () => told);
`;

testCrm(
  "a row goes from state to state by the steps of its workflow alone",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const closer = await crm.user("closer@example.com", ["deals:read", "deals:close", "deals:all"]);
    const bob = await crm.user("bob@example.com", [...EVERYTHING, "deals:close"]);
    await crm.send(ada, "POST", "/crm/companies", { name: "Acme" });
    const deal = { title: "a", amount: "10", company_id: 1 };
    const make = (more: object) => crm.send(ada, "POST", "/crm/deals", { ...deal, ...more });
    const problems = async (answer: ReturnType<typeof make>) => {
      const { status, body } = await answer;
      return [
        status,
        ...(body.errors ?? []).map((one: Record<string, string>) => `${one["path"]} ${one["code"]}`),
      ];
    };
    expect(await problems(make({ stage: "won" }))).toEqual([422, "/body/stage read_only"]);
    const made = await make({});
    expect([made.status, made.body.stage]).toEqual([201, "open"]);
    await make({ amount: "0" });
    const change = { stage: "won" };
    expect(await problems(crm.send(ada, "PATCH", "/crm/deals/1", change))).toEqual([
      422,
      "/body/stage read_only",
    ]);
    const batch = { update: [{ id: 1, stage: "won" }], create: [{ ...deal, stage: "won" }] };
    expect(await problems(crm.send(ada, "POST", "/crm/deals/batch", batch))).toEqual([
      422,
      "/body/create/0/stage read_only",
      "/body/update/0/stage read_only",
    ]);

    const step = (user: typeof ada | null, way: string, headers = {}) =>
      crm.send(user, "POST", `/crm/deals/${way}`, undefined, headers);
    expect((await step(null, "1/win")).status).toBe(401);
    expect((await step(ada, "1/win")).status).toBe(403); // it asks for more than a change
    expect((await step(closer, "1/lose")).status).toBe(403); // and this one for what all changes do
    expect((await step(bob, "1/win")).status).toBe(404); // not one of Bob's
    expect((await step(closer, "7/win")).status).toBe(404);
    expect((await step(closer, "1/nope")).status).toBe(404);
    expect(await problems(step(closer, "2/win"))).toEqual([422, "/body/amount check"]);
    expect((await step(closer, "1/win", { "if-match": '"x"' })).status).toBe(412);
    const won = await step(closer, "1/win?fields=id,stage", { "if-match": made.headers.get("etag") });
    expect([won.status, won.body]).toEqual([200, { id: 1, stage: "won" }]);
    expect(won.headers.get("etag")).not.toBe(made.headers.get("etag"));
    const again = await step(closer, "1/win");
    expect([again.status, again.body.code, again.body.detail]).toEqual([
      409,
      "conflict",
      'Cannot win deal "1": its stage is "won", expected "open"',
    ]);
    expect(again.body.current).toMatchObject({ id: 1, title: "a", stage: "won" });
    expect((await step(ada, "1/lose")).body.stage).toBe("lost");

    expect((await crm.send(null, "GET", "/crm/told")).body).toEqual([
      ["crm.deal.updating", "win", "open", "won"],
      ["crm.deal.updating", "win", "open", "won"],
      ["crm.deal.updated", "win", "open", "won"],
      ["crm.deal.win", "win", "open", "won"],
      ["crm.deal.updating", "lose", "won", "lost"],
      ["crm.deal.updated", "lose", "won", "lost"],
      ["crm.deal.lose", "lose", "won", "lost"],
    ]);
    const history = await crm.send(ada, "GET", "/crm/deals/1/history");
    expect(history.body.items.map(({ changes }: { changes: object }) => changes)).toMatchObject([
      { stage: { before: "won", after: "lost" } },
      { stage: { before: "open", after: "won" } },
      {},
    ]);
    // Neither does a revert go around it.
    const { id } = history.body.items[1];
    const reverted = await crm.send(ada, "POST", "/crm/deals/1/revert", { to: id });
    expect(reverted.body.stage).toBe("lost");
  },
  RUN,
);

testCrm(
  "of steps that are taken at once, one is",
  async (crm) => {
    const ada = await crm.user("ada@example.com", [...EVERYTHING, "deals:close"]);
    await crm.send(ada, "POST", "/crm/companies", { name: "Acme" });
    await crm.send(ada, "POST", "/crm/deals", { title: "a", amount: "10", company_id: 1 });
    const ways = ["win", "win", "win", "win"];
    const answers = await Promise.all(ways.map((way) => crm.send(ada, "POST", `/crm/deals/1/${way}`)));
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(["200", "409", "409", "409"]);
    const key = { "idempotency-key": crypto.randomUUID() };
    const lose = () => crm.send(ada, "POST", "/crm/deals/1/lose", undefined, key);
    expect([(await lose()).status, (await lose()).body.stage]).toEqual([200, "lost"]);
  },
  RUN,
);

test("the steps of a workflow are declared as permissions, and described", async () => {
  await using crm = await Crm.start({ run: RUN });
  const admin = await crm.app.admin();
  const permissions = JSON.stringify((await crm.send(admin, "GET", "/admin/permissions?per_page=100")).body);
  expect(permissions).toContain("deals:close");
  const { paths } = (await crm.send(null, "GET", "/openapi.json")).body;
  expect(paths["/crm/deals/{id}/win"].post.summary).toBe("Win a deal");
  const { schema } = paths["/crm/deals/{id}"].patch.requestBody.content["application/json"];
  expect(JSON.stringify(schema)).not.toContain("stage");
});

test("a workflow of what isn't there is refused as the plugin is loaded", async () => {
  const refused = [
    ['{ field: "stge", transitions: {} }', 'there is no "stge"; did you mean "stage"?'],
    ['{ field: "title", transitions: {} }', 'the state "title" needs a default'],
    ['{ field: "amount", transitions: {} }', 'the state "amount" must be an enum or a varchar'],
    ['{ field: "stage", transitions: {} }', '"workflow" has no transitions'],
    [
      '{ field: "stage", transitions: { win: { from: "opn", to: "won" } } }',
      'there is no "opn"; did you mean "open"?',
    ],
    ['{ field: "stage", transitions: { win: { from: ["open"], to: "on" } } }', 'there is no "on"'],
    [
      '{ field: "stage", transitions: { restore: { from: "lost", to: "open" } } }',
      'no transition can be called "restore"',
    ],
    [
      '{ field: "stage", transitions: { created: { from: "lost", to: "open" } } }',
      'no transition can be called "created"',
    ],
    [
      '{ field: "stage", transitions: { "a/b": { from: "lost", to: "open" } } }',
      `the transition "a/b" isn't a word`,
    ],
    [
      '{ field: "stage", transitions: { win: { from: "open", to: "won", permission: "close" } } }',
      `"close", the permission of "win", isn't one`,
    ],
  ] as const;
  await Promise.all(
    refused.map(async ([workflow, message]) => {
      const run = `
        import { createRouter, resource } from "xcore";
        import { deals } from "./schema.ts";
        export default createRouter().use(resource(deals, { workflow: ${workflow} }));
      `;
      await using crm = await Crm.start({ run });
      const plugin = await crm.send(await crm.app.admin(), "GET", "/system/plugins/crm");
      expect(plugin.body.failure?.message).toContain(message);
    }),
  );
});

const toRun = (workflow: string, number: string): string => `
  import { createRouter, resource } from "xcore";
  import { invoices } from "./schema.ts";
  export default createRouter().use(
    resource(invoices, { workflow: ${workflow}, numbered: { field: "${number}", series: "{000}" } }),
  );
`;

test("states and fields that aren't there are mistakes to TypeScript", async () => {
  const good = '{ field: "state", transitions: { pay: { from: ["open"], to: "paid" } } }';
  const plugins = {
    a: toRun(good, "number"),
    b: toRun(good, "nmber"),
    c: toRun(good.replace("open", "opn"), "number"),
    d: toRun(good.replace("state", "sta"), "number"),
  };
  const schema = `
    import { enumOf, id, table, varchar } from "xcore/schema";
    export const invoices = table("invoices", {
      id: id(),
      state: enumOf(["open", "paid"]).notNull().default("open"),
      number: varchar(20),
    });
  `;
  await using folder = await TestFolder.create(
    Object.fromEntries(
      Object.entries(plugins).flatMap(([name, code]) => [
        [`plugins/${name}/plugin.json`, { name, version: "1.0.0" }],
        [`plugins/${name}/schema.ts`, schema],
        [`plugins/${name}/run.ts`, code],
      ]),
    ),
  );
  expect((await xcore(folder, ["types"])).code).toBe(0);
  const wrong = await checkTypes(folder);
  expect([...wrong.keys()].toSorted()).toEqual(["b", "c", "d"].map((name) => `plugins/${name}/run.ts:5`));
});
