/**
 * The same work on the same rows by other servers: 100,000 articles in SQLite, listed, sorted, read one by one and
 * created, logins, starting, and memory.
 *
 *   bun run build && bun bench/peers.ts [--seconds 3] [--rounds 5] [--warmup 5]
 */
import { parseArgs } from "node:util";
import { type Load, measureServer, processorTimeUs } from "./load.ts";
import { ACCOUNTS, NEW_ROW, type Peer, ROWS } from "./peers/peer.ts";
import { createPocketBase } from "./peers/pocketbase.ts";
import { createXcore } from "./peers/xcore.ts";
import { median, printTable, toMs, toRate, toRatio, toUs } from "./report.ts";
import { type BenchServer, residentMb } from "./server.ts";

const STARTS = 7;
const IDLE_MS = 2000;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    warmup: { type: "string", default: "5" },
  },
});
const [seconds, rounds, warmup] = [values.seconds, values.rounds, values.warmup].map(Number) as [
  number,
  number,
  number,
];

type Work = (peer: Peer, server: BenchServer, seconds: number) => Promise<Load>;

const WORK: Readonly<Record<string, Work>> = {
  "list 20, with the total": (peer, server, time) => list(server, peer.paths.list, time),
  "list 20, without": (peer, server, time) => list(server, peer.paths.listOnly, time),
  "list 20, sorted, without": (peer, server, time) => list(server, peer.paths.sorted, time),
  one: (peer, server, time) => list(server, peer.paths.one, time),
  login: logIn,
  "create, 1 client": (peer, server, time) => create(peer, server, 1, time),
  "create, 64 clients": (peer, server, time) => create(peer, server, 64, time),
};

const peers: Peer[] = [];
try {
  peers.push(await createPocketBase());
  peers.push(await createXcore());
  console.log(peers.map(({ name, durability }) => `${name}: synchronous = ${durability}`).join("; "), "\n");
  await compareStarts();
  console.log("");
  await compareWork();
} finally {
  for (const peer of peers) await peer.remove();
}

async function compareStarts(): Promise<void> {
  const starts = new Map(peers.map((peer) => [peer, { ms: [] as number[], processorMs: [] as number[] }]));
  for (let run = 0; run < STARTS; run += 1) {
    for (const [peer, { ms, processorMs }] of starts) {
      const server = await peer.start();
      ms.push(server.firstAnswerMs);
      processorMs.push(server.firstAnswerCpuMs);
      await server.stop();
    }
  }
  const figures = [...starts.values()];
  printRatios("start → first list", [
    ["time", figures.map(({ ms }) => median(ms)), toMs],
    ["processor time", figures.map(({ processorMs }) => median(processorMs)), toMs],
  ]);
}

async function compareWork(): Promise<void> {
  const servers: [Peer, BenchServer][] = [];
  try {
    for (const peer of peers) servers.push([peer, await peer.start()]);
    for (const [peer, server] of servers) await assertSame(peer, server);
    await Bun.sleep(IDLE_MS);
    const idle = await measureMemory(servers);
    const rows: string[][] = [];
    for (const [name, work] of Object.entries(WORK)) rows.push(await compare(name, work, servers));
    printTable(
      [
        "work",
        ...peers.map(({ name }) => `${name}/s`),
        "ratio",
        ...peers.map(({ name }) => `${name}, processor time`),
        "ratio",
      ],
      rows,
    );
    console.log("");
    printRatios("memory", [
      ["idle", idle, toMb],
      ["after the load", await measureMemory(servers), toMb],
    ]);
  } finally {
    for (const [, server] of servers) await server.stop();
  }
}

/** That the same is asked of all. */
async function assertSame({ name, paths }: Peer, { url }: BenchServer): Promise<void> {
  const answer = (await (await fetch(url + paths.list)).json()) as Record<string, unknown>;
  const [items, total] = [answer["items"] as unknown[], answer["total"] ?? answer["totalItems"]];
  if (items.length !== 20 || total !== ROWS) throw new Error(`Cannot compare ${name}: it has other rows`);
}

/** Round by round, so that whatever else the machine does falls on all of them alike; ratios are those of rounds. */
async function compare(
  name: string,
  work: Work,
  servers: readonly (readonly [Peer, BenchServer])[],
): Promise<string[]> {
  const loads: Load[][] = servers.map(() => []);
  for (const [peer, server] of servers) await work(peer, server, warmup);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, [peer, server]] of servers.entries()) {
      loads[index]?.push(await work(peer, server, seconds));
    }
  }
  const [theirs = [], ours = []] = loads;
  const ratioOf = (toRatioOf: (one: Load, other: Load) => number): string =>
    toRatio(median(ours.map((load, round) => toRatioOf(load, theirs[round] ?? load))));
  return [
    name,
    ...loads.map((all) => toRate(median(all.map(({ rate }) => rate)))),
    ratioOf((one, other) => one.rate / other.rate),
    ...loads.map((all) => toUs(median(all.map(({ processorUs }) => processorUs)))),
    ratioOf((one, other) => other.processorUs / one.processorUs),
  ];
}

function list(server: BenchServer, path: string, time: number): Promise<Load> {
  return measureServer(server, path, { seconds: time });
}

function create(peer: Peer, server: BenchServer, connections: number, time: number): Promise<Load> {
  return measureServer(server, peer.paths.create, { seconds: time, connections, body: NEW_ROW });
}

/** Each account logs in again and again. */
async function logIn(peer: Peer, server: BenchServer, time: number): Promise<Load> {
  const before = processorTimeUs(server.pid);
  const startedAt = performance.now();
  let count = 0;
  const client = async (account: number): Promise<void> => {
    const { path, body } = peer.login(account);
    const headers = { "content-type": "application/json" };
    while (performance.now() - startedAt < time * 1000) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const response = await fetch(server.url + path, {
        method: "POST",
        headers,
        body: JSON.stringify(body),
      });
      // oxlint-disable-next-line no-await-in-loop
      if (!response.ok) throw new Error(`Cannot log in to ${peer.name}: ${await response.text()}`);
      // oxlint-disable-next-line no-await-in-loop
      await response.arrayBuffer();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: ACCOUNTS }, (_, account) => client(account)));
  const rate = (count / (performance.now() - startedAt)) * 1000;
  return { rate, processorUs: (processorTimeUs(server.pid) - before) / count };
}

async function measureMemory(servers: readonly (readonly [Peer, BenchServer])[]): Promise<number[]> {
  return Promise.all(servers.map(([, { pid }]) => residentMb(pid)));
}

/** What is less is better: 2 for half of it. */
function printRatios(
  head: string,
  rows: readonly (readonly [string, readonly number[], (value: number) => string])[],
): void {
  printTable(
    [head, ...peers.map(({ name }) => name), "ratio"],
    rows.map(([name, [theirs = 0, ours = 0], show]) => [
      name,
      show(theirs),
      show(ours),
      toRatio(theirs / ours),
    ]),
  );
}

function toMb(value: number): string {
  return `${value.toFixed(1)} MB`;
}
