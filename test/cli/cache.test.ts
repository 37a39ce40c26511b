import { expect, setDefaultTimeout, test } from "bun:test";
import { PrivateServer } from "../faults/private-server.ts";
import { testWithProgram } from "../programs.ts";
import { plugin, TestFolder } from "../setup.ts";
import { xcore, XcoreServer } from "./xcore-process.ts";

setDefaultTimeout(120_000);

const PLUGIN = Object.fromEntries(
  Object.entries({
    ...plugin("shop", ""),
    "shop/run.ts": `import { cache, createRouter } from "xcore";
      export default createRouter()
        .get("/:key", async ({ params }) => ({ value: (await cache.get(params.key)) ?? null }))
        .put("/:key", async ({ params }) => { await cache.set(params.key, 1); return {}; })`,
  }).map(([name, content]) => [`plugins/${name}`, content]),
);

async function fill(server: XcoreServer): Promise<void> {
  for (const key of ["a", "b:1", "b:2"]) await server.fetch(`/shop/${key}`, { method: "PUT" });
}

async function left(server: XcoreServer): Promise<string[]> {
  const keys = ["a", "b:1", "b:2"];
  const values = await Promise.all(
    keys.map(async (key) => (await (await server.fetch(`/shop/${key}`)).json()) as { value: number | null }),
  );
  return keys.filter((_, index) => values[index]?.value === 1);
}

test("xcore cache tells of the memory of the running server, and clears it", async () => {
  await using folder = await TestFolder.create(PLUGIN);
  const alone = await xcore(folder, ["cache", "stats"]);
  expect(alone).toMatchObject({ code: 1, stdout: "" });
  expect(alone.stderr).toContain("none runs for this project");
  await using server = await XcoreServer.start(folder);
  await fill(server);
  const stats = await xcore(folder, ["cache", "stats", "--json"]);
  expect([stats.code, stats.stderr]).toEqual([0, ""]);
  expect(JSON.parse(stats.stdout)).toMatchObject({ backend: "memory", available: true, entries: 3 });
  expect((await xcore(folder, ["cache", "stats"])).stdout).toMatch(/entries +3\n/);
  expect((await xcore(folder, ["cache", "clear", "shop:b:*"])).stdout).toBe("Deleted 2 keys\n");
  expect(await left(server)).toEqual(["a"]);
  expect(await xcore(folder, ["cache", "clear", ""])).toEqual({
    code: 1,
    stdout: "",
    stderr: 'Cannot clear "": name the keys, such as "shop:*", or leave the pattern out for all of them\n',
  });
  expect(JSON.parse((await xcore(folder, ["cache", "clear", "--json"])).stdout)).toEqual({ deleted: 1 });
  expect(await left(server)).toEqual([]);
});

testWithProgram("redis-server", "xcore cache clears Redis, with a server and without one", async () => {
  await using redis = await PrivateServer.start("redis");
  await using folder = await TestFolder.create(PLUGIN);
  const env = { REDIS_URL: redis.url, XCORE_CACHE__BACKEND: "redis" };
  {
    await using server = await XcoreServer.start(folder, { env });
    await fill(server);
    expect((await xcore(folder, ["cache", "clear", "*:2"], { env })).stdout).toBe("Deleted 1 key\n");
    expect(await left(server)).toEqual(["a", "b:1"]);
  }
  const stats = await xcore(folder, ["cache", "stats", "--json"], { env });
  expect(JSON.parse(stats.stdout)).toMatchObject({ backend: "redis", available: true });
  expect(await xcore(folder, ["cache", "clear"], { env })).toEqual({
    code: 0,
    stdout: "Deleted 2 keys\n",
    stderr: "",
  });
  await redis.kill();
  const away = await xcore(folder, ["cache", "clear"], { env });
  expect([away.code, away.stderr]).toEqual([1, expect.stringContaining("redis doesn't answer")]);
  expect(away.stderr).not.toContain("s3cret");
});

testWithProgram(
  "redis-server",
  "xcore cache clear says that Redis is away, and what becomes of it",
  async () => {
    await using redis = await PrivateServer.start("redis");
    await using folder = await TestFolder.create(PLUGIN);
    const env = { REDIS_URL: redis.url, XCORE_CACHE__BACKEND: "redis" };
    await using server = await XcoreServer.start(folder, { env });
    await fill(server);
    await redis.kill();
    expect(await xcore(folder, ["cache", "clear", "*:1"], { env })).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "Cannot clear the cache now: redis doesn't answer; the server deletes what matches once it does\n",
    });
  },
);

testWithProgram("redis-server", "xcore cache clear reaches the memory of all instances", async () => {
  await using redis = await PrivateServer.start("redis");
  await using here = await TestFolder.create(PLUGIN);
  await using there = await TestFolder.create(PLUGIN);
  const env = { REDIS_URL: redis.url };
  await using other = await XcoreServer.start(there, { env });
  const leftThere = async (expected: readonly string[]): Promise<void> => {
    while (!Bun.deepEquals(await left(other), expected));
  };
  {
    await using server = await XcoreServer.start(here, { env });
    await fill(server);
    await fill(other);
    expect((await xcore(here, ["cache", "clear", "shop:b:*"], { env })).stdout).toBe(
      "Deleted 2 keys, and told the other instances to\n",
    );
    expect(await left(server)).toEqual(["a"]);
    await leftThere(["a"]);
    // Sent once Redis is back.
    await redis.kill();
    expect((await xcore(here, ["cache", "clear"], { env })).code).toBe(0);
    expect(await left(other)).toEqual(["a"]);
    await redis.restart();
    await leftThere([]);
  }
  await fill(other);
  expect(await xcore(here, ["cache", "clear", "*:2"], { env })).toEqual({
    code: 0,
    stdout: "Told all instances to clear\n",
    stderr: "",
  });
  await leftThere(["a", "b:1"]);
  await redis.kill();
  const away = await xcore(here, ["cache", "clear"], { env });
  expect([away.code, away.stdout]).toEqual([1, ""]);
  expect(away.stderr).toContain("Redis doesn't answer");
});

testWithProgram("memcached", "xcore cache says why Memcached can't clear by a pattern", async () => {
  await using memcached = await PrivateServer.start("memcached");
  await using folder = await TestFolder.create(PLUGIN);
  const env = { XCORE_CACHE__URL: memcached.url, XCORE_CACHE__BACKEND: "memcached" };
  await using server = await XcoreServer.start(folder, { env });
  await fill(server);
  const refused = await xcore(folder, ["cache", "clear", "*:2"], { env });
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("can't list keys")]);
  expect(refused.stderr).not.toContain("    at "); // no stack
  expect((await xcore(folder, ["cache", "clear", "shop:b:*"], { env })).stdout).toBe("Cleared\n");
  expect(await left(server)).toEqual(["a"]);
});
