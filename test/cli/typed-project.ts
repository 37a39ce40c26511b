import { join } from "node:path";
import type { Files, TestFolder } from "../setup.ts";

const TSC = join(import.meta.dir, "../../node_modules/typescript/bin/tsc");

/** Plugins that use everything whose types come from the executable. */
export const TYPED_PLUGINS: Files = {
  "plugins/erp_core/plugin.json": { name: "erp_core", version: "1.0.0", entry: "main.ts" },
  "plugins/erp_core/main.ts": `
import { t } from "elysia";
import { config, createRouter, hooks } from "xcore";
export const settings = t.Object({ currency: t.String({ default: "EUR" }), since: t.Optional(t.Date()) });
export const currency: string = config.currency;
export interface Company { id: number; name: string }
declare module "xcore" { interface HookEvents { "company.created": Company } }
export const findCompany = async (id: number): Promise<Company> => ({ id, name: "Acme" });
hooks.on("company.created", ({ data }) => data.name.trim());
export default createRouter().get("/", () => ({ currency: config.currency.toLowerCase(), year: config.since?.getFullYear() }));
`,
  "plugins/erp_core/schema.ts": `
import { id, table, varchar } from "xcore/schema";
export const companies = table("erp_companies", { id: id(), name: varchar(255).notNull() });
`,
  "plugins/crm/plugin.json": {
    name: "crm",
    version: "1.0.0",
    entry: "run.tsx",
    dependencies: { erp_core: "^1.0.0" },
  },
  "plugins/crm/schema.ts": `
import { companies } from "plugin:erp_core";
import { decimal, id, references, table, timestamp, users, varchar } from "xcore/schema";
export const deals = table("crm_deals", {
  id: id(),
  title: varchar(255).notNull(),
  amount: decimal(15, 2),
  company_id: references(() => companies.id).notNull(),
  owner_id: references(() => users.id).notNull(),
  created_at: timestamp().notNull().defaultNow(),
});
`,
  "plugins/crm/settings.ts": `
import { t } from "elysia";
export const settings = t.Object({ max_deals: t.Integer({ default: 10 }), mail: t.Object({ host: t.String() }) });
`,
  "plugins/crm/run.tsx": `
import { readFile } from "node:fs/promises";
import { html } from "@elysiajs/html";
import { Type } from "@sinclair/typebox";
import { and, eq, sql } from "drizzle-orm";
import { t } from "elysia";
import { type Static, Type as Strict } from "typebox";
import { AppError, auth, cli, config, createRouter, db, hooks, log, page, paginate, users } from "xcore";
import { type Company, companies, findCompany } from "plugin:erp_core";
import { deals } from "./schema.ts";

const Page = ({ company }: { company: Company }) => <main class="p-4"><h1 safe>{company.name}</h1></main>;
export const price = Type.Number();
const strict = Strict.Object({ rate: Strict.Number() });
export const rate: Static<typeof strict>["rate"] = 20;
export const limit: number = config.max_deals + config.mail.host.length;
cli.command("import <in-file> [format] [others...]", "Import deals", ({ inFile, format, others, dryRun, limit }) =>
  [inFile.trim(), format?.trim(), others.length, dryRun === true, limit?.trim()], {
  options: { "--dry-run": "Nothing", "-l, --limit <n>": "How many" },
});
cli.command("recount", "Count again", async () => {});
export const unheard: unknown = config.anything;

export default createRouter()
  .use(html())
  .get("/", ({ query }) => paginate(db.select().from(deals), query), { query: page })
  .get("/:id", async ({ params }) => <Page company={await findCompany(params.id)} />, {
    params: t.Object({ id: t.Integer() }),
  })
  .post("/", async ({ body, user, request }) => {
    const company = await db.select().from(companies).where(and(eq(companies.id, body.company_id), sql\`1 = 1\`));
    const [found] = company;
    if (!found) throw new AppError("not_found", 404, "Cannot find the company: it is gone");
    const [deal] = await db.insert(deals).values({ ...body, owner_id: user.id }).returning();
    await hooks.emit("company.created", found);
    log.info({ deal: deal?.created_at.toISOString(), email: user.email, config }, "made");
    const owner = await users.find(user.id);
    return { owner: owner?.email, may: auth.hasPermission(request, "deals:read") };
  }, { permission: "deals:write", body: t.Object({ title: t.String(), company_id: t.Integer() }) });

export async function setup(): Promise<string> {
  return (await readFile(import.meta.path, "utf8")) + Bun.version;
}
`,
  "plugins/crm/crm.test.ts": `
import { expect, test } from "bun:test";
import { createTestHost } from "xcore/testing";
test("crm", async () => {
  await using host = await createTestHost({ plugins: ["./plugins/crm"] });
  const { headers } = await host.createUser({ permissions: ["deals:read"] });
  expect((await host.fetch("/crm", { headers })).status).toBe(200);
});
`,
  "plugins/ping.ts": `
import { createRouter } from "xcore";
export const PLUGIN_INFO = { name: "ping", version: "1.0.0" };
export default createRouter().get("/", ({ user }) => user.email, { auth: true });
`,
};

/** A plugin with a mistake in each line, and what the compiler says of it. */
export const MISTAKES: readonly [code: string, error: RegExp][] = [
  [`import { hoks } from "xcore";`, /no exported member named 'hoks'. Did you mean 'hooks'\?/],
  [`import { cli, config, createRouter, db, hooks } from "xcore";`, /^$/],
  [`import { eq } from "drizzle-orm";`, /^$/],
  [`import { companies, findCompanies } from "plugin:erp_core";`, /no exported member named 'findCompanies'/],
  [`import { pgTable } from "drizzle-orm/pg-core";`, /Cannot find module 'drizzle-orm\/pg-core'/],
  [`export const a = db.select().from(companies).where(eq(companies.nmae, ""));`, /'nmae' does not exist/],
  [`export const b = createRouter().get("/", ({ user }) => user);`, /'user' does not exist/],
  [`export const c = createRouter().get("/", ({ user }) => user.nope, { auth: true });`, /'nope' does not/],
  [
    `export const o = createRouter().get("/", ({ user }) => user.email, { optionalAuth: true });`,
    /'user' is possibly 'null'/,
  ],
  [`export const d = hooks.emit("company.created", { id: "1", name: "x" });`, /'string' is not assignable/],
  [`export const e = <main clas="x" />;`, /'\{ clas: string; \}' is not assignable/],
  [
    `export const g: number = config.currency; export const i = config.max_deals * 2;`,
    /'string' is not assignable/,
  ],
  [`export const h: string = config.curency;`, /'unknown' is not assignable/],
  [`cli.command("a <file>", "", ({ fiel }) => fiel);`, /'fiel' does not exist/],
  [`cli.command("a [file]", "", ({ file }) => file.length);`, /'file' is possibly 'undefined'/],
  [`export const f: string = Bun.file("x").size;`, /'number' is not assignable to type 'string'/],
];

/** Runs TypeScript over a project as an editor does; returns its errors by "file:line". */
export async function checkTypes(folder: TestFolder): Promise<Map<string, string>> {
  const child = Bun.spawn([process.execPath, TSC, "--noEmit", "-p", "."], {
    cwd: folder.path,
    stdout: "pipe",
  });
  const output = await new Response(child.stdout).text();
  const errors = output.matchAll(/^(\S[^(\n]*)\((\d+),\d+\): error (.+)$/gm);
  const found = new Map([...errors].map(([, file, line, text = ""]) => [`${file}:${line}`, text]));
  if (((await child.exited) === 0) !== (found.size === 0))
    throw new Error(`Cannot check the types: ${output}`);
  return found;
}

/** Expects of a project with `MISTAKES` in `plugins/wrong.tsx` that each is found, and nothing else is. */
export function findUnexpected(errors: ReadonlyMap<string, string>): string[] {
  const expected = new Map(MISTAKES.map(([, error], index) => [`plugins/wrong.tsx:${index + 1}`, error]));
  const places = new Set([...errors.keys(), ...expected.keys()]);
  return [...places].flatMap((place) => {
    const text = errors.get(place) ?? "";
    return expected.get(place)?.test(text) === true ? [] : [`${place}: ${text}`];
  });
}

/** The files of a plugin with mistakes. */
export const WRONG_PLUGIN: Files = {
  "plugins/wrong.tsx": MISTAKES.map(([code]) => code).join("\n"),
};
