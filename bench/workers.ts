/**
 * Requests a second of a server with one worker and with two: of a plugin's route that computes for some milliseconds, and
 * of one that only answers. Both servers take turns, so that whatever else the machine does falls on both alike; processor
 * time is that of the workers, for one request.
 *
 *   bun run build && bun bench/workers.ts [--seconds 3] [--rounds 5] [--warmup 3]
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { PrivateServer } from "../test/faults/private-server.ts";
import { type Load, measureServer, processorTimeUs } from "./load.ts";
import { compareLoads, printTable } from "./report.ts";
import { type BenchServer, startServer } from "./server.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    warmup: { type: "string", default: "3" },
  },
});
const [seconds, rounds, warmup] = [values.seconds, values.rounds, values.warmup].map(Number) as [
  number,
  number,
  number,
];

const COUNTS = [1, 2] as const;
const ROUTES = [
  ["computes", "/sums/compute"],
  ["answers", "/sums"],
] as const;
const CODE = `import { createRouter } from "xcore";
export default createRouter()
  .get("/", () => ({ message: "Hello" }))
  .get("/pid", () => String(process.pid))
  .get("/compute", () => {
    let sum = 0;
    for (let n = 0; n < 300_000; n += 1) sum = (sum * 31 + n) % 1_000_003;
    return { sum };
  });
`;

const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const redis = await PrivateServer.start("redis");
process.env["REDIS_URL"] = redis.url;
const servers: BenchServer[] = [];
const loads = new Map<string, Load[]>();
try {
  for (const count of COUNTS) servers.push(await start(count));
  for (const server of servers) {
    for (const [, path] of ROUTES) await measureServer(server, path, { seconds: warmup });
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, path] of ROUTES) {
      for (const [index, server] of servers.entries()) {
        const key = `${name} ${COUNTS[index]}`;
        loads.set(key, [...(loads.get(key) ?? []), await measure(server, path)]);
      }
    }
  }
} finally {
  for (const server of servers) await server.stop();
  await redis[Symbol.asyncDispose]();
  await rm(project, { recursive: true, force: true });
}

printTable(
  ["a route that", "workers", "requests/s", "ratio", "processor time a request", "ratio"],
  ROUTES.flatMap(([name]) =>
    COUNTS.map((count) => [
      name,
      String(count),
      ...compareLoads(loads.get(`${name} ${count}`) ?? [], loads.get(`${name} 1`) ?? []),
    ]),
  ),
);

async function start(count: number): Promise<BenchServer> {
  const cwd = join(project, String(count));
  await Bun.write(join(cwd, "config.json"), "{}");
  await Bun.write(join(cwd, "plugins/sums/plugin.json"), JSON.stringify({ name: "sums", version: "1.0.0" }));
  await Bun.write(join(cwd, "plugins/sums/run.ts"), CODE);
  const program = resolve(import.meta.dir, "../dist/xcore");
  const workers = ["--workers", String(count)];
  const server = await startServer((port) => [program, "serve", "--port", port, ...workers], {
    cwd,
    path: "/sums",
  });
  const pids = new Set<string>();
  while (pids.size < count) {
    const answer = await fetch(`${server.url}/sums/pid`, { headers: { connection: "close" } });
    pids.add(await answer.text());
  }
  return server;
}

async function measure(server: BenchServer, path: string): Promise<Load> {
  const pids = [server.pid, ...(await childrenOf(server.pid))];
  const total = (): number => pids.reduce((sum, pid) => sum + processorTimeUs(pid), 0);
  const before = total();
  const { rate } = await measureServer(server, path, { seconds });
  return { rate, processorUs: (total() - before) / (rate * seconds) };
}

/** The processes that one has started (Linux). */
async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return text.split(" ").filter(Boolean).map(Number);
}
