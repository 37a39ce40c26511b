/**
 * How long a change of plugins holds up the requests of another one: the longest that anybody waits for an answer of a
 * plugin that isn't touched, asked again and again, while a plugin of 10,000 routes is swapped and while 300 plugins
 * change at once.
 *
 *   bun run build && bun bench/hold-ups.ts [--rounds 5]
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { median, printTable, toMs } from "./report.ts";
import { startServer } from "./server.ts";

const ROUTES = 10_000;
const PLUGINS = 300;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    executable: { type: "string", default: resolve(import.meta.dir, "../dist/xcore") },
  },
});

/** What anybody waits while something goes on. */
interface HoldUp {
  readonly longestMs: number;
  /** Processor time of the thread that answers, between two answers at most: the same on a busy machine (Linux). */
  readonly longestCpuMs: number;
  /** How many were answered meanwhile. */
  readonly answers: number;
  readonly totalMs: number;
}

const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const pluginNames = Array.from({ length: PLUGINS }, (_, index) => `p${index}`);
await stage("hello", toSmall(0));
await stage("large", toLarge(0));
for (const name of pluginNames) await stage(name, toSmall(0));
await save(["hello", "large", ...pluginNames]);
const server = await startServer((port) => [values.executable, "--port", port], { cwd: project });
try {
  const results = new Map<string, HoldUp[]>();
  await waitFor(["large", ...pluginNames], 0);
  for (let version = 1; version <= Number(values.rounds); version += 1) {
    for (const [what, names, code] of [
      ["nothing changes (1 s)", [], ""],
      [`a plugin of ${ROUTES.toLocaleString("en")} routes is swapped`, ["large"], toLarge(version)],
      [`${PLUGINS} plugins change at once`, pluginNames, toSmall(version)],
    ] as const) {
      for (const name of names) await stage(name, code);
      const change = async (): Promise<void> => {
        if (names.length === 0) await Bun.sleep(1000);
        await save(names);
        await waitFor(names, version);
      };
      results.set(what, [...(results.get(what) ?? []), await measure(change)]);
    }
  }
  printTable(
    [
      "while",
      "longest wait, median",
      "slowest",
      "its processor time",
      "answers",
      "until it is served",
      "goal",
    ],
    [...results].map(([what, all]) => [
      what,
      toMs(median(all.map(({ longestMs }) => longestMs))),
      toMs(Math.max(...all.map(({ longestMs }) => longestMs))),
      toMs(median(all.map(({ longestCpuMs }) => longestCpuMs))),
      String(median(all.map(({ answers }) => answers))),
      toMs(median(all.map(({ totalMs }) => totalMs))),
      what.startsWith("nothing") ? "" : "≤ 100 ms",
    ]),
  );
} finally {
  await server.stop();
  await rm(project, { recursive: true, force: true });
}

/** Asks the plugin that isn't touched, one request after the other, for as long as a change takes. */
async function measure(change: () => Promise<void>): Promise<HoldUp> {
  let isDone = false;
  let longestMs = 0;
  let longestCpuMs = 0;
  let answers = 0;
  const client = async (): Promise<void> => {
    while (!isDone) {
      const askedAt = performance.now();
      const cpuMs = readMainThreadMs(server.pid);
      await (await fetch(`${server.url}/hello`)).text();
      longestMs = Math.max(longestMs, performance.now() - askedAt);
      longestCpuMs = Math.max(longestCpuMs, readMainThreadMs(server.pid) - cpuMs);
      answers += 1;
      await Bun.sleep(1);
    }
  };
  const asking = client();
  const startedAt = performance.now();
  await change();
  const totalMs = performance.now() - startedAt;
  isDone = true;
  await asking;
  return { longestMs, longestCpuMs, answers, totalMs };
}

/** Processor time of the thread that a process has started with (proc(5)); NaN where there is no /proc. */
function readMainThreadMs(pid: number): number {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8"), 10) / 1e6;
  } catch {
    return Number.NaN;
  }
}

/** Writes a plugin's code beside the plugins directory, to be saved in one step. */
async function stage(name: string, code: string): Promise<void> {
  await Bun.write(join(project, "staged", `${name}.ts`), `import { createRouter } from "xcore";\n${code}\n`);
  const manifest = join(project, "plugins", name, "plugin.json");
  if (!(await Bun.file(manifest).exists()))
    await Bun.write(manifest, JSON.stringify({ name, version: "1.0.0" }));
}

async function save(names: readonly string[]): Promise<void> {
  await Promise.all(
    names.map((name) =>
      rename(join(project, "staged", `${name}.ts`), join(project, "plugins", name, "run.ts")),
    ),
  );
}

/** Asks each plugin, the last one first, until its new version answers. */
async function waitFor(names: readonly string[], version: number): Promise<void> {
  const startedAt = performance.now();
  for (const name of names.toReversed()) {
    while ((await (await fetch(`${server.url}/${name}`)).text()) !== String(version)) {
      if (performance.now() - startedAt > 60_000) throw new Error(`Cannot see version ${version} of ${name}`);
      await Bun.sleep(5);
    }
  }
}

/** One statement for each route: ten thousand calls in one chain are more than Bun's bundler can read. */
function toLarge(version: number): string {
  const routes = Array.from(
    { length: ROUTES },
    (_, n) => `router.get("/r${n}/:id", ({ params }) => ({ n: ${n}, id: params.id }));`,
  );
  return `const router = createRouter().get("/", () => "${version}");\n${routes.join("\n")}\nexport default router;`;
}

function toSmall(version: number): string {
  return `export default createRouter()
  .get("/", () => "${version}")
  .get("/a/:id", ({ params }) => params)
  .post("/b", ({ body }) => body);`;
}
