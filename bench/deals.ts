/** Deals of companies: the tables that resources are measured with, and their rows. */

export const COMPANIES = 10_000;
export const DEALS = 100_000;
export const STAGES = ["open", "won", "lost"];

/** Of the plugin `notes`: its `schema.ts`. */
export const SCHEMA = `import { decimal, enumOf, id, index, references, table, timestamp, varchar } from "xcore/schema";

export const companies = table("notes_companies", { id: id(), name: varchar(200).notNull().unique(), city: varchar(100) });

export const deals = table(
  "notes_deals",
  {
    id: id(),
    title: varchar(200).notNull(),
    stage: enumOf(${JSON.stringify(STAGES)}).notNull().default("open"),
    amount: decimal(15, 2).notNull(),
    company_id: references(() => companies.id).notNull(),
    created_at: timestamp().notNull().defaultNow(),
  },
  (deal) => [index("notes_deals_stage").on(deal.stage, deal.amount)],
);
`;

/** Of its `run.ts`: what makes the rows, and the resources. It takes `db` and `resource` of "xcore", and both tables. */
export const SETUP = `export async function setup() {
  if ((await db.$count(deals)) > 0) return;
  for (let first = 0; first < ${COMPANIES}; first += 1000)
    await db.insert(companies).values(Array.from({ length: 1000 }, (_, n) => ({ name: "Company " + (first + n), city: "Paris" })));
  for (let first = 0; first < ${DEALS}; first += 1000)
    await db.insert(deals).values(
      Array.from({ length: 1000 }, (_, n) => ({
        title: "Deal number " + (first + n),
        stage: ${JSON.stringify(STAGES)}[n % 3],
        amount: ((first + n) % 1000) + ".50",
        company_id: 1 + ((first + n) % ${COMPANIES}),
      })),
    );
}
`;
export const RESOURCES = `.use(resource(companies, { path: "companies", permission: null }))
  .use(resource(deals, { path: "deals", permission: null, expand: ["company"] }))`;
/** Where the last of the deals is, once all are there. */
export const LAST_DEAL = `/notes/deals/${DEALS}`;
