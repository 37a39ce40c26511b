/**
 * Requests a second of one route and body, and the processor time that the server takes for one: bare Bun.serve, bare
 * Elysia, a route of an xcore plugin in the executable (request ids, security headers and the request log on), the same
 * route of a plugin that also has guarded ones, and Fastify, Express and NestJS on Node. `--peer` adds any other server that listens at
 * "{port}" (or $PORT) and answers GET /hello; it may be given several times.
 *
 * Each server is first under load for --warmup seconds: the just-in-time compiler is done after about a
 * million requests.
 *
 *   bun run build && bun bench/http.ts [--seconds 3] [--rounds 5] [--warmup 10] [--peer "deno run -A server.ts {port}"]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Load, measureServer } from "./load.ts";
import { median, printTable, toRate, toRatio, toUs } from "./report.ts";
import { type BenchServer, startServer } from "./server.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    warmup: { type: "string", default: "10" },
    peer: { type: "string", multiple: true, default: [] },
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

await installNodePeers();
const xcore = await startServer((port) => [resolve(here, "../dist/xcore"), "--port", port], { cwd: project });
const bare = await startServer((port) => [process.execPath, join(here, "servers/bun-serve.ts"), port]);
const elysia = await startServer((port) => [process.execPath, join(here, "servers/elysia.ts"), port]);
const fastify = await startServer((port) => ["node", join(here, "servers/fastify.mjs"), port]);
const onNode = join(here, "servers/node");
process.env["NODE_ENV"] = "production"; // as Express and NestJS are run
const express = await startServer((port) => ["node", join(onNode, "express.mjs"), port]);
const nest = await startServer((port) => ["node", join(onNode, "nest.mjs"), port]);
delete process.env["NODE_ENV"];
const peers: [string, BenchServer, string][] = [];
for (const command of values.peer) peers.push([command, await startPeer(command), "/hello"]);
const scenarios: readonly (readonly [string, BenchServer, string])[] = [
  ["Bun.serve", bare, "/hello"],
  ["Elysia", elysia, "/hello"],
  ["xcore", xcore, "/hello"],
  ["xcore, beside guarded routes", xcore, "/beside"],
  ["Fastify on Node", fastify, "/hello"],
  ["Express on Node", express, "/hello"],
  ["NestJS on Node", nest, "/hello"],
  ...peers,
];

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
  for (const server of new Set(scenarios.map(([, one]) => one))) await server.stop();
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

/** Express and NestJS, at the versions that their lockfile pins. */
async function installNodePeers(): Promise<void> {
  const install = Bun.spawn([process.execPath, "install", "--frozen-lockfile", "--silent"], {
    cwd: join(here, "servers/node"),
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await install.exited) !== 0) throw new Error("Cannot install Express and NestJS");
}

/** Starts a command of a shell, whose process is the server's own. */
function startPeer(command: string): Promise<BenchServer> {
  return startServer((port) => ["sh", "-c", `PORT=${port} exec ${command.replaceAll("{port}", port)}`]);
}
