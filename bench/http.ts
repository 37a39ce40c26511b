/**
 * Requests a second of one route and body, and the processor time that the server takes for one: bare Bun.serve, bare
 * Elysia, a route of an xcore plugin in the executable (request ids, security headers and the request log on), the same
 * route of a plugin that also has guarded ones, and Fastify on Node.
 *
 * Each server is first under load for --warmup seconds: the just-in-time compiler is done after about a
 * million requests.
 *
 *   bun run build && bun bench/http.ts [--seconds 3] [--rounds 5] [--warmup 10]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Load, measureServer } from "./load.ts";
import { median, printTable, toRate, toRatio, toUs } from "./report.ts";
import { startServer } from "./server.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    warmup: { type: "string", default: "10" },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);

const here = import.meta.dir;
const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const MESSAGE = '{ message: "Hello from My Plugin!" }';
const GUARDED = `.get("/mine", ({ user }) => user, { auth: true }).get("/read", () => 1, { permission: "hello:read" })`;
for (const [name, guarded] of [
  ["hello", ""],
  ["beside", GUARDED],
] as const) {
  const folder = join(project, "plugins", name);
  await Bun.write(join(folder, "plugin.json"), JSON.stringify({ name, version: "1.0.0" }));
  const code = `export default createRouter().get("/", () => (${MESSAGE}))${guarded};`;
  await Bun.write(join(folder, "run.ts"), `import { createRouter } from "xcore";\n${code}\n`);
}

const xcore = await startServer((port) => [resolve(here, "../dist/xcore"), "--port", port], { cwd: project });
const bare = await startServer((port) => [process.execPath, join(here, "servers/bun-serve.ts"), port]);
const elysia = await startServer((port) => [process.execPath, join(here, "servers/elysia.ts"), port]);
const fastify = await startServer((port) => ["node", join(here, "servers/fastify.mjs"), port]);
const scenarios = [
  ["Bun.serve", bare, "/hello"],
  ["Elysia", elysia, "/hello"],
  ["xcore", xcore, "/hello"],
  ["xcore, beside guarded routes", xcore, "/beside"],
  ["Fastify on Node", fastify, "/hello"],
] as const;

const results = new Map<string, Load[]>(scenarios.map(([name]) => [name, []]));
try {
  for (const [, server, path] of scenarios) {
    await measureServer(server, path, { seconds: Number(values.warmup) });
  }
  // Round by round, so that whatever else the machine does falls on all of them alike.
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, server, path] of scenarios) {
      results.get(name)?.push(await measureServer(server, path, { seconds }));
    }
  }
} finally {
  for (const server of [xcore, bare, elysia, fastify]) await server.stop();
  await rm(project, { recursive: true, force: true });
}

printTable(
  ["server", "requests/s", "of Bun.serve", "processor time a request", "of Bun.serve"],
  [...results].map(([name, loads]) => [
    name,
    toRate(median(loads.map(({ rate }) => rate))),
    toBareRatio(loads, (one, base) => one.rate / base.rate),
    toUs(median(loads.map(({ processorUs }) => processorUs))),
    toBareRatio(loads, (one, base) => base.processorUs / one.processorUs),
  ]),
);

/** The ratio of each round, then their median: rounds differ more than servers do. */
function toBareRatio(loads: readonly Load[], compare: (one: Load, base: Load) => number): string {
  const base = results.get("Bun.serve") ?? [];
  return toRatio(median(loads.map((load, round) => compare(load, base[round] ?? load))));
}
