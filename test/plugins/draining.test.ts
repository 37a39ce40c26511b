import { expect, test } from "bun:test";
import { type Files, plugin, TestApp } from "../setup.ts";

/** A plugin whose answers say their generation, with requests that the test lets go on through `globalThis.gates`. */
function generation(value: number): Files {
  return {
    "slow/plugin.json": { name: "slow", version: "1.0.0" },
    "slow/run.ts": `
import { createRouter } from "xcore";
const gates = (globalThis as any).gates;
const value = ${value};
export default createRouter()
  .get("/now", () => value)
  .get("/later", async () => { gates.reached(); await gates.open; return value; })
  .get("/generator", async function* () { yield \`\${value},\`; gates.reached(); await gates.open; yield \`\${value}\`; })
  .get("/stream", () => new Response(new ReadableStream({
    async start(controller) {
      controller.enqueue(\`\${value},\`); gates.reached(); await gates.open; controller.enqueue(\`\${value}\`); controller.close();
    },
  }), { headers: { "content-type": "application/json" } }));
export function teardown() { gates.tornDown.push(value); }
`,
  };
}

const DRAIN = { timeoutMs: 2000, signal: new AbortController().signal };

interface Gates {
  reached: () => void;
  open: Promise<void>;
  tornDown: number[];
}

/** Tests in one file share a process, and Bun runs them one after another. */
function createGates() {
  const reached = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  const gates: Gates = { reached: reached.resolve, open: open.promise, tornDown: [] };
  Object.assign(globalThis, { gates });
  return { reached: reached.promise, open: open.resolve, tornDown: gates.tornDown };
}

for (const [path, expected] of [
  ["/later", "1"],
  ["/generator", "1,1"],
  ["/stream", "1,1"],
] as const) {
  test(`a request under way at ${path} finishes on its generation, which is torn down after it`, async () => {
    const gates = createGates();
    await using app = await TestApp.start({ plugins: generation(1), drainTimeoutMs: 10_000 });
    const response = app.fetch(`/slow${path}`);
    await gates.reached;
    await app.after("plugin.reloaded", () => app.writePlugins(generation(2)));
    expect((await app.get("/slow/now")).body).toBe(2);
    expect(gates.tornDown).toEqual([]);
    gates.open();
    expect(await (await response).text()).toBe(expected);
    await app.app.plugins.stop();
    expect(gates.tornDown.toSorted((a, b) => a - b)).toEqual([1, 2]);
  });
}

test("a request that never ends holds up its generation's teardown for the drain time only", async () => {
  const gates = createGates();
  await using app = await TestApp.start({ plugins: generation(1), drainTimeoutMs: 50 });
  const response = app.fetch("/slow/later");
  await gates.reached;
  await app.after("plugin.reloaded", () => app.writePlugins(generation(2)));
  await app.app.plugins.stop();
  expect(gates.tornDown.toSorted((a, b) => a - b)).toEqual([1, 2]);
  expect(await app.log("app")).toContain(
    "draining took too long: 0 streams cut off, 1 requests go on without it",
  );
  gates.open();
  expect(await (await response).text()).toBe("1");
});

test("a folder deleted while it serves lets the requests under way finish", async () => {
  const gates = createGates();
  await using app = await TestApp.start({ plugins: generation(1) });
  const response = app.fetch("/slow/later");
  await gates.reached;
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/slow"));
  expect((await app.get("/slow/now")).status).toBe(404);
  gates.open();
  expect(await (await response).text()).toBe("1");
});

test("a teardown that throws or never ends is told, and stops nothing", async () => {
  await using app = await TestApp.start({
    plugins: {
      ...plugin("throws", '.get("/", () => 1)'),
      "throws/run.ts":
        'export const setup = () => {};\nexport const teardown = () => { throw new Error("no"); };',
      "hangs/plugin.json": { name: "hangs", version: "1.0.0" },
      "hangs/run.ts": "export const setup = () => {};\nexport const teardown = () => new Promise(() => {});",
    },
    drainTimeoutMs: 50,
  });
  await app.app.plugins.stop();
  const log = await app.log("app");
  expect(log).toContain("plugins/throws/run.ts:2");
  expect(log).toContain("teardown() took longer than 0.05 s");
});

test("HEAD of a stream that never ends, and clients that leave, keep nothing under way", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "endless",
      `
  .get("/generator", async function* () { while (true) { yield "x"; await Bun.sleep(1); } })
  .get("/stream", () => new Response(new ReadableStream({ async pull(c) { c.enqueue("x"); await Bun.sleep(1); } }), { status: 201, headers: { "x-y": "z" } }))
  .get("/throws", () => { throw new Error("x"); })`,
    ),
  });
  for (const path of ["generator", "stream"]) {
    const head = await app.fetch(`/endless/${path}`, { method: "HEAD" });
    const abort = new AbortController();
    const response = await app.fetch(`/endless/${path}`, { signal: abort.signal });
    expect(head.status).toBe(response.status);
    expect(head.headers.get("x-y")).toBe(response.headers.get("x-y"));
    abort.abort();
  }
  await app.fetch("/endless/throws");
  const inFlight = app.app.plugins.list()[0]?.current?.mount.inFlight;
  expect(await inFlight?.drain((request) => app.app.web.isOpen(request), DRAIN)).toEqual({
    ended: 0,
    left: 0,
  });
  expect(inFlight?.handling).toBe(0);
});

test("requests that nothing can end are counted, and no answers of clients that have left", async () => {
  await using app = await TestApp.start({
    plugins: plugin(
      "mixed",
      `
  .get("/stream", () => new Response(new ReadableStream({ start(c) { c.enqueue("x"); } })))
  .get("/hangs", () => new Promise(() => {}))`,
    ),
  });
  const inFlight = app.app.plugins.list()[0]?.current?.mount.inFlight;
  const isOpen = (request: Request): boolean => app.app.web.isOpen(request);
  const abort = new AbortController();
  const { signal } = abort;
  const left = await Promise.all([1, 2, 3].map(() => app.fetch("/mixed/stream", { signal })));
  abort.abort();
  await Promise.all(left.map((response) => response.text().catch(() => "left")));
  const stays = await app.fetch("/mixed/stream");
  void app.fetch("/mixed/hangs").catch(() => {});
  while (inFlight?.handling === 0) await app.fetch("/health"); // oxlint-disable-line no-await-in-loop
  expect(await inFlight?.drain(isOpen, { ...DRAIN, timeoutMs: 100 })).toEqual({ ended: 1, left: 1 });
  await stays.text().catch(() => "cut off");
  // As when the server stops: all streams have ended before those that were replaced are counted.
  expect(await inFlight?.drain(isOpen, { ...DRAIN, timeoutMs: 100 })).toEqual({ ended: 0, left: 1 });
});

/** Streams that say one thing and then nothing more. */
function streams(value: number): Files {
  return {
    "open/plugin.json": { name: "open", version: "1.0.0" },
    "open/run.ts": `import { createRouter } from "xcore";
import { sse } from "elysia";
const never = new Promise(() => {});
const EVENTS = { headers: { "content-type": "text/event-stream" } };
const forever = (text: string) =>
  new ReadableStream({ start(controller) { controller.enqueue(new TextEncoder().encode(text)); } });
export default createRouter()
  .get("/now", () => ${value})
  .get("/resumable", () => new Response(forever("retry: 100\\ndata: ${value}\\n\\n"), EVENTS))
  .get("/resumable-stream", ({ set }) => { Object.assign(set.headers, EVENTS.headers); return forever("id: 1\\nretry: 100\\n\\n"); })
  .get("/resumable-generator", async function* () { yield sse({ data: "${value}", retry: 100 }); await never; })
  .get("/late", async function* () { globalThis.gates.reached(); await globalThis.gates.open; yield sse({ data: "${value}", retry: 100 }); await never; })
  .get("/events", () => new Response(forever("data: retry: 100\\n\\n"), EVENTS))
  .get("/events-generator", async function* () { yield sse("${value}"); await never; })
  .get("/download", () => new Response(forever("${value}"), { headers: { "content-type": "text/csv" } }))
  .get("/mapped", () => 1, { mapResponse: () => new Response(forever("${value}")) });`,
  };
}

/** Opens a stream and reads its first piece; `rest` is what becomes of it. */
async function openStream(app: TestApp, path: string) {
  const response = await app.fetch(`/open/${path}`);
  const reader = response.body?.getReader();
  await reader?.read();
  const piece = reader?.read() ?? Promise.reject(new Error("it has no body"));
  const rest = piece.then(
    ({ done }) => (done ? "ended" : "more"),
    () => "cut off",
  );
  return { rest };
}

test.each(["resumable", "resumable-stream", "resumable-generator"])(
  "a stream that can be resumed ends as soon as its generation is replaced: %s",
  async (path) => {
    await using app = await TestApp.start({ plugins: streams(1), drainTimeoutMs: 60_000 });
    const { rest } = await openStream(app, path);
    await app.after("plugin.reloaded", () => app.writePlugins(streams(2)));
    expect(await rest).toBe("ended");
    expect((await app.get("/open/now")).body).toBe(2);
  },
);

test("a stream that turns out to be resumable while its generation drains ends behind that piece", async () => {
  const gates = createGates();
  await using app = await TestApp.start({ plugins: streams(1), drainTimeoutMs: 60_000 });
  const answer = app.fetch("/open/late");
  await gates.reached;
  await app.after("plugin.reloaded", () => app.writePlugins(streams(2)));
  gates.open();
  expect(await (await answer).text()).toBe("retry: 100\ndata: 1\n\n");
});

test("streams end at the drain limit: events as if they were over, anything else cut off", async () => {
  await using app = await TestApp.start({ plugins: streams(1), drainTimeoutMs: 100 });
  const paths = ["events", "events-generator", "download"];
  const opened = await Promise.all(paths.map((path) => openStream(app, path)));
  await app.after("plugin.unloaded", () => app.folder.remove("plugins/open"));
  expect(await Promise.all(opened.map(({ rest }) => rest))).toEqual(["ended", "ended", "cut off"]);
  await app.app.plugins.stop();
  expect(await app.log("app")).toContain(
    "draining took too long: 3 streams cut off, 0 requests go on without it",
  );
});

function generationOf(n: number): Files {
  return {
    "busy/plugin.json": { name: "busy", version: "1.0.0" },
    "busy/run.ts": `import { createRouter } from "xcore";
import { setImmediate } from "node:timers/promises";
let answered = 0;
export default createRouter().get("/", async () => {
  answered += 1; const before = ${n}; await setImmediate(); return { before, after: ${n}, answered };
});`,
  };
}

test("200 reloads under constant load answer every request, each on one generation", async () => {
  await using app = await TestApp.start({ plugins: generationOf(0) });
  let isDone = false;
  let answered = 0;
  const wrong: unknown[] = [];
  const client = async (): Promise<void> => {
    while (!isDone) {
      const response = await app.fetch("/busy").catch((error: unknown) => error as Error);
      const body = response instanceof Error ? { error: response.message } : await response.json();
      answered += 1;
      if (response instanceof Error || response.status !== 200 || body.before !== body.after)
        wrong.push(body);
    }
  };
  const clients = Array.from({ length: 4 }, client);
  for (let n = 1; n <= 200; n += 1) {
    await app.after("plugin.reloaded", () => app.writePlugins(generationOf(n)));
  }
  isDone = true;
  await Promise.all(clients);
  expect(wrong).toEqual([]);
  expect(answered).toBeGreaterThan(200);
  expect((await app.get("/busy")).body).toMatchObject({ before: 200, after: 200 });
}, 120_000);
