import { expect, test } from "bun:test";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Files, TestApp } from "../setup.ts";
import { TestRegistry } from "./packages/registry.ts";
import { PackagesProject } from "./packages/packages-project.ts";
import { PluginHost } from "./remote/plugin-host.ts";

const LEFT = { "index.js": "export const left = () => 'left one';\n", "package.json": { type: "module" } };
const RUN =
  'import { createRouter } from "xcore";\nimport { left } from "left";\nexport default createRouter().get("/", () => left());\n';

function crm(dependencies: Record<string, string>): Files {
  return {
    "crm/plugin.json": { name: "crm", version: "1.0.0" },
    "crm/run.ts": RUN,
    "crm/package.json": { dependencies },
  };
}

const failureOf = async (app: TestApp) => (await app.get("/system/plugins/crm")).body.failure;

async function packagesOf(app: TestApp): Promise<string> {
  const folder = join(app.folder.path, "data/plugins/packages");
  const [name = ""] = await readdir(folder);
  return join(folder, name, "node_modules");
}

test("npm packages of a plugin are installed while it is loaded, and no more at the next load", async () => {
  await using registry = await TestRegistry.start({ "left@1.0.0": LEFT });
  await using app = await TestApp.start({ files: { ".npmrc": registry.npmrc } });
  const release = registry.hold();
  const loaded = app.after("plugin.loaded", () => app.writePlugins(crm({ left: "^1.0.0" })));
  await registry.asked;
  expect((await app.get("/system/plugins/crm")).body.state).toBe("installing");
  release();
  await loaded;
  expect(await (await app.fetch("/crm")).text()).toBe("left one");
  expect(await app.log("manager")).toContain("installing npm dependencies");
  expect(await readdir(join(app.folder.path, "plugins/crm"))).not.toContain("node_modules");
  const { downloads } = registry;
  await app.after("plugin.reloaded", () =>
    app.writePlugins({ "crm/run.ts": RUN.replace("left()", "left() + '!'") }),
  );
  expect(await (await app.fetch("/crm")).text()).toBe("left one!");
  expect(registry.downloads).toBe(downloads);
});

test("packages that can't be installed leave the last good generation", async () => {
  await using registry = await TestRegistry.start({ "left@1.0.0": LEFT });
  await using app = await TestApp.start({
    files: { ".npmrc": registry.npmrc },
    plugins: crm({ left: "1.0.0" }),
  });
  expect(await (await app.fetch("/crm")).text()).toBe("left one");
  await app.after("plugin.failed", () =>
    app.writePlugins({ "crm/package.json": { dependencies: { left: "2.0.0" } } }),
  );
  expect(await failureOf(app)).toMatchObject({ stage: "install" });
  expect(await (await app.fetch("/crm")).text()).toBe("left one");
  expect(await readdir(join(app.folder.path, "data/plugins/tmp"))).toEqual([]);
});

test("damaged packages are installed anew when the plugin is loaded", async () => {
  await using registry = await TestRegistry.start({ "left@1.0.0": LEFT });
  await using app = await TestApp.start({
    files: { ".npmrc": registry.npmrc },
    plugins: crm({ left: "1.0.0" }),
  });
  const file = join(await packagesOf(app), "left/index.js");
  const [record] = app.app.plugins.list();
  if (record === undefined) throw new Error("no record");
  await writeFile(file, "export const left = () => 'evil';\n");
  await app.app.plugins.reload(record);
  expect(await failureOf(app)).toBeNull();
  expect(await (await app.fetch("/crm")).text()).toBe("left one");
  await rm(file);
  await app.app.plugins.reload(record);
  expect(await failureOf(app)).toBeNull();
  expect(await (await app.fetch("/crm")).text()).toBe("left one");
});

test("a plugin that brings its node_modules works where nothing can be installed", async () => {
  await using app = await TestApp.start({
    config: { plugins: { offline: true } },
    plugins: {
      ...crm({ left: "1.0.0" }),
      "crm/node_modules/left/package.json": {
        name: "left",
        version: "1.0.0",
        type: "module",
        main: "index.js",
      },
      "crm/node_modules/left/index.js": LEFT["index.js"],
    },
  });
  expect(await failureOf(app)).toBeNull();
  expect(await (await app.fetch("/crm")).text()).toBe("left one");
  expect(await app.log("manager")).toContain("the plugin's own node_modules is used");
});

test("a remote plugin gets the packages of its lockfile, which its pin covers", async () => {
  await using registry = await TestRegistry.start({ "left@1.0.0": LEFT });
  await using project = await PackagesProject.create(registry);
  const manifest = { dependencies: { left: "^1.0.0" } };
  const lock = await project.lock(manifest);
  await registry.publish("left@1.1.0", { ...LEFT, "index.js": "export const left = () => 'left newer';\n" });
  await using host = new PluginHost();
  const pinned = host.publish("/crm", {
    "plugin.json": { name: "crm", version: "1.0.0", files: ["package.json", "bun.lock"] },
    "run.ts": RUN,
    "package.json": manifest,
    "bun.lock": lock,
  });
  await using app = await TestApp.start({
    files: { ".npmrc": registry.npmrc, "config.json": { plugins: { remote: { crm: pinned } } } },
  });
  await app.app.plugins.settled();
  expect(await failureOf(app)).toBeNull();
  expect(await (await app.fetch("/crm")).text()).toBe("left one");
});

test("a remote plugin with npm packages and no lockfile is refused: its pin doesn't cover them", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", {
    "plugin.json": { name: "crm", version: "1.0.0", files: ["package.json"] },
    "run.ts": RUN,
    "package.json": { dependencies: { left: "^1.0.0" } },
  });
  await using app = await TestApp.start({
    files: { "config.json": { plugins: { remote: { crm: pinned } } } },
  });
  await app.app.plugins.settled();
  const failure = await failureOf(app);
  expect(failure).toMatchObject({ stage: "install" });
  expect(failure.message).toMatch(/lockfile/);
});
