import { join } from "node:path";
import { expect, mock, test } from "bun:test";
import { createProcess } from "../../../src/plugins/given/process.ts";
import { Scope } from "../../../src/plugins/given/scope.ts";
import { plugin, TestApp } from "../../setup.ts";

const EVENT = "a signal" as "SIGUSR2";

test("createProcess() hears events while the generation serves, and not before or after", () => {
  const scope = new Scope();
  const own = createProcess({ scope, findBuiltin: () => undefined });
  const heard: string[] = [];
  const hear = () => void heard.push("heard");
  expect(own.on(EVENT, hear)).toBe(own);
  own.once(EVENT, () => heard.push("once")).prependListener(EVENT, () => heard.push("first"));
  own.addListener(EVENT, hear).off(EVENT, hear);
  process.emit(EVENT, EVENT);
  expect(heard).toEqual([]);
  scope.activate();
  process.emit(EVENT, EVENT);
  own.emit(EVENT, EVENT);
  expect([own.listenerCount(EVENT), own.listeners(EVENT).length, own.eventNames().includes(EVENT)]).toEqual([
    2,
    2,
    true,
  ]);
  expect(heard).toEqual(["first", "heard", "once", "first", "heard"]);
  scope.close();
  own.on(EVENT, hear);
  expect([process.emit(EVENT, EVENT), process.listenerCount(EVENT), heard.length]).toEqual([false, 0, 5]);
  expect(() => own.on(EVENT, "code" as never)).toThrow(TypeError);
});

test("createProcess() removes no listener but the plugin's own", () => {
  const hear = mock();
  process.on(EVENT, hear);
  try {
    const scope = new Scope();
    const own = createProcess({ scope, findBuiltin: () => undefined });
    scope.activate();
    own.on(EVENT, () => {}).on(EVENT, () => {});
    expect(process.listenerCount(EVENT)).toBe(3);
    own.removeListener(EVENT, hear).removeAllListeners(EVENT).removeAllListeners();
    expect(process.listeners(EVENT)).toEqual([hear]);
  } finally {
    process.off(EVENT, hear);
  }
});

test("createProcess() keeps what is written to the environment to itself", () => {
  process.env["XCORE_HOST"] = "host";
  try {
    const own = createProcess({ scope: new Scope(), findBuiltin: () => undefined });
    const other = createProcess({ scope: new Scope(), findBuiltin: () => undefined });
    own.env["XCORE_TEST"] = 1 as never;
    own.env["TZ"] = "Pacific/Apia";
    delete own.env["XCORE_HOST"];
    expect([own.env["XCORE_TEST"], own.env["XCORE_HOST"], own.env["PATH"]]).toEqual([
      "1",
      undefined,
      process.env["PATH"],
    ]);
    expect({ ...own.env }).toMatchObject({ XCORE_TEST: "1" });
    for (const { env } of [process, other])
      expect([env["XCORE_TEST"], env["XCORE_HOST"]]).toEqual([undefined, "host"]);
    expect(process.env["TZ"]).not.toBe("Pacific/Apia");
  } finally {
    delete process.env["XCORE_HOST"];
  }
});

test("a plugin has a process, Bun and globalThis of its own that are otherwise the host's", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin("x", ""),
      "x/run.ts": `import { createRouter } from "xcore";
import nodeProcess, { env } from "node:process";
import { env as bunEnv, version } from "bun";
process.env.XCORE_TEST = "mine";
process.on("${EVENT}", () => {});
globalThis.setTimeout = Object.assign(globalThis.setTimeout, { mark: 1 });
const key = Symbol.for("x.fixed");
Object.defineProperty(globalThis, key, { value: "fixed", writable: true, enumerable: false, configurable: false });
export default createRouter().get("/", () => ({
  same: [nodeProcess === process, globalThis.process === process, global === globalThis, self === globalThis, globalThis.Bun === Bun],
  env: [env, bunEnv, Bun.env, process.env].map(({ XCORE_TEST }) => XCORE_TEST),
  bun: [version, Bun.hash("a") > 0, typeof Bun.serve, "sleep" in Bun],
  process: [process.pid, process.cwd(), typeof process.hrtime.bigint(), String(process), typeof process.memoryUsage().rss, process.argv.length > 0],
  global: [globalThis[key], "fetch" in globalThis, Object.keys(globalThis).includes("fetch"), globalThis.Array === Array, typeof globalThis.addEventListener],
}));`,
    },
  });
  expect(app.app.plugins.list()[0]?.failure ?? null).toBeNull();
  expect((await app.get("/x")).body).toEqual({
    same: [true, true, true, true, true],
    env: ["mine", "mine", "mine", "mine"],
    bun: [Bun.version, true, "function", true],
    process: [process.pid, process.cwd(), "bigint", "[object process]", "number", true],
    global: ["fixed", true, true, true, "function"],
  });
  expect(process.env["XCORE_TEST"]).toBeUndefined();
  expect(setTimeout).not.toHaveProperty("mark");
  expect(process.listenerCount(EVENT)).toBe(1);
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/x"));
  expect(process.listenerCount(EVENT)).toBe(0);
});

const toShellUser = (name: string) => `import { createRouter } from "xcore";
import { $ } from "bun";
import Module, { createRequire } from "node:module";
const load = createRequire(import.meta.url);
$.cwd("/${name}").env({ NAME: "${name}" });
export default createRouter().get("/", async () => ({
  said: await $.cwd("/").nothrow()\`echo $NAME\`.text(),
  whole: [Bun.$ === $, typeof $.escape("a b"), $.ShellError.name],
  found: [load("node:timers").setInterval === setInterval, load("process") === process, load("fs") === require("fs"),
    Module.createRequire("/x").call(null, "timers/promises") === require("timers/promises"), load.resolve("fs")],
}));`;

test("a plugin's shell, and what createRequire() finds, are its own", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin("tmp", ""),
      "tmp/run.ts": toShellUser("tmp"),
      ...plugin("usr", ""),
      "usr/run.ts": toShellUser("usr"),
    },
  });
  for (const name of ["tmp", "usr", "tmp"]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await app.get(`/${name}`)).body).toEqual({
      said: `${name}\n`,
      whole: [true, "string", "ShellError"],
      found: [true, true, true, true, "fs"],
    });
  }
});

test("listeners of globalThis end with the generation", async () => {
  const event = "xcore-test-event";
  const code = (mark: string) => `import { createRouter, hooks } from "xcore";
const listener = () => void hooks.emit("heard", "${mark}");
const removed = () => void hooks.emit("heard", "removed");
globalThis.addEventListener("${event}", listener);
addEventListener("${event}", removed);
removeEventListener("${event}", removed);
export default createRouter();`;
  await using app = await TestApp.start({ plugins: { ...plugin("x", ""), "x/run.ts": code("one") } });
  const hear = (): unknown[] => {
    app.events.length = 0;
    globalThis.dispatchEvent(new Event(event));
    return app.events.map(({ data }) => data);
  };
  expect(hear()).toEqual(["one"]);
  await app.after("plugin.reloaded", () => app.folder.write({ "plugins/x/run.ts": code("two") }));
  expect(hear()).toEqual(["two"]);
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/x"));
  expect(hear()).toEqual([]);
});

test.skipIf(process.platform !== "linux")(
  "guardProcess() doesn't open standard input, and its undo leaves the process as it was",
  async () => {
    const code = `
      import { readdirSync } from "node:fs";
      import { guardProcess } from ${JSON.stringify(join(import.meta.dir, "../../../src/plugins/given/globals.ts"))};
      const countFiles = () => readdirSync("/proc/self/fd").length;
      const { exit, kill, _kill } = process;
      const before = countFiles();
      const undo = guardProcess(() => {});
      const guarded = countFiles();
      const isOther = process.exit !== exit;
      undo();
      console.log(JSON.stringify([guarded - before, isOther, process.exit === exit && process.kill === kill && process._kill === _kill]));
    `;
    const child = Bun.spawn([process.execPath, "-e", code], { stdio: ["pipe", "pipe", "inherit"] });
    expect(await new Response(child.stdout).json()).toEqual([0, true, true]);
  },
);
