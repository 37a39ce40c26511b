/**
 * Requests a second of one route and body: bare Bun.serve, bare Elysia, a route of an xcore plugin in the
 * executable (request ids, security headers and the request log on), and Fastify on Node.
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
import { measureLoad } from "./load.ts";
import { median, printTable, toRatio } from "./report.ts";
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
const plugin = join(project, "plugins", "hello");
await Bun.write(join(plugin, "plugin.json"), Bun.file(join(here, "../plugins/hello/plugin.json")));
await Bun.write(join(plugin, "run.ts"), Bun.file(join(here, "../plugins/hello/run.ts")));

const servers = {
  "Bun.serve": await startServer((port) => [process.execPath, join(here, "servers/bun-serve.ts"), port]),
  Elysia: await startServer((port) => [process.execPath, join(here, "servers/elysia.ts"), port]),
  xcore: await startServer((port) => [resolve(here, "../dist/xcore"), "--port", port], { cwd: project }),
  "Fastify on Node": await startServer((port) => ["node", join(here, "servers/fastify.mjs"), port]),
};

const results: Record<string, number[]> = {};
try {
  for (const server of Object.values(servers))
    await measureLoad(`${server.url}/hello`, Number(values.warmup));
  // Round by round, so that whatever else the machine does falls on all of them alike.
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, server] of Object.entries(servers)) {
      (results[name] ??= []).push(await measureLoad(`${server.url}/hello`, seconds));
    }
  }
} finally {
  for (const server of Object.values(servers)) await server.stop();
  await rm(project, { recursive: true, force: true });
}

const base = results["Bun.serve"] ?? [];
printTable(
  ["server", "requests/s (median)", "of Bun.serve"],
  Object.entries(results).map(([name, all]) => [
    name,
    Math.round(median(all)).toLocaleString("en"),
    // The ratio of each round, then their median: rounds differ more than servers do.
    toRatio(median(all.map((value, round) => value / (base[round] ?? value)))),
  ]),
);
