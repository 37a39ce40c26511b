import { expect } from "bun:test";
import { join } from "node:path";
import { count, eq, sql } from "drizzle-orm";
import { DIALECTS } from "../../../src/db/contract/driver.ts";
import { XcoreServer } from "../../cli/xcore-process.ts";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { TestApp, TestFolder } from "../../setup.ts";
import { crmPlugin } from "../crm.ts";
import { Gate } from "./gate.ts";

const ROWS = 1200;
/** Rows that are committed before the one at which the process is killed. */
const MODES = [
  ["", 0],
  ["?on_error=skip", 1000],
] as const;
const KILLED_AT = 1100;
const FILE = ["name,city", ...Array.from({ length: ROWS }, (_, at) => `Company ${at},Oslo`)].join("\n");
const SECRET = "a secret that two processes share, of more than 32 characters";

/** An instance in this process, and the project of another that has the same plugins and database. */
async function prepare(dialect: (typeof DIALECTS)[number], gate: Gate) {
  await using undo = new AsyncDisposableStack();
  const database = undo.use(await createTestDatabase(dialect));
  const config = { database: { url: database.url }, security: { jwt_secret_key: SECRET } };
  const plugins = await crmPlugin(gate.toRun(`Company ${KILLED_AT}`));
  const files = Object.entries(plugins).map(([name, text]) => [join("plugins", name), text] as const);
  const folder = undo.use(await TestFolder.create({ ...Object.fromEntries(files), "config.json": config }));
  const moved = undo.move();
  return {
    start: () => TestApp.start({ plugins, config }),
    folder,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** Rows that are there, and entries of their history, by who made them. */
async function countAll({ app: { store } }: TestApp, userId: number): Promise<[number, number]> {
  const [companies] = await store.db.execute(sql`select count(*) as made from crm_companies`);
  const { resourceHistory: history } = store.tables;
  const [entries] = await store.db
    .select({ made: count() })
    .from(history)
    .where(eq(history.actor_id, userId));
  return [Number(companies?.["made"]), entries?.made ?? -1];
}

for (const dialect of DIALECTS) {
  for (const [query, committed] of MODES) {
    const name = `an import${query} whose process is killed is ended by another, and no row is made twice (${dialect})`;
    testWithServer(dialect, name, 90_000, async () => {
      using gate = new Gate();
      await using project = await prepare(dialect, gate);
      const made = await project.start();
      const admin = await made.admin();
      // SQLite's file has one process at a time here: the other one starts once the first is gone.
      const beside = dialect === "sqlite" ? null : made;
      if (beside === null) await made[Symbol.asyncDispose]();
      const server = await XcoreServer.start(project.folder);
      const response = await server.fetch(`/crm/companies/import${query}`, {
        method: "POST",
        headers: { ...admin.headers, "content-type": "text/csv", prefer: "respond-async" },
        body: FILE,
      });
      expect(response.status).toBe(202);
      const begun = (await response.json()) as { id: string; job_id: string };
      await gate.reached;
      server.kill("SIGKILL");
      await server.exited;
      await using other = beside ?? (await project.start());
      expect(await countAll(other, admin.id)).toEqual([committed, committed]);
      const told: unknown[] = [];
      other.app.hooks.on("crm.company.created", ({ data }) => told.push(data));
      const { db, tables } = other.app.store;
      await other.after("job.completed", async () => {
        gate.open();
        // Its lease is over.
        await db.update(tables.jobs).set({ due_at: 1 }).where(eq(tables.jobs.id, begun.job_id));
      });
      expect(await countAll(other, admin.id)).toEqual([ROWS, ROWS]);
      expect(told).toHaveLength(ROWS - committed);
      const status = await other.fetch(`/crm/companies/import/${begun.id}`, { headers: admin.headers });
      expect(await status.json()).toMatchObject({
        state: "completed",
        report: { total: ROWS, created: ROWS, failed: 0 },
      });
      const job = await other.fetch(`/system/jobs/${begun.job_id}`, { headers: admin.headers });
      expect(await job.json()).toMatchObject({ state: "completed", lost: 1 });
      expect(await db.$count(tables.resourceImportPieces)).toBe(0);
    });
  }
}
