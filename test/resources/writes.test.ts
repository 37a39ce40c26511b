import { expect, test } from "bun:test";
import { Crm, EVERYTHING, testCrm } from "./crm.ts";

const RUN = `
  import { AppError, createRouter, db, hooks, log, resource } from "xcore";
  import { companies } from "./schema.ts";
  const told = [];
  for (const name of ["created", "updated", "deleted"])
    hooks.on("crm.company." + name, ({ name, data: { before, after, actor } }) => {
      told.push([name, before && before.name, after && after.name, actor && actor.email]);
    });
  hooks.on("crm.company.creating", ({ data, cancel }) => {
    if (data.values.name === "refused") cancel("Not this one");
    if (data.values.name === "wrong") throw new AppError("validation_error", 422, "No", { errors: [{ path: "/body/name", code: "taken", message: "Taken" }] });
    if (data.values.name === "broken") throw new Error("a secret");
    data.values.city = "made by a hook";
    data.values.nothing = "of the table's";
  }, { order: "before" });
  export default createRouter()
    .use(resource(companies))
    .use(resource(companies, {
      path: "open-companies",
      permission: null,
      rows: ({ user }) => {
        if (user?.email === "broken@example.com") throw new Error("a secret rule");
        return user === null ? false : undefined;
      },
    }))
    .use(resource(companies, {
      path: "public-companies", permission: "companies", public: true, rows: { read: ({ user }) => (user === null ? false : undefined) },
    }))
    .get("/told", () => told);
`;

testCrm(
  "others hear of writes once they are committed, and may change or refuse them before",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const make = (name: string) => crm.send(ada, "POST", "/crm/companies", { name });
    expect((await make("a")).body).toEqual({ id: 1, name: "a", city: "made by a hook", notes: null });
    expect((await make("refused")).body).toMatchObject({
      status: 422,
      errors: [{ code: "refused", message: "Not this one" }],
    });
    expect((await make("wrong")).body).toMatchObject({
      status: 422,
      errors: [{ path: "/body/name", code: "taken" }],
    });
    const broken = await make("broken");
    expect([broken.status, JSON.stringify(broken.body).includes("secret")]).toEqual([500, false]);
    expect((await make("a")).status).toBe(409);
    expect((await crm.send(ada, "PATCH", "/crm/companies/1", { name: "b" })).status).toBe(200);
    expect((await crm.send(ada, "DELETE", "/crm/companies/1")).status).toBe(204);
    expect((await crm.send(ada, "GET", "/crm/companies")).body.total).toBe(0);
    expect((await crm.send(null, "GET", "/crm/told")).body).toEqual([
      ["crm.company.created", null, "a", "ada@example.com"],
      ["crm.company.updated", "a", "b", "ada@example.com"],
      ["crm.company.deleted", "b", null, "ada@example.com"],
    ]);
  },
  RUN,
);

testCrm("of two changes of the row that both have read, one is made", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const made = await crm.send(ada, "POST", "/crm/companies", { name: "a" });
  const ifMatch = { "if-match": made.headers.get("etag") };
  const change = (city: string) => crm.send(ada, "PATCH", "/crm/companies/1", { city }, ifMatch);
  const answers = await Promise.all(["x", "y", "z"].map(change));
  expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(["200", "412", "412"]);
  const { body } = await crm.send(ada, "GET", "/crm/companies/1");
  expect(answers.find(({ status }) => status === 200)?.body).toEqual(body);
  expect(answers.find(({ status }) => status === 412)?.body.current).toEqual(body);
  // The tag of another row is none of this one's.
  await crm.send(ada, "POST", "/crm/companies", { name: "b" });
  expect((await crm.send(ada, "PATCH", "/crm/companies/2", { city: "x" }, ifMatch)).status).toBe(412);
  expect((await crm.send(ada, "DELETE", "/crm/companies/2", undefined, ifMatch)).status).toBe(412);
  expect((await crm.send(ada, "PATCH", "/crm/companies/2", { city: "x" }, { "if-match": "*" })).status).toBe(
    200,
  );
});

testCrm("a retry with the same key makes no second row", async (crm) => {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const key = { "idempotency-key": crypto.randomUUID() };
  const make = () => crm.send(ada, "POST", "/crm/companies", { name: "a" }, key);
  const [first, second] = [await make(), await make()];
  expect([second.status, second.body, second.headers.get("etag")]).toEqual([
    201,
    first.body,
    first.headers.get("etag"),
  ]);
});

test("a resource without a permission is for everybody, by its rules", async () => {
  await using crm = await Crm.start({ run: RUN });
  const ada = await crm.user("ada@example.com", EVERYTHING);
  await crm.send(ada, "POST", "/crm/companies", { name: "a" });
  expect((await crm.send(null, "GET", "/crm/open-companies")).body.items).toEqual([]);
  expect((await crm.send(null, "GET", "/crm/open-companies/1")).status).toBe(404);
  expect((await crm.send(null, "POST", "/crm/open-companies", { name: "b" })).status).toBe(403);
  expect((await crm.send(ada, "GET", "/crm/open-companies")).body.total).toBe(1);
  // Everybody may read one that is public, and only who may write writes.
  expect((await crm.send(null, "GET", "/crm/public-companies")).body.items).toEqual([]);
  expect((await crm.send(null, "POST", "/crm/public-companies", { name: "b" })).status).toBe(401);
  const reader = await crm.user("reader@example.com", []);
  expect((await crm.send(reader, "GET", "/crm/public-companies")).body.total).toBe(1);
  expect((await crm.send(reader, "POST", "/crm/public-companies", { name: "b" })).status).toBe(403);
  const broken = await crm.user("broken@example.com", []);
  const answer = await crm.send(broken, "GET", "/crm/open-companies");
  expect([answer.status, JSON.stringify(answer.body).includes("secret")]).toEqual([500, false]);
});

test("what can't be a resource is refused as the plugin is loaded, with the reason", async () => {
  const refused: [string, string][] = [
    [
      'resource(table("crm_x", { a: text() }))',
      'Cannot make a resource of "crm_x": it has no primary key of one column, such as id()',
    ],
    [
      'resource(companies, { expand: ["nope"] })',
      'Cannot make a resource of "crm_companies": there is no "nope"',
    ],
    ['resource(companies, { search: ["nme"] })', 'there is no "nme"; did you mean "name"?'],
    ["resource(companies, { fields: { nme: {} } })", 'there is no "nme"; did you mean "name"?'],
    ['resource(companies, { permission: "a:b" })', 'its permission "a:b" isn\'t a word'],
    ['resource(companies, { path: "/x" })', 'its path "/x" isn\'t a word'],
    ["resource(companies, { relations: { deals: deals.owner_id } })", 'Cannot relate "deals"'],
    [
      "createRouter().use(resource(companies)).use(resource(companies))",
      'Cannot make the resource "companies" twice',
    ],
  ];
  for (const [code, message] of refused) {
    const run = `
      import { createRouter, resource } from "xcore";
      import { id, table, text } from "xcore/schema";
      import { companies, deals } from "./schema.ts";
      export default ${code.startsWith("createRouter") ? code : `createRouter().use(${code})`};
    `;
    // oxlint-disable-next-line no-await-in-loop -- one server after another
    await using crm = await Crm.start({ run });
    // oxlint-disable-next-line no-await-in-loop
    const plugin = await crm.send(await crm.app.admin(), "GET", "/system/plugins/crm");
    expect(plugin.body.failure?.message).toContain(message);
  }
});

testCrm(
  "who hears of a write may write, and enqueue jobs",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const heard = await crm.app.after("job.completed", () =>
      crm.send(ada, "POST", "/crm/companies/batch", { create: [{ name: "a" }] }),
    );
    expect(heard.data).toMatchObject({ plugin: "crm", name: "welcome" });
    expect((await crm.send(ada, "GET", "/crm/contacts")).body.items).toMatchObject([{ name: "of a" }]);
  },
  `
    import { createRouter, db, hooks, jobs, resource } from "xcore";
    import { companies, contacts } from "./schema.ts";
    jobs.define("welcome", () => {});
    hooks.on("crm.company.created", async ({ data: { after } }) => {
      await db.insert(contacts).values({ name: "of " + after.name, company_id: after.id });
      await jobs.enqueue("welcome");
    });
    export default createRouter().use(resource(companies)).use(resource(contacts));
  `,
);
