import { expect, test } from "bun:test";
import { pruneAudit } from "../../src/accounts/people/audit.ts";
import { type CoreStore, openCoreStore } from "../../src/accounts/people/store.ts";
import { testWithCoreTables } from "../database-servers.ts";
import { TestApp } from "../setup.ts";

const DAY_MS = 86_400_000;
const TASK = "core:prune_audit";
const DELETING = "core:delete_accounts";

async function addEntries({ db, tables }: CoreStore, count: number, days: number): Promise<void> {
  const entries = Array.from({ length: count }, (_, index) => ({
    action: `test.${index}`,
    at: new Date(Date.now() - days * DAY_MS - index),
  }));
  await db.insert(tables.auditLog).values(entries);
}

testWithCoreTables(
  "pruneAudit() deletes what is older in batches, and stops between them",
  async ({ driver }) => {
    const store = openCoreStore(driver);
    const { auditLog } = store.tables;
    const add = (count: number, days: number) =>
      store.db.insert(auditLog).values(
        Array.from({ length: count }, (_, index) => ({
          action: `test.${index}`,
          at: new Date(Date.now() - days * DAY_MS - index),
        })),
      );
    await add(1500, 31);
    await add(3, 29);
    const stopped = AbortSignal.abort();
    expect(await pruneAudit(store, 30, stopped)).toBe(0);
    expect(await store.db.$count(auditLog)).toBe(1503);
    expect(await pruneAudit(store, 30, new AbortController().signal)).toBe(1500);
    const left = await store.db.select().from(auditLog).orderBy(auditLog.id);
    expect(left.map(({ action }) => action)).toEqual(["test.0", "test.1", "test.2", "audit.pruned"]);
    expect(left.at(-1)?.after).toMatchObject({ entries: 1500 });
    expect(await pruneAudit(store, 30, new AbortController().signal)).toBe(0);
    expect(await store.db.$count(auditLog)).toBe(4);
  },
);

test("a server has tasks that delete old entries of the audit log and accounts, where there are any", async () => {
  const config = { security: { audit_retention_days: 30 } };
  await using app = await TestApp.start({ config });
  const { store, tasks } = app.app;
  const { auditLog } = store.tables;
  await addEntries(store, 1200, 31);
  const leaver = { email: "ada@example.com", deletion_at: new Date(1000) };
  await store.db.insert(store.tables.users).values(leaver);
  const { headers } = await app.admin();
  const run = () => app.fetch(`/system/tasks/${TASK}/run`, { method: "POST", headers });
  // A second after the start it is looked whether there are any.
  // oxlint-disable-next-line no-await-in-loop -- until it is there
  while (!tasks.isHere(TASK) || !tasks.isHere(DELETING)) await Bun.sleep(20);
  const deleted = app.after("user.deleted", () => {});
  await app.fetch(`/system/tasks/${DELETING}/run`, { method: "POST", headers });
  await deleted;
  expect((await run()).status).toBeOneOf([200, 202, 204]);
  const ended = async (): Promise<boolean> => (await app.log("app")).includes('"entries":1200,"days":30,');
  // oxlint-disable-next-line no-await-in-loop -- until it has ended
  while (!(await ended())) await Bun.sleep(20);
  const left = await store.db.select().from(auditLog);
  expect(left.filter(({ action }) => action.startsWith("test."))).toEqual([]);
  expect(left.find(({ action }) => action === "audit.pruned")?.after).toMatchObject({ entries: 1200 });
});
