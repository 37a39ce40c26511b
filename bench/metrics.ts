/**
 * What metrics and the request log cost together: requests a second of two routes that do nothing and one that reads 20 rows, and processor time of the server for one,
 * with neither, with metrics alone, and with both as a server has them that nobody has configured. Each is the executable in a
 * process of its own; they take turns.
 *
 *   bun run build && bun bench/metrics.ts [--seconds 2] [--rounds 7] [--warmup 5] [--executable dist/xcore]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Load, measureServer } from "./load.ts";
import { compareLoads, printTable } from "./report.ts";
import { startServer } from "./server.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "7" },
    warmup: { type: "string", default: "5" },
    executable: { type: "string", default: resolve(import.meta.dir, "../dist/xcore") },
  },
});
const seconds = Number(values.seconds);
const executable = resolve(values.executable);

const CODE = `import { createRouter, db } from "xcore";
import { notes } from "./schema.ts";
export default createRouter()
  .get("/", () => ({ message: "Hello from My Plugin!" }))
  .get("/items/:id", ({ params }) => ({ id: params.id }))
  .get("/notes", () => db.select().from(notes).limit(20));
`;
const SCHEMA = `import { id, table, varchar } from "xcore/schema";
export const notes = table("hello_notes", { id: id(), text: varchar(80).notNull() });
`;
const ROWS = Array.from({ length: 20 }, (_, index) => `('note ${index}')`).join(", ");
const MIGRATION = `CREATE TABLE \`hello_notes\` (\`id\` integer PRIMARY KEY AUTOINCREMENT NOT NULL, \`text\` text(80) NOT NULL);
--> statement-breakpoint
INSERT INTO hello_notes (text) VALUES ${ROWS};
`;
const SILENT = { logging: { level: "silent" } };
const UNMEASURED = { monitoring: { enabled: false } };
const CONTENDERS = [
  ["neither", { ...SILENT, ...UNMEASURED }],
  ["metrics", SILENT],
  ["request log", UNMEASURED],
  ["both, the default", {}],
] as const;
const PATHS = ["/hello", "/hello/items/12345", "/hello/notes"];

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const servers = await Promise.all(
  CONTENDERS.map(async ([name, config], index) => {
    const cwd = join(folder, String(index));
    await Bun.write(join(cwd, "config.json"), JSON.stringify(config));
    await Bun.write(join(cwd, "plugins/hello/plugin.json"), '{ "name": "hello", "version": "1.0.0" }');
    await Bun.write(join(cwd, "plugins/hello/run.ts"), CODE);
    await Bun.write(join(cwd, "plugins/hello/schema.ts"), SCHEMA);
    await Bun.write(join(cwd, "plugins/hello/drizzle/sqlite/0000_notes.sql"), MIGRATION);
    const server = await startServer((port) => [executable, "--port", port], { cwd });
    return { name, server, loads: new Map<string, Load[]>(PATHS.map((path) => [path, []])) };
  }),
);
try {
  for (const { server } of servers) {
    for (const path of PATHS) await measureServer(server, path, { seconds: Number(values.warmup) });
  }
  // In turns, so that whatever else the machine does falls on all of them alike.
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const path of PATHS) {
      for (const { server, loads } of servers) {
        loads.get(path)?.push(await measureServer(server, path, { seconds }));
      }
    }
  }
} finally {
  for (const { server } of servers) await server.stop();
  await rm(folder, { recursive: true, force: true });
}

printTable(
  ["route", "with", "requests/s", "of neither", "processor time a request", "of neither"],
  PATHS.flatMap((path) => {
    const base = servers[0]?.loads.get(path) ?? [];
    return servers.map(({ name, loads }) => [path, name, ...compareLoads(loads.get(path) ?? [], base)]);
  }),
);
