/**
 * A resource of 100,000 deals of 10,000 companies on SQLite beside the same routes written by hand with drizzle, in one server:
 * a list of 20 with a filter, a sort and the company of each, and a create. Processor time tells more than the clock on a
 * machine that does other things too. With --peer the list is that of PocketBase too, with the same rows and index.
 *
 *   bun run build && bun bench/resources.ts [--seconds 2] [--rounds 5] [--warmup 3] [--peer]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Load, measureServer } from "./load.ts";
import { LAST_DEAL, RESOURCES, SCHEMA, SETUP } from "./deals.ts";
import { createPocketBaseOfDeals, LISTED as PEER_LISTED } from "./peers/pocketbase-deals.ts";
import { compareLoads, printTable } from "./report.ts";
import { type BenchServer, startWithNotes } from "./server.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    warmup: { type: "string", default: "3" },
    peer: { type: "boolean", default: false },
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

interface Scenario {
  readonly what: string;
  readonly routes: readonly Route[];
  readonly body?: object;
}

const DEALS_WON: Scenario = {
  what: "list 20: filter, sort, company",
  routes: [
    {
      name: "by hand",
      path: `/notes/by-hand?stage=won&above=500&${LISTED.replace("&expand=company", "")}`,
    },
    { name: "resource, filter", path: `/notes/deals?filter=${FILTER}&${LISTED}` },
    { name: "resource, parameters", path: `/notes/deals?stage=won&amount.gt=500&${LISTED}` },
  ],
};
const SCENARIOS: readonly Scenario[] = [
  DEALS_WON,
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

const ROUTER = `import { and, eq, gt, inArray } from "drizzle-orm";
import { t } from "elysia";
import { bodyOf, createRouter, db, page, pageOf, paginate, resource, rowOf } from "xcore";
import { companies, deals } from "./schema.ts";

${SETUP}
const Deal = rowOf(deals);
const DealWithCompany = t.Object({ ...Deal.properties, company: t.Nullable(rowOf(companies)) });

export default createRouter()
  ${RESOURCES}
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

/** A path of a server that is asked in turns with others. */
interface Contender {
  readonly name: string;
  readonly server: BenchServer;
  readonly path: string;
}

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
let server: BenchServer | null = null;
try {
  const program = resolve(import.meta.dir, "../dist/xcore");
  const options = { schema: SCHEMA, router: ROUTER, path: LAST_DEAL };
  const ours = (server = await startWithNotes(program, join(folder, "xcore"), options));
  const rows: string[][] = [];
  for (const { what, routes, body } of SCENARIOS) {
    if (body === undefined) await assertSame(ours, routes);
    const contenders = routes.map((route) => ({ ...route, server: ours }));
    rows.push(...(await compare(what, contenders, body)));
  }
  printTable(["what", "route", "requests/s", "ratio", "processor time a request", "ratio"], rows);
  if (values.peer) await comparePeer(ours);
} finally {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
}

/** The contenders take turns in each round, so that what the machine does besides falls on all of them alike. */
async function compare(what: string, contenders: readonly Contender[], body?: object): Promise<string[][]> {
  const loads = contenders.map((): Load[] => []);
  for (const { server: at, path } of contenders) await load(at, path, body, Number(values.warmup));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [index, { server: at, path }] of contenders.entries()) {
      loads[index]?.push(await load(at, path, body, Number(values.seconds)));
    }
  }
  const [base = []] = loads;
  return loads.map((measured, index) => [
    what,
    contenders[index]?.name ?? "",
    ...compareLoads(measured, base),
  ]);
}

async function comparePeer(ours: BenchServer): Promise<void> {
  const { what, routes } = DEALS_WON;
  const peer = await createPocketBaseOfDeals();
  const theirs = await peer.start(PEER_LISTED);
  try {
    const contenders = [
      { name: "PocketBase", server: theirs, path: PEER_LISTED },
      ...routes.map((route) => ({ ...route, server: ours })),
    ];
    const lists = contenders.map(async ({ server: { url }, path }) =>
      toShown(await (await fetch(url + path)).json()),
    );
    const [first, ...others] = await Promise.all(lists);
    if (others.some((list) => list !== first)) throw new Error(`They list others than PocketBase:\n${first}`);
    console.log("");
    printTable(
      ["what", "server", "requests/s", "ratio", "processor time a request", "ratio"],
      await compare(what, contenders),
    );
  } finally {
    await theirs.stop();
    await peer.remove();
  }
}

/** What of a list both have: PocketBase gives an amount as a number, and relations apart. */
function toShown(list: unknown): string {
  const { items } = list as { items: { amount: unknown; company: unknown; expand?: { company: unknown } }[] };
  const shown = items.map(({ amount, company, expand }) => {
    const { name } = (expand?.company ?? company) as { name: string };
    return { amount: Number(amount), hasCompany: name.startsWith("Company ") };
  });
  return JSON.stringify(shown);
}

function load(at: BenchServer, path: string, body: object | undefined, seconds: number): Promise<Load> {
  return measureServer(at, path, { seconds, connections: CLIENTS, body });
}

async function assertSame({ url }: BenchServer, routes: readonly Route[]): Promise<void> {
  const texts = await Promise.all(routes.map(async ({ path }) => (await fetch(url + path)).text()));
  if (new Set(texts).size > 1) throw new Error(`They don't answer the same:\n${texts.join("\n")}`);
}
