import { expect } from "bun:test";
import type { ConfigOverrides } from "../../src/config/schema.ts";
import { summarizePlugin } from "../../src/plugins/admin/answers.ts";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { type Files, plugin, TestApp } from "../setup.ts";
import { SERVERS } from "./ledger.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** A plugin that asks the database before it serves, or doesn't. */
function asking(name: string, value: number, asks = true): Files {
  const files = plugin(name, `.get("/", () => ${value})`);
  const setup = asks ? "export const setup = () => db.execute(sql`select 1`);" : "";
  const imports = 'import { db } from "xcore";\nimport { sql } from "drizzle-orm";\n';
  const code = files[`${name}/run.ts`] as string;
  return { ...files, [`${name}/run.ts`]: imports + code + setup };
}

const ofPlugin = (name: string) => (event: { readonly data: { name: string } }) => event.data.name === name;

/** What `/system/plugins` and `xcore plugin list` say. */
function summaryOf(app: TestApp, name: string) {
  const record = app.app.plugins.list().find((one) => one.name === name);
  return record && summarizePlugin(record);
}

for (const dialect of SERVERS) {
  const test = (name: string, run: (app: TestApp, proxy: TcpProxy) => Promise<void>): void =>
    testWithServer(dialect, `${name} (${dialect})`, 120_000, async () => {
      await using database = await createTestDatabase(dialect);
      await using proxy = await TcpProxy.before(database.url);
      const config: ConfigOverrides = { database: { url: proxy.through(database.url) } };
      await using app = await TestApp.start({ plugins: asking("shop", 1), config });
      await run(app, proxy);
      await proxy.cut();
      await proxy.listen();
    });

  test("plugins that are changed or added during an outage are loaded after it", async (app, proxy) => {
    await proxy.cut();
    await app.after("plugin.failed", () => app.writePlugins(asking("shop", 2)), ofPlugin("shop"));
    expect(summaryOf(app, "shop")).toMatchObject({ state: "failed", serving: true });
    expect(Date.parse(summaryOf(app, "shop")?.failure?.retry_at ?? "")).toBeGreaterThan(Date.now() - 1000);
    expect(await app.log("manager")).toContain("; generation 1 keeps serving; it is loaded again in 1 s");
    await app.after("plugin.failed", () => app.writePlugins(asking("late", 1)), ofPlugin("late"));
    expect((await app.get("/shop")).body).toBe(1);
    // The next try fails too, and waits for longer.
    await app.after("plugin.failed", () => {}, ofPlugin("shop"));
    expect(await app.log("manager")).toContain("; it is loaded again in 2 s");
    const shop = app.after("plugin.reloaded", () => {}, ofPlugin("shop"));
    const late = app.after("plugin.loaded", () => {}, ofPlugin("late"));
    await proxy.listen();
    await Promise.all([shop, late]);
    expect(summaryOf(app, "shop")).toMatchObject({ state: "serving", failure: null });
    expect((await app.get("/shop")).body).toBe(2);
    expect((await app.get("/late")).body).toBe(1);
  });

  test("a change of a plugin's files ends the waiting", async (app, proxy) => {
    await proxy.cut();
    await app.after("plugin.failed", () => app.writePlugins(asking("shop", 2)), ofPlugin("shop"));
    await app.after("plugin.reloaded", () => app.writePlugins(asking("shop", 3, false)), ofPlugin("shop"));
    expect(summaryOf(app, "shop")).toMatchObject({ state: "serving", failure: null });
    expect((await app.get("/shop")).body).toBe(3);
  });

  test("what fails for a reason that doesn't pass isn't tried again", async (app, proxy) => {
    await proxy.cut();
    await app.after("plugin.failed", () => app.writePlugins(asking("shop", 2)), ofPlugin("shop"));
    const broken = { "shop/run.ts": 'throw new Error("boom");' };
    await app.after("plugin.failed", () => app.writePlugins(broken), ofPlugin("shop"));
    expect(summaryOf(app, "shop")).toMatchObject({ state: "failed", failure: { retry_at: null } });
  });
}
