import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { createHookBus } from "../../src/hooks/bus.ts";
import { PluginCommands } from "../../src/plugins/given/commands.ts";
import { Cards } from "../../src/plugins/given/dashboard.ts";
import { declareCore } from "../../src/db/schema/schema.ts";
import { LiveChanges } from "../../src/resources/changes/live.ts";
import { BackgroundImports } from "../../src/resources/import-jobs/imports.ts";
import { Resources } from "../../src/resources/definition/registry.ts";
import { Scope } from "../../src/plugins/given/scope.ts";
import { createXcoreModule, type XcoreModuleOptions } from "../../src/plugins/given/xcore-module.ts";
import type * as sdk from "../../src/sdk/xcore.ts";
import { type Files, plugin, TestApp, TestFolder } from "../setup.ts";

const run = (code: string, manifest: object = {}): Files => ({
  "bad/plugin.json": { name: "bad", version: "1.0.0", ...manifest },
  "bad/run.ts": code,
});

interface HostileCode {
  readonly name: string;
  readonly code: string;
  /** What the reason says in full. */
  readonly message: string;
  readonly line?: number | null;
}

const HOSTILE: HostileCode[] = [
  {
    name: "throws a proxy that throws itself",
    code: "const p: any = new Proxy({}, { getPrototypeOf() { throw p; }, get() { throw p; } });\nthrow p;",
    message: "thrown: something that can't be shown",
  },
  {
    name: "throws an object without a prototype",
    code: "throw Object.create(null);",
    message: "thrown: something that can't be shown",
  },
  {
    name: "throws a frozen error",
    code: '\nthrow Object.freeze(new Error("cold"));',
    message: "Error: cold",
    line: 2,
  },
  {
    name: "throws an error whose message throws",
    code: 'throw Object.defineProperty(new Error(), "message", { get() { throw new Error("got you"); } });',
    message: "Error: a message that can't be read",
    line: 1,
  },
  {
    name: "throws an error whose stack throws",
    code: 'throw Object.defineProperty(new Error("x"), "stack", { get() { throw new Error("got you"); } });',
    message: "Error: x",
    line: null,
  },
  {
    name: "throws an error that names a place that can't be",
    code: '\nthrow new Error("at plugin-bundle:bad@1.js:0:0");',
    message: "Error: at plugin-bundle:bad@1.js:0:0",
    line: 2,
  },
  {
    name: "throws 10 MB",
    code: 'throw new Error("x".repeat(10_000_000));',
    message: `Error: ${"x".repeat(1993)}…`,
  },
  {
    name: "throws a URL with a password",
    code: 'throw new Error("cannot reach postgres://me:hunter2@db/x");',
    message: "Error: cannot reach postgres://[redacted]@db/x",
  },
  {
    name: "throws a path of this machine",
    code: 'import { readFileSync } from "node:fs";\nreadFileSync(`${__dirname}/none.txt`);',
    message: "Error: ENOENT: no such file or directory, open 'plugins/bad/none.txt'",
    line: 2,
  },
  {
    name: "uses a plugin that never comes",
    code: 'import { Elysia } from "elysia";\nexport default new Elysia().use(new Promise<any>(() => {}));',
    message: "Error: A plugin given to use() took longer than 0.2 s: its promise must settle",
  },
  {
    name: "uses a plugin that rejects",
    code: 'import { Elysia } from "elysia";\nexport default new Elysia().use(Promise.reject(new Error("nope")));',
    message: "Error: nope",
    line: 2,
  },
  {
    name: "changes what all plugins import",
    code: '\nObject.defineProperty(require("elysia"), "t", { value: null });',
    message: "TypeError: Attempting to change value of a readonly property.",
    line: 2,
  },
];

for (const { name, code, message, line } of HOSTILE) {
  test(`a plugin that ${name} fails with a reason, once, and the others serve`, async () => {
    await using app = await TestApp.start({
      plugins: { ...plugin("good", '.get("/", () => "still here")'), ...run(code) },
      setupTimeoutMs: 200,
    });
    const { body } = await app.get("/system/plugins/bad");
    expect(body).toMatchObject({ state: "failed", serving: false });
    expect(body.failure.message).toBe(message);
    if (line !== undefined) expect(body.failure.line).toBe(line);
    expect(app.events.filter((event) => event.name === "plugin.failed")).toHaveLength(1);
    expect(await (await app.fetch("/good")).text()).toBe("still here");
    expect((await app.fetch("/openapi.json")).status).toBe(200);
  });
}

test("options of a hook that change after on() change nothing", async () => {
  await using app = await TestApp.start({
    plugins: run(
      'import { hooks } from "xcore";\nconst options: any = { order: "after" };\nhooks.on("a.b", () => {}, options);\noptions.order = "nonsense";',
    ),
  });
  expect((await app.get("/system/plugins/bad")).body).toMatchObject({
    state: "serving",
    hooks: [{ event: "a.b", order: "after" }],
  });
});

test("a hook that was called once is forgotten", async () => {
  await using app = await TestApp.start();
  const scope = new Scope();
  const hooks = createHookBus({ onError: () => {} });
  const { database, cache, storage, loggers, accounts, jobs, tasks, store } = app.app;
  const options = {
    name: "x",
    scope,
    hooks,
    onListen() {},
    onDefine() {},
    db: database.toDatabase({}),
    cache,
    storage,
    pathOf: () => "",
    version: "1",
    accounts: {
      ...accounts,
      createOtpDevice: () => Promise.reject(new Error("never called")),
      declarePermissions: () => Promise.resolve([]),
    },
    log: loggers.app,
    driver: database,
    core: declareCore(database.tableMakers),
    resources: new Resources(),
    changes: new LiveChanges(null, loggers.app),
    background: new BackgroundImports({ jobs, store, log: loggers.app, isWorker: false }),
    onPermission() {},
    commands: new PluginCommands(),
    cards: new Cards(),
    prefix: "/shop",
    meter: null,
    jobs,
    tasks,
    settings: {},
    onTemplate() {},
    templates: {} as sdk.PluginTemplates,
    mail: {} as XcoreModuleOptions["mail"],
    renderMail: () => Promise.reject(new Error("There are no templates")),
  };
  const xcore = createXcoreModule(options) as unknown as typeof sdk;
  const heard: unknown[] = [];
  xcore.hooks.on("a.b", ({ data }) => heard.push(data), { once: true });
  scope.activate();
  await hooks.emit("a.b", 1);
  await hooks.emit("a.b", 2);
  expect(heard).toEqual([1]);
  expect(scope.isEmpty).toBe(true);
});

test("a plugin may be named like a property of every object", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin("constructor", '.get("/", () => config)'),
      "constructor/run.ts":
        'import { config, createRouter } from "xcore";\nexport default createRouter().get("/", () => config);',
      ...run(
        'import router from "plugin:constructor";\nconsole.assert(router);\nexport const setup = () => {};',
        {
          dependencies: ["constructor"],
          permissions: { "constructor:a": "a", "valueof:b": "b" },
          config: { constructor: 1 },
        },
      ),
    },
  });
  expect(await app.get("/constructor")).toEqual({ status: 200, body: {} });
  expect((await app.get("/system/plugins/bad")).body).toMatchObject({
    state: "serving",
    dependencies: { constructor: "*" },
  });
});

test("a plugin that is a link is shown where it stands among the plugins", async () => {
  await using outside = await TestFolder.create({ ...run('\nthrow new Error("x");') });
  await using app = await TestApp.start();
  await app.after("plugin.failed", () =>
    symlink(join(outside.path, "bad"), join(app.folder.path, "plugins/bad")),
  );
  const { failure } = (await app.get("/system/plugins/bad")).body;
  expect(failure).toMatchObject({ file: "plugins/bad/run.ts", line: 2 });
});

test("a public folder that is a link out of the plugin's folder is not served", async () => {
  await using outside = await TestFolder.create({ "secret.txt": "secret" });
  await using app = await TestApp.start();
  await mkdir(join(app.folder.path, "plugins/open"), { recursive: true });
  await symlink(outside.path, join(app.folder.path, "plugins/open/public"));
  await app.writePlugins(plugin("open", '.get("/", () => 1)'));
  await app.app.plugins.refresh(null);
  expect((await app.fetch("/open")).status).toBe(200);
  expect((await app.fetch("/open/static/secret.txt")).status).toBe(404);
});
