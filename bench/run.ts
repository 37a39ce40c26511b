/**
 * Builds the executable and runs the scenarios; see README.md beside this file. `--json` writes what they have measured, with
 * the machine, its load and the commit, and `--docs` writes it as docs/performance.md, after each scenario.
 *
 *   bun run bench [--only http,hooks] [--json bench.json] [--docs] [--peer "node server.mjs {port}"]
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Table, TABLES_FILE, toMarkdown } from "./report.ts";

const SCENARIOS = [
  "startup",
  "reload",
  "hold-ups",
  "workers",
  "http",
  "metrics",
  "hooks",
  "guards",
  "login",
  "providers",
  "database",
  "database-servers",
  "creates",
  "jobs",
  "mail",
  "cluster",
  "lists",
  "resources",
  "resources-changes",
  "resources-io",
  "resources-search",
  "cache",
  "storage",
  "templates",
  "users",
  "remote",
  "peers",
];
const DOCS = join(import.meta.dir, "../docs/performance.md");

interface Measured {
  readonly scenario: string;
  readonly command: string;
  /** Of the minute before it, and of that before its end. */
  readonly load: readonly [before: number, after: number];
  readonly tables: readonly Table[];
  /** Whether it has ended with an error: its tables are those until then. */
  readonly isFailed: boolean;
}

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
    peer: { type: "string", multiple: true, default: [] },
  },
});
const chosen = values.only?.split(",") ?? SCENARIOS;
const unknown = chosen.filter((name) => !SCENARIOS.includes(name));
if (unknown.length > 0)
  throw new TypeError(`There is no scenario ${unknown.join(", ")}: choose of ${SCENARIOS.join(", ")}`);

const ABOUT = {
  date: new Date().toISOString().slice(0, 10),
  commit: Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"], { cwd: import.meta.dir })
    .stdout.toString()
    .trim(),
  bun: Bun.version,
  processors: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
};
const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const measured: Measured[] = [];
try {
  if (!(await run(["../build.ts"]))) process.exit(1);
  for (const scenario of chosen) {
    console.log(`\n## ${scenario}\n`);
    measured.push(await measure(scenario));
    await write();
  }
} finally {
  await rm(folder, { recursive: true });
}
const failed = measured.filter(({ isFailed }) => isFailed).map(({ scenario }) => scenario);
if (failed.length > 0) {
  console.error(`\nThese have failed, the others are measured: ${failed.join(", ")}`);
  process.exitCode = 1;
}

/** Writes what is measured so far: a run that is ended keeps it. */
async function write(): Promise<void> {
  const report = { ...ABOUT, scenarios: measured };
  if (values.json !== undefined) await Bun.write(values.json, `${JSON.stringify(report, null, 2)}\n`);
  if (values.docs) await Bun.write(DOCS, toPage(await readFile(DOCS, "utf8")));
}

async function measure(scenario: string): Promise<Measured> {
  const [before = 0] = loadavg();
  const file = join(folder, `${scenario}.jsonl`);
  const args = scenario === "http" ? values.peer.flatMap((peer) => ["--peer", peer]) : [];
  const isDone = await run([`${scenario}.ts`, ...args], { [TABLES_FILE]: file });
  const lines = (await readFile(file, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  const command = ["bun", `bench/${scenario}.ts`, ...args].join(" ");
  return {
    scenario,
    command,
    load: [before, loadavg()[0] ?? 0],
    tables: lines.map((line) => JSON.parse(line) as Table),
    isFailed: !isDone,
  };
}

/** Whether a program has ended well. */
async function run(
  [file = "", ...args]: readonly string[],
  env: Record<string, string> = {},
): Promise<boolean> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, file), ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  return (await child.exited) === 0;
}

/** The page with what was measured; what a soak has found stays. @param page as it is so far */
function toPage(page: string): string {
  const soaked = page.slice(page.indexOf("## What it lasts"));
  const { date, commit, bun, processors } = ABOUT;
  const parts = measured.map(({ scenario, command, load: [before, after], tables, isFailed }) =>
    [
      `## ${scenario}`,
      `\`${command}\`, load average ${before.toFixed(1)} before and ${after.toFixed(1)} after.${isFailed ? " **It has failed in this run.**" : ""}`,
      ...tables.map(toMarkdown),
    ].join("\n\n"),
  );
  return `# Performance

What one run of \`bun run bench --docs\` has measured on ${date}: commit ${commit}, Bun ${bun}, ${processors}, which server and clients share. Take the ratios
to another machine, not the times; where the load average is well above what a scenario makes itself, other work has taken its part. What each
scenario does, the goals, and what was learnt of them, stands in [bench/README.md](../bench/README.md). \`--peer "node server.mjs {port}"\` compares any other server that answers \`GET /hello\`.

It needs a checkout, \`wrk\`, Node.js, pip, PostgreSQL, MariaDB, Redis and nginx, an idle machine, and half an hour; \`--only http,hooks\` runs some of it, and \`--json FILE\` writes it for
programs.

${parts.join("\n\n")}

${soaked}`;
}
