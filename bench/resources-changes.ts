/**
 * Changes of a resource, told to 1,000 who follow them while 100 rows a second are written: how long it takes from the request that
 * writes a row, which is before its commit, until somebody has read the event, whether all were told of all, and what those cost who
 * don't read at all.
 *
 *   bun run build && bun bench/resources-changes.ts [--subscribers 1000] [--writes 100] [--seconds 10]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { printTable } from "./report.ts";
import { residentMb, startWithNotes } from "./server.ts";

const { values } = parseArgs({
  options: {
    subscribers: { type: "string", default: "1000" },
    writes: { type: "string", default: "100" },
    seconds: { type: "string", default: "10" },
    program: { type: "string", default: resolve(import.meta.dir, "../dist/xcore") },
  },
});
const SUBSCRIBERS = Number(values.subscribers);
const EVERY_MS = 1000 / Number(values.writes);
const WRITES = Number(values.writes) * Number(values.seconds);
const WARM_UP = 2 * Number(values.writes);
const IDLE = 100; // who don't read
const BIG_WRITES = 500;

const SCHEMA = `import { enumOf, id, table, text, varchar } from "xcore/schema";

export const deals = table("notes_deals", {
  id: id(),
  title: varchar(200).notNull(),
  stage: enumOf(["open", "won", "lost"]).notNull().default("open"),
  notes: text(),
});
`;
const ROUTER = `import { ne } from "drizzle-orm";
import { createRouter, resource } from "xcore";
import { deals } from "./schema.ts";

export default createRouter()
  .get("/ready", () => "yes")
  .use(resource(deals, { permission: null, rows: () => ne(deals.stage, "lost") }));
`;

const TITLE = /"title":"(\d+) ([\d.]+)"/g;
const now = (): number => performance.timeOrigin + performance.now();

class Follower {
  readonly #socket;
  readonly ready = Promise.withResolvers<void>();
  /** Numbers of the rows that it was told of. */
  readonly told = new Set<number>();
  events = 0;

  constructor(url: URL, latencies: number[], reads: boolean) {
    const { ready, told } = this;
    const hear = (text: string): void => {
      if (text.includes("event: ready")) ready.resolve();
      const at = now();
      for (const [, number, sent] of text.matchAll(TITLE)) {
        told.add(Number(number));
        latencies.push(at - Number(sent));
        this.events += 1;
      }
    };
    this.#socket = Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      socket: {
        open(socket) {
          socket.write(`GET /notes/deals/changes HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`);
        },
        data(socket, data) {
          hear(data.toString("latin1"));
          if (!reads) socket.pause();
        },
        error() {},
      },
    });
  }

  async close(): Promise<void> {
    (await this.#socket).terminate();
  }
}

async function write(url: string, row: object): Promise<void> {
  const response = await fetch(`${url}/notes/deals`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(row),
  });
  if (response.status !== 201) throw new Error(await response.text());
  await response.arrayBuffer();
}

function quantile(sorted: readonly number[], part: number): string {
  return `${(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN).toFixed(0)} ms`;
}

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const server = await startWithNotes(resolve(values.program), join(folder, "project"), {
  schema: SCHEMA,
  router: ROUTER,
  path: "/notes/ready",
});
try {
  const url = new URL(server.url);
  const latencies: number[] = [];
  const followers = Array.from({ length: SUBSCRIBERS }, () => new Follower(url, latencies, true));
  await Promise.all(followers.map(({ ready }) => ready.promise));
  const before = await residentMb(server.pid);
  const start = now();
  const pending: Promise<void>[] = [];
  for (let number = -WARM_UP; number < WRITES; number += 1) {
    const wait = start + (number + WARM_UP) * EVERY_MS - now();
    if (wait > 0) await Bun.sleep(wait);
    // What warms up isn't counted: its number isn't one.
    pending.push(write(server.url, { title: `${number} ${now().toFixed(2)}` }));
  }
  await Promise.all(pending);
  const writing = (now() - start) / 1000;
  const deadline = now() + 30_000;
  while (followers.some(({ told }) => told.size < WRITES) && now() < deadline) await Bun.sleep(50);
  const missed = followers.reduce((sum, { told }) => sum + WRITES - told.size, 0);
  const sorted = latencies.toSorted((a, b) => a - b);
  printTable(
    ["", `${SUBSCRIBERS} subscribers, ${((WRITES + WARM_UP) / writing).toFixed(0)} writes/s`],
    [
      ["events", String(followers.reduce((sum, { events }) => sum + events, 0))],
      ["missed", String(missed)],
      ["p50", quantile(sorted, 0.5)],
      ["p99", quantile(sorted, 0.99)],
      ["longest", quantile(sorted, 1)],
      ["memory", `${before.toFixed(0)} → ${(await residentMb(server.pid)).toFixed(0)} MB`],
    ],
  );
  await Promise.all(followers.map((follower) => follower.close()));

  const idle = Array.from({ length: IDLE }, () => new Follower(url, [], false));
  await Promise.all(idle.map(({ ready }) => ready.promise));
  const quiet = await residentMb(server.pid);
  const notes = "x".repeat(20_000);
  for (let number = 0; number < BIG_WRITES; number += 1)
    await write(server.url, { title: `${number}`, notes });
  const sent = (IDLE * BIG_WRITES * notes.length) / 1e6;
  console.log(
    `\n${IDLE} who don't read, ${sent.toFixed(0)} MB for them: ${quiet.toFixed(0)} → ${(await residentMb(server.pid)).toFixed(0)} MB`,
  );
  await Promise.all(idle.map((follower) => follower.close()));
  if (missed > 0) process.exitCode = 1;
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
