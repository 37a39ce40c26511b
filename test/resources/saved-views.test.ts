import { expect, test } from "bun:test";
import type { TestUser } from "../setup.ts";
import { Crm, EVERYTHING, testCrm } from "./crm.ts";

const VIEWS = "/system/resources/crm.deals/views";

async function withPeople(crm: Crm) {
  const ada = await crm.user("ada@example.com", [...EVERYTHING, "deals:all", "resources:share"]);
  const bob = await crm.user("bob@example.com", ["deals:read"]);
  const eve = await crm.user("eve@example.com", ["contacts:read"]);
  const save = async (user: TestUser, body: object) => (await crm.send(user, "POST", VIEWS, body)).body;
  const names = async (user: TestUser) => {
    const { body } = await crm.send(user, "GET", VIEWS);
    return body.items.map(({ name }: { name: string }) => name);
  };
  return { ada, bob, eve, save, names };
}

testCrm("views of a list are saved, listed, changed, begun with and deleted", async (crm) => {
  const { ada, bob, names } = await withPeople(crm);
  const query = {
    stage: ["open", "won"],
    "amount.gte": "100",
    filter: 'title ~ "a"',
    q: "acme",
    sort: "-amount,title",
    per_page: "50",
  };
  const made = await crm.send(bob, "POST", VIEWS, {
    name: "Large ones",
    columns: ["title", "amount"],
    query,
    mode: "endless",
  });
  expect([made.status, made.headers.get("etag")]).toEqual([201, '"1"']);
  expect(made.body).toEqual({
    id: expect.any(Number),
    name: "Large ones",
    is_shared: false,
    is_default: false,
    may_change: true,
    columns: ["title", "amount"],
    query,
    mode: "endless",
    version: 1,
    is_complete: true,
    missing: [],
    created_at: expect.any(String),
    updated_at: expect.any(String),
  });
  const own = `${VIEWS}/${made.body.id}`;
  expect((await crm.send(bob, "GET", own)).body).toEqual(made.body);
  const plain = (await crm.send(bob, "POST", VIEWS, { name: "All of them" })).body;
  expect(plain).toMatchObject({ columns: null, query: {}, mode: "paged" });
  expect(await names(bob)).toEqual(["All of them", "Large ones"]);
  // What isn't named stays.
  const renamed = await crm.send(bob, "PATCH", own, { name: "Larger ones" });
  expect(renamed.body).toMatchObject({
    name: "Larger ones",
    query,
    columns: ["title", "amount"],
    version: 2,
  });
  expect((await crm.send(bob, "PATCH", own, { columns: null, query: {} })).body).toMatchObject({
    columns: null,
    query: {},
    mode: "endless",
  });
  expect((await crm.send(bob, "PUT", `${own}/default`)).body.is_default).toBe(true);
  expect((await crm.send(bob, "PUT", `${VIEWS}/${plain.id}/default`)).body.is_default).toBe(true);
  const defaults = async (user: TestUser) =>
    (await crm.send(user, "GET", VIEWS)).body.items.filter((one: { is_default: boolean }) => one.is_default);
  expect((await defaults(bob)).map(({ id }: { id: number }) => id)).toEqual([plain.id]);
  // Another one's isn't unset by it.
  await crm.send(bob, "DELETE", `${own}/default`);
  expect(await defaults(bob)).toHaveLength(1);
  expect((await crm.send(bob, "DELETE", `${VIEWS}/${plain.id}/default`)).body.is_default).toBe(false);
  await crm.send(bob, "PUT", `${VIEWS}/${plain.id}/default`);
  expect((await crm.send(bob, "DELETE", `${VIEWS}/${plain.id}`)).status).toBe(204);
  expect([await names(bob), await names(ada)]).toEqual([["Larger ones"], []]);
});

testCrm("views are their owner's, or everybody's who may read the resource", async (crm) => {
  const { ada, bob, eve, save, names } = await withPeople(crm);
  const own = await save(ada, { name: "Mine" });
  const shared = await save(ada, { name: "Ours", is_shared: true, query: { stage: "open" } });
  const of = (id: number) => `${VIEWS}/${id}`;
  // The same name may be their own and everybody's.
  await save(bob, { name: "Ours" });
  expect(await names(bob)).toEqual(["Ours", "Ours"]);
  expect(await names(ada)).toEqual(["Mine", "Ours"]);
  for (const [method, path, body] of [
    ["GET", of(own.id)],
    ["PATCH", of(own.id), { name: "Taken" }],
    ["DELETE", of(own.id)],
    ["PUT", `${of(own.id)}/default`],
    ["DELETE", `${of(own.id)}/default`],
  ] as const)
    expect((await crm.send(bob, method, path, body)).status).toBe(404);
  expect((await crm.send(bob, "GET", of(shared.id))).body).toMatchObject({
    may_change: false,
    is_shared: true,
  });
  expect((await crm.send(bob, "PATCH", of(shared.id), { name: "Bob's" })).status).toBe(403);
  expect((await crm.send(bob, "DELETE", of(shared.id))).status).toBe(403);
  expect((await crm.send(bob, "POST", VIEWS, { name: "x", is_shared: true })).status).toBe(403);
  // A view of another list isn't one of this.
  expect((await crm.send(ada, "GET", `/system/resources/crm.contacts/views/${own.id}`)).status).toBe(404);
  // Who may not read the resource sees none of its views.
  expect((await crm.send(eve, "GET", VIEWS)).status).toBe(404);
  expect((await crm.send(eve, "GET", of(shared.id))).status).toBe(404);
  expect((await crm.send(eve, "POST", VIEWS, { name: "x" })).status).toBe(404);
  expect((await crm.send(null, "GET", VIEWS)).status).toBe(401);
  // Taken back, it is nobody else's, and no list begins with it any more.
  await crm.send(bob, "PUT", `${of(shared.id)}/default`);
  await crm.send(ada, "PUT", `${of(shared.id)}/default`);
  const taken = await crm.send(ada, "PATCH", of(shared.id), { is_shared: false });
  expect(taken.body).toMatchObject({ is_shared: false, is_default: true });
  expect((await crm.send(bob, "GET", of(shared.id))).status).toBe(404);
  await crm.send(ada, "PATCH", of(shared.id), { is_shared: true });
  expect((await crm.send(bob, "GET", of(shared.id))).body.is_default).toBe(false);
  // Everybody's stay when an account goes.
  const admin = await crm.app.admin();
  expect((await crm.send(admin, "DELETE", `/admin/users/${ada.id}`)).status).toBe(204);
  expect(await names(bob)).toEqual(["Ours", "Ours"]);
});

testCrm("of two who save at once one is told, and nothing is lost", async (crm) => {
  const { ada, save, names } = await withPeople(crm);
  const view = await save(ada, { name: "Ours", is_shared: true });
  const path = `${VIEWS}/${view.id}`;
  const boss = await crm.user("boss@example.com", ["deals:read", "resources:share"]);
  const answers = await Promise.all(
    [ada, boss].map((user, at) =>
      crm.send(user, "PATCH", path, { query: { "amount.gte": `${at}` } }, { "if-match": '"1"' }),
    ),
  );
  const [won, lost] = answers.toSorted((a, b) => a.status - b.status);
  expect([won?.status, lost?.status, lost?.body.code]).toEqual([200, 412, "precondition_failed"]);
  expect([lost?.body.current, lost?.headers.get("etag")]).toEqual([
    expect.objectContaining({ query: won?.body.query, version: 2 }),
    '"2"',
  ]);
  expect((await crm.send(ada, "PATCH", path, { name: "a" }, { "if-match": "nonsense" })).status).toBe(412);
  expect((await crm.send(ada, "PATCH", path, { name: "a" }, { "if-match": "*" })).status).toBe(200);
  const twice = await Promise.all([1, 2].map(() => crm.send(ada, "POST", VIEWS, { name: "Twin" })));
  expect(twice.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409]);
  expect(twice.find(({ status }) => status === 409)?.body.detail).toBe(
    'Cannot save view "Twin": there is one of that name',
  );
  expect(await names(ada)).toEqual(["Twin", "a"]);
  const twin = twice.find(({ status }) => status === 201)?.body.id;
  await save(ada, { name: "Other" });
  expect((await crm.send(ada, "PATCH", `${VIEWS}/${twin}`, { name: "Other" })).status).toBe(409);
  // The list begins with one of two that are chosen at once.
  await Promise.all([twin, view.id].map((id) => crm.send(ada, "PUT", `${VIEWS}/${id}/default`)));
  const { items } = (await crm.send(ada, "GET", VIEWS)).body;
  expect(items.filter((one: { is_default: boolean }) => one.is_default)).toHaveLength(1);
});

testCrm("what a list has no more, or not for whoever asks, is left out of a view and said", async (crm) => {
  const { ada, bob, save } = await withPeople(crm);
  const query = { "margin.gte": "5", filter: "margin > 1", sort: "-margin", stage: "open" };
  const body = { columns: ["title", "margin"], query };
  const [own, shared] = [
    await save(ada, { ...body, name: "Mine" }),
    await save(ada, { ...body, name: "Ours", is_shared: true }),
  ];
  expect(own.is_complete).toBe(true);
  // Margins are hidden from him: nothing says that there are any.
  const seen = (await crm.send(bob, "GET", `${VIEWS}/${shared.id}`)).body;
  expect(seen).toMatchObject({ columns: ["title"], query: { stage: "open" }, is_complete: false });
  expect(JSON.stringify(seen)).not.toContain("margin");
  const refused = await crm.send(bob, "POST", VIEWS, { name: "x", query: { "margn.gte": "1" } });
  expect([refused.status, JSON.stringify(refused.body)]).toEqual([
    422,
    expect.not.stringContaining('"margin'),
  ]);
  // As if the plugin had been changed since.
  const { db, tables } = crm.app.app.store;
  await db.update(tables.savedViews).set({
    columns: JSON.stringify(["gone", "title"]),
    query: JSON.stringify({
      "gone.gte": "1",
      filter: 'gone = "x"',
      sort: "gone",
      colour: "red",
      stage: "won",
    }),
  });
  for (const { id } of [own, shared])
    expect((await crm.send(ada, "GET", `${VIEWS}/${id}`)).body).toMatchObject({
      columns: ["title"],
      query: { stage: "won" },
      is_complete: false,
      missing: ["gone", "gone.gte", "filter", "sort", "colour"],
    });
  expect((await crm.send(ada, "GET", VIEWS)).body.items).toHaveLength(2);
});

test("what is no view of a list is refused, with its place", async () => {
  await using crm = await Crm.start();
  const { ada, bob, save } = await withPeople(crm);
  const refuse = async (body: unknown, user = bob) => {
    const answer = await crm.send(user, "POST", VIEWS, body);
    const errors = (answer.body.errors ?? []) as { path: string }[];
    return [answer.status, ...errors.map(({ path }) => path)];
  };
  const name = "x";
  expect(await refuse({})).toEqual([422, "/body/name"]);
  for (const wrong of ["", " ", " x", "x ", "a\0b", "a\nb", "x".repeat(101), 7])
    expect(await refuse({ name: wrong })).toEqual([422, "/body/name"]);
  expect(await refuse({ name, other: 1 })).toEqual([422, "/body/other"]);
  expect(await refuse({ name, mode: "wild" })).toEqual([422, "/body/mode"]);
  expect(await refuse({ name, columns: ["title", "margin", "nope"] })).toEqual([
    422,
    "/body/columns/1",
    "/body/columns/2",
  ]);
  for (const query of [
    { page: "2" },
    { after: "x" },
    { fields: "title" },
    { stage: "lots" },
    { "amount.gte": "much" },
    { filter: "stage = " },
    { filter: "secret = 1" },
    { filter: ["a", "b"] },
    { sort: "-nothing" },
    { per_page: "0" },
    { per_page: "101" },
    { per_page: "1e2" },
    { deleted: "only" },
    { q: "a\0b" },
    { "a/b~c": "1" },
    JSON.parse('{"__proto__":"x"}'),
  ]) {
    const key = Object.keys(query)[0] ?? "";
    const at = key.replaceAll("~", "~0").replaceAll("/", "~1");
    expect([query, await refuse({ name, query })]).toEqual([query, [422, `/body/query/${at}`]]);
  }
  expect((await refuse({ name, query: { filter: "x".repeat(4001) } }))[0]).toBe(422);
  expect((await refuse({ name, query: { "title.contains": 7 } }))[0]).toBe(422);
  const large = Array.from({ length: 100 }, (_, at) => `${at}`.padStart(200, "x"));
  expect(await refuse({ name, query: { title: large } })).toEqual([422, "/body/query"]);
  expect((await crm.send(bob, "GET", `${VIEWS}/abc`)).status).toBe(422);
  expect((await crm.send(bob, "GET", `${VIEWS}/99999999999999999999`)).status).toBe(422);
  const script = `"><script>alert(1)</script>`;
  expect((await save(bob, { name: script })).name).toBe(script);
  expect((await crm.send(bob, "PATCH", `${VIEWS}/1`, {})).status).toBe(422);
  // Of one list there is a bound for each, and one for what everybody sees.
  for (let at = 1; at < 50; at += 1) await save(bob, { name: `view ${at}` });
  expect(await refuse({ name })).toEqual([409]);
  expect(await refuse({ name }, ada)).toEqual([201]);
});

test("a view that is saved again with its key is saved once", async () => {
  await using crm = await Crm.start();
  const { bob, names } = await withPeople(crm);
  const key = { "idempotency-key": crypto.randomUUID() };
  const sent = await Promise.all([0, 1].map(() => crm.send(bob, "POST", VIEWS, { name: "Once" }, key)));
  const again = await crm.send(bob, "POST", VIEWS, { name: "Once" }, key);
  expect([again.status, again.body.name]).toEqual([201, "Once"]);
  expect(sent.some(({ status }) => status === 201)).toBe(true);
  expect(await names(bob)).toEqual(["Once"]);
});
