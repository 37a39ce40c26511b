import { expect, test } from "bun:test";
import { plugin, TestApp } from "../setup.ts";

test("a plugin serves below its prefix, with its tags", async () => {
  await using app = await TestApp.start({ plugins: plugin("hello", '.get("/", () => ({ message: "hi" }))') });
  expect(await app.get("/hello")).toEqual({ status: 200, body: { message: "hi" } });
  const { body } = await app.get("/openapi.json");
  expect(body.paths["/hello/"].get.tags).toEqual(["hello"]);
});

test("a changed file is served without a restart", async () => {
  await using app = await TestApp.start({ plugins: plugin("hello", '.get("/", () => 1)') });
  const event = await app.after("plugin.reloaded", () =>
    app.writePlugins(plugin("hello", '.get("/", () => 2)')),
  );
  expect(event.data).toMatchObject({ name: "hello", generation: 2 });
  expect(await app.get("/hello")).toEqual({ status: 200, body: 2 });
});

test("a change of a relative import is served without a restart", async () => {
  await using app = await TestApp.start({
    plugins: {
      "hello/plugin.json": { name: "hello", version: "1.0.0" },
      "hello/run.ts":
        'import { createRouter } from "xcore"; import { n } from "./lib/n.ts"; export default createRouter().get("/", () => n);',
      "hello/lib/n.ts": "export const n = 1;",
    },
  });
  await app.after("plugin.reloaded", () => app.writePlugins({ "hello/lib/n.ts": "export const n = 2;" }));
  expect((await app.get("/hello")).body).toBe(2);
});

test("a new folder is loaded, a removed one unloaded", async () => {
  await using app = await TestApp.start();
  await app.after("plugin.loaded", () => app.writePlugins(plugin("hello", '.get("/", () => 1)')));
  expect((await app.get("/hello")).status).toBe(200);
  const event = await app.after("plugin.unloaded", () => app.folder.remove("plugins/hello"));
  expect(event.data).toEqual({ name: "hello", version: "1.0.0", reason: "removed" });
  expect((await app.get("/hello")).status).toBe(404);
});

test("flipping active disables and enables a plugin", async () => {
  await using app = await TestApp.start({ plugins: plugin("hello", '.get("/", () => 1)') });
  const event = await app.after("plugin.unloaded", () =>
    app.writePlugins({ "hello/plugin.json": { name: "hello", version: "1.0.0", active: false } }),
  );
  expect(event.data.reason).toBe("disabled");
  expect((await app.get("/hello")).status).toBe(404);
  expect((await app.get("/system/plugins/hello")).body).toMatchObject({ state: "disabled", serving: false });
  for (const [query, count] of Object.entries({
    "": 1,
    active_only: 0,
    "active_only=true": 0,
    "active_only=false": 1,
  })) {
    expect((await app.get(`/system/plugins?${query}`)).body.items).toHaveLength(count);
  }
  await app.after("plugin.loaded", () =>
    app.writePlugins({ "hello/plugin.json": { name: "hello", version: "1.0.0" } }),
  );
  expect((await app.get("/hello")).status).toBe(200);
});

test("a package that is installed while the plugin serves is found", async () => {
  const run = 'import { createRouter } from "xcore"; import { n } from "./lib/n.ts";';
  const entry = { "hello/run.ts": `${run} export default createRouter().get("/", () => n);` };
  await using app = await TestApp.start({
    plugins: { ...plugin("hello", ""), ...entry, "hello/lib/n.ts": "export const n = 1;" },
  });
  const failed = await app.after("plugin.failed", () =>
    app.writePlugins({ "hello/lib/n.ts": 'export { n } from "@numbers/two/n.js";' }),
  );
  expect(failed.data).toMatchObject({
    message: expect.stringContaining('Cannot find package "@numbers/two/n.js"'),
    serving: true,
  });
  await app.after("plugin.reloaded", () =>
    app.writePlugins({
      "hello/node_modules/@numbers/two/package.json": { name: "@numbers/two", version: "1.0.0" },
      "hello/node_modules/@numbers/two/n.js": "exports.n = 2;",
    }),
  );
  expect((await app.get("/hello")).body).toBe(2);
});

test("a public folder that is made while the plugin serves is served", async () => {
  await using app = await TestApp.start({ plugins: plugin("hello", '.get("/", () => 1)') });
  await app.after("plugin.reloaded", () => app.writePlugins({ "hello/public/a.txt": "a" }));
  expect(await (await app.fetch("/hello/static/a.txt")).text()).toBe("a");
});
