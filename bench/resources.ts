/**
 * A resource of 100,000 deals of 10,000 companies on SQLite beside the same routes written by hand with drizzle, in one server:
 * a list of 20 with a filter, a sort and the company of each, and a create. Processor time tells more than the clock on a
 * machine that does other things too.
 *
 *   bun run build && bun bench/resources.ts [--seconds 2] [--rounds 5] [--warmup 3]
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
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    warmup: { type: "string", default: "3" },
  },
});

const CLIENTS = 32;
const FILTER = encodeURIComponent('stage = "won" && amount > 500');
const LISTED = "sort=-amount&expand=company&total=false";
const NEW = { title: "A new deal", amount: "12.50", company_id: 77 };

interface Route {
  readonly name: string;
  readonly path: string;
}

const SCENARIOS: readonly {
  readonly what: string;
  readonly routes: readonly Route[];
  readonly body?: object;
}[] = [
  {
    what: "list 20: filter, sort, company",
    routes: [
      {
        name: "by hand",
        path: `/notes/by-hand?stage=won&above=500&${LISTED.replace("&expand=company", "")}`,
      },
      { name: "resource, filter", path: `/notes/deals?filter=${FILTER}&${LISTED}` },
      { name: "resource, parameters", path: `/notes/deals?stage=won&amount.gt=500&${LISTED}` },
    ],
  },
  {
    what: "list 20",
    routes: [
      { name: "by hand", path: "/notes/by-hand/plain?total=false" },
      { name: "resource", path: "/notes/deals?total=false" },
    ],
  },
  {
    what: "create",
    body: NEW,
    routes: [
      { name: "by hand", path: "/notes/by-hand" },
      { name: "resource", path: "/notes/deals" },
    ],
  },
];

const SCHEMA = `import { decimal, enumOf, id, index, references, table, timestamp, varchar } from "xcore/schema";

export const companies = table("notes_companies", { id: id(), name: varchar(200).notNull(), city: varchar(100) });

export const deals = table(
  "notes_deals",
  {
    id: id(),
    title: varchar(200).notNull(),
    stage: enumOf(["open", "won", "lost"]).notNull().default("open"),
    amount: decimal(15, 2).notNull(),
    company_id: references(() => companies.id).notNull(),
    created_at: timestamp().notNull().defaultNow(),
  },
  (deal) => [index("notes_deals_stage").on(deal.stage, deal.amount)],
);
`;
const ROUTER = `import { and, eq, gt, inArray } from "drizzle-orm";
import { t } from "elysia";
import { bodyOf, createRouter, db, page, pageOf, paginate, resource, rowOf } from "xcore";
import { companies, deals } from "./schema.ts";

export async function setup() {
  for (let first = 0; first < 10_000; first += 1000)
    await db.insert(companies).values(Array.from({ length: 1000 }, (_, n) => ({ name: "Company " + (first + n), city: "Paris" })));
  for (let first = 0; first < 100_000; first += 1000)
    await db.insert(deals).values(
      Array.from({ length: 1000 }, (_, n) => ({
        title: "Deal number " + (first + n),
        stage: ["open", "won", "lost"][n % 3],
        amount: ((first + n) % 1000) + ".50",
        company_id: 1 + ((first + n) % 10_000),
      })),
    );
}

const Deal = rowOf(deals);
const DealWithCompany = t.Object({ ...Deal.properties, company: t.Nullable(rowOf(companies)) });

export default createRouter()
  .use(resource(companies, { path: "companies", permission: null }))
  .use(resource(deals, { path: "deals", permission: null, expand: ["company"] }))
  .get("/by-hand", async ({ query }) => {
    const { stage, above, ...asked } = query;
    const wanted = and(eq(deals.stage, stage), gt(deals.amount, above));
    const found = await paginate(db.select().from(deals).where(wanted), asked, { sort: ["amount", "title"] });
    const ids = [...new Set(found.items.map((deal) => deal.company_id))];
    const of = ids.length === 0 ? [] : await db.select().from(companies).where(inArray(companies.id, ids));
    const byId = new Map(of.map((company) => [company.id, company]));
    return { ...found, items: found.items.map((deal) => ({ ...deal, company: byId.get(deal.company_id) ?? null })) };
  }, {
    query: t.Object({ ...page.properties, stage: Deal.properties.stage, above: t.String() }),
    response: pageOf(DealWithCompany),
    optionalAuth: true,
  })
  .get("/by-hand/plain", ({ query }) => paginate(db.select().from(deals), query), { query: page, response: pageOf(Deal), optionalAuth: true })
  .post("/by-hand", async ({ body, set }) => {
    const [deal] = await db.insert(deals).values(body).returning();
    set.status = 201;
    return deal;
  }, { body: bodyOf(deals), response: { 201: Deal }, optionalAuth: true });
`;

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
let server: BenchServer | null = null;
try {
  const program = resolve(import.meta.dir, "../dist/xcore");
  const options = { schema: SCHEMA, router: ROUTER, path: "/notes/deals/100000" };
  server = await startWithNotes(program, join(folder, "xcore"), options);
  const rows: string[][] = [];
  for (const scenario of SCENARIOS) rows.push(...(await compare(server, scenario)));
  printTable(["what", "route", "requests/s", "ratio", "processor time a request", "ratio"], rows);
} finally {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
}

/** The routes take turns in each round, so that what the machine does besides falls on all of them alike. */
async function compare(
  at: BenchServer,
  { what, routes, body }: (typeof SCENARIOS)[number],
): Promise<string[][]> {
  if (body === undefined) await assertSame(at, routes);
  const loads = routes.map((): Load[] => []);
  for (const { path } of routes) await load(at, path, body, Number(values.warmup));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [index, { path }] of routes.entries()) {
      loads[index]?.push(await load(at, path, body, Number(values.seconds)));
    }
  }
  const [base = []] = loads;
  return loads.map((measured, index) => [what, routes[index]?.name ?? "", ...compareLoads(measured, base)]);
}

function load(at: BenchServer, path: string, body: object | undefined, seconds: number): Promise<Load> {
  return measureServer(at, path, { seconds, connections: CLIENTS, body });
}

async function assertSame({ url }: BenchServer, routes: readonly Route[]): Promise<void> {
  const texts = await Promise.all(routes.map(async ({ path }) => (await fetch(url + path)).text()));
  if (new Set(texts).size > 1) throw new Error(`They don't answer the same:\n${texts.join("\n")}`);
}
