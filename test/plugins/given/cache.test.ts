import { expect, test } from "bun:test";
import { plugin, TestApp } from "../../setup.ts";

const counting = (version: string, options = "") => ({
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/run.ts": `import { cache, cached, createRouter } from "xcore";
    let calls = 0;
    const price = cached((id: number) => ({ id, version: "${version}", call: ++calls }), { key: "price"${options} });
    export default createRouter()
      .get("/price/:id", ({ params }) => price(Number(params.id)))
      .get("/secret", async () => ({ value: (await cache.get("secret")) ?? null }))
      .post("/secret", async () => { await cache.set("secret", "of ${version}"); return {}; })`,
});

test("what a plugin has cached is gone when another version of it takes over", async () => {
  await using app = await TestApp.start({ plugins: counting("a") });
  expect((await app.get("/shop/price/1")).body).toEqual({ id: 1, version: "a", call: 1 });
  expect((await app.get("/shop/price/1")).body).toEqual({ id: 1, version: "a", call: 1 });
  await app.fetch("/shop/secret", { method: "POST" });
  expect((await app.get("/shop/secret")).body).toEqual({ value: "of a" });
  await app.after("plugin.reloaded", () => app.writePlugins(counting("b")));
  expect((await app.get("/shop/price/1")).body).toEqual({ id: 1, version: "b", call: 1 });
  expect((await app.get("/shop/secret")).body).toEqual({ value: null });
  expect(await app.app.cache.stats()).toMatchObject({ backend: "memory", entries: 1 });
});

test("what survives reloads stays", async () => {
  const options = ", survivesReload: true";
  await using app = await TestApp.start({ plugins: counting("a", options) });
  await app.get("/shop/price/1");
  await app.after("plugin.reloaded", () => app.writePlugins(counting("b", options)));
  expect((await app.get("/shop/price/1")).body).toEqual({ id: 1, version: "a", call: 1 });
  expect((await app.get("/shop/price/2")).body).toEqual({ id: 2, version: "b", call: 1 });
});

test("a failed load leaves what the running version has cached", async () => {
  await using app = await TestApp.start({ plugins: counting("a") });
  await app.get("/shop/price/1");
  await app.after("plugin.failed", () =>
    app.writePlugins({ "shop/run.ts": `${counting("b")["shop/run.ts"]}; throw new Error("no");` }),
  );
  expect((await app.get("/shop/price/1")).body).toEqual({ id: 1, version: "a", call: 1 });
});

test("a plugin can't reach what another has cached, nor what the core has", async () => {
  const thief = `
    import { cache, createRouter } from "xcore";
    export default createRouter().get("/", async () => {
      const keys = ["secret", "shop:secret", "../shop:secret", "$core:secret", ":secret", "shop:shop:secret"];
      const found = await Promise.all(keys.map((key) => cache.get(key)));
      await cache.invalidateTags(["shop:tag", "$core:tag"]);
      return { found: found.filter((value) => value !== undefined), deleted: await cache.deletePattern("*") };
    })`;
  await using app = await TestApp.start({
    plugins: {
      ...counting("a"),
      "thief/plugin.json": { name: "thief", version: "1.0.0" },
      "thief/run.ts": thief,
    },
  });
  await app.app.cache.core.set("secret", "of the core");
  await app.fetch("/shop/secret", { method: "POST" });
  expect((await app.get("/thief")).body).toEqual({ found: [], deleted: 0 });
  expect((await app.get("/shop/secret")).body).toEqual({ value: "of a" });
  expect(await app.app.cache.core.get<string>("secret")).toBe("of the core");
});

test("cached({ tables }) of a plugin follows what any plugin commits", async () => {
  const tables = `import { id, table, varchar } from "xcore/schema";
    export const articles = table("shop_articles", { id: id(), title: varchar(50).notNull() });`;
  await using app = await TestApp.start({
    plugins: {
      "shop/plugin.json": { name: "shop", version: "1.0.0" },
      "shop/schema.ts": tables,
      "shop/drizzle/sqlite/0000_first.sql":
        "CREATE TABLE `shop_articles` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `title` text(50) NOT NULL)",
      "shop/drizzle/sqlite/meta/_journal.json": {
        version: "7",
        dialect: "sqlite",
        entries: [{ idx: 0, version: "6", when: 1, tag: "0000_first", breakpoints: true }],
      },
      "shop/run.ts": `import { cached, createRouter, db } from "xcore";
        import { articles } from "./schema.ts";
        let calls = 0;
        const count = cached(async () => ({ count: await db.$count(articles), call: ++calls }), { tables: [articles] });
        export default createRouter()
          .get("/", () => count())
          .post("/", async () => { await db.insert(articles).values({ title: "x" }); return await count(); })`,
    },
  });
  const post = async (): Promise<unknown> => (await app.fetch("/shop", { method: "POST" })).json();
  expect((await app.get("/shop")).body).toEqual({ count: 0, call: 1 });
  expect((await app.get("/shop")).body).toEqual({ count: 0, call: 1 });
  expect(await post()).toEqual({ count: 1, call: 2 });
  expect((await app.get("/shop")).body).toEqual({ count: 1, call: 2 });
});

test("nothing of the cache is loaded for plugins that don't use it", async () => {
  await using app = await TestApp.start({ plugins: plugin("hello", '.get("/", () => 1)') });
  expect((await app.get("/hello")).body).toBe(1);
  expect(app.app.cache.isOpen).toBe(false);
});

test("a backend without its server stops the start", async () => {
  for (const [cache, message] of [
    [{ backend: "redis" }, 'set "redis.url" (REDIS_URL)'],
    [{ backend: "memcached" }, 'set "cache.url"'],
    [{ backend: "memcached", url: "redis://localhost" }, 'set "cache.url"'],
  ] as const) {
    const error = await TestApp.start({ config: { cache } }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "config_invalid" });
    expect(String(error)).toContain(message);
  }
});
