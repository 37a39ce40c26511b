import { rename } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "bun:test";
import { NO_REMOTE, type Files, plugin, TestApp } from "../setup.ts";

/** What the plugins of a test wait for and tell; tests in one file run one after another. */
function createRace() {
  const reached = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  const tornDown = Promise.withResolvers<void>();
  const calls: string[] = [];
  const race = { reached: reached.resolve, open: open.promise, tearDown: tornDown.resolve, calls };
  Object.assign(globalThis, { race });
  return { reached: reached.promise, open: open.resolve, tornDown: tornDown.promise, calls };
}

/** Settles once the app has done what it can at once. */
async function settle(app: TestApp): Promise<void> {
  await app.app.plugins.refresh(new Set());
  await app.app.plugins.settled();
}

const base = (value: number): Files => ({
  "base/plugin.json": { name: "base", version: "1.0.0" },
  "base/run.ts": `import { createRouter } from "xcore";
export const value = ${value};
export default createRouter().get("/", () => value);
export const teardown = () => void (globalThis as any).race.calls.push("base ${value} torn down");`,
});

/** Imports `base`; its setup waits for the race only beside the first `base`. */
const shop: Files = {
  "shop/plugin.json": { name: "shop", version: "1.0.0", dependencies: ["base"] },
  "shop/run.ts": `import { createRouter } from "xcore";
import { value } from "plugin:base";
export default createRouter().get("/", () => value);
export async function setup() {
  const { race } = globalThis as any;
  if (value !== 1) return;
  race.reached();
  await race.open;
}
export const teardown = () => void (globalThis as any).race.calls.push("shop torn down");`,
};

test("a dependency saved while a dependent is being loaded is what the dependent gets", async () => {
  const race = createRace();
  await using app = await TestApp.start({ plugins: base(1), config: { plugins: { watch: false } } });
  await app.writePlugins(shop);
  const first = app.app.plugins.refresh(new Set([join(app.folder.path, "plugins/shop")]));
  await race.reached;
  await app.writePlugins(base(2));
  const second = app.app.plugins.refresh(new Set([join(app.folder.path, "plugins/base")]));
  await Promise.all([first, second]);
  race.open();
  await settle(app);
  expect((await app.get("/shop")).body).toBe(2);
  expect(app.events.filter(({ data }) => data.name === "shop")).toHaveLength(1);
});

test("a dependency removed while a dependent is being loaded keeps the dependent out of service", async () => {
  const race = createRace();
  await using app = await TestApp.start({ plugins: base(1), config: { plugins: { watch: false } } });
  await app.writePlugins(shop);
  const first = app.app.plugins.refresh(new Set([join(app.folder.path, "plugins/shop")]));
  await race.reached;
  await app.folder.remove("plugins/base");
  let second = Promise.resolve();
  await app.after("plugin.failed", () => {
    second = app.app.plugins.refresh(new Set([join(app.folder.path, "plugins/base")]));
  });
  race.open();
  await Promise.all([first, second]);
  const { body } = await app.get("/system/plugins/shop");
  expect(body).toMatchObject({ state: "failed", serving: false });
  expect(body.failure.message).toContain('Cannot find dependency "base"');
});

test("a dependency that was removed and comes back changed is what its dependents get", async () => {
  createRace().open();
  await using app = await TestApp.start({
    plugins: { ...base(1), ...shop },
    config: { plugins: { watch: false } },
  });
  await app.folder.remove("plugins/base");
  await app.app.plugins.refresh(null);
  expect((await app.get("/shop")).body).toBe(1);
  await app.writePlugins(base(2));
  await app.app.plugins.refresh(null);
  expect((await app.get("/shop")).body).toBe(2);
  expect((await app.get("/system/plugins/base")).body.generation).toBe(2);
});

test("a renamed folder keeps the lines of its errors while its old generation drains", async () => {
  const race = createRace();
  const files: Files = {
    "blog/plugin.json": { name: "blog", version: "1.0.0" },
    "blog/run.ts": `import { createRouter } from "xcore";
const { race } = globalThis as any;
export default createRouter()
  .get("/slow", async () => { race.reached(); await race.open; return 1; })
  .get("/fail", () => { throw new Error("here"); });
export const teardown = () => race.tearDown();`,
  };
  await using app = await TestApp.start({ plugins: files, config: { plugins: { watch: false } } });
  const slow = app.fetch("/blog/slow");
  await race.reached;
  const { path } = app.folder;
  await rename(join(path, "plugins/blog"), join(path, "plugins/weblog"));
  await app.app.plugins.refresh(null);
  race.open();
  await slow;
  await race.tornDown;
  await setImmediate(); // the rest of the disposal
  await app.fetch("/blog/fail");
  expect(await app.log("app")).toContain("plugins/weblog/run.ts:5");
});

test("stop() waits for no setup that hangs, whenever its load began", async () => {
  const app = await TestApp.start({
    config: { plugins: { watch: false } },
    setupTimeoutMs: 60_000,
  });
  await app.writePlugins({
    "hangs/plugin.json": { name: "hangs", version: "1.0.0" },
    "hangs/run.ts": "export const setup = () => new Promise(() => {});",
  });
  const refreshed = app.app.plugins.refresh(null);
  await Promise.resolve(); // its sources are being read now
  await app.app.plugins.stop();
  await refreshed;
  expect(app.app.plugins.list().filter(({ current }) => current !== null)).toEqual([]);
  await app[Symbol.asyncDispose]();
});

const late = (value: number): Files => ({
  "late/plugin.json": { name: "late", version: "1.0.0" },
  "late/run.ts": `const { race } = globalThis as any;
export async function setup() { race.reached(); if (${value} === 1) await race.open; race.calls.push("set up ${value}"); }
export const teardown = () => { race.calls.push("torn down ${value}"); race.tearDown(); }`,
});

test("a setup that ends after a newer save is torn down", async () => {
  const race = createRace();
  await using app = await TestApp.start({ config: { plugins: { watch: false } } });
  await app.writePlugins(late(1));
  const first = app.app.plugins.refresh(null);
  await race.reached;
  await app.writePlugins(late(2));
  await Promise.all([first, app.app.plugins.refresh(null)]);
  race.open();
  await race.tornDown;
  expect(race.calls).toEqual(["set up 2", "set up 1", "torn down 1"]);
});

const traded = (a: object, b: object): Files => ({
  ...plugin("a", '.get("/", () => "folder a")'),
  ...plugin("b", '.get("/", () => "folder b")'),
  "a/plugin.json": { version: "1.0.0", ...a },
  "b/plugin.json": { version: "1.0.0", ...b },
});

test("two plugins trade prefixes, and names, and both serve", async () => {
  await using app = await TestApp.start({
    plugins: traded({ name: "a" }, { name: "b" }),
    config: { plugins: { watch: false } },
  });
  const answers = async () => [await (await app.fetch("/a")).text(), await (await app.fetch("/b")).text()];
  const steps: [Files, string[]][] = [
    [traded({ name: "a", api_prefix: "/b" }, { name: "b", api_prefix: "/a" }), ["folder b", "folder a"]],
    [traded({ name: "a" }, { name: "b" }), ["folder a", "folder b"]],
    [traded({ name: "b" }, { name: "a" }), ["folder b", "folder a"]],
    [traded({ name: "a" }, { name: "b" }), ["folder a", "folder b"]],
  ];
  for (const [files, expected] of steps) {
    await app.writePlugins(files);
    await app.app.plugins.refresh(null);
    expect(await answers()).toEqual(expected);
  }
  expect(app.events.filter(({ name }) => name === "plugin.failed")).toEqual([]);
});

const ears = (value: number): Files => ({
  "ears/plugin.json": { name: "ears", version: "1.0.0" },
  "ears/run.ts": `import { config, createRouter, hooks } from "xcore";
hooks.on("ears.ask", () => ${value});
export default createRouter().get("/", () => [${value}, config["n"]]);`,
});

test("a storm of refreshes and settings ends with the latest, and leaves nothing behind", async () => {
  await using app = await TestApp.start({ plugins: ears(0), config: { plugins: { watch: false } } });
  const directory = join(app.folder.path, "plugins");
  const elsewhere = join(app.folder.path, "elsewhere");
  const storm: Promise<void>[] = [];
  for (let n = 1; n <= 60; n += 1) {
    await app.writePlugins(ears(n));
    const isAway = n % 7 === 0;
    storm.push(
      n % 3 === 0
        ? app.app.plugins.configure({
            directory: isAway ? elsewhere : directory,
            watch: false,
            remote: NO_REMOTE,
            asked: new Map(),
            settings: { ears: { n } },
          })
        : app.app.plugins.refresh(n % 2 === 0 ? null : new Set([join(directory, "ears")])),
    );
  }
  await Promise.all(storm);
  expect((await app.get("/ears")).body).toEqual([60, 60]);
  expect(app.app.hooks.list({ source: "ears" })).toHaveLength(1);
  await app.app.plugins.stop();
  expect(app.app.hooks.list({ source: "ears" })).toEqual([]);
});
