/** SQLite through `db` against bun:sqlite by hand and drizzle's own driver; see README.md beside this file. */
import { Database as BunDatabase } from "bun:sqlite";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { asc, eq, gt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import { type BaseSQLiteDatabase, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import pino from "pino";
import type { Driver } from "../src/db/contract/driver.ts";
import { openSqlite } from "../src/db/sqlite/driver.ts";
import { median, printTable, toMs, toRate, toRatio } from "./report.ts";

const ROWS = 100_000;
const FEW_ROWS = 1_000;
const ROUNDS = 31;
const ROUND_MS = 50;
const TRANSACTIONS = 1_000;
const INSERTS = 1_000;

const columns = {
  id: integer().primaryKey(),
  title: text().notNull(),
  views: integer().notNull(),
  isPublished: integer("is_published", { mode: "boolean" }).notNull(),
  createdAt: integer("created_at", { mode: "timestamp_ms" }).notNull(),
};
const articles = sqliteTable("articles", columns);
const fewArticles = sqliteTable("few_articles", columns);

type Operation = (n: number) => unknown;
/** Both kinds answer to these builders; xcore's are typed as Postgres's where plugins see them. */
type Queries = Pick<BaseSQLiteDatabase<"async", unknown>, "select" | "insert">;

const log = pino({ level: "silent" });
const directory = await mkdtemp(join(tmpdir(), "xcore-bench-"));
try {
  await run(join(directory, "bench.db"));
} finally {
  await rm(directory, { recursive: true });
}

async function run(file: string): Promise<void> {
  const driver = await openSqlite({ file, durability: "normal", log, echo: false });
  const client = new BunDatabase(file);
  // The settings that db has too.
  for (const setting of ["synchronous = normal", "foreign_keys = on", "cache_size = -16384"]) {
    client.run(`pragma ${setting}`);
  }
  fill(client);
  const db = driver.toDatabase({ articles, fewArticles });
  const ours = db as unknown as Queries;
  const drizzles = drizzle(client) as unknown as Queries;

  await compareWithHand(client, ours, drizzles);
  await compareSizes(ours);
  await runTransactions(driver);
  client.close();
  await driver.close();
  await runInserts(file);
}

function fill(client: BunDatabase): void {
  for (const [table, rows] of [
    ["articles", ROWS],
    ["few_articles", FEW_ROWS],
  ] as const) {
    client.run(
      `create table ${table} (id integer primary key, title text not null, views integer not null, is_published integer not null, created_at integer not null)`,
    );
    client.run(
      `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
       insert into ${table} select i, 'Article number ' || i, i * 7 % 1000, i % 2, 1700000000000 + i from n`,
    );
  }
  client.run("create table counters (id integer primary key, value integer not null)");
}

/** The contenders take turns in each round, so that what the machine does besides hits all of them. */
async function compareWithHand(client: BunDatabase, ours: Queries, drizzles: Queries): Promise<void> {
  const byHand = operationsByHand(client);
  const contenders = {
    byHand,
    ours: preparedOperations(ours),
    drizzles: preparedOperations(drizzles),
    oursAdHoc: adHocOperations(ours),
    drizzlesAdHoc: adHocOperations(drizzles),
  };
  const rows: string[][] = [];
  for (const name of ["select by id", "list 20", "insert"] as const) {
    const rates = await measure(
      Object.fromEntries(Object.entries(contenders).map(([who, operations]) => [who, operations[name]])),
    );
    const ratio = (a: string, b: string) => toRatio(medianRatio(rates, a, b));
    rows.push(
      [
        `${name}, prepared`,
        toMedianRate(rates["byHand"]),
        toMedianRate(rates["ours"]),
        ratio("ours", "byHand"),
        ratio("ours", "drizzles"),
      ],
      [
        `${name}, ad hoc`,
        "",
        toMedianRate(rates["oursAdHoc"]),
        ratio("oursAdHoc", "byHand"),
        ratio("oursAdHoc", "drizzlesAdHoc"),
      ],
    );
  }
  printTable(["operation", "by hand/s", "db/s", "of by hand", "of drizzle's driver"], rows);
}

type Operations = Record<"select by id" | "list 20" | "insert", Operation>;

function operationsByHand(client: BunDatabase): Operations {
  const get = client.prepare("select id, title, views, is_published, created_at from articles where id = ?");
  const list = client.prepare(
    "select id, title, views, is_published, created_at from articles where id > ? order by id limit 20",
  );
  const insert = client.prepare(
    "insert into articles (title, views, is_published, created_at) values (?, ?, ?, ?)",
  );
  return {
    "select by id": (n) => get.get(toId(n)),
    "list 20": (n) => list.all(toId(n)),
    insert: (n) => insert.run("A new article", n, 1, Date.now()),
  };
}

function preparedOperations(db: Queries): Operations {
  const get = db
    .select()
    .from(articles)
    .where(eq(articles.id, sql.placeholder("id")))
    .prepare();
  const list = db
    .select()
    .from(articles)
    .where(gt(articles.id, sql.placeholder("after")))
    .orderBy(asc(articles.id))
    .limit(20)
    .prepare();
  const insert = db
    .insert(articles)
    .values({
      title: sql.placeholder("title"),
      views: sql.placeholder("views"),
      isPublished: sql.placeholder("isPublished"),
      createdAt: sql.placeholder("createdAt"),
    })
    .prepare();
  return {
    "select by id": (n) => settle(get.execute({ id: toId(n) })),
    "list 20": (n) => settle(list.execute({ after: toId(n) })),
    insert: (n) =>
      settle(insert.execute({ title: "A new article", views: n, isPublished: true, createdAt: new Date() })),
  };
}

/** Drizzle's own driver for bun:sqlite answers synchronously to prepared queries. */
function settle(result: unknown): unknown {
  return hasSync(result) ? result.sync() : result;
}

function hasSync(result: unknown): result is { sync(): unknown } {
  return typeof result === "object" && result !== null && "sync" in result;
}

function adHocOperations(db: Queries): Operations {
  return {
    "select by id": (n) =>
      db
        .select()
        .from(articles)
        .where(eq(articles.id, toId(n))),
    "list 20": (n) =>
      db
        .select()
        .from(articles)
        .where(gt(articles.id, toId(n)))
        .orderBy(asc(articles.id))
        .limit(20),
    insert: (n) =>
      db
        .insert(articles)
        .values({ title: "A new article", views: n, isPublished: true, createdAt: new Date() }),
  };
}

function toId(n: number): number {
  return ((n * 7919) % (ROWS - 20)) + 1;
}

/** Operations a second of each contender, one figure a round. */
async function measure(contenders: Record<string, Operation>): Promise<Record<string, number[]>> {
  const rates: Record<string, number[]> = Object.fromEntries(
    Object.keys(contenders).map((name) => [name, []]),
  );
  for (const operation of Object.values(contenders)) await measureOnce(operation);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, operation] of Object.entries(contenders)) {
      rates[name]?.push(await measureOnce(operation));
    }
  }
  return rates;
}

async function measureOnce(operation: Operation): Promise<number> {
  const startedAt = performance.now();
  let count = 0;
  let tookMs = 0;
  do {
    for (let n = 0; n < 50; n += 1) {
      const result = operation(count);
      // Awaiting what is no promise would cost the synchronous contenders a microtask.
      if (result instanceof Promise || isThenable(result)) await result;
      count += 1;
    }
    tookMs = performance.now() - startedAt;
  } while (tookMs < ROUND_MS);
  return (count / tookMs) * 1000;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

function medianRatio(rates: Record<string, number[]>, a: string, b: string): number {
  const [ours = [], others = []] = [rates[a], rates[b]];
  return median(ours.map((rate, round) => rate / (others[round] ?? Number.NaN)));
}

function toMedianRate(rates: readonly number[] | undefined): string {
  return toRate(median(rates ?? []));
}

async function compareSizes(db: Queries): Promise<void> {
  const list = (table: typeof articles | typeof fewArticles, rows: number): Operation => {
    const query = db
      .select()
      .from(table)
      .where(gt(table.id, sql.placeholder("after")))
      .orderBy(asc(table.id))
      .limit(20)
      .prepare();
    return (n) => query.execute({ after: (n * 7919) % (rows - 20) });
  };
  const rates = await measure({
    few: list(fewArticles, FEW_ROWS),
    many: list(articles, ROWS),
  });
  console.log("");
  printTable(
    ["list 20 by primary key", "queries/s", "ratio"],
    [
      [`of ${FEW_ROWS.toLocaleString("en")} rows`, toMedianRate(rates["few"]), "1.00"],
      [
        `of ${ROWS.toLocaleString("en")} rows`,
        toMedianRate(rates["many"]),
        toRatio(medianRatio(rates, "many", "few")),
      ],
    ],
  );
}

/** Each reads the number of rows and inserts it as the next row's value: in order, these are 0, 1, 2, … */
async function runTransactions(driver: Driver): Promise<void> {
  const counters = sqliteTable("counters", {
    id: integer().primaryKey(),
    value: integer().notNull(),
  });
  const db = driver.toDatabase({ counters });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedAt = performance.now();
  const finished: number[] = [];
  await Promise.all(
    Array.from({ length: TRANSACTIONS }, (_, n) =>
      db.transaction(async (transaction) => {
        const tx = transaction as unknown as Queries;
        const before = await tx.select({ value: sql<number>`count(*)` }).from(counters);
        await Promise.resolve();
        await tx.insert(counters).values({ id: n + 1, value: before[0]?.value ?? -1 });
        finished.push(n);
      }),
    ),
  );
  const tookMs = performance.now() - startedAt;
  delay.disable();
  const rows = await db.execute<{ id: number; value: number }>(
    sql`select id, value from counters order by id`,
  );
  const isInOrder =
    finished.every((n, index) => n === index) && rows.every(({ id, value }) => id === value + 1);
  console.log("");
  printTable(
    [`${TRANSACTIONS.toLocaleString("en")} transactions at once`, "measured"],
    [
      ["committed", String(rows.length)],
      ["in order", isInOrder ? "yes" : "NO"],
      ["all of them", toMs(tookMs)],
      ["event-loop delay, median", toMs(delay.percentile(50) / 1e6)],
      ["event-loop delay, p99", toMs(delay.percentile(99) / 1e6)],
      ["event-loop delay, longest", toMs(delay.max / 1e6)],
    ],
  );
}

/** Every one waits for the disk, with "full" as a server has it. */
async function runInserts(file: string): Promise<void> {
  const driver = await openSqlite({ file, log, echo: false });
  const db = driver.toDatabase({ articles }) as unknown as Queries;
  const rows: string[][] = [];
  for (let round = 1; round <= 5; round += 1) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: INSERTS }, (_, n) =>
        db
          .insert(articles)
          .values({ title: "A new article", views: n, isPublished: true, createdAt: new Date() })
          .returning(),
      ),
    );
    const tookMs = performance.now() - startedAt;
    delay.disable();
    rows.push([String(round), toMs(tookMs), toMs(delay.percentile(99) / 1e6), toMs(delay.max / 1e6)]);
  }
  await driver.close();
  console.log("");
  printTable(
    [`${INSERTS.toLocaleString("en")} inserts at once`, "all of them", "event-loop delay, p99", "longest"],
    rows,
  );
}
