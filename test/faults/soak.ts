import { cp } from "node:fs/promises";
import { parseArgs } from "node:util";
import { printTable } from "../../bench/report.ts";
import { type BenchServer, residentMb, startServer } from "../../bench/server.ts";
import { TestFolder } from "../setup.ts";
import { PrivateServer } from "./private-server.ts";

/**
 * Puts the executable under writes for as long as asked, and breaks something every few seconds: the server killed,
 * stopped, reloaded, its plugin saved; a database server frozen or killed. Then it compares what clients were told with
 * what is there, and ends with 1 where both differ.
 *
 * `bun run soak --minutes 60 --database postgres`
 */

type Outcome = "acknowledged" | "unknown" | "refused";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    database: { type: "string", default: "sqlite" },
    clients: { type: "string", default: "16" },
  },
});
const CALM_MS = 4000; // between two faults
const GIVE_UP_MS = 45_000; // no answer may take longer: statements end after 30 s, a start waits for its database
const RUN = `import { t } from "elysia";
import { createRouter, db } from "xcore";
import { todos } from "./schema.ts";

export default createRouter()
  .post("/", async ({ body: { title }, status }) => {
    await db.transaction(async (tx) => {
      await tx.insert(todos).values({ title });
      await tx.insert(todos).values({ title: \`also \${title}\` });
    });
    return status(201, {});
  }, { body: t.Object({ title: t.String() }) })
  .get("/", async () => ({ titles: (await db.select({ title: todos.title }).from(todos)).map(({ title }) => title) }));
`;

await using folder = await TestFolder.create();
await using database = await startDatabase(options.database);
await cp(new URL("../../plugins/todo", import.meta.url), `${folder.path}/plugins/todo`, { recursive: true });
await folder.write({ "plugins/todo/run.ts": RUN, "config.json": {} });

const outcomes = new Map<string, Outcome>();
const faults = new Map<string, number>();
let slowestMs = 0;
let slowestHealingMs = 0;
let isOver = false;
let server = await start();
const startMb = await residentMb(server.pid);
const clients = Array.from({ length: Number(options.clients) }, (_, index) => write(index));
await breakThings(Date.now() + Number(options.minutes) * 60_000);
isOver = true;
await Promise.all(clients);
const endMb = await residentMb(server.pid);
const wrong = await audit();
await server.stop();
report();
process.exitCode = wrong.length === 0 ? 0 : 1;

async function startDatabase(dialect: string): Promise<PrivateServer | null> {
  if (dialect === "sqlite") return null;
  if (dialect === "postgres" || dialect === "mysql") return PrivateServer.start(dialect);
  throw new TypeError(`Cannot use "${dialect}": choose sqlite, postgres or mysql`);
}

async function start(): Promise<BenchServer> {
  const executable = new URL("../../dist/xcore", import.meta.url).pathname;
  process.env["XCORE_DATABASE__URL"] = database?.url ?? "sqlite:data/app.db";
  process.env["XCORE_LOGGING__CONSOLE"] = "false";
  return startServer((port) => [executable, "--port", port], { cwd: folder.path, path: "/todo" });
}

/** Writes one pair of rows after the other, each once, and keeps what it was told of it. */
async function write(client: number): Promise<void> {
  for (let count = 0; !isOver; count += 1) {
    const title = `${client}-${count}`;
    const startedAt = performance.now();
    const outcome = await post(title);
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    outcomes.set(title, outcome);
    if (outcome !== "acknowledged") await Bun.sleep(50);
  }
}

async function post(title: string): Promise<Outcome> {
  try {
    const response = await fetch(`${server.url}/todo`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ title }),
      signal: AbortSignal.timeout(GIVE_UP_MS),
    });
    const { code } = (await response.json()) as { code?: string };
    if (response.ok) return "acknowledged";
    return code === "outcome_unknown" ? "unknown" : "refused";
  } catch {
    return "unknown";
  }
}

async function breakThings(until: number): Promise<void> {
  const kinds: Record<string, () => Promise<void>> = {
    "server killed": () => restart("SIGKILL"),
    "server stopped": () => restart("SIGTERM"),
    "configuration reloaded": async () => void process.kill(server.pid, "SIGHUP"),
    "plugin saved": () => folder.write({ "plugins/todo/run.ts": `${RUN}// ${crypto.randomUUID()}\n` }),
    ...(database === null ? {} : faultsOf(database)),
  };
  const names = Object.keys(kinds);
  for (let turn = 0; Date.now() < until; turn += 1) {
    const name = names[turn % names.length] ?? "";
    await kinds[name]?.();
    faults.set(name, (faults.get(name) ?? 0) + 1);
    const endedAt = performance.now();
    while ((await post(`after-${turn}-${performance.now()}`)) !== "acknowledged") await Bun.sleep(10);
    slowestHealingMs = Math.max(slowestHealingMs, performance.now() - endedAt);
    await Bun.sleep(CALM_MS);
  }
}

function faultsOf(privateServer: PrivateServer): Record<string, () => Promise<void>> {
  return {
    "database frozen for 3 s": async () => {
      privateServer.freeze();
      await Bun.sleep(3000);
      privateServer.thaw();
    },
    "database killed": async () => {
      await privateServer.kill();
      await privateServer.restart();
    },
  };
}

async function restart(signal: NodeJS.Signals): Promise<void> {
  process.kill(server.pid, signal);
  await server.stop();
  server = await start();
}

/** Lists what differs between what clients were told and what is there. */
async function audit(): Promise<string[]> {
  const { titles } = (await (await fetch(`${server.url}/todo`)).json()) as { titles: string[] };
  const there = new Set(titles);
  const found = titles.length === there.size ? [] : [`${titles.length - there.size} rows are doubled`];
  for (const title of there) {
    const twin = title.startsWith("also ") ? title.slice(5) : `also ${title}`;
    if (!there.has(twin)) found.push(`"${title}" is there without "${twin}"`);
  }
  for (const [title, outcome] of outcomes) {
    if (outcome === "acknowledged" && !there.has(title))
      found.push(`"${title}" was acknowledged and is lost`);
    if (outcome === "refused" && there.has(title)) found.push(`"${title}" was refused and is there`);
  }
  return found;
}

function report(): void {
  const told = [...outcomes.values()];
  const count = (outcome: Outcome): string => String(told.filter((one) => one === outcome).length);
  printTable(
    ["what", "measured"],
    [
      [
        "writes acknowledged / unknown / refused",
        `${count("acknowledged")} / ${count("unknown")} / ${count("refused")}`,
      ],
      ...[...faults].map(([name, times]) => [name, `${times} times`]),
      ["slowest answer", `${(slowestMs / 1000).toFixed(1)} s`],
      ["slowest first success after a fault", `${(slowestHealingMs / 1000).toFixed(2)} s`],
      ["memory at the start / end", `${startMb.toFixed(0)} / ${endMb.toFixed(0)} MB`],
      ["lost, half done, doubled or refused and made", String(wrong.length)],
    ],
  );
  for (const line of wrong.slice(0, 20)) process.stderr.write(`${line}\n`);
}
