/**
 * Rows that clients create over HTTP, one after another each, in a plugin's table on SQLite: with `database.durability`
 * at "full" and at "normal", and in an earlier executable beside them. Processor time tells more than the clock on a
 * machine that does other things too.
 *
 *   bun run build && bun bench/creates.ts [--before PATH] [--seconds 2] [--rounds 5] [--warmup 4]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Load, measureServer } from "./load.ts";
import { compareLoads, printTable } from "./report.ts";
import { type BenchServer, startWithNotes } from "./server.ts";

const { values } = parseArgs({
  options: {
    before: { type: "string" },
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    warmup: { type: "string", default: "4" },
  },
});
const [seconds, rounds, warmup] = [values.seconds, values.rounds, values.warmup].map(Number) as [
  number,
  number,
  number,
];

const CLIENTS = [1, 4, 16, 64];
const SCHEMA = `import { boolean, id, integer, table, timestamp, varchar } from "xcore/schema";

export const notes = table("notes", {
  id: id(),
  title: varchar(255).notNull(),
  views: integer().notNull().default(0),
  published: boolean().notNull().default(false),
  created_at: timestamp().notNull().defaultNow(),
});
`;
const ROUTER = `import { t } from "elysia";
import { createRouter, db } from "xcore";
import { notes } from "./schema.ts";

export default createRouter()
  .get("/", () => "ready")
  .post("/", async ({ body }) => (await db.insert(notes).values(body).returning())[0], {
    body: t.Object({ title: t.String({ maxLength: 255 }), views: t.Integer() }),
  });
`;
const BODY = { title: "A note that somebody has written", views: 3 };

const executable = resolve(import.meta.dir, "../dist/xcore");
const contenders = [
  ...(values.before === undefined ? [] : [["before", resolve(values.before), {}] as const]),
  ["full", executable, { durability: "full" }] as const,
  ["normal", executable, { durability: "normal" }] as const,
];

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const servers = new Map<string, BenchServer>();
try {
  for (const [name, program, database] of contenders) servers.set(name, await start(name, program, database));
  for (const [name] of contenders) await create(name, 64, warmup);
  for (const clients of CLIENTS) await compare(clients);
} finally {
  for (const server of servers.values()) await server.stop();
  await rm(folder, { recursive: true, force: true });
}

function start(name: string, program: string, database: object): Promise<BenchServer> {
  const config = { database };
  return startWithNotes(program, join(folder, name), {
    schema: SCHEMA,
    router: ROUTER,
    config,
    path: "/notes",
  });
}

/** The contenders take turns in each round, so that what the machine does besides falls on all of them alike. */
async function compare(clients: number): Promise<void> {
  const loads = new Map<string, Load[]>(contenders.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name] of contenders) loads.get(name)?.push(await create(name, clients, seconds));
  }
  const [base = []] = loads.values();
  console.log(`\n${clients} ${clients === 1 ? "client" : "clients"}\n`);
  printTable(
    ["durability", "creates/s", "ratio", "processor time a create", "ratio"],
    [...loads].map(([name, measured]) => [name, ...compareLoads(measured, base)]),
  );
}

function create(name: string, clients: number, forSeconds: number): Promise<Load> {
  const server = servers.get(name);
  if (server === undefined) throw new Error(`Cannot measure "${name}": it isn't running`);
  return measureServer(server, "/notes", { seconds: forSeconds, connections: clients, body: BODY });
}
