/**
 * Plugins by URL: the start with 50 remote plugins in the cache against the same 50 as folders, and how many requests
 * run at once while a graph of 200 modules is fetched.
 *
 *   bun run build && bun bench/remote.ts
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { computeIntegrity } from "../src/plugins/snapshot/integrity.ts";
import { median, printTable, toMs, toRatio } from "./report.ts";
import { startServer } from "./server.ts";

const PLUGINS = 50;
const MODULES = 200;
const RUNS = 15;
const LATENCY_MS = 20; // of the host that modules are fetched from
const executable = resolve(import.meta.dir, "../dist/xcore");

const answers = new Map<string, string>();
let inFlight = 0;
let most = 0;
const host = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    inFlight += 1;
    most = Math.max(most, inFlight);
    await Bun.sleep(LATENCY_MS);
    inFlight -= 1;
    const text = answers.get(new URL(request.url).pathname);
    return text === undefined ? new Response(null, { status: 404 }) : new Response(text);
  },
});

const local = await createProject({});
const remoteEntries: Record<string, object> = {};
for (let n = 0; n < PLUGINS; n += 1) {
  const files = pluginFiles(n);
  await writeFiles(join(local, "plugins", `p${n}`), files);
  remoteEntries[`p${n}`] = publish(`/p${n}`, files);
}
const remote = await createProject(remoteEntries);
const wide = await createProject({ wide: publish("/wide", wideFiles()) });

try {
  const last = `/p${PLUGINS - 1}`;
  const cold = await firstAnswer(remote, last);
  const times = { local: [] as number[], remote: [] as number[] };
  await firstAnswer(local, last);
  for (let run = 0; run < RUNS; run += 1) {
    times.local.push(await firstAnswer(local, last));
    times.remote.push(await firstAnswer(remote, last));
  }
  most = 0;
  const graph = await firstAnswer(wide, "/wide");
  const ratio = median(times.remote) / median(times.local);
  printTable(
    ["what", "measured", "goal"],
    [
      [`start → first answer, ${PLUGINS} plugins as folders, median`, toMs(median(times.local)), ""],
      [`the same ${PLUGINS} by URL, in the cache, median`, toMs(median(times.remote)), ""],
      ["ratio", toRatio(ratio), "≤ 1.30"],
      [`the same, nothing in the cache, a host ${LATENCY_MS} ms away`, toMs(cold), ""],
      [`start → first answer of a plugin of ${MODULES} modules, nothing in the cache`, toMs(graph), ""],
      ["requests at once, at most", String(most), "≥ 8"],
    ],
  );
} finally {
  await host.stop(true);
  for (const project of [local, remote, wide]) await rm(project, { recursive: true, force: true });
}

async function firstAnswer(project: string, path: string): Promise<number> {
  const server = await startServer((port) => [executable, "--port", port], { cwd: project, path });
  await server.stop();
  return server.firstAnswerMs;
}

async function createProject(entries: Record<string, object>): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
  await Bun.write(join(project, "config.json"), JSON.stringify({ plugins: { remote: entries } }));
  return project;
}

async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await Bun.write(join(folder, name), text);
}

/** Serves a plugin's files; returns the entry of config.json that pins it. */
function publish(folder: string, files: Readonly<Record<string, string>>): object {
  for (const [name, text] of Object.entries(files)) answers.set(`${folder}/${name}`, text);
  const bytes = Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)] as const);
  const integrity = computeIntegrity({ entry: "plugin.json", files: new Map(bytes), redirects: new Map() });
  return { url: `http://127.0.0.1:${host.port}${folder}/plugin.json`, integrity };
}

function pluginFiles(n: number): Record<string, string> {
  return {
    "plugin.json": JSON.stringify({ name: `p${n}`, version: "1.0.0" }),
    "text.ts": "export const text = (name: string): string => `Hello ${name}`;\n",
    "run.ts": `import { createRouter } from "xcore";
import { t } from "elysia";
import { text } from "./text.ts";

export default createRouter()
  .get("/", () => ({ message: text("p${n}") }))
  .get("/:id", ({ params }) => params, { params: t.Object({ id: t.Integer() }) })
  .post("/", ({ body }) => body, { body: t.Object({ title: t.String({ minLength: 1 }) }) });
`,
  };
}

function importAll(prefix: string, count: number): string {
  return numbers(count)
    .map((n) => `import { value as v${n} } from "./${prefix}${n}.ts";\n`)
    .join("");
}

function sum(count: number): string {
  return numbers(count)
    .map((n) => `v${n}`)
    .join(" + ");
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Ten modules that import nineteen each. */
function wideFiles(): Record<string, string> {
  const files: Record<string, string> = { "plugin.json": JSON.stringify({ name: "wide", version: "1.0.0" }) };
  const branches = MODULES / 20;
  files["run.ts"] =
    `import { createRouter } from "xcore";\n${importAll("b", branches)}` +
    `export default createRouter().get("/", () => String(${sum(branches)}));\n`;
  for (const branch of numbers(branches)) {
    files[`b${branch}.ts`] = `${importAll(`m${branch}_`, 19)}export const value = ${sum(19)};\n`;
    for (const n of numbers(19)) files[`m${branch}_${n}.ts`] = `export const value = ${n};\n`;
  }
  return files;
}
