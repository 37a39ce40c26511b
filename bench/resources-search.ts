/**
 * `q` of a resource over 100,000 notes of some 30 words, with and without its index of words: how long a list of 20 with its total
 * takes, how many rows a second are written, and how large the SQLite file is.
 *
 *   bun run build && bun bench/resources-search.ts [--url postgresql://…] [--rounds 15] [--rows 100000]
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { median, printTable, toMs, toRate, toRatio } from "./report.ts";
import { type BenchServer, startWithNotes } from "./server.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "sqlite:app.db" },
    rounds: { type: "string", default: "15" },
    rows: { type: "string", default: "100000" },
  },
});
const ROWS = Number(values.rows);

const SCHEMA = `import { id, searchIndex, table, text, varchar } from "xcore/schema";

export const plain = table("notes_plain", { id: id(), title: varchar(200).notNull(), body: text() });
export const indexed = table("notes_indexed", { id: id(), title: varchar(200).notNull(), body: text() }, (t) => [
  searchIndex("notes_words").on(t.title, t.body),
]);
`;
// The n-th word of a language is as rare as n is large.
const ROUTER = `import { sql } from "drizzle-orm";
import { createRouter, db, resource } from "xcore";
import { indexed, plain } from "./schema.ts";

let state = 1;
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
const words = Array.from({ length: 20000 }, (_, n) => (n * 7919 + 123456).toString(36) + (n % 9 === 0 ? "é" : ""));
const write = (count) => Array.from({ length: count }, () => words[Math.floor(words.length ** random()) - 1]).join(" ");

const fill = async (table) => {
  const startedAt = performance.now();
  for (let first = 0; first < ${ROWS}; first += 1000)
    await db.insert(table).values(
      Array.from({ length: 1000 }, (_, n) => ({ title: "Note " + (first + n) + " " + write(4), body: write(26) })),
    );
  return { ms: performance.now() - startedAt };
};

const options = { permission: null, search: ["title", "body"] };
export default createRouter()
  .get("/", () => "ready")
  .post("/fill-plain", () => fill(plain))
  .post("/fill-indexed", () => fill(indexed))
  .post("/analyze", () => db.execute(sql.raw(${JSON.stringify(toAnalyze(values.url))})).then(() => "done"))
  .use(resource(plain, { ...options, path: "plain" }))
  .use(resource(indexed, { ...options, path: "indexed", searchIndex: true }));
`;
/** Words of the 20,000: the first ones are in most rows. */
const word = (n: number): string => (n * 7919 + 123_456).toString(36);
const SEARCHES = [
  ["a word of a few rows", `q=${word(15_001)}`],
  ["a word of 1 in 100 rows", `q=${word(401)}`],
  ["a word of most rows", `q=${word(1)}`],
  ["a word of most rows, without the total", `q=${word(1)}&total=false`],
  ["two words", `q=${word(401)} ${word(1)}`],
  ["no such word", "q=xyzxyz"],
] as const;

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
const project = join(folder, "xcore");
const program = resolve(import.meta.dir, "../dist/xcore");
try {
  const config = { database: { url: values.url, statement_timeout: 300 } };
  const server = await startWithNotes(program, project, {
    schema: SCHEMA,
    router: ROUTER,
    config,
    path: "/notes/",
  });
  try {
    const rates = { plain: await fill(server, "plain"), indexed: await fill(server, "indexed") };
    await fetch(`${server.url}/notes/analyze`, { method: "POST" });
    const rows: string[][] = [];
    for (const [what, query] of SEARCHES) {
      const [without, found] = await measure(server, `plain?${query}`);
      const [withIndex, same] = await measure(server, `indexed?${query}`);
      rows.push([what, found, same, toMs(without), toMs(withIndex), toRatio(without / withIndex)]);
    }
    printTable(["q", "found without", "found with", "without", "with", "ratio"], rows);
    printTable(
      ["written", "without", "with"],
      [
        ["rows/s", toRate(rates.plain.rate), toRate(rates.indexed.rate)],
        ["the SQLite file grows by", rates.plain.size, rates.indexed.size],
      ],
    );
  } finally {
    await server.stop();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function fill(
  server: BenchServer,
  name: string,
): Promise<{ readonly rate: number; readonly size: string }> {
  const before = await sizeOf();
  const { ms } = (await (await fetch(`${server.url}/notes/fill-${name}`, { method: "POST" })).json()) as {
    ms: number;
  };
  return { rate: (ROWS / ms) * 1000, size: `${Math.round(((await sizeOf()) - before) / 1e6)} MB` };
}

async function sizeOf(): Promise<number> {
  const sizes = ["", "-wal"].map(
    async (end) => (await stat(join(project, `app.db${end}`)).catch(() => null))?.size ?? 0,
  );
  return (await Promise.all(sizes)).reduce((sum, one) => sum + one, 0);
}

/** How long a list takes in ms, and how many rows it has. */
async function measure(server: BenchServer, path: string): Promise<[ms: number, found: string]> {
  const times: number[] = [];
  let found: unknown;
  for (let round = 0; round <= Number(values.rounds); round += 1) {
    const startedAt = performance.now();
    const response = await fetch(`${server.url}/notes/${path.replaceAll(" ", "%20")}&per_page=20`);
    const page = (await response.json()) as { total: number | null; items: readonly unknown[] };
    if (response.status !== 200) throw new Error(JSON.stringify(page));
    found = page.total ?? page.items.length;
    if (round > 0) times.push(performance.now() - startedAt);
  }
  return [median(times), String(found)];
}

/** What a database that is up for longer does by itself. */
function toAnalyze(url: string): string {
  if (url.startsWith("postgres")) return "vacuum analyze";
  return url.startsWith("sqlite") ? "analyze" : "analyze table notes_plain, notes_indexed";
}
