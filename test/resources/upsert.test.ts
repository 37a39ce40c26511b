import { expect, test } from "bun:test";
import { Crm, setupTables, testCrm } from "./crm.ts";

const RUN = `
  import { eq, sql } from "drizzle-orm";
  import { createRouter, db, hooks, resource } from "xcore";
  import { id, references, table, timestamp, uniqueIndex, users, varchar } from "xcore/schema";
  import { companies } from "./schema.ts";
  export const people = table("crm_people", {
    id: id(),
    email: varchar(50).notNull().unique(),
    name: varchar(50),
    team: varchar(10),
    badge: varchar(10),
    owner_id: references(() => users.id).notNull(),
    deleted_at: timestamp(),
  }, (one) => [uniqueIndex("crm_people_badge").on(one.team, one.badge)]);
  const told = [];
  for (const verb of ["created", "updated"]) hooks.on("crm.company." + verb, ({ name }) => void told.push(name));
  export default createRouter()
    .use(resource(companies, { check: ({ value }) => (value.city === "Nowhere" ? { city: "isn't there" } : undefined) }))
    .use(resource(people, {
      softDelete: true,
      fields: { badge: { read: "people:badges" } },
      rows: { read: ({ user, can }) => (can("people:all") ? undefined : eq(people.owner_id, user.id)), update: ({ user }) => eq(people.owner_id, user.id) },
      create: { owner_id: ({ user }) => user.id },
    }))
    .get("/told", () => told);
  ${setupTables([
    (key, moment) =>
      `create table crm_people (id ${key}, email varchar(50) not null unique, name varchar(50), team varchar(10), badge varchar(10), owner_id bigint not null, deleted_at ${moment}, unique (team, badge))`,
  ])}
`;
const MERGE = { prefer: "resolution=merge" };
const ALL = ["read", "write", "delete"].flatMap((verb) => [`companies:${verb}`, `people:${verb}`]);

testCrm(
  "a row with the same unique value is changed, or else made",
  async (crm) => {
    const ada = await crm.user("ada@example.com", ALL);
    const reader = await crm.user("reader@example.com", ["companies:read"]);
    const put = (body: object, headers: object = MERGE, query = "", user = ada) =>
      crm.send(user, "POST", `/crm/companies${query}`, body, headers);
    const made = await put({ name: "Acme", city: "Oslo" });
    expect([made.status, made.body.id, made.headers.get("location")]).toEqual([201, 1, "/crm/companies/1"]);
    expect(made.headers.get("preference-applied")).toBe("resolution=merge");
    const changed = await put({ name: "Acme", notes: "Big" });
    expect([changed.status, changed.body]).toEqual([
      200,
      { id: 1, name: "Acme", city: "Oslo", notes: "Big" },
    ]);
    expect(changed.headers.get("preference-applied")).toBe("resolution=merge");
    expect(changed.headers.get("location")).toBeNull();
    expect((await put({ name: "acme" })).body.id).toBe(2); // letters are told apart, as the database does

    const others = { prefer: 'respond-async, wait=10, Resolution = "merge"; x=1' };
    expect(
      (await put({ name: "Acme", city: "Bergen" }, others, "?on_conflict=name&fields=city")).body,
    ).toEqual({ city: "Bergen" });
    // Preferences that aren't known, or aren't this one, are none.
    for (const prefer of ["resolution=merge-duplicates", "xresolution=merge", "a=resolution=merge"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const answer = await put({ name: "Acme" }, { prefer });
      expect([answer.status, answer.headers.get("preference-applied")]).toEqual([409, null]);
    }
    expect((await put({ name: "Acme", city: "Nowhere" })).body.errors[0].path).toBe("/body/city");
    expect((await put({ city: "Oslo" })).body.errors[0]).toMatchObject({
      path: "/body/name",
      code: "required",
    });
    expect((await put({ name: "Acme" }, {}, "?on_conflict=name")).status).toBe(422);
    expect((await put({ name: "Acme" }, MERGE, "?on_conflict=city")).status).toBe(422);
    expect((await put({ name: "Acme" }, MERGE, "", reader)).status).toBe(403);

    const retried = { ...MERGE, "idempotency-key": crypto.randomUUID() };
    const twice = [
      await put({ name: "Acme", city: "x" }, retried),
      await put({ name: "Acme", city: "x" }, retried),
    ];
    expect(twice.map(({ status, headers }) => [status, headers.get("preference-applied")])).toEqual([
      [200, "resolution=merge"],
      [200, "resolution=merge"],
    ]);
    expect((await crm.send(null, "GET", "/crm/told")).body).toEqual(
      ["created", "updated", "created", "updated", "updated"].map((verb) => `crm.company.${verb}`),
    );
  },
  RUN,
);

testCrm(
  "of those that are sent at once, one makes the row",
  async (crm) => {
    const ada = await crm.user("ada@example.com", ALL);
    const put = (city: string, headers = {}) =>
      crm.send(ada, "POST", "/crm/companies", { name: "Acme", city }, { ...MERGE, ...headers });
    const answers = await Promise.all(["a", "b", "c", "d", "e", "f", "g", "h"].map((city) => put(city)));
    const statuses = answers.map(({ status }) => String(status)).toSorted();
    expect(statuses).toEqual([...Array.from({ length: 7 }, () => "200"), "201"]);
    expect((await crm.send(ada, "GET", "/crm/companies")).body.total).toBe(1);
  },
  RUN,
);

testCrm(
  "a row that isn't there to whoever asks is neither changed nor shown",
  async (crm) => {
    const ada = await crm.user("ada@example.com", [...ALL, "people:badges"]);
    const bob = await crm.user("bob@example.com", ALL);
    const boss = await crm.user("boss@example.com", [...ALL, "people:all"]);
    const put = (user: typeof ada, body: object, on: string, headers: object = MERGE) =>
      crm.send(user, "POST", `/crm/people${on && `?on_conflict=${on}`}`, body, headers);
    expect((await put(ada, { email: "a@b.c", name: "A", team: "x", badge: "7" }, "email")).status).toBe(201);

    const create = await put(bob, { email: "a@b.c", name: "B" }, "", {});
    const merge = await put(bob, { email: "a@b.c", name: "B" }, "email");
    expect([merge.status, { ...merge.body, request_id: "" }]).toEqual([
      409,
      { ...create.body, request_id: "" },
    ]);
    // One that may be seen, and not changed.
    expect((await put(boss, { email: "a@b.c", name: "B" }, "email")).status).toBe(403);
    // By what can't be seen no row is found.
    const badge = { email: "b@b.c", team: "x", badge: "7" };
    expect((await put(bob, badge, "team,badge")).body.errors).toMatchObject([
      { path: "/query/on_conflict", code: "one_of", message: "Expected one of email" },
    ]);
    expect((await put(ada, badge, "")).body.errors).toMatchObject([
      { path: "/query/on_conflict", code: "required", message: "Expected one of email, team,badge" },
    ]);
    const moved = await put(ada, badge, "team,badge");
    expect([moved.status, moved.body]).toMatchObject([200, { id: 1, email: "b@b.c", name: "A", badge: "7" }]);

    expect((await crm.send(ada, "DELETE", "/crm/people/1")).status).toBe(204);
    expect((await put(ada, { email: "b@b.c" }, "email")).status).toBe(409);
  },
  RUN,
);

test("where nothing is unique, rows can't be merged", async () => {
  await using crm = await Crm.start();
  const boss = await crm.user("boss@example.com", ["*"]);
  const answer = await crm.send(boss, "POST", "/crm/contacts", { name: "a", company_id: 1 }, MERGE);
  expect([answer.status, answer.body.errors[0].path]).toEqual([422, "/query/on_conflict"]);
});
