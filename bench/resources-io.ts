/**
 * Export of 100,000 deals, and import of 50,000, by a resource on SQLite: rows a second, and how much memory the server takes more than
 * when nothing is asked of it.
 *
 *   bun run build && bun bench/resources-io.ts [--rounds 3]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { COMPANIES, DEALS, LAST_DEAL, RESOURCES, SCHEMA, SETUP } from "./deals.ts";
import { median, printTable, toRate } from "./report.ts";
import { type BenchServer, residentMb, startServer, startWithNotes } from "./server.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" } } });

const IMPORTED = 50_000;
const SETTLE_MS = 3000;
const SAMPLE_MS = 20;

const ROUTER = `import { createRouter, db, resource } from "xcore";
import { companies, deals } from "./schema.ts";

${SETUP}
export default createRouter()
  ${RESOURCES};
`;

interface Work {
  readonly what: string;
  readonly count: number;
  readonly run: (url: string, round: number) => Promise<void>;
}

const works: readonly Work[] = [
  ...["csv", "json", "xlsx"].map((format) => ({
    what: `export ${format}`,
    count: DEALS,
    run: (url: string) => readAll(`${url}/notes/deals/export.${format}?id.lte=${DEALS}`),
  })),
  {
    what: "import csv",
    count: IMPORTED,
    run: (url) =>
      send(
        `${url}/notes/deals/import`,
        toCsv("company_id", (at) => String(1 + (at % COMPANIES))),
      ),
  },
  {
    what: "import csv, by the company's name",
    count: IMPORTED,
    run: (url) =>
      send(
        `${url}/notes/deals/import`,
        toCsv("company.name", (at) => `Company ${at % COMPANIES}`),
      ),
  },
  {
    what: "import csv, by a job",
    count: IMPORTED,
    run: (url) => sendLater(url, "/notes/deals/import"),
  },
  {
    what: "import csv, by a job that skips mistakes",
    count: IMPORTED,
    run: (url) => sendLater(url, "/notes/deals/import?on_error=skip"),
  },
  {
    what: "import csv, dry run",
    count: IMPORTED,
    run: (url) =>
      send(
        `${url}/notes/deals/import?dry_run=true`,
        toCsv("company_id", (at) => String(1 + (at % COMPANIES))),
      ),
  },
];

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const project = join(folder, "xcore");
const program = resolve(import.meta.dir, "../dist/xcore");
try {
  await (await startWithNotes(program, project, { schema: SCHEMA, router: ROUTER, path: LAST_DEAL })).stop();
  const rows: string[][] = [];
  for (const work of works) rows.push(await measure(work));
  printTable(["what", "rows/s", "memory above idle"], rows);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Each in a server of its own, so that none has the memory of another. */
async function measure({ what, count, run }: Work): Promise<string[]> {
  const server = await startServer((port) => [program, "--port", port], { cwd: project, path: LAST_DEAL });
  try {
    await Bun.sleep(SETTLE_MS);
    const idle = await residentMb(server.pid);
    const peak = watch(server);
    const rates: number[] = [];
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const startedAt = performance.now();
      await run(server.url, round);
      rates.push((count / (performance.now() - startedAt)) * 1000);
    }
    return [what, toRate(median(rates)), `${Math.round(peak() - idle)} MB`];
  } finally {
    await server.stop();
  }
}

/** Returns what gives the most memory that was taken since. */
function watch(server: BenchServer): () => number {
  let most = 0;
  const timer = setInterval(() => {
    void residentMb(server.pid).then((now) => (most = Math.max(most, now)));
  }, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    return most;
  };
}

async function readAll(url: string): Promise<void> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`${url}: ${await response.text()}`);
  for await (const _ of response.body);
}

async function send(url: string, body: string): Promise<void> {
  const response = await fetch(url, { method: "POST", body, headers: { "content-type": "text/csv" } });
  const report = (await response.json()) as { created?: number };
  if (report.created !== IMPORTED) throw new Error(`${url}: ${JSON.stringify(report).slice(0, 1000)}`);
}

/** Until the job has ended. */
async function sendLater(url: string, to: string): Promise<void> {
  const body = toCsv("company_id", (at) => String(1 + (at % 10_000)));
  const headers = { "content-type": "text/csv", prefer: "respond-async" };
  const begun = await fetch(url + to, { method: "POST", body, headers });
  for (;;) {
    const response = await fetch(url + (begun.headers.get("location") ?? ""));
    const status = (await response.json()) as { state?: string; report?: { created?: number } | null };
    if (status.state === "completed" && status.report?.created === IMPORTED) return;
    if (status.state !== "waiting" && status.state !== "running")
      throw new Error(`${url}: ${JSON.stringify(status).slice(0, 1000)}`);
    await Bun.sleep(SAMPLE_MS);
  }
}

function toCsv(header: string, company: (at: number) => string): string {
  const rows = Array.from(
    { length: IMPORTED },
    (_, at) => `Imported ${at},won,${at % 1000}.25,${company(at)}`,
  );
  return [`title,stage,amount,${header}`, ...rows].join("\n");
}
