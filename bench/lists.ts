/**
 * Pages of 20 of 100,000 rows that clients read over HTTP from a plugin's table on SQLite, and one row: with an earlier
 * executable beside it, whose answers must have the same bytes. Processor time tells more than the clock on a machine
 * that does other things too.
 *
 *   bun run build && bun bench/lists.ts [--before PATH] [--seconds 2] [--rounds 5] [--warmup 3]
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
    warmup: { type: "string", default: "3" },
  },
});

const CLIENTS = 64;
const LISTS = [
  ["list 20, without the total", "/notes/?total=false"],
  ["list 20, with the total of all", "/notes/"],
  ["list 20, sorted by time", "/notes/?total=false&sort=-created_at"],
  ["list 20 that a condition picks", "/notes/published?total=false"],
  ["list 20 with a response schema", "/notes/typed?total=false"],
  ["one row", "/notes/5"],
] as const;

const SCHEMA = `import { boolean, id, index, integer, table, timestamp, varchar } from "xcore/schema";

export const notes = table(
  "notes",
  {
    id: id(),
    title: varchar(255).notNull(),
    views: integer().notNull(),
    published: boolean().notNull(),
    created_at: timestamp().notNull(),
  },
  (t) => [index("notes_created").on(t.created_at)],
);
`;
const ROUTER = `import { eq } from "drizzle-orm";
import { t } from "elysia";
import { createRouter, db, page, paginate } from "xcore";
import { notes } from "./schema.ts";

const Note = t.Object({
  id: t.Integer(), title: t.String(), views: t.Integer(), published: t.Boolean(), created_at: t.Date(),
});
const Notes = t.Object({
  items: t.Array(Note), page: t.Integer(), per_page: t.Integer(), total: t.Nullable(t.Integer()),
});

export async function setup() {
  for (let first = 0; first < 100_000; first += 1000) {
    const rows = Array.from({ length: 1000 }, (_, n) => ({
      title: \`Note number \${first + n} with a title\`,
      views: n,
      published: n % 2 === 0,
      created_at: new Date(1.7e12 + (first + n) * 61_234),
    }));
    await db.insert(notes).values(rows);
  }
}

export default createRouter()
  .get("/", ({ query }) => paginate(db.select().from(notes), query), { query: page })
  .get("/published", ({ query }) => paginate(db.select().from(notes).where(eq(notes.published, true)), query), {
    query: page,
  })
  .get("/typed", ({ query }) => paginate(db.select().from(notes), query), { query: page, response: Notes })
  .get("/:id", async ({ params }) => (await db.select().from(notes).where(eq(notes.id, params.id)))[0], {
    params: t.Object({ id: t.Integer() }),
  });
`;

const contenders = [
  ...(values.before === undefined ? [] : [["before", resolve(values.before)] as const]),
  ["xcore", resolve(import.meta.dir, "../dist/xcore")] as const,
];
const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const servers: BenchServer[] = [];
try {
  for (const [name, program] of contenders) servers.push(await start(name, program));
  const rows: string[][] = [];
  for (const [what, path] of LISTS) rows.push(...(await compare(what, path)));
  printTable(["what", "server", "requests/s", "ratio", "processor time a request", "ratio"], rows);
} finally {
  for (const server of servers) await server.stop();
  await rm(folder, { recursive: true, force: true });
}

function start(name: string, program: string): Promise<BenchServer> {
  const options = { schema: SCHEMA, router: ROUTER, path: "/notes/100000" };
  return startWithNotes(program, join(folder, name), options);
}

/** The contenders take turns in each round, so that what the machine does besides falls on all of them alike. */
async function compare(what: string, path: string): Promise<string[][]> {
  const texts = await Promise.all(servers.map(async ({ url }) => (await fetch(url + path)).text()));
  // An earlier one may have no cursor yet.
  if (new Set(texts.map((text) => text.replace(/,"next":"[^"]*"/, ""))).size > 1)
    throw new Error(`${what} isn't answered with the same bytes:\n${texts.join("\n")}`);
  const loads = servers.map((): Load[] => []);
  for (const server of servers) await read(server, path, Number(values.warmup));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [index, server] of servers.entries()) {
      loads[index]?.push(await read(server, path, Number(values.seconds)));
    }
  }
  const [base = []] = loads;
  return loads.map((measured, index) => [
    what,
    contenders[index]?.[0] ?? "",
    ...compareLoads(measured, base),
  ]);
}

function read(server: BenchServer, path: string, seconds: number): Promise<Load> {
  return measureServer(server, path, { seconds, connections: CLIENTS });
}
