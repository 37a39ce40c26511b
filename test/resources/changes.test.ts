import { expect } from "bun:test";
import { createTestDatabase } from "../database-servers.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { testWithProgram } from "../programs.ts";
import { TestApp, type TestUser } from "../setup.ts";
import { type Crm, crmPlugin, EVERYTHING, testCrm } from "./crm.ts";
import { Follower } from "./follower.ts";

async function withPeople(crm: Crm) {
  const ada = await crm.user("ada@example.com", EVERYTHING);
  const bob = await crm.user("bob@example.com", EVERYTHING);
  const boss = await crm.user("boss@example.com", [...EVERYTHING, "deals:all"]);
  await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
  const make = async (user: TestUser, title: string, more: object = {}): Promise<number> => {
    const made = await crm.send(user, "POST", "/crm/deals", { title, amount: "10", company_id: 1, ...more });
    expect(made.status).toBe(201);
    return made.body.id;
  };
  return { ada, bob, boss, make };
}

testCrm("who follows is told of what they see, and of what they see no more", async (crm) => {
  const { ada, bob, boss, make } = await withPeople(crm);
  const first = await make(ada, "First");
  await using adas = await Follower.open(crm.app, ada);
  await using bobs = await Follower.open(crm.app, bob);
  await using all = await Follower.open(crm.app, boss);
  await using open = await Follower.open(
    crm.app,
    boss,
    '?filter=stage = "open" %26%26 company.name ~ "acm"&amount.gte=10',
  );
  for (const follower of [adas, bobs, all, open]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await follower.next())?.event).toBe("ready");
  }
  await make(bob, "Bob's");
  const told = await all.next();
  expect(told).toMatchObject({ event: "created", data: { title: "Bob's", margin: null, owner_id: bob.id } });
  const bobsOwn = await bobs.next();
  expect([bobsOwn?.event, Object.keys(bobsOwn?.data).includes("margin")]).toEqual(["created", false]);
  expect(await open.nexts(1)).toEqual([["created", "Bob's"]]);

  await crm.send(boss, "PATCH", `/crm/deals/${first}`, { title: "1st", stage: "won" });
  expect(await adas.nexts(1)).toEqual([["updated", "1st"]]);
  expect(await all.nexts(1)).toEqual([["updated", "1st"]]);
  expect(await open.nexts(1)).toEqual([["deleted", first]]);

  // From Ada to Bob: it leaves her sight, and comes into his.
  const given = await crm.send(boss, "PATCH", `/crm/deals/${first}`, { owner_id: bob.id });
  expect(given.status).toBe(200);
  expect(await adas.nexts(1)).toEqual([["deleted", first]]);
  expect(await bobs.nexts(1)).toEqual([["updated", "1st"]]);
  expect(await all.nexts(1)).toEqual([["updated", "1st"]]);
  await crm.send(boss, "PATCH", `/crm/deals/${first}`, { stage: "open" });
  expect(await open.nexts(1)).toEqual([["updated", "1st"]]);
  expect(await bobs.nexts(1)).toEqual([["updated", "1st"]]);
  expect((await crm.send(bob, "DELETE", `/crm/deals/${first}`)).status).toBe(204);
  expect(await bobs.nexts(1)).toEqual([["deleted", first]]);
  expect(await open.nexts(1)).toEqual([["deleted", first]]);
  // Nothing that was rolled back is told, nor what others see to whom who doesn't.
  const refused = { title: "x", amount: "1", company_id: 99 };
  expect((await crm.send(ada, "POST", "/crm/deals", refused)).status).toBe(422);
  await make(ada, "Last");
  expect(await adas.nexts(1)).toEqual([["created", "Last"]]);
});

testCrm("who follows is told nothing of what changes in fields that are hidden from them", async (crm) => {
  const { ada, bob, boss, make } = await withPeople(crm);
  const first = await make(ada, "First");
  const second = await make(bob, "Second");
  const hide = (id: number, body: object) => crm.send(boss, "PATCH", `/crm/deals/${id}`, body);
  await using adas = await Follower.open(crm.app, ada);
  await using filtered = await Follower.open(crm.app, ada, '?filter=company.name ~ "acm"&stage=open');
  await using all = await Follower.open(crm.app, boss);
  for (const follower of [adas, filtered, all]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await follower.next())?.event).toBe("ready");
  }
  const from = adas.lastId;
  await hide(first, { margin: "1" });
  expect(await all.nexts(1)).toEqual([["updated", "First"]]);
  await hide(first, { margin: "2" });
  expect(await all.nexts(1)).toEqual([["updated", "First"]]);
  // Both, and the one that comes into sight.
  await hide(first, { margin: "3", title: "1st" });
  await hide(second, { margin: "4", owner_id: ada.id });
  expect(await all.nexts(2)).toEqual([
    ["updated", "1st"],
    ["updated", "Second"],
  ]);
  for (const follower of [adas, filtered]) {
    // oxlint-disable-next-line no-await-in-loop
    expect(await follower.nexts(2)).toEqual([
      ["updated", "1st"],
      ["updated", "Second"],
    ]);
  }
  await hide(second, { margin: "5" });
  // Whoever comes back isn't told of it either.
  await using back = await Follower.open(crm.app, ada, "", adas.lastId);
  expect(await back.nexts(1)).toEqual([["ready", null]]);
  await using later = await Follower.open(crm.app, ada, "", from);
  expect(await later.nexts(3)).toEqual([
    ["updated", "1st"],
    ["updated", "Second"],
    ["ready", null],
  ]);
});

testCrm(
  "what a hidden field brings into sight is told, and what it leaves there isn't",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    const boss = await crm.user("boss@example.com", [...EVERYTHING, "deals:all"]);
    await crm.send(boss, "POST", "/crm/companies", { name: "Acme" });
    const margins = ["1", "5"];
    for (const margin of margins)
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await crm.send(boss, "POST", "/crm/deals", { title: margin, amount: "1", company_id: 1, margin });
    await using adas = await Follower.open(crm.app, ada);
    expect(await adas.nexts(1)).toEqual([["ready", null]]);
    // In sight below 3, whatever it is.
    await crm.send(boss, "PATCH", "/crm/deals/1", { margin: "2" });
    await crm.send(boss, "PATCH", "/crm/deals/2", { margin: "2" });
    expect(await adas.nexts(1)).toEqual([["updated", "5"]]);
    await crm.send(boss, "PATCH", "/crm/deals/1", { margin: "4" });
    expect(await adas.nexts(1)).toEqual([["deleted", 1]]);
  },
  `import { lt } from "drizzle-orm";
  import { createRouter, resource } from "xcore";
  import { companies, deals } from "./schema.ts";
  export default createRouter().use(resource(companies)).use(resource(deals, {
    fields: { margin: { read: "deals:all" } },
    rows: ({ can }) => (can("deals:all") ? undefined : lt(deals.margin, "3")),
    create: { owner_id: ({ user }) => user.id },
  }));`,
);

testCrm("who comes back is told what they have missed, or to load everything anew", async (crm) => {
  const { ada, bob, boss, make } = await withPeople(crm);
  const first = await make(ada, "First");
  const follower = await Follower.open(crm.app, ada);
  const ready = await follower.next();
  await follower[Symbol.asyncDispose]();
  await make(ada, "Second");
  await make(bob, "Bob's");
  await crm.send(boss, "PATCH", `/crm/deals/${first}`, { owner_id: bob.id });
  await using back = await Follower.open(crm.app, ada, "", ready?.id);
  expect(await back.nexts(3)).toEqual([
    ["created", "Second"],
    ["deleted", first],
    ["ready", null],
  ]);
  await using other = await Follower.open(crm.app, ada, "", "0123:7");
  expect(await other.nexts(1)).toEqual([["reset", null]]);
  await using hostile = await Follower.open(crm.app, ada, "", "x".repeat(3000));
  expect(await hostile.nexts(1)).toEqual([["reset", null]]);
  await make(ada, "Third");
  expect(await back.nexts(1)).toEqual([["created", "Third"]]);
  // Very many at once aren't told one by one.
  const create = Array.from({ length: 1000 }, (_, at) => ({ title: `${at}`, amount: "1", company_id: 1 }));
  expect((await crm.send(ada, "POST", "/crm/deals/batch", { create })).status).toBe(200);
  expect(await other.nexts(2)).toEqual([
    ["created", "Third"],
    ["reset", null],
  ]);
  expect(await back.nexts(1)).toEqual([["reset", null]]);
});

testCrm("a stream ends with the right to it, and shows no more once a rule says so", async (crm) => {
  const { ada, boss, make } = await withPeople(crm);
  const wrong = await crm.send(boss, "GET", "/crm/deals/changes?filter=nope = 1");
  expect([wrong.status, wrong.body.errors[0].path]).toEqual([422, "/query/filter"]);
  expect((await crm.send(boss, "GET", "/crm/deals/changes?page=2")).status).toBe(422);
  expect((await crm.send(null, "GET", "/crm/deals/changes")).status).toBe(401);
  await using bosss = await Follower.open(crm.app, boss);
  expect(await bosss.nexts(1)).toEqual([["ready", null]]);
  const { ticket } = (await crm.send(ada, "POST", "/auth/ticket")).body;
  const elsewhere = { ...ada, headers: { authorization: "", accept: "text/event-stream" } };
  await using adasPage = await Follower.open(crm.app, elsewhere, `?ticket=${ticket}&stage=open`);
  expect(await adasPage.nexts(1)).toEqual([["ready", null]]);
  const roles = await crm.send(await crm.app.admin(), "GET", "/admin/roles?per_page=100");
  const role = roles.body.items.find(({ name }: { name: string }) => name === "boss_example_com");
  const allow = (permissions: readonly string[]) =>
    crm.app
      .admin()
      .then((admin) => crm.send(admin, "PUT", `/admin/roles/${role.id}/permissions`, { permissions }));
  await using adas = await Follower.open(crm.app, ada);
  expect(await adas.nexts(1)).toEqual([["ready", null]]);
  await make(ada, "Seen");
  expect(await adas.nexts(1)).toEqual([["created", "Seen"]]);
  expect(await bosss.nexts(1)).toEqual([["created", "Seen"]]);
  await allow(EVERYTHING);
  // Within the second in which streams follow rights, they aren't told of Ada's any more.
  const told: string[] = [];
  const ending = (async () => {
    // oxlint-disable-next-line no-await-in-loop -- in their order
    for (let next = await bosss.next(); next !== null; next = await bosss.next()) told.push(next.data.title);
  })();
  let made = 0;
  for (; made < told.length + 3; made += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await make(ada, `${made}`);
    // oxlint-disable-next-line no-await-in-loop
    expect(await adas.nexts(1)).toEqual([["created", `${made}`]]);
  }
  await allow([]);
  await ending;
  expect(told).not.toContain(`${made - 1}`);
});

const REDIS = "with Redis, changes on one instance are told to those who follow another, who go on there";
testWithProgram(
  "redis-server",
  REDIS,
  async () => {
    await using redis = await PrivateServer.start("redis");
    await using database = await createTestDatabase("sqlite");
    const start = async () =>
      TestApp.start({
        plugins: await crmPlugin(),
        config: { redis: { url: redis.url }, database: { url: database.url } },
      });
    await using first = await start();
    await using second = await start();
    await Promise.all([first.app.feed?.start(), second.app.feed?.start()]);
    // Each instance has a key of its own here.
    const user = await first.createUser("root@example.com", ["admin"]);
    const other = await second.createUser("other@example.com", ["admin"]);
    const send = (app: TestApp, method: string, path: string, body?: object) =>
      app.fetch(`/crm${path}`, {
        method,
        headers: { ...(app === first ? user : other).headers, "content-type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
      });
    await send(first, "POST", "/companies", { name: "Acme" });
    const deal = { title: "a", amount: "1", company_id: 1 };
    const one = await Follower.open(first, user);
    await using two = await Follower.open(second, other, '?filter=stage = "open"');
    expect(await one.nexts(1)).toEqual([["ready", null]]);
    expect(await two.nexts(1)).toEqual([["ready", null]]);
    await send(first, "POST", "/deals", deal);
    expect(await two.nexts(1)).toEqual([["created", "a"]]);
    await send(second, "POST", "/deals", { ...deal, title: "b" });
    expect(await one.nexts(2)).toEqual([
      ["created", "a"],
      ["created", "b"],
    ]);
    expect(await two.nexts(1)).toEqual([["created", "b"]]);
    await send(first, "PATCH", "/deals/1", { stage: "won" });
    expect(await two.nexts(1)).toEqual([["deleted", 1]]);
    expect(await one.nexts(1)).toEqual([["updated", "a"]]);
    // Of what is hidden from them those on another instance aren't told either.
    const ask = (method: string, path: string, body: object) =>
      second.fetch(path, {
        method,
        headers: { ...other.headers, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const role = await (await ask("POST", "/admin/roles", { name: "seller" })).json();
    await ask("PUT", `/admin/roles/${role.id}/permissions`, { permissions: ["deals:read"] });
    const plain = await second.createUser("plain@example.com", ["seller"]);
    await using few = await Follower.open(second, plain);
    expect(await few.nexts(1)).toEqual([["ready", null]]);
    await send(first, "PATCH", "/deals/1", { margin: "2" });
    expect(await one.nexts(1)).toEqual([["updated", "a"]]);
    await send(first, "PATCH", "/deals/1", { margin: "3", owner_id: plain.id });
    expect(await one.nexts(1)).toEqual([["updated", "a"]]);
    expect(await few.nexts(1)).toEqual([["updated", "a"]]);
    await send(first, "PATCH", "/deals/1", { margin: "4" });
    expect(await one.nexts(1)).toEqual([["updated", "a"]]);
    await send(first, "PATCH", "/deals/1", { title: "A" });
    expect(await one.nexts(1)).toEqual([["updated", "A"]]);
    expect(await few.nexts(1)).toEqual([["updated", "A"]]);
    const { lastId } = one;
    await one[Symbol.asyncDispose]();
    await send(first, "DELETE", "/deals/2");
    expect(await two.nexts(1)).toEqual([["deleted", 2]]);
    await using moved = await Follower.open(second, other, "", lastId);
    expect(await moved.nexts(2)).toEqual([
      ["deleted", 2],
      ["ready", null],
    ]);
  },
  120_000,
);
