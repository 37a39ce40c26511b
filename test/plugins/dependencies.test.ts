import { setImmediate } from "node:timers/promises";
import { expect, test } from "bun:test";
import { plugin, TestApp } from "../setup.ts";

/** `base` exports a value; `crm` imports it, and `shop` imports it through `crm`. */
function chain(value: string): Record<string, string | object> {
  return {
    "base/plugin.json": { name: "base", version: "1.2.0" },
    "base/run.ts": `import { createRouter } from "xcore";\nexport const value = ${value};\nexport default createRouter().get("/", () => value);`,
    "crm/plugin.json": { name: "crm", version: "1.0.0", dependencies: { base: "^1.0.0" } },
    "crm/run.ts":
      'import { createRouter } from "xcore";\nimport { value } from "plugin:base";\nexport const seen = () => value;\nexport default createRouter().get("/", () => value);',
    "shop/plugin.json": { name: "shop", version: "1.0.0", dependencies: ["crm"] },
    "shop/run.ts":
      'import { createRouter } from "xcore";\nimport { seen } from "plugin:crm";\nexport default createRouter().get("/", () => seen());',
  };
}

async function answers(app: TestApp): Promise<string[]> {
  return Promise.all(["/base", "/crm", "/shop"].map(async (path) => (await app.fetch(path)).text()));
}

test("a plugin imports the exports of its dependencies, whatever the order of the folders", async () => {
  await using app = await TestApp.start({ plugins: chain('"one"') });
  expect(await answers(app)).toEqual(["one", "one", "one"]);
});

test("a changed plugin takes those that import it along, in one step", async () => {
  await using app = await TestApp.start({ plugins: chain('"one"') });
  let mixed = 0;
  let isDone = false;
  const hammer = (async () => {
    while (!isDone) {
      if (new Set(await answersAtOnce(app)).size > 1) mixed += 1;
      await setImmediate();
    }
  })();
  await app.after(
    "plugin.reloaded",
    () => app.writePlugins({ "base/run.ts": chain('"two"')["base/run.ts"] ?? "" }),
    ({ data }) => data.name === "shop",
  );
  isDone = true;
  await hammer;
  expect(await answers(app)).toEqual(["two", "two", "two"]);
  expect(mixed).toBe(0);
});

/** Asks the three plugins within one turn of the event loop, so that no swap comes between. */
function answersAtOnce(app: TestApp): Promise<string[]> {
  const responses = ["/base", "/crm", "/shop"].map((path) =>
    app.app.web.dispatch(new Request(`http://localhost${path}`)),
  );
  return Promise.all(responses.map(async (response) => (await response)?.text() ?? ""));
}

test("a dependent that can't be rebuilt keeps serving on the old generation of what it imports", async () => {
  await using app = await TestApp.start({ plugins: chain('"one"') });
  await app.after(
    "plugin.reloaded",
    () =>
      app.writePlugins({
        "crm/run.ts": "export default createRouter(;",
        "base/run.ts": chain('"two"')["base/run.ts"] ?? "",
      }),
    ({ data }) => data.name === "base",
  );
  await app.app.plugins.settled();
  expect(await answers(app)).toEqual(["two", "one", "one"]);
  expect((await app.get("/system/plugins/crm")).body).toMatchObject({ state: "failed", serving: true });
});

function withTeardown(name: string): string {
  const run = chain('"one"')[`${name}/run.ts`];
  return `${typeof run === "string" ? run : ""}\nexport function teardown() { (globalThis as any).tornDown.push("${name}"); }`;
}

test("a dependency's teardown waits for those that import it", async () => {
  const order: string[] = [];
  Object.assign(globalThis, { tornDown: order });
  await using app = await TestApp.start({
    plugins: {
      ...chain('"one"'),
      "base/run.ts": withTeardown("base"),
      "crm/run.ts": withTeardown("crm"),
    },
  });
  await app.app.plugins.stop();
  expect(order).toEqual(["crm", "base"]);
});

test("a dependency that arrives late is enough", async () => {
  const { "base/plugin.json": manifest = "", "base/run.ts": run = "", ...rest } = chain('"one"');
  await using app = await TestApp.start({ plugins: rest });
  expect((await app.get("/system/plugins/crm")).body.failure.message).toContain(
    'Cannot find dependency "base"',
  );
  expect((await app.get("/system/plugins/shop")).body.failure.message).toContain(
    'Cannot load without dependency "crm"',
  );
  await app.after(
    "plugin.loaded",
    () => app.writePlugins({ "base/run.ts": run, "base/plugin.json": manifest }),
    ({ data }) => data.name === "shop",
  );
  expect(await answers(app)).toEqual(["one", "one", "one"]);
});

test("a disabled dependency leaves the last good generation of its dependents serving", async () => {
  await using app = await TestApp.start({ plugins: chain('"one"') });
  await app.writePlugins({ "base/plugin.json": { name: "base", version: "1.2.0", active: false } });
  await app.app.plugins.refresh(null);
  const { body } = await app.get("/system/plugins/crm");
  expect(body).toMatchObject({ state: "failed", serving: true });
  expect(body.failure.message).toBe(
    'Cannot use dependency "base": it is disabled; run `xcore plugin enable base`',
  );
  expect(await (await app.fetch("/crm")).text()).toBe("one");
  expect((await app.get("/base")).status).toBe(404);
});

test("a dependency whose version no longer fits is told", async () => {
  await using app = await TestApp.start({ plugins: chain('"one"') });
  await app.after("plugin.failed", () =>
    app.writePlugins({ "base/plugin.json": { name: "base", version: "2.0.0" } }),
  );
  expect((await app.get("/system/plugins/crm")).body.failure.message).toBe(
    'Cannot use dependency "base": ^1.0.0 is needed, 2.0.0 is there; change the one or the other',
  );
});

test("unrelated plugins reload while a setup hangs, and a save replaces the hanging one", async () => {
  const hanging = "export const setup = () => new Promise(() => {});";
  await using app = await TestApp.start({
    plugins: plugin("quick", '.get("/", () => 1)'),
    setupTimeoutMs: 60_000,
  });
  await app.writePlugins({ "slow/plugin.json": { name: "slow", version: "1.0.0" }, "slow/run.ts": hanging });
  await app.after("plugin.reloaded", () => app.writePlugins(plugin("quick", '.get("/", () => 2)')));
  expect((await app.get("/quick")).body).toBe(2);
  expect((await app.get("/system/plugins/slow")).body.state).toBe("loading");
  expect((await app.fetch("/slow")).headers.get("retry-after")).toBe("1");
  await app.after("plugin.loaded", () => app.writePlugins(plugin("slow", '.get("/", () => "ready")')));
  expect(await (await app.fetch("/slow")).text()).toBe("ready");
  expect(app.events.filter(({ name }) => name === "plugin.failed")).toEqual([]);
});
