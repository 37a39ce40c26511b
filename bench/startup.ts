/**
 * From starting the executable to the first answer of a plugin, with 1 to 1,000 plugins: the first start, which makes
 * the tables and bundles the plugins, and those after it; and its size and idle memory.
 *
 *   bun run build && bun bench/startup.ts [--plugins 1,10,300,1000]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { median, printTable, toMs } from "./report.ts";
import { type BenchServer, residentMb, startServer } from "./server.ts";

const RUNS = 7;
const MANY = 500; // plugins, of which starts differ less
const RUNS_OF_MANY = 3;
const IDLE_RUNS = 3; // the last of them
const IDLE_MS = 2000;
const executable = resolve(import.meta.dir, "../dist/xcore");

const { values } = parseArgs({ options: { plugins: { type: "string", default: "1,10,300,1000" } } });
const rows = [["size of the executable", `${(Bun.file(executable).size / 1_000_000).toFixed(1)} MB`]];
for (const count of values.plugins.split(",").map(Number)) {
  const runs = count > MANY ? RUNS_OF_MANY : RUNS;
  const project = await createProject(count);
  // The last plugin in the order of loading, so that all of them are there.
  const options = { cwd: project, path: `/p${count - 1}` };
  const start = (): Promise<BenchServer> => startServer((port) => [executable, "--port", port], options);
  const first = await start();
  await first.stop(); // keeps what it has bundled
  const times: number[] = [];
  const processorTimes: number[] = [];
  const idle: number[] = [];
  try {
    for (let run = 0; run < runs; run += 1) {
      const server = await start();
      times.push(server.firstAnswerMs);
      processorTimes.push(server.firstAnswerCpuMs);
      if (run >= runs - IDLE_RUNS) {
        await Bun.sleep(IDLE_MS);
        idle.push(await residentMb(server.pid));
      }
      await server.stop();
    }
  } finally {
    await rm(project, { recursive: true, force: true });
  }
  rows.push(
    [`start → first answer, ${count} plugins, median`, toMs(median(times))],
    [`its processor time, ${count} plugins, median`, toMs(median(processorTimes))],
    [
      `the first start, ${count} plugins, and its processor time`,
      `${toMs(first.firstAnswerMs)}, ${toMs(first.firstAnswerCpuMs)}`,
    ],
    [`idle memory, ${count} plugins, median of ${IDLE_RUNS}`, `${median(idle).toFixed(1)} MB`],
  );
}
printTable(["what", "measured"], rows);

async function createProject(count: number): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
  for (let n = 0; n < count; n += 1) {
    const folder = join(project, "plugins", `p${n}`);
    await Bun.write(join(folder, "plugin.json"), JSON.stringify({ name: `p${n}`, version: "1.0.0" }));
    await Bun.write(
      join(folder, "text.ts"),
      `export const text = (name: string): string => \`Hello \${name}\`;\n`,
    );
    await Bun.write(
      join(folder, "run.ts"),
      `import { createRouter } from "xcore";
import { t } from "elysia";
import { text } from "./text.ts";

export default createRouter()
  .get("/", () => ({ message: text("p${n}") }))
  .get("/:id", ({ params }) => params, { params: t.Object({ id: t.Integer() }) })
  .post("/", ({ body }) => body, { body: t.Object({ title: t.String({ minLength: 1 }) }) });
`,
    );
  }
  return project;
}
