import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { Crm, EVERYTHING, testCrm } from "./crm.ts";

const RUN = `
  import { createRouter, resource } from "xcore";
  import { companies, deals } from "./schema.ts";
  export default createRouter()
    .use(resource(companies, { history: true }))
    .use(resource(deals, { history: { keep: "90d" }, create: { owner_id: ({ user }) => user.id } }));
`;
const DAY_MS = 86_400_000;
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS);

interface ShownTask {
  readonly id: string;
  readonly runs: number;
  readonly state: string;
  readonly last_error: string | null;
}

/** Reads the task until it is so. */
async function taskOf(crm: Crm, isSo: (task: ShownTask) => boolean): Promise<ShownTask> {
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- until it is so
    const { body } = await crm.app.getAsAdmin("/system/tasks");
    const [task, ...others] = body.items as ShownTask[];
    expect(others).toEqual([]);
    if (task?.id === "crm:deals.history" && isSo(task)) return task;
  }
}

testCrm(
  "a history is kept for as long as its resource says, and one that says nothing for ever",
  async (crm) => {
    const ada = await crm.user("ada@example.com", EVERYTHING);
    await crm.send(ada, "POST", "/crm/companies", { name: "Acme" });
    await crm.send(ada, "POST", "/crm/deals", { title: "a", amount: "1", company_id: 1 });
    await crm.send(ada, "PATCH", "/crm/deals/1", { title: "b" });
    await crm.send(ada, "PATCH", "/crm/deals/1", { title: "c" });
    const { db, tables } = crm.app.app.store;
    const history = tables.resourceHistory;
    const shown = await crm.send(ada, "GET", "/crm/deals/1/history");
    const [, second, first] = shown.body.items.map(({ id }: { id: number }) => id);
    await db
      .update(history)
      .set({ at: daysAgo(91) })
      .where(eq(history.id, first));
    await db
      .update(history)
      .set({ at: daysAgo(89) })
      .where(eq(history.id, second));
    await db
      .update(history)
      .set({ at: daysAgo(5000) })
      .where(eq(history.table_name, "crm_companies"));
    // More than are deleted at once.
    const old = { table_name: "crm_deals", verb: "update", changes: "{}", at: daysAgo(100) } as const;
    const rows = Array.from({ length: 1201 }, (_, at) => ({ ...old, row_key: String(1000 + at) }));
    await db.insert(history).values(rows);

    // Listed once it has been entered.
    const task = await taskOf(crm, () => true);
    expect(task).toMatchObject({ expression: expect.stringMatching(/^\d+ 3 \* \* \*$/), timezone: "UTC" });
    const runs = task.runs;
    const ran = await crm.send(await crm.app.admin(), "POST", `/system/tasks/${task.id}/run`);
    expect(ran.status).toBe(202);
    const done = await taskOf(crm, (one) => one.runs > runs && one.state === "scheduled");
    expect(done.last_error).toBeNull();
    const left = await db.select({ id: history.id }).from(history).where(eq(history.table_name, "crm_deals"));
    expect(left).toHaveLength(2);
    const after = await crm.send(ada, "GET", "/crm/deals/1/history");
    expect(after.body.items).toEqual(
      shown.body.items.slice(0, 2).map((item: { id: number; at: string }) => ({
        ...item,
        at: item.id === second ? expect.any(String) : item.at,
      })),
    );
    // A row is put back to an entry that is there; to what was before it nobody can any more.
    expect((await crm.send(ada, "POST", "/crm/deals/1/revert", { to: second })).body.title).toBe("b");
    expect((await crm.send(ada, "POST", "/crm/deals/1/revert", { to: first })).status).toBe(422);
    const companies = await db.$count(history, eq(history.table_name, "crm_companies"));
    expect(companies).toBe(1);
  },
  RUN,
);

test("a history that is kept for what is no time is refused as the plugin is loaded", async () => {
  for (const [history, message] of [
    ['{ keep: "2" }', '"history" is kept for "2": expected such as "90d", "12w", "18mo" or "2y"'],
    ['{ keep: "0d" }', 'is kept for "0d"'],
    ['{ keep: "30m" }', 'is kept for "30m"'],
    ["{ keep: 30 }", "is kept for 30"],
    ['{ keeps: "2y" }', 'there is no "keeps"; did you mean "keep"?'],
  ] as const) {
    const run = `import { createRouter, resource } from "xcore";
      import { deals } from "./schema.ts";
      export default createRouter().use(resource(deals, { history: ${history} }));`;
    // oxlint-disable-next-line no-await-in-loop -- one server after another
    await using crm = await Crm.start({ run });
    // oxlint-disable-next-line no-await-in-loop
    const { body } = await crm.app.get("/system/plugins/crm");
    expect([body.state, body.failure?.message]).toEqual(["failed", expect.stringContaining(message)]);
  }
});
