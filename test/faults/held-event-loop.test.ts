import { join } from "node:path";
import { expect, test } from "bun:test";
import { XcoreServer } from "../cli/xcore-process.ts";
import { TestFolder } from "../setup.ts";

const PLUGIN = {
  "plugins/greedy/plugin.json": { name: "greedy", version: "1.0.0" },
  "plugins/greedy/run.ts": `import { createRouter } from "xcore";
export default createRouter()
  .get("/", () => "hello")
  .get("/while/:seconds", ({ params }) => { const end = Date.now() + Number(params.seconds) * 1000; while (Date.now() < end); return "done"; })
  .get("/ever", () => { for (;;); })
  .get("/asleep", () => { for (;;) Bun.sleepSync(100); });
`,
};
const HELD = /\{[^\n]*the event loop has been held for 5 s[^\n]*\}\n/;

// Each waits for seconds, most without working: they do so at the same time.
test.concurrent("a loop that holds the event loop is told while it does, with plugin and route", async () => {
  await using folder = await TestFolder.create(PLUGIN);
  await using server = await XcoreServer.start(folder);
  expect((await server.fetch("/greedy")).status).toBe(200);
  const answer = server.fetch("/greedy/while/7");
  const [line] = await server.waitFor(HELD);
  expect(JSON.parse(line)).toMatchObject({
    level: "error",
    plugin: "greedy",
    route: "GET /greedy/while/7",
    time: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/),
  });
  expect((await answer).status).toBe(200);
  await server.waitFor(/"plugin":"greedy"[^\n]*the event loop was held for [67][\d.]* s, and goes on/);
  expect(await Bun.file(join(folder.path, "logs/app.log")).text()).toContain(line);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
}, 120_000);

test.concurrent("server.watchdog_timeout ends a process whose event loop is held for ever", async () => {
  await using folder = await TestFolder.create({
    ...PLUGIN,
    "config.json": { server: { watchdog_timeout: 6 } },
  });
  await using server = await XcoreServer.start(folder);
  await server.fetch("/greedy/ever?token=secret").catch(() => {});
  expect(await server.exited).toBe(70);
  await server.waitFor(
    /held for 5 s[^]*"route":"GET \/greedy\/ever"[^\n]*held for 6 s[^\n]*the process ends/,
  );
  expect(await Bun.file(join(folder.path, "logs/app.log")).text()).toContain("the process ends");
}, 120_000);

// What holds it needs no processor for that.
const LOOPS = {
  "its top level": "for (;;) Bun.sleepSync(100);",
  "setup()": "export async function setup() { await 1; for (;;) Bun.sleepSync(100); }",
  "a timer": "setTimeout(() => { for (;;) Bun.sleepSync(100); }, 1);",
  "a hook of server.started": 'hooks.on("server.started", () => { for (;;) Bun.sleepSync(100); });',
};

test.concurrent.each(Object.entries(LOOPS))(
  "a loop in %s is told with its plugin, while the server starts too",
  async (what, code) => {
    await using folder = await TestFolder.create({
      ...PLUGIN,
      "plugins/looping/plugin.json": { name: "looping", version: "1.0.0" },
      "plugins/looping/run.ts": `import { createRouter, hooks } from "xcore";
export default createRouter();
${code}
`,
      "config.json": { server: { watchdog_timeout: 6 } },
    });
    await using server = XcoreServer.spawn(folder);
    const [line] = await server.waitFor(HELD);
    expect(JSON.parse(line)).toMatchObject({ plugin: "looping", route: what });
    expect(await server.exited).toBe(70);
  },
  120_000,
);

test.concurrent("SIGTERM ends a server whose event loop is held, within server.shutdown_timeout; a second one at once", async () => {
  for (const [signals, code] of [
    [1, 1],
    [2, 143],
  ] as const) {
    await using folder = await TestFolder.create({
      ...PLUGIN,
      "config.json": { server: { shutdown_timeout: signals === 1 ? 3 : 60 } },
    });
    await using server = await XcoreServer.start(folder);
    void server.fetch("/greedy/asleep").catch(() => {});
    await server.waitFor(HELD);
    const startedAt = performance.now();
    server.kill("SIGTERM");
    // As a person does who sees nothing happen.
    const again = signals === 2 ? setInterval(() => server.kill("SIGTERM"), 1000) : undefined;
    expect(await server.exited).toBe(code);
    clearInterval(again);
    expect(performance.now() - startedAt).toBeLessThan(6000);
    if (signals === 1) await server.waitFor(/stopping took longer than server.shutdown_timeout/);
  }
}, 120_000);

test.concurrent("a teardown that never lets go of the event loop doesn't hold the stop up", async () => {
  await using folder = await TestFolder.create({
    "plugins/stuck/plugin.json": { name: "stuck", version: "1.0.0" },
    "plugins/stuck/run.ts": `import { createRouter } from "xcore";
export function teardown() { for (;;) Bun.sleepSync(100); }
export default createRouter().get("/", () => "hello");
`,
    "config.json": { server: { shutdown_timeout: 2 } },
  });
  await using server = await XcoreServer.start(folder);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(1);
  await server.waitFor(/"plugin":"stuck","route":"teardown\(\)"[^\n]*stopping took longer/);
}, 120_000);
