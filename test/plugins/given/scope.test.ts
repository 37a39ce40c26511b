import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Scope } from "../../../src/plugins/given/scope.ts";
import { NO_REMOTE, type Files, plugin, TestApp } from "../../setup.ts";

/** A plugin that answers, for each event that it hears, with its generation. */
function listener(value: number, setup = ""): Files {
  return {
    "ears/plugin.json": { name: "ears", version: "1.0.0" },
    "ears/run.ts": `import { createRouter, hooks } from "xcore";
hooks.on("ears.ask", () => ${value});
${setup}
export default createRouter().get("/", () => ${value});`,
  };
}

async function ask(app: TestApp): Promise<unknown[]> {
  const results = await app.app.hooks.emit("ears.ask", {});
  return [...results].filter(({ source }) => source === "ears").map(({ value }) => value);
}

test("register() takes effect at the takeover, and close() undoes it latest first", () => {
  const log: string[] = [];
  const registration = (name: string) => () => {
    log.push(`+${name}`);
    return () => void log.push(`-${name}`);
  };
  const scope = new Scope();
  scope.register(registration("a"));
  const undoB = scope.register(registration("b"));
  expect(log).toEqual([]);
  scope.activate();
  scope.register(registration("c"));
  undoB();
  undoB();
  scope.close();
  scope.close();
  scope.register(registration("d"));
  expect(log).toEqual(["+a", "+b", "+c", "-b", "-c", "-a"]);
});

test("an event is heard by one generation of a plugin, before and after a reload", async () => {
  await using app = await TestApp.start({ plugins: listener(1) });
  expect(await ask(app)).toEqual([1]);
  await app.after("plugin.reloaded", () => app.writePlugins(listener(2)));
  expect(await ask(app)).toEqual([2]);
  expect((await app.get("/system/plugins/ears")).body.hooks).toEqual([
    { event: "ears.ask", order: "normal" },
  ]);
});

test("a generation that fails leaves nothing behind, and the last good one listens on", async () => {
  await using app = await TestApp.start({ plugins: listener(1) });
  await app.after("plugin.failed", () =>
    app.writePlugins(listener(2, "export const setup = () => Promise.reject(new Error('no'));")),
  );
  expect(await ask(app)).toEqual([1]);
});

test("a disabled or removed plugin hears nothing", async () => {
  await using app = await TestApp.start({ plugins: listener(1) });
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/ears"));
  expect(await ask(app)).toEqual([]);
});

test("what a plugin emits carries its name, and its handlers may throw", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin("mouth", '.get("/", () => 1)'),
      "mouth/run.ts": `import { createRouter, hooks } from "xcore";
hooks.on("mouth.said", (event) => event.source);
hooks.on("mouth.said", () => { throw new Error("deaf"); });
export default createRouter().get("/", async () => (await hooks.emit("mouth.said", {})).filter(({ source }) => source !== null).map(({ status, value }) => [status, value]));`,
    },
  });
  expect((await app.get("/mouth")).body).toEqual([
    ["ok", "mouth"],
    ["threw", null],
  ]);
  expect(await app.log("app")).toContain("plugins/mouth/run.ts:3");
});

test("config is the manifest's, overridden by the settings, frozen, and follows a change of the settings", async () => {
  await using app = await TestApp.start({
    plugins: {
      "shop/plugin.json": {
        name: "shop",
        version: "1.0.0",
        config: { currency: "EUR", limits: { items: 5, total: 100 } },
      },
      "shop/run.ts":
        'import { config, createRouter } from "xcore";\nexport default createRouter().get("/", () => ({ config, frozen: Object.isFrozen(config["limits"]) }));',
    },
    config: { plugins: { settings: { shop: { limits: { items: 9 } } } } },
  });
  expect((await app.get("/shop")).body).toEqual({
    config: { currency: "EUR", limits: { items: 9, total: 100 } },
    frozen: true,
  });
  const settings = { shop: { currency: "CHF" } };
  await app.after("plugin.reloaded", () =>
    app.app.plugins.configure({
      directory: `${app.folder.path}/plugins`,
      watch: false,
      remote: NO_REMOTE,
      asked: new Map(),
      settings,
    }),
  );
  expect((await app.get("/shop")).body.config.currency).toBe("CHF");
});

test("an unchanged plugin is left alone", async () => {
  await using app = await TestApp.start({ plugins: listener(1) });
  await app.writePlugins(listener(1));
  await app.app.plugins.refresh(null);
  expect((await app.get("/system/plugins/ears")).body.generation).toBe(1);
  expect(app.events.map(({ name }) => name)).toEqual(["plugin.loaded", "ears.ask"].slice(0, 1));
});

test("a burst of writes is one reload", async () => {
  await using app = await TestApp.start({ plugins: listener(0) });
  await app.after("plugin.reloaded", () => {
    for (let value = 1; value <= 20; value += 1) {
      for (const [name, content] of Object.entries(listener(value))) {
        const text = typeof content === "string" ? content : JSON.stringify(content);
        writeFileSync(join(app.folder.path, "plugins", name), text);
      }
    }
  });
  await app.app.plugins.settled();
  expect(await ask(app)).toEqual([20]);
  expect(app.events.filter(({ name }) => name === "plugin.reloaded")).toHaveLength(1);
});
