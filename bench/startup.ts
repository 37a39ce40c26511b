/**
 * From starting the executable to the first answer of a plugin, with 1, 10 and 300 plugins, and its size and
 * idle memory.
 *
 *   bun run build && bun bench/startup.ts
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { median, printTable, toMs } from "./report.ts";
import { residentMb, startServer } from "./server.ts";

const RUNS = 7;
const IDLE_MS = 2000;
const executable = resolve(import.meta.dir, "../dist/xcore");

const rows = [["size of the executable", `${(Bun.file(executable).size / 1_000_000).toFixed(1)} MB`]];
for (const count of [1, 10, 300]) {
  const project = await createProject(count);
  const times: number[] = [];
  const processorTimes: number[] = [];
  let idle = 0;
  try {
    for (let run = 0; run < RUNS; run += 1) {
      // The last plugin in the order of loading, so that all of them are there.
      const server = await startServer((port) => [executable, "--port", port], {
        cwd: project,
        path: `/p${count - 1}`,
      });
      times.push(server.firstAnswerMs);
      processorTimes.push(server.firstAnswerCpuMs);
      if (run === RUNS - 1) {
        await Bun.sleep(IDLE_MS);
        idle = await residentMb(server.pid);
      }
      await server.stop();
    }
  } finally {
    await rm(project, { recursive: true, force: true });
  }
  rows.push(
    [`start → first answer, ${count} plugins, median`, toMs(median(times))],
    [`its processor time, ${count} plugins, median`, toMs(median(processorTimes))],
    [`idle memory, ${count} plugins`, `${idle.toFixed(1)} MB`],
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
