/**
 * Pages of the administration over 100,000 rows, on SQLite: milliseconds from the request to its whole answer, by one client that has
 * signed in, and bytes.
 *
 *   bun run build && bun bench/ui.ts [--program dist/xcore] [--rounds 40]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { DEALS, LAST_DEAL, RESOURCES, SCHEMA, SETUP } from "./deals.ts";
import { processorTimeUs } from "./load.ts";
import { median, printTable, toMs } from "./report.ts";
import { type BenchServer, startWithNotes } from "./server.ts";

const { values } = parseArgs({
  options: { program: { type: "string", default: "dist/xcore" }, rounds: { type: "string", default: "40" } },
});
const PASSWORD = "correct horse battery staple";
const PAGES = [
  ["list", "/ui/records/notes/deals"],
  ["list, sorted by amount", "/ui/records/notes/deals?sort=-amount"],
  ["list, narrowed down", "/ui/records/notes/deals?stage=won&amount.gte=500"],
  ["list, with the fields of filters", "/ui/records/notes/deals?_filters=1"],
  ["row", "/ui/records/notes/deals/77"],
  ["sums by stage", "/ui/records/notes/deals/~summary"],
] as const;
const ROUTER = `import { createRouter, db, resource } from "xcore";
import { companies, deals } from "./schema.ts";
${SETUP}
export default createRouter()${RESOURCES};
`;

const program = resolve(values.program);
const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const project = join(folder, "project");
process.env["JWT_SECRET_KEY"] ??= crypto.randomUUID() + crypto.randomUUID();
const options = { schema: SCHEMA, router: ROUTER, path: LAST_DEAL };
const server = await startWithNotes(program, project, options);
try {
  await makeAdministrator();
  const cookie = await signIn(server);
  const rows: string[][] = [];
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (const [name, path] of PAGES) rows.push([name, ...(await measure(path, cookie))]);
  printTable(
    [`of ${DEALS.toLocaleString("en")} rows`, "time", "slowest of 20", "processor time", "bytes"],
    rows,
  );
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

async function makeAdministrator(): Promise<void> {
  const made = Bun.spawn([program, "user", "create", "ada@example.com", "--admin", "--password-stdin"], {
    cwd: project,
    env: { ...process.env },
    stdin: new Blob([PASSWORD]),
    stdout: "ignore",
  });
  if ((await made.exited) !== 0) throw new Error("Cannot make the administrator");
}

async function signIn({ url }: BenchServer): Promise<string> {
  const answer = await fetch(`${url}/auth/login`, {
    method: "POST",
    redirect: "manual",
    headers: { accept: "text/html", "sec-fetch-mode": "navigate", "sec-fetch-site": "same-origin" },
    body: new URLSearchParams({ username: "ada@example.com", password: PASSWORD }),
  });
  const cookie = answer.headers.getSetCookie().find((one) => one.includes("xcore_session="));
  if (cookie === undefined) throw new Error(`Cannot sign in: ${answer.status}`);
  return cookie.split(";")[0] ?? "";
}

async function measure(path: string, cookie: string): Promise<string[]> {
  const times: number[] = [];
  let bytes = 0;
  const ask = async (): Promise<void> => {
    const answer = await fetch(server.url + path, { headers: { cookie, accept: "text/html" } });
    const text = await answer.text();
    if (answer.status !== 200)
      throw new Error(`Cannot measure ${path}: ${answer.status}\n${text.slice(0, 2000)}`);
    bytes = text.length;
  };
  const rounds = Number(values.rounds);
  // oxlint-disable no-await-in-loop -- one after another
  for (let round = 0; round < 10; round += 1) await ask();
  const before = processorTimeUs(server.pid);
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    await ask();
    times.push(performance.now() - start);
  }
  // oxlint-enable no-await-in-loop
  const slow = times.toSorted((a, b) => b - a)[Math.floor(rounds / 20)] ?? 0;
  const processor = (processorTimeUs(server.pid) - before) / rounds / 1000;
  return [toMs(median(times)), toMs(slow), toMs(processor), String(bytes)];
}
