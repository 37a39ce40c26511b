import type { Files } from "../../setup.ts";

const SCHEMA = `import { id, integer, table, varchar } from "xcore/schema";
export const orders = table("shop_orders", { id: id(), note: varchar(64).notNull() });
export const runs = table("shop_runs", { id: id(), job: varchar(64).notNull(), pid: integer().notNull() });
export const heard = table("shop_heard", { id: id(), what: varchar(64).notNull(), pid: integer().notNull() });
`;

const SQL = ["orders note", "runs job", "heard what"]
  .map((words) => words.split(" "))
  .map(([table = "", text = ""]) => {
    const pid = table === "orders" ? "" : `, "pid" integer NOT NULL`;
    return `CREATE TABLE "shop_${table}" ("id" bigserial PRIMARY KEY, "${text}" varchar(64) NOT NULL${pid});`;
  })
  .join("\n--> statement-breakpoint\n");

const RUN = `import { eq } from "drizzle-orm";
import { sse, t } from "elysia";
import { cached, createRouter, db, hooks, jobs } from "xcore";
import { heard, orders, runs } from "./schema.ts";

// Which instance has run what is told by its process.
jobs.define("settle", async ({ id }) => {
  await db.insert(runs).values({ job: id, pid: process.pid });
  await Bun.sleep(5);
});
jobs.define("hold", async ({ id }) => {
  await db.insert(runs).values({ job: id, pid: process.pid });
  if (await db.$count(runs, eq(runs.job, id)) === 1) await new Promise(() => {});
});
jobs.cron("tick", "* * * * * *", async ({ dueAt }) => {
  await db.insert(heard).values({ what: "tick " + dueAt.toISOString(), pid: process.pid });
});
hooks.on("shop.told", async ({ data }) => {
  await db.insert(heard).values({ what: "told " + data, pid: process.pid });
});
const countOrders = cached(() => db.$count(orders), { ttl: 3600, tables: [orders] });
const order = (note) => db.transaction(async (tx) => {
  const [{ id }] = await tx.insert(orders).values({ note }).returning();
  return { id, job: await jobs.enqueue("settle", { order: id }, { tx }), pid: process.pid };
});
const body = t.Object({ note: t.String() });

export default createRouter()
  .get("/", () => ({ pid: process.pid }), { auth: true })
  .get("/count", async () => ({ count: await countOrders(), pid: process.pid }), { auth: true })
  .post("/orders", ({ body }) => order(body.note), { auth: true, body })
  .post("/orders/keyed", ({ body }) => order(body.note), { auth: true, body, idempotent: true })
  .post("/held", async () => ({ job: await jobs.enqueue("hold") }), { auth: true })
  .post("/told/:id", async ({ params }) => {
    await hooks.emit("shop.told", params.id, { cluster: true });
    return { pid: process.pid };
  }, { auth: true })
  .get("/events", async function* () { yield sse({ data: String(process.pid) }); await new Promise(() => {}); }, { auth: true })
  .ws("/socket", { auth: true, open: (socket) => void socket.send(String(process.pid)), message() {} });
`;

/**
 * A plugin "shop" that makes orders, each with a job that settles it, and writes down which process has done what. A job "hold"
 * doesn't end when it is run for the first time.
 */
export const SHOP: Files = {
  "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
  "plugins/shop/run.ts": RUN,
  "plugins/shop/schema.ts": SCHEMA,
  "plugins/shop/drizzle/postgres/0000_shop.sql": SQL,
};
