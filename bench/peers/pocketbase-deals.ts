import { Database } from "bun:sqlite";
import { COMPANIES, DEALS, STAGES } from "../deals.ts";
import { type AsAdmin, makePocketBase, type PocketBase } from "./pocketbase-program.ts";

const RECORDS = "/api/collections/deals/records";
const FILTER = encodeURIComponent("stage = 'won' && amount > 500");

/** 20 won deals of more than 500, the largest first, each with its company, and not counted. */
export const LISTED = `${RECORDS}?perPage=20&skipTotal=1&filter=${FILTER}&sort=-amount&expand=company`;

/** Makes a PocketBase with the same companies and deals, open to everybody, with the same index. */
export async function createPocketBaseOfDeals(): Promise<PocketBase> {
  const made = await makePocketBase(prepare);
  fill(made.file);
  return made;
}

async function prepare(asAdmin: AsAdmin): Promise<void> {
  const open = { type: "base", listRule: "", viewRule: "" };
  const companies = (await asAdmin("POST", "/api/collections", {
    ...open,
    name: "companies",
    fields: [
      { name: "name", type: "text", required: true, max: 200 },
      { name: "city", type: "text", max: 100 },
    ],
    indexes: ["create unique index companies_name on companies (name)"],
  })) as { id: string };
  await asAdmin("POST", "/api/collections", {
    ...open,
    name: "deals",
    fields: [
      { name: "title", type: "text", required: true, max: 200 },
      { name: "stage", type: "select", required: true, values: STAGES },
      { name: "amount", type: "number", required: true },
      { name: "company", type: "relation", required: true, maxSelect: 1, collectionId: companies.id },
      { name: "created_at", type: "date", required: true },
    ],
    indexes: ["create index deals_stage on deals (stage, amount)"],
  });
}

/** The rows that the plugin's `setup()` makes. */
function fill(file: string): void {
  const database = new Database(file);
  const stages = STAGES.map((stage) => `'${stage}'`).join(", ");
  database.run(`${toNumbers(COMPANIES)} insert into companies (id, name, city)
    select printf('c%014d', i + 1), 'Company ' || i, 'Paris' from n`);
  database.run(`${toNumbers(DEALS)}, stages as (select key, value from json_each(json_array(${stages})))
    insert into deals (id, title, stage, amount, company, created_at)
    select printf('d%014d', i + 1), 'Deal number ' || i, stages.value, i % 1000 + 0.5, printf('c%014d', 1 + i % ${COMPANIES}),
      '2026-01-02 03:04:05.000Z'
    from n join stages on stages.key = (i % 1000) % ${STAGES.length}`);
  database.close();
}

/** Of SQL: from 0 to the last before `end`. */
function toNumbers(end: number): string {
  return `with recursive n(i) as (select 0 union all select i + 1 from n where i < ${end - 1})`;
}
