/**
 * Whether hashing passwords holds up other routes: latency of a plugin's route while nobody logs in, and while 20
 * logins are under way at any moment (bcrypt at its default cost), in the executable; and the processor time of both.
 *
 *   bun run build && bun bench/login.ts [--seconds 5]
 */
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { processorTimeUs } from "./load.ts";
import { printTable, toMs, toRatio, toUs } from "./report.ts";
import { startServer } from "./server.ts";

const LOGINS = 20;
const { values } = parseArgs({ options: { seconds: { type: "string", default: "5" } } });
const durationMs = Number(values.seconds) * 1000;

const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
await mkdir(join(project, "plugins"));
await cp(join(import.meta.dir, "../plugins/hello"), join(project, "plugins/hello"), { recursive: true });
await Bun.write(join(project, "config.json"), JSON.stringify({ security: { allow_registration: true } }));
const xcore = resolve(import.meta.dir, "../dist/xcore");
const server = await startServer((port) => [xcore, "--port", port], { cwd: project });

const PASSWORD = "correct horse";

/** Each client has an account of its own: logins of one account wait for each other. */
async function register(client: number): Promise<void> {
  const body = JSON.stringify({ email: `user${client}@example.com`, password: PASSWORD });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${server.url}/auth/register`, { method: "POST", body, headers });
  if (response.status !== 201) throw new Error(await response.text());
}

async function logIn(client: number): Promise<void> {
  const body = new URLSearchParams({ username: `user${client}@example.com`, password: PASSWORD });
  const response = await fetch(`${server.url}/auth/login`, { method: "POST", body });
  if (response.status !== 200) throw new Error(await response.text());
  await response.text();
}

interface Measured {
  /** 99th percentile of the route's latency in ms, asked one request after another. */
  readonly p99: number;
  readonly requests: number;
  /** Of the server meanwhile. */
  readonly processorUs: number;
}

async function measureRoute(): Promise<Measured> {
  const before = processorTimeUs(server.pid);
  const times: number[] = [];
  const end = performance.now() + durationMs;
  while (performance.now() < end) {
    const startedAt = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- one after another is what is measured
    await (await fetch(`${server.url}/hello`)).text();
    times.push(performance.now() - startedAt);
  }
  const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
  return { p99, requests: times.length, processorUs: processorTimeUs(server.pid) - before };
}

try {
  await Promise.all(Array.from({ length: LOGINS }, (_, client) => register(client)));
  await measureRoute(); // warm-up
  const idle = await measureRoute();
  let isOver = false;
  let answered = 0;
  const clients = Array.from({ length: LOGINS }, async (_, client) => {
    while (!isOver) {
      // oxlint-disable-next-line no-await-in-loop
      await logIn(client);
      answered += 1;
    }
  });
  const before = processorTimeUs(server.pid);
  const busy = await measureRoute();
  isOver = true;
  await Promise.all(clients);
  const requestUs = idle.processorUs / idle.requests;
  const loginUs = (processorTimeUs(server.pid) - before - busy.requests * requestUs) / answered;
  printTable(
    ["p99 of a route", "ms", "of idle", "processor time"],
    [
      ["nobody logs in", idle.p99.toFixed(2), "1.00", `${toUs(requestUs)} a request`],
      [
        `${LOGINS} logins at any moment (${answered} answered)`,
        busy.p99.toFixed(2),
        toRatio(busy.p99 / idle.p99),
        `${toMs(loginUs / 1000)} a login`,
      ],
    ],
  );
} finally {
  await server.stop();
  await rm(project, { recursive: true, force: true });
}
