import { expect } from "bun:test";
import { join } from "node:path";
import { xcore, XcoreServer } from "../cli/xcore-process.ts";
import { createTestDatabase, type TestDatabase } from "../database-servers.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { PluginHost } from "../plugins/remote/plugin-host.ts";
import { testWithProgram } from "../programs.ts";
import { type Files, plugin, TestApp, TestFolder, type TestUser } from "../setup.ts";

const test = (name: string, run: () => Promise<void>): void =>
  testWithProgram("redis-server", name, run, 120_000);

const NOTES = plugin("notes", '.get("/", () => "ok")');
const MANIFEST = "plugins/notes/plugin.json";

interface Ground {
  readonly redis: PrivateServer;
  readonly database: TestDatabase;
}

function start({ redis, database }: Ground, plugins: Files = NOTES): Promise<TestApp> {
  return TestApp.start({
    plugins,
    config: { redis: { url: redis.url }, database: { url: database.url } },
  });
}

const admins = new WeakMap<TestApp, Promise<TestUser>>();

/** An administrator who knows one instance: all have the same accounts, and keys of their own. */
function adminOf(app: TestApp): Promise<TestUser> {
  const admin = admins.get(app) ?? app.createUser(`${crypto.randomUUID()}@example.com`, ["admin"]);
  admins.set(app, admin);
  return admin;
}

/** Has an instance asked by an administrator. */
async function ask(app: TestApp, path: string): Promise<{ status: number; body: { state: string } }> {
  const { headers } = await adminOf(app);
  const response = await app.fetch(`/system/plugins/${path}`, { method: "PUT", headers });
  return { status: response.status, body: await response.json() };
}

const stateOf = (app: TestApp, name = "notes"): string | undefined =>
  app.app.plugins.list().find((record) => record.name === name)?.state;

const isActiveInFile = async (app: TestApp): Promise<unknown> =>
  ((await Bun.file(join(app.folder.path, MANIFEST)).json()) as { active?: boolean }).active;

/** Matches once both workers have said it. */
function both(message: string): RegExp {
  const by = (worker: number): string => `"worker":${worker}[^\\n]*"msg":"${message}"`;
  return new RegExp(`${by(1)}[^]*${by(2)}|${by(2)}[^]*${by(1)}`);
}

async function withGround(run: (ground: Ground) => Promise<void>): Promise<void> {
  await using redis = await PrivateServer.start("redis");
  await using database = await createTestDatabase("sqlite");
  await run({ redis, database });
}

test("what is asked of a plugin on one instance, all others follow, and those that start later", () =>
  withGround(async (ground) => {
    await using first = await start(ground);
    await using second = await start(ground);
    await Promise.all([first.app.feed?.start(), second.app.feed?.start()]);
    const unloaded = await second.after("plugin.unloaded", async () => {
      expect(await ask(first, "notes/disable")).toMatchObject({ status: 200, body: { state: "disabled" } });
    });
    expect(unloaded.data).toMatchObject({ name: "notes", reason: "disabled" });
    expect([await isActiveInFile(first), await isActiveInFile(second)]).toEqual([false, undefined]);
    expect(await second.log("manager")).toContain(
      `it is disabled, as was asked on all instances, whatever ${MANIFEST} says; \`xcore plugin enable notes\` changes that`,
    );

    await using third = await start(ground);
    expect(stateOf(third)).toBe("disabled");
    expect((await third.fetch("/notes")).status).toBe(404);

    await Promise.all([
      first.after("plugin.loaded", () => {}),
      third.after("plugin.loaded", () => {}),
      ask(second, "notes/enable"),
    ]);
    expect([first, second, third].map((app) => stateOf(app))).toEqual(["serving", "serving", "serving"]);
    // Asked of the second: the file of the first still says what it was asked.
    expect(await isActiveInFile(first)).toBe(false);
  }));

test("a file that is edited by hand doesn't count over what was asked on all instances, and the log says so", () =>
  withGround(async (ground) => {
    await using first = await start(ground);
    await ask(first, "notes/disable");
    const text = await Bun.file(join(first.folder.path, MANIFEST)).text();
    await first.folder.write({ [MANIFEST]: text.replace("false", "true") });
    await first.app.plugins.refresh(null);
    expect(stateOf(first)).toBe("disabled");
    expect(await first.log("manager")).toContain("it is disabled, as was asked on all instances, whatever");
    // Its file says so already: it is asked all the same.
    expect((await ask(first, "notes/enable")).body.state).toBe("serving");
  }));

test("an instance that lacks a plugin says so, and goes on", () =>
  withGround(async (ground) => {
    await using first = await start(ground);
    await using second = await start(ground, plugin("other", '.get("/", () => "ok")'));
    await Promise.all([first.app.feed?.start(), second.app.feed?.start()]);
    const { data } = await second.after("plugin.failed", () => ask(first, "notes/enable"));
    expect(data).toMatchObject({ name: "notes", stage: "fetch", serving: false });
    const { headers } = await adminOf(second);
    const body = await (await second.fetch("/system/plugins/notes", { headers })).json();
    expect(body).toMatchObject({ state: "failed", active: true, source: "not on this instance" });
    expect(body.failure.message).toStartWith(
      'Cannot load "notes": it was enabled on all instances, and isn\'t on this one; add it here',
    );
    expect((await second.fetch("/other")).status).toBe(200);
    expect((await ask(second, "notes/enable")).status).toBe(409);
    await first.after("plugin.unloaded", () => ask(second, "notes/disable"));
    expect(stateOf(second)).toBeUndefined();
    // Once it is there, it is as all the others are.
    await second.writePlugins(NOTES);
    await second.app.plugins.refresh(null);
    expect(stateOf(second)).toBe("disabled");
    await second.after("plugin.loaded", () => ask(first, "notes/enable"));
  }));

async function remove(app: TestApp): Promise<number> {
  const { headers } = await adminOf(app);
  return (await app.fetch("/system/plugins/notes", { method: "DELETE", headers })).status;
}

test("a plugin that is removed isn't missed, and one that can't be removed stays as it was", () =>
  withGround(async (ground) => {
    await using first = await start(ground);
    await using second = await start(ground, {
      ...NOTES,
      ...plugin("reader", '.get("/", () => "ok")', { dependencies: ["notes"] }),
    });
    await Promise.all([first.app.feed?.start(), second.app.feed?.start()]);
    await ask(first, "notes/enable");
    expect(await remove(second)).toBe(409);
    expect(await remove(first)).toBe(204);
    expect(stateOf(first)).toBeUndefined();
    expect(first.events.filter(({ name }) => name === "plugin.failed")).toEqual([]);
    expect([stateOf(second), (await second.fetch("/notes")).status]).toEqual(["serving", 200]);
    await ask(second, "notes/disable?with_dependents=true");
    await second.folder.remove("plugins/notes");
    await second.app.plugins.refresh(null);
    await second.writePlugins(NOTES);
    await second.app.plugins.refresh(null);
    expect(stateOf(second)).toBe("disabled");
  }));

test("instances come to the same although Redis was away, and lost its data, when it was asked", () =>
  withGround(async (ground) => {
    const { redis } = ground;
    await using first = await start(ground);
    await using second = await start(ground);
    await Promise.all([first.app.feed?.start(), second.app.feed?.start()]);
    redis.freeze();
    expect((await ask(first, "notes/disable")).body.state).toBe("disabled");
    await second.after("plugin.unloaded", () => redis.thaw());
    await redis.kill();
    expect((await ask(first, "notes/enable")).body.state).toBe("serving");
    await second.after("plugin.loaded", () => redis.restart());
  }));

test("a plugin that config.json pins is switched on all instances, and written where it was asked", () =>
  withGround(async ({ redis, database }) => {
    await using host = new PluginHost();
    const pinned = host.publish("/crm", {
      "plugin.json": { name: "crm", version: "1.0.0" },
      "run.ts": `import { createRouter } from "xcore";\nexport default createRouter().get("/", () => "ok");\n`,
    });
    const startPinned = async (active: boolean): Promise<TestApp> => {
      const files = { "config.json": { plugins: { remote: { crm: { ...pinned, active } } } } };
      const app = await TestApp.start({
        files,
        config: { redis: { url: redis.url }, database: { url: database.url } },
      });
      await app.app.feed?.start();
      await app.app.plugins.settled();
      return app;
    };
    await using first = await startPinned(true);
    await using second = await startPinned(false);
    const text = await Bun.file(join(second.folder.path, "config.json")).text();
    expect([stateOf(first, "crm"), stateOf(second, "crm")]).toEqual(["serving", "disabled"]);
    await second.after("plugin.loaded", () => ask(first, "crm/enable"));
    await second.after("plugin.unloaded", () => ask(first, "crm/disable"));
    const written = await Bun.file(join(first.folder.path, "config.json")).json();
    expect(written.plugins.remote.crm.active).toBe(false);
    expect(await Bun.file(join(second.folder.path, "config.json")).text()).toBe(text);
  }));

test("a plugin is loaded once, whoever says first that it is to be: the feed, or a file that instances share", () =>
  withGround(async ({ redis, database }) => {
    const files = Object.fromEntries(Object.entries(NOTES).map(([name, file]) => [`plugins/${name}`, file]));
    await using folder = await TestFolder.create(files);
    const env = { DATABASE_URL: database.url, REDIS_URL: redis.url };
    const args = ["serve", "--port", "0", "--workers", "2"];
    await using server = await XcoreServer.start(folder, { env, args });
    await server.waitFor(/"msg":"2 workers listen on /);
    await server.after(() => xcore(folder, ["plugin", "disable", "notes"], { env }), both("plugin unloaded"));
    await server.after(() => xcore(folder, ["plugin", "enable", "notes"], { env }), both("plugin loaded"));
    await server.after(() => xcore(folder, ["plugin", "disable", "notes"], { env }), both("plugin unloaded"));
    server.kill("SIGTERM");
    await server.exited;
    const said = (pattern: RegExp): number => server.output.match(pattern)?.length ?? 0;
    expect(said(/"msg":"plugin loaded"/g)).toBe(4);
    expect(said(/"msg":"plugin reloaded"/g)).toBe(0);
    expect(await Bun.file(join(folder.path, MANIFEST)).json()).toMatchObject({ active: false });
  }));

test("where there is no Redis, files count, and nothing is asked of others", async () => {
  await using database = await createTestDatabase("sqlite");
  await using app = await TestApp.start({ plugins: NOTES, config: { database: { url: database.url } } });
  expect((await ask(app, "notes/disable")).body.state).toBe("disabled");
  const { db, tables } = app.app.store;
  expect(await db.$count(tables.pluginStates)).toBe(0);
});

test("xcore plugin enable and disable reach servers elsewhere, whether one runs for the project or not", () =>
  withGround(async ({ redis, database }) => {
    const files = Object.fromEntries(Object.entries(NOTES).map(([name, file]) => [`plugins/${name}`, file]));
    await using here = await TestFolder.create(files);
    await using there = await TestFolder.create(files);
    const env = { DATABASE_URL: database.url, REDIS_URL: redis.url };
    await using server = await XcoreServer.start(there, { env });
    await server.after(async () => {
      expect(await xcore(here, ["plugin", "disable", "notes"], { env })).toEqual({
        code: 0,
        stdout: `notes is disabled now, on all instances and in ${MANIFEST}\n`,
        stderr: "",
      });
    }, /"msg":"plugin unloaded"/);
    expect((await xcore(here, ["plugin", "disable", "notes"], { env })).stdout).toBe(
      "notes is disabled already\n",
    );
    expect((await xcore(there, ["plugin", "enable", "notes"], { env })).stdout).toBe(
      "notes is enabled now, on all instances\n",
    );
    await server.waitFor(/"msg":"plugin unloaded"[^]*"msg":"plugin loaded"/);

    // Of a process that has ended before Redis is back.
    await redis.kill();
    const told = await xcore(here, ["plugin", "disable", "notes"], { env });
    expect(told).toMatchObject({ code: 0, stdout: "notes is disabled now, on all instances\n" });
    expect(told.stderr).toContain("Redis is away: the other instances follow once it is back");
    await server.after(() => redis.restart(), /"msg":"plugin unloaded"/);
    // A plugin that isn't there can still be taken out of service everywhere.
    await xcore(there, ["plugin", "enable", "notes"], { env });
    await here.remove("plugins/notes");
    expect((await xcore(here, ["plugin", "disable", "notes"], { env })).stdout).toBe(
      "notes is disabled now, on all instances\n",
    );
  }));

async function settingsOf(server: XcoreServer): Promise<unknown> {
  return (await server.fetch("/shop")).json();
}

test("a setting reaches all instances as it was typed, and no secret reaches Redis or a log", () =>
  withGround(async ({ redis, database }) => {
    const files: Files = {
      "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
      "plugins/shop/run.ts": `import { t } from "elysia";
import { config, createRouter } from "xcore";
export const settings = t.Object({ currency: t.String({ default: "EUR" }), key: t.String({ default: "" }), days: t.Integer({ default: 1 }) });
export default createRouter().get("/", () => config);
`,
    };
    await using here = await TestFolder.create(files);
    await using there = await TestFolder.create({
      ...files,
      "config.json": { plugins: { settings: { shop: { currency: "CHF", days: 3 } } } },
    });
    const env = { DATABASE_URL: database.url, REDIS_URL: redis.url };
    const set = (...args: string[]) =>
      xcore(here, ["plugin", "config", "shop", ...args], { env: { ...env, SHOP_KEY: "mine, s3cret" } });
    const known = { currency: "CHF", key: "", days: 3 };
    {
      await using server = await XcoreServer.start(there, { env: { ...env, SHOP_KEY: "theirs, s3cret" } });
      expect(await settingsOf(server)).toEqual(known);
      await server.after(async () => {
        expect(await set("key", "${SHOP_KEY}")).toEqual({
          code: 0,
          stdout: "shop.key is set now, on all instances and in config.json\n",
          stderr: "",
        });
      }, /"msg":"plugin reloaded"/);
      expect(await settingsOf(server)).toEqual({ ...known, key: "theirs, s3cret" });
      await server.after(() => set("currency", "USD"), /"msg":"plugin reloaded"/);
      expect(await settingsOf(server)).toMatchObject({ currency: "USD", days: 3 });
      const refused = await set("days", "soon");
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(refused.stderr).toContain("plugins.settings.shop.days: expected integer");
      expect(JSON.parse((await set()).stdout)).toEqual({ currency: "USD", key: "***" });
      // Its own again.
      await server.after(() => set("currency", "--unset"), /"msg":"plugin reloaded"/);
      expect(await settingsOf(server)).toEqual({ ...known, key: "theirs, s3cret" });
      expect(server.output).not.toContain("s3cret");
      expect(server.output).not.toContain("SHOP_KEY");
    }
    const kept = JSON.stringify(await dump(redis));
    expect(kept).toContain("plugins");
    expect(kept).not.toContain("SHOP_KEY");
    expect(kept).not.toContain("s3cret");
    expect(await Bun.file(join(here.path, "config.json")).json()).toEqual({
      plugins: { settings: { shop: { key: "${SHOP_KEY}" } } },
    });

    // One that starts later, and lacks the variable, serves with what it has.
    await using lacking = await XcoreServer.start(there, { env });
    expect(lacking.output).toContain(
      '(set by xcore plugin config): environment variable \\"SHOP_KEY\\" is not set',
    );
    expect(lacking.output).toContain("Plugins are set as config.json of this instance says");
    expect(await settingsOf(lacking)).toEqual(known);
    await lacking.after(() => set("key", "plain"), /"msg":"configuration applied"/);
    expect(await settingsOf(lacking)).toEqual({ ...known, key: "plain" });
  }));

/** All that stands in Redis. */
async function dump({ url }: PrivateServer): Promise<unknown[]> {
  const client = new Bun.RedisClient(url);
  try {
    const keys = await client.keys("*");
    return await Promise.all(
      keys.map(async (key) =>
        (await client.type(key)) === "stream"
          ? [key, await client.send("XRANGE", [key, "-", "+"])]
          : [key, await client.send("HGETALL", [key])],
      ),
    );
  } finally {
    client.close();
  }
}
