import { Database } from "bun:sqlite";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startServer } from "../server.ts";
import { ACCOUNTS, BCRYPT_COST, emailOf, PASSWORD, type Peer, ROWS } from "./peer.ts";

const EXECUTABLE = resolve(import.meta.dir, "../../dist/xcore");

const SCHEMA = `import { boolean, id, index, integer, table, text, timestamp } from "xcore/schema";

export const articles = table("articles", {
  id: id(),
  title: text().notNull(),
  views: integer().notNull(),
  published: boolean().notNull(),
  created_at: timestamp().notNull(),
}, (t) => [index("articles_created_at").on(t.created_at)]);
`;

const ROUTER = `import { eq } from "drizzle-orm";
import { t } from "elysia";
import { AppError, createRouter, db, page, paginate } from "xcore";
import { articles } from "./schema.ts";

export default createRouter()
  .get("/", ({ query }) => paginate(db.select().from(articles), query), { query: page })
  .get("/:id", async ({ params }) => {
    const [article] = await db.select().from(articles).where(eq(articles.id, params.id));
    if (!article) throw new AppError("not_found", 404, "Cannot find the article");
    return article;
  }, { params: t.Object({ id: t.Integer() }) })
  .post("/", async ({ body }) => {
    const [article] = await db.insert(articles).values(body).returning();
    return article;
  }, {
    body: t.Object({
      title: t.String({ minLength: 1, maxLength: 5000 }),
      views: t.Integer(),
      published: t.Boolean(),
      created_at: t.Date(),
    }),
  });
`;

/** Makes a project of one plugin with its rows and accounts. */
export async function createXcore(): Promise<Peer> {
  const project = await mkdtemp(join(tmpdir(), "xcore-bench-"));
  const plugin = join(project, "plugins/articles");
  await Bun.write(join(project, "config.json"), JSON.stringify({ security: { bcrypt_cost: BCRYPT_COST } }));
  await Bun.write(join(plugin, "plugin.json"), JSON.stringify({ name: "articles", version: "1.0.0" }));
  await Bun.write(join(plugin, "schema.ts"), SCHEMA);
  await Bun.write(join(plugin, "run.ts"), ROUTER);
  await run(project, ["db", "generate", "articles"]);
  await run(project, ["db", "migrate"]);
  for (let account = 0; account < ACCOUNTS; account += 1) {
    await run(project, ["user", "create", emailOf(account), "--password-stdin"], PASSWORD);
  }
  fill(join(project, "data/app.db"));
  const { database } = JSON.parse(await run(project, ["config", "show"])) as {
    database: { durability?: string };
  };
  return {
    name: "xcore",
    durability: database.durability ?? "normal",
    start: () =>
      startServer((port) => [EXECUTABLE, "--port", port], { cwd: project, path: "/articles?per_page=20" }),
    paths: {
      list: "/articles?per_page=20",
      listOnly: "/articles?per_page=20&total=false",
      sorted: "/articles?per_page=20&total=false&sort=-created_at",
      one: "/articles/4711",
      create: "/articles",
    },
    login: (account) => ({ path: "/auth/login", body: { email: emailOf(account), password: PASSWORD } }),
    remove: () => rm(project, { recursive: true }),
  };
}

async function run(project: string, args: readonly string[], input = ""): Promise<string> {
  const stdin = new Blob([input]);
  const child = Bun.spawn([EXECUTABLE, ...args], { cwd: project, env: process.env, stdin, stderr: "pipe" });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`Cannot run xcore ${args.join(" ")}: ${errors}`);
  return output;
}

function fill(file: string): void {
  const database = new Database(file);
  database.run(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${ROWS})
    insert into articles (id, title, views, published, created_at)
    select i, 'Article number ' || i, i * 7 % 1000, i % 2, (1700000000 + i) * 1000 from n`);
  database.close();
}
