import type { Files } from "../setup.ts";

const SCHEMA = `import { id, integer, table, varchar } from "xcore/schema";
export const notes = table("soak_notes", { id: id(), key: varchar(64).notNull().unique(), value: integer().notNull() });
export const orders = table("soak_orders", { id: id(), key: varchar(64).notNull().unique() });
export const runs = table("soak_runs", { id: id(), key: varchar(64).notNull() });
`;

const RUN = `import { gt } from "drizzle-orm";
import { sse, t } from "elysia";
import { cached, createRouter, db, jobs, resource, storage } from "xcore";
import { notes, orders, runs } from "./schema.ts";

const VERSION = "first";

jobs.define("settle", ({ payload, step }) => step("book", (tx) => tx.insert(runs).values({ key: payload.key }).then(() => null)), {
  payload: t.Object({ key: t.String() }),
  attempts: 20,
  backoff: { delay: 1, max: 5 },
});
jobs.cron("tick", "*/2 * * * * *", ({ dueAt }) => db.insert(runs).values({ key: "tick " + dueAt.toISOString() }));
const countNotes = cached(() => db.$count(notes), { ttl: 300, tables: [notes] });
const list = { permission: "soak:read", query: t.Object({ after: t.Integer() }) };
const keysOf = (from) => ({ query }) =>
  db.select({ id: from.id, key: from.key }).from(from).where(gt(from.id, query.after)).orderBy(from.id).limit(5000);

export default createRouter()
  .use(resource(notes, { permission: "soak" }))
  .get("/version", () => VERSION)
  .get("/count", async () => ({ count: await countNotes() }), { permission: "soak:read" })
  .post("/orders", ({ body: { key }, status }) => db.transaction(async (tx) => {
    await tx.insert(orders).values({ key });
    await jobs.enqueue("settle", { key }, { tx });
    return status(201, { key });
  }), { permission: "soak:write", body: t.Object({ key: t.String() }) })
  .get("/orders", keysOf(orders), list)
  .get("/runs", keysOf(runs), list)
  .post("/files", async ({ body: { file }, status }) => status(201, { id: (await storage.put(file)).id }), {
    permission: "soak:write", body: t.Object({ file: t.File() }),
  })
  .get("/files/:id", ({ params: { id }, request }) => storage.serve({ id }, request), { permission: "soak:read" })
  .delete("/files/:id", async ({ params: { id }, status }) => status((await storage.delete(id)) ? 204 : 404, null), {
    permission: "soak:delete",
  })
  .get("/events", async function* ({ request }) {
    for (let count = 1; !request.signal.aborted; count += 1) {
      yield sse({ id: String(count), retry: 100, data: { count } });
      await Bun.sleep(500);
    }
  }, { permission: "soak:read" });
`;

/** The code of the plugin "soak" that says `version` at `/soak/version`. */
export function toRun(version: string): string {
  return RUN.replace('"first"', JSON.stringify(version));
}

/**
 * A plugin with a resource "notes", orders with a job each that writes down that it has run, a task, files and streams, for
 * who has rights to "soak".
 */
export const SOAK: Files = {
  "plugins/soak/plugin.json": { name: "soak", version: "1.0.0" },
  "plugins/soak/schema.ts": SCHEMA,
  "plugins/soak/run.ts": RUN,
};
