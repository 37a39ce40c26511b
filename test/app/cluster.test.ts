import { expect } from "bun:test";
import type { ConfigOverrides } from "../../src/config/schema.ts";
import { createTestDatabase } from "../database-servers.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { testWithProgram } from "../programs.ts";
import { plugin, TestApp } from "../setup.ts";

const test = (name: string, run: () => Promise<void>): void =>
  testWithProgram("redis-server", name, run, 60_000);

/** Emits what it is asked to on all instances, and hears it there. */
const SHOP = plugin(
  "shop",
  `
  .post("/emit/:name", async ({ params, body }) => {
    asks = true;
    try {
      return { cancelled: (await hooks.emit(params.name, body, { cluster: true })).cancelled };
    } catch (error) {
      return { error: error.name + ": " + error.message };
    }
  })
  .get("/count", () => countUsers())
  .post("/large", async () => {
    try {
      await hooks.emit("shop.large", "x".repeat(70_000), { cluster: true });
    } catch (error) {
      return { error: error.name + ": " + error.message };
    }
  })
  .post("/function", async () => {
    try {
      await hooks.emit("shop.function", () => 1, { cluster: true });
    } catch (error) {
      return { error: error.name + ": " + error.message };
    }
  })`,
);
const CODE =
  (SHOP["shop/run.ts"] as string).replace(
    'from "xcore";',
    'from "xcore";\nimport { cached, db, hooks } from "xcore";\nimport { users } from "xcore/schema";',
  ) +
  `
let counts = 0;
const countUsers = cached(async () => ({ users: await db.$count(users), counts: ++counts }), { ttl: 3600, tables: [users] });
let asks = false;
hooks.on("shop.refused", ({ cancel }) => asks && cancel("no"), { order: "before" });
hooks.on("shop.endless", () => hooks.emit("shop.endless", null, { cluster: true }));
hooks.on("shop.answered", ({ data }) => { data.seen = true; }, { order: "before" });
`;

async function start(
  redis: PrivateServer,
  name = "one",
  database?: string,
  config: ConfigOverrides = {},
): Promise<TestApp> {
  const app = await TestApp.start({
    plugins: { ...SHOP, "shop/run.ts": CODE },
    config: {
      ...config,
      app: { name },
      redis: { url: redis.url },
      ...(database !== undefined && { database: { url: database } }),
    },
  });
  await app.app.feed?.start();
  return app;
}

async function emit(app: TestApp, name: string, data: unknown = {}): Promise<unknown> {
  const response = await app.fetch(`/shop/emit/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(data),
  });
  return response.json();
}

const heard = ({ events }: TestApp, prefix: string): string[] =>
  events.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name);

test("an event that is emitted with { cluster: true } is told to each instance once", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await start(redis);
  await using second = await start(redis);
  await using third = await start(redis);
  await using other = await start(redis, "other");
  const { data } = await second.after("shop.first", () => emit(first, "shop.first", { a: [1, "é"] }));
  expect(data).toEqual({ a: [1, "é"] });
  const answered = Promise.all([third.after("shop.last", () => {}), second.after("shop.last", () => {})]);
  expect(await emit(first, "shop.refused")).toEqual({ cancelled: true });
  await emit(first, "shop.answered", { id: 1 });
  await emit(first, "shop.last");
  await answered;
  for (const app of [first, second, third]) {
    expect(heard(app, "shop.")).toEqual(["shop.first", "shop.answered", "shop.last"]);
  }
  expect(heard(other, "shop.")).toEqual([]);
  // As it was emitted: each instance has its own handlers change it.
  expect(second.events.find(({ name }) => name === "shop.answered")?.data).toEqual({ id: 1, seen: true });
});

test("an event reaches the other instances although Redis is frozen, or stopped, when it is emitted", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await start(redis);
  await using second = await start(redis);
  await second.after("shop.first", () => emit(first, "shop.first"));
  redis.freeze();
  expect(await emit(first, "shop.frozen")).toEqual({ cancelled: false });
  await second.after("shop.frozen", () => redis.thaw());
  await redis.kill();
  expect(await emit(first, "shop.stopped")).toEqual({ cancelled: false });
  await second.after("shop.stopped", () => redis.restart());
  expect(heard(second, "shop.")).toEqual(["shop.first", "shop.frozen", "shop.stopped"]);
});

test("handlers that emit what they hear, on all instances, come to an end", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await start(redis);
  await using second = await start(redis);
  await second.after("shop.first", () => emit(first, "shop.first"));
  await emit(first, "shop.endless");
  await second.after("shop.last", () => emit(first, "shop.last"));
  await first.after("shop.last", () => emit(second, "shop.last"));
  // 64 on the first, each of which the second is told of: 64 and 32 + 31 + … there, and as many as these on the way back.
  const count = heard(first, "shop.endless").length + heard(second, "shop.endless").length;
  expect(count).toBeLessThanOrEqual(64 + 64 + 528 + 528);
  expect(await first.log("app")).toContain("a handler probably emits the event that it listens to");
});

test("an event that is too large for the other instances is refused at once", async () => {
  await using redis = await PrivateServer.start("redis");
  await using first = await start(redis);
  const response = await first.fetch("/shop/large", { method: "POST" });
  expect(await response.json()).toEqual({
    error: 'RangeError: Cannot emit "shop.large" on other instances: The data is larger than 64 KiB as JSON',
  });
  expect(await (await first.fetch("/shop/function", { method: "POST" })).json()).toEqual({
    error: 'TypeError: Cannot emit "shop.function" on other instances: JSON has no function',
  });
  expect(heard(first, "shop.")).toEqual([]);
});

test("what is cached in memory by tables is forgotten when another instance writes to them", async () => {
  await using redis = await PrivateServer.start("redis");
  await using database = await createTestDatabase("sqlite");
  await using first = await start(redis, "one", database.url);
  await using second = await start(redis, "one", database.url);
  let made = 0;
  const addUser = () => first.createUser(`user-${++made}@example.com`);
  const count = async () =>
    (await (await second.fetch("/shop/count")).json()) as { users: number; counts: number };
  const counted = async (expected: number): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop -- until it has heard of it
    while ((await count()).users !== expected);
  };
  expect(await count()).toEqual({ users: 0, counts: 1 });
  await addUser();
  await counted(1);
  for (const expected of [2, 3, 4]) {
    // oxlint-disable-next-line no-await-in-loop
    await addUser();
    // oxlint-disable-next-line no-await-in-loop
    await counted(expected);
  }
  redis.freeze();
  await addUser();
  redis.thaw();
  await counted(5);
  await redis.kill();
  await addUser();
  await redis.restart();
  await counted(6);
  const known = await count();
  expect(await count()).toEqual(known); // it is cached, all the same
});

test("while Redis is away /health is 200 and says so, and the log has one line for all connections", async () => {
  await using redis = await PrivateServer.start("redis");
  await using app = await start(redis, "one", undefined, { cache: { backend: "redis" } });
  const said = async (): Promise<string[]> =>
    (await app.log("app")).match(/"msg":"Redis is (?:away|back)/g)?.map((text) => text.slice(-4)) ?? [];
  const until = async (expected: "ok" | "failing"): Promise<void> => {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- until it is noticed
      const { status, body } = await app.getAsAdmin("/health");
      expect(status).toBe(200);
      if (body.checks.redis !== expected) continue;
      expect(body.status).toBe(expected === "ok" ? "ok" : "degraded");
      return;
    }
  };
  const saidAll = async (expected: readonly string[]): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop -- until the last connection has it back
    while ((await said()).length < expected.length);
    expect(await said()).toEqual([...expected]);
  };
  await until("ok");
  expect((await app.fetch("/shop/count")).status).toBe(200);
  await redis.kill();
  await until("failing");
  expect((await app.fetch("/shop/count")).status).toBe(200);
  await emit(app, "shop.away"); // what is sent fails as well
  await redis.restart();
  await saidAll(["away", "back"]);
  await until("ok");
  redis.freeze();
  await until("failing");
  expect((await app.fetch("/shop/count")).status).toBe(200);
  redis.thaw();
  await saidAll(["away", "back", "away", "back"]);
  await until("ok");
});
