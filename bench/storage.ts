/**
 * Files of a plugin beside `Bun.serve` with `Bun.write` and `Bun.file`, on one disk: files of 8 MB sent as bodies and got back, whole and
 * by ranges of 64 KB, and thumbnails that are kept.
 *
 *   bun run build && bun bench/storage.ts [--program dist/xcore] [--rounds 5] [--count 40]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { makePng } from "../test/storage/pictures.ts";
import { processorTimeUs } from "./load.ts";
import { median, printTable, toMs, toRatio, toUs } from "./report.ts";
import { type BenchServer, startServer } from "./server.ts";

const { values } = parseArgs({
  options: {
    program: { type: "string", default: "dist/xcore" },
    rounds: { type: "string", default: "5" },
    count: { type: "string", default: "40" },
  },
});
const SIZE = 8_000_000;
const RANGE = 65_536;
const AT_ONCE = 4;
const FILES = 20;
const THUMBNAIL = "/notes/a.png?thumb=200x200";
const BINARY = { "content-type": "application/octet-stream" };
const ROUTER = `import { createRouter, storage } from "xcore";
export default createRouter()
  .get("/", () => "ready")
  .post("/:key", ({ params, request }) => storage.put(request.body, { key: params.key, name: params.key }), { parse: "none" })
  .get("/:key", ({ params, query, request }) => storage.serve(params.key, request, query));
`;
const BARE = `const [port, folder] = process.argv.slice(2);
Bun.serve({ port: Number(port), hostname: "127.0.0.1", routes: {
  "/notes": new Response("ready"),
  "/notes/:key": {
    GET: ({ params }) => new Response(Bun.file(folder + "/" + params.key)),
    POST: async (request) => Response.json(await Bun.write(folder + "/" + request.params.key, request)),
  },
} });
`;

/** For one request, in ms. */
interface Took {
  readonly time: number;
  readonly processor: number;
}

interface Work {
  readonly what: string;
  readonly ask: (url: string, at: number) => Promise<Response>;
  readonly bytes: number | null;
  /** How often each file is asked for in a round: processor time is counted in steps of 10 ms. */
  readonly times: number;
}

const content = crypto.getRandomValues(new Uint8Array(65_536));
const file = new Uint8Array(SIZE).map((_, at) => content[at % 65_536] ?? 0);
const works: readonly Work[] = [
  {
    what: "8 MB sent",
    bytes: null,
    times: 1,
    ask: (url, at) => fetch(`${url}/notes/f${at}`, { method: "POST", body: file, headers: BINARY }),
  },
  { what: "8 MB got", bytes: SIZE, times: 5, ask: (url, at) => fetch(`${url}/notes/f${at}`) },
  {
    what: "64 KB of them",
    bytes: RANGE,
    times: 50,
    ask: (url, at) =>
      fetch(`${url}/notes/f${at}`, { headers: { range: `bytes=${at * RANGE}-${(at + 1) * RANGE - 1}` } }),
  },
  { what: "a thumbnail that is kept", bytes: null, times: 50, ask: (url) => fetch(url + THUMBNAIL) },
];

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
process.env["JWT_SECRET_KEY"] ??= crypto.randomUUID() + crypto.randomUUID();
const servers: BenchServer[] = [];
try {
  const [xcore, bare] = await start();
  await keepThumbnail(xcore);
  const rows: string[][] = [];
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (const work of works) rows.push(await compare(work, xcore, bare));
  printTable(["what", "xcore", "Bun.serve", "ratio", "processor time", "Bun.serve", "ratio"], rows);
} finally {
  await Promise.all(servers.map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
}

async function start(): Promise<[BenchServer, BenchServer]> {
  const project = join(folder, "project");
  const plugin = join(project, "plugins", "notes");
  await Bun.write(join(project, "config.json"), "{}");
  await Bun.write(join(plugin, "plugin.json"), JSON.stringify({ name: "notes", version: "1.0.0" }));
  await Bun.write(join(plugin, "run.ts"), ROUTER);
  const script = join(folder, "bare.ts");
  await Bun.write(script, BARE);
  const program = resolve(values.program);
  const path = "/notes";
  const xcore = await startServer((port) => [program, "--port", port], { cwd: project, path });
  servers.push(xcore);
  const bare = await startServer((port) => [process.execPath, script, port, folder], { path });
  servers.push(bare);
  return [xcore, bare];
}

/** Rounds in turns; times are of one request. */
async function compare(work: Work, xcore: BenchServer, bare: BenchServer): Promise<string[]> {
  const own: Took[] = [];
  const others: Took[] = [];
  // oxlint-disable no-await-in-loop -- one after another
  for (const server of [xcore, bare]) await run(server, work);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    own.push(await run(xcore, work));
    others.push(await run(bare, work));
  }
  // oxlint-enable no-await-in-loop
  const cells = (["time", "processor"] as const).flatMap((kind) => [
    toTime(median(own.map((took) => took[kind]))),
    toTime(median(others.map((took) => took[kind]))),
    toRatio(median(own.map((took, round) => took[kind] / (others[round]?.[kind] ?? Number.NaN)))),
  ]);
  return [work.what, ...cells];
}

function toTime(ms: number): string {
  return ms < 1 ? toUs(ms * 1000) : toMs(ms);
}

/** Both are asked for the same: Bun.serve has the thumbnail as a file of that name. */
async function keepThumbnail({ url }: BenchServer): Promise<void> {
  const body = makePng(1200, 800);
  await take(await fetch(`${url}/notes/a.png`, { method: "POST", body, headers: BINARY }), null);
  const thumbnail = await fetch(url + THUMBNAIL);
  await Bun.write(join(folder, "a.png"), await thumbnail.bytes());
}

async function run({ url, pid }: BenchServer, { ask, bytes, times }: Work): Promise<Took> {
  const count = Number(values.count) * times;
  const before = processorTimeUs(pid);
  const startedAt = performance.now();
  let next = 0;
  const client = async (): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop -- a client waits for its answer
    for (let at = next++; at < count; at = next++) await take(await ask(url, at % FILES), bytes);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  return {
    time: (performance.now() - startedAt) / count,
    processor: (processorTimeUs(pid) - before) / count / 1000,
  };
}

async function take(answer: Response, bytes: number | null): Promise<void> {
  const { byteLength } = await answer.bytes();
  if (!answer.ok || (bytes !== null && byteLength !== bytes))
    throw new Error(`Cannot measure: ${answer.status} with ${byteLength} bytes`);
}
