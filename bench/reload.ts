/**
 * Hot swaps of the executable: from saving a file to the new answer, 200 reloads under constant load, and the
 * memory of 1,000 reloads of an 80 KB plugin.
 *
 *   bun run build && bun bench/reload.ts
 */
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { median, printTable, toMs } from "./report.ts";
import { type BenchServer, residentMb, startServer } from "./server.ts";

const SAVES = 100;
const LOADED_RELOADS = 200;
const MEMORY_RELOADS = 1000;
const WARM_AT = 300;

const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const entry = join(project, "plugins", "swap", "run.ts");
await Bun.write(join(project, "plugins", "swap", "plugin.json"), '{ "name": "swap", "version": "1.0.0" }');
await Bun.write(entry, toPlugin(0, 20, 0));

const server = await startServer((port) => [resolve(import.meta.dir, "../dist/xcore"), "--port", port], {
  cwd: project,
  path: "/swap",
});
try {
  const rows = [
    ...(await measureSaves(server)),
    ...(await measureUnderLoad(server)),
    ...(await measureMemory(server)),
  ];
  printTable(["what", "measured"], rows);
} finally {
  await server.stop();
  await rm(project, { recursive: true, force: true });
}

async function measureSaves({ url }: BenchServer): Promise<string[][]> {
  const times: number[] = [];
  for (let version = 1; version <= SAVES; version += 1) {
    times.push(await saveAndWait(url, version, toPlugin(version, 20, 0)));
  }
  const sorted = times.toSorted((a, b) => a - b);
  return [
    ["save → new answer, 20 routes, median", toMs(median(times))],
    ["save → new answer, 20 routes, 95th percentile", toMs(sorted[Math.floor(SAVES * 0.95)] ?? 0)],
  ];
}

async function measureUnderLoad({ url }: BenchServer): Promise<string[][]> {
  let isDone = false;
  let answered = 0;
  let wrong = 0;
  const client = async (): Promise<void> => {
    while (!isDone) {
      const answer = await fetch(`${url}/swap/pair`).then(
        (response) => response.json(),
        () => null,
      );
      answered += 1;
      if (answer === null || answer.before !== answer.after) wrong += 1;
    }
  };
  const clients = Array.from({ length: 8 }, client);
  for (let version = 1; version <= LOADED_RELOADS; version += 1) {
    await saveAndWait(url, 1000 + version, toPlugin(1000 + version, 20, 0));
  }
  isDone = true;
  await Promise.all(clients);
  return [[`${LOADED_RELOADS} reloads under load: failed or mixed of ${answered} requests`, String(wrong)]];
}

async function measureMemory({ url, pid }: BenchServer): Promise<string[][]> {
  const marks: Record<number, number> = {};
  for (let reload = 1; reload <= MEMORY_RELOADS; reload += 1) {
    await saveAndWait(url, 10_000 + reload, toPlugin(10_000 + reload, 20, 80_000));
    // The lowest of the last 20: garbage comes and goes between two collections.
    for (const mark of [WARM_AT, MEMORY_RELOADS]) {
      if (reload > mark - 20 && reload <= mark) {
        marks[mark] = Math.min(marks[mark] ?? Infinity, await residentMb(pid));
      }
    }
  }
  const [warm = 0, end = 0] = [marks[WARM_AT], marks[MEMORY_RELOADS]];
  const growth = ((end - warm) * 1000) / (MEMORY_RELOADS - WARM_AT);
  return [
    [`memory after ${WARM_AT} reloads of 80 KB`, `${warm.toFixed(1)} MB`],
    [`memory after ${MEMORY_RELOADS} reloads of 80 KB`, `${end.toFixed(1)} MB`],
    [`growth a reload between the ${WARM_AT}th and the ${MEMORY_RELOADS}th`, `${growth.toFixed(1)} KB`],
  ];
}

/** Saves the plugin and asks until the new version answers; returns the milliseconds that it took. */
async function saveAndWait(url: string, version: number, code: string): Promise<number> {
  await Bun.write(`${entry}.saving~`, code);
  const startedAt = performance.now();
  await rename(`${entry}.saving~`, entry);
  while ((await (await fetch(`${url}/swap`)).text()) !== String(version)) {
    if (performance.now() - startedAt > 10_000) throw new Error(`Cannot see version ${version} after 10 s`);
  }
  return performance.now() - startedAt;
}

/** A plugin of `routes` routes, with `bytes` of code beside them. */
function toPlugin(version: number, routes: number, bytes: number): string {
  const lines = Array.from(
    { length: routes - 2 },
    (_, n) => `  .get("/r${n}/:id", ({ params }) => ({ n: ${n}, id: params.id }))`,
  );
  const ballast = Array.from({ length: Math.ceil(bytes / 90) }, (_, n) => {
    const name = `f${n}`;
    return `export function ${name}(x: number): string { return "${name}:" + (x * ${n} + ${version}) + "${"-".repeat(20)}"; }`;
  });
  return `import { createRouter } from "xcore";
${ballast.join("\n")}
export default createRouter()
  .get("/", () => "${version}")
  .get("/pair", async () => { const before = ${version}; await Promise.resolve(); return { before, after: ${version} }; })
${lines.join("\n")};
`;
}
