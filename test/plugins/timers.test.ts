import { expect, test } from "bun:test";
import { plugin, type SeenEvent, TestApp } from "../setup.ts";
import { parseLines } from "../log/log-folder.ts";

/** How code may go on later: each starts something that would call `tick` with its name for ever. */
const WAYS: Readonly<Record<string, string>> = {
  setInterval: "setInterval(tick, 1, name)",
  "through globalThis": "globalThis.setInterval(() => tick(name), 1)",
  "through global": "global.setInterval(() => tick(name), 1)",
  "through self, by a name made up": 'self["set" + "Interval"](() => tick(name), 1)',
  "a chain of setTimeout": "const next = () => { tick(name); setTimeout(next, 1); }; next()",
  "a timer armed again": "const timer = setTimeout(() => { tick(name); timer.refresh(); }, 1)",
  "a chain of setImmediate": "const next = () => { tick(name); setImmediate(next); }; next()",
  "node:timers": "timers.setInterval(() => tick(name), 1)",
  "by name from node:timers": "every(() => tick(name), 1)",
  "a loop over node:timers/promises":
    "const loop = async () => { for (;;) { await wait(1); tick(name); } }; loop()",
  "promises of node:timers":
    "const loop = async () => { for (;;) { await timers.promises.setTimeout(1); tick(name); } }; loop()",
  "scheduler.wait": "const loop = async () => { for (;;) { await scheduler.wait(1); tick(name); } }; loop()",
  "an iterated interval":
    "const loop = async () => { for await (const _ of iterate(1)) tick(name); }; loop()",
  "a promisified setTimeout":
    "const loop = async () => { for (;;) { await promisify(setTimeout)(1); tick(name); } }; loop()",
  "Bun.sleep": "const loop = async () => { for (;;) { await Bun.sleep(1); tick(name); } }; loop()",
  "sleep of bun": "const loop = async () => { for (;;) { await sleep(1); tick(name); } }; loop()",
  "process.getBuiltinModule": 'process.getBuiltinModule("timers").setInterval(() => tick(name), 1)',
  "one that a timer starts after an await":
    "setTimeout(async () => { await wait(1); setInterval(tick, 1, name); }, 1)",
};

const IMPORTS = `import { createRouter, hooks } from "xcore";
import { promisify } from "node:util";
import timers, { setInterval as every } from "node:timers";
import { scheduler, setInterval as iterate, setTimeout as wait } from "node:timers/promises";
import { sleep } from "bun";
`;

function ticking(version: number, where: "top" | "setup" | "request"): Record<string, string> {
  const starts = Object.entries(WAYS).map(
    ([name, code]) => `{ const name = ${JSON.stringify(name)}; ${code}; }`,
  );
  const start = `const start = () => { ${starts.join("\n")} };`;
  return {
    "x/run.ts": `${IMPORTS}
const tick = (name) => void hooks.emit("tick", { version: ${version}, name });
${start}
${where === "top" ? "start();" : ""}
export const setup = () => { ${where === "setup" ? "start();" : ""} };
export const teardown = () => hooks.emit("torn", { version: ${version} });
export default createRouter().get("/", () => { ${where === "request" ? "start();" : ""} return ${version}; });`,
  };
}

function isTick(version: number, name: string): (event: SeenEvent) => boolean {
  return ({ data }) => data.version === version && data.name === name;
}

for (const where of ["top", "setup", "request"] as const) {
  test(`timers that a plugin starts end with the generation (${where})`, async () => {
    const manifest = { "x/plugin.json": { name: "x", version: "1.0.0" } };
    await using app = await TestApp.start({ plugins: { ...manifest, ...ticking(1, where) } });
    const ticked = (version: number) =>
      Promise.all(Object.keys(WAYS).map((name) => app.after("tick", () => {}, isTick(version, name))));
    await Promise.all([ticked(1), app.fetch("/x")]);
    await app.after("torn", () => app.writePlugins(ticking(2, where)));
    await Promise.all([ticked(2), app.fetch("/x")]);
    const before = app.events.length;
    await ticked(2);
    const late = app.events.slice(before).filter(({ name, data }) => name === "tick" && data.version === 1);
    expect(late).toEqual([]);
  });
}

const toBroken = (version: number, failure: string) => ({
  "x/run.ts": `import { createRouter, hooks } from "xcore";
setInterval(() => void hooks.emit("tick", { version: ${version} }), 1);
const loop = async () => { for (;;) { await Bun.sleep(1); void hooks.emit("tick", { version: ${version} }); } };
void loop();
${failure}
export default createRouter();`,
});

test("a generation that fails to load leaves no timer behind", async () => {
  await using app = await TestApp.start({ plugins: plugin("x", '.get("/", () => 1)') });
  const failures = [
    'throw new Error("at the top");',
    'export const setup = () => { throw new Error("in setup"); };',
  ];
  for (const [version, failure] of failures.entries()) {
    await app.after("plugin.failed", () => app.writePlugins(toBroken(version, failure)));
  }
  const good = `setInterval(() => void hooks.emit("tick", { version: "good" }), 1);`;
  await app.after(
    "tick",
    () =>
      app.writePlugins({
        "x/run.ts": `import { createRouter, hooks } from "xcore"; ${good} export default createRouter();`,
      }),
    ({ data }) => data.version === "good",
  );
  const before = app.events.length;
  for (let count = 0; count < 5; count += 1)
    await app.after(
      "tick",
      () => {},
      ({ data }) => data.version === "good",
    );
  const ticks = app.events.slice(before).filter(({ name }) => name === "tick");
  expect(ticks.filter(({ data }) => data.version !== "good")).toEqual([]);
});

test("a setup that ends late may use timers until its teardown has run", async () => {
  await using app = await TestApp.start({
    setupTimeoutMs: 20,
    plugins: {
      ...plugin("x", ""),
      "x/run.ts": `import { createRouter, hooks } from "xcore";
export const setup = async () => { await Bun.sleep(60); };
export const teardown = async () => { await Bun.sleep(1); await hooks.emit("torn", null); };
export default createRouter();`,
    },
  });
  const torn = () => app.events.some(({ name }) => name === "torn");
  if (!torn()) await app.after("torn", () => {});
  expect(app.app.plugins.list()[0]?.failure?.stage).toBe("setup");
});

const toClosing = (version: number) => ({
  "x/run.ts": `import { createRouter, hooks } from "xcore";
let isOpen = true;
let isStopping = false;
setInterval(() => { if (!isOpen) void hooks.emit("late", null); }, 1);
const work = async () => { while (!isStopping) await Bun.sleep(1); return "done"; };
const working = work();
export const teardown = async () => {
isOpen = false;
isStopping = true;
const result = await working;
let polls = 0;
await new Promise((resolve) => { const timer = setInterval(() => { if (++polls === 3) { clearInterval(timer); resolve(); } }, 1); });
setInterval(() => void hooks.emit("after", null), 1);
await hooks.emit("torn", { version: ${version}, result, polls });
};
export default createRouter();`,
});

test("intervals end before teardown, which may wait for what is under way and use timers itself", async () => {
  await using app = await TestApp.start({ plugins: { ...plugin("x", ""), ...toClosing(1) } });
  const { data } = await app.after("torn", () => app.writePlugins(toClosing(2)));
  expect(data).toEqual({ version: 1, result: "done", polls: 3 });
  await app.after("torn", () => app.folder.remove("plugins/x"));
  expect(app.events.filter(({ name }) => name === "late" || name === "after")).toEqual([]);
});

const toSlow = (version: number) => ({
  ...plugin("x", ""),
  "x/run.ts": `import { createRouter, hooks } from "xcore";
export default createRouter().get("/", async () => {
  await hooks.emit("waiting", null);
  await Bun.sleep(50);
  return ${version};
});`,
});

test("a request that waits is answered while its generation drains", async () => {
  await using app = await TestApp.start({ plugins: toSlow(1) });
  let answer: Promise<Response> | null = null;
  await app.after("waiting", () => {
    answer = app.fetch("/x");
  });
  await app.after("plugin.reloaded", () => app.writePlugins(toSlow(2)));
  expect(await (await answer!).text()).toBe("1");
});

test("what the callback of a timer throws is the plugin's error in the log", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin("x", ""),
      "x/run.ts": `import { createRouter, hooks } from "xcore";
let count = 0;
setTimeout(() => { throw new Error("from a timeout"); }, 1);
setImmediate(() => { throw "no error"; });
const timer = setInterval(() => {
  count += 1;
  if (count === 3) { clearInterval(timer); void hooks.emit("thrice", null); }
  throw new TypeError("from an interval");
}, 1);
export default createRouter().get("/", () => "lives");`,
    },
  });
  if (!app.events.some(({ name }) => name === "thrice")) await app.after("thrice", () => {});
  expect(await (await app.fetch("/x")).text()).toBe("lives");
  const lines = parseLines(await app.log("app")).filter(({ msg }) => msg === "uncaught error");
  expect(lines.map(({ level, plugin: name, generation }) => [level, name, generation])).toEqual(
    Array.from({ length: 5 }, () => ["error", "x", 1]),
  );
  const text = JSON.stringify(lines);
  expect(text).toContain("plugins/x/run.ts:3");
  expect(text).toContain("from an interval");
  expect(text).toContain("no error");
});

test("timers can't be imported with import(), past the plugin's own", async () => {
  await using app = await TestApp.start({
    plugins: plugin("x", '.get("/", async () => (await import("node:timers/promises")).setTimeout(1))'),
  });
  expect(app.app.plugins.list()[0]?.failure?.message).toContain('Cannot use import("');
});
