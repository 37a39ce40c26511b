import { expect } from "bun:test";
import { eq, getTableName, sql } from "drizzle-orm";
import { listOwned } from "../../../src/accounts/deletion/erasure.ts";
import { createHookBus } from "../../../src/hooks/bus.ts";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { createDeletions, DAYS_MS } from "./services.ts";
import { type AuditEntry, writeAudit } from "../../../src/accounts/people/audit.ts";
import { addPrincipal, Clock, openStore, ORIGIN, readAudit } from "../factor-accounts.ts";

const { signal } = new AbortController();

function about(type: string, id: string | number) {
  return { type, id };
}

testWithCoreTables(
  "Deletions deletes an account once, wholly or not at all, with what handlers write on the way",
  async ({ driver }) => {
    const store = await openStore(driver);
    const { db, tables } = store;
    const clock = new Clock();
    const hooks = createHookBus({ onError() {} });
    const { deletions, mails } = createDeletions(store, clock, hooks);
    const ada = await addPrincipal(store, "ada@example.com");
    const bob = await addPrincipal(store, "bob@mail.nowhere");
    await db.execute(sql`create table notes (owner bigint not null)`);
    await db.execute(sql`create table bills (owner bigint not null references users (id))`);
    await db.execute(sql`alter table bills add foreign key (owner) references users (id)`).catch(() => null); // MySQL's
    for (const { user } of [ada, bob]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await db.execute(sql`insert into notes (owner) values (${user.id})`);
    }
    await db.execute(sql`insert into bills (owner) values (${bob.user.id})`);
    await db.insert(tables.resourceComments).values({
      table_name: "deals",
      row_key: "1",
      author_id: ada.user.id,
      body: "It stays",
    });
    const named = { email: ada.user.email };
    const entries: AuditEntry[] = [
      { action: "invitation.created", target: about("invitation", 7), after: named },
      { action: "invitation.accepted", target: about("user", ada.user.id), after: { invitation: 7 } },
      { action: "identity.linked", actor: ada.user, target: about("identity", 3), after: named },
      { action: "identity.unlinked", actor: ada.user, target: about("identity", 3), before: named },
      { action: "session.reuse", target: about("session", ada.sessionId), after: named },
      // What was done to others stays.
      { action: "invitation.created", target: about("invitation", 8), after: { email: "carol@example.com" } },
      { action: "user.updated", actor: ada.user, target: about("user", 99), after: { full_name: "Carol" } },
    ];
    for (const entry of entries) await writeAudit(db, tables, entry); // oxlint-disable-line no-await-in-loop
    let refuses = true;
    hooks.on("user.deleting", async ({ data: { user, phase } }) => {
      if (phase === "final") await db.execute(sql`delete from notes where owner = ${user.id}`);
      if (phase === "final" && refuses) throw new Error("Not now");
    });
    const notes = async (): Promise<number> => (await db.execute(sql`select owner from notes`)).length;
    for (const { user, sessionId } of [ada, bob]) {
      const origin = { ...ORIGIN, language: "fr" };
      // oxlint-disable-next-line no-await-in-loop
      const at = await deletions.request({ user, sessionId, origin }, { email: user.email });
      expect(at.getTime()).toBe(clock.ms + DAYS_MS);
    }
    expect(mails).toMatchObject([{ template: "deletion-requested", to: ada.user.email, language: "fr" }]);
    clock.ms += DAYS_MS - 1;
    expect(await deletions.deleteDue(signal)).toBe(0);
    clock.ms += 1;
    expect([await deletions.deleteDue(signal), await notes()]).toEqual([0, 2]);
    expect(mails.map(({ template }) => template)).not.toContain("deletion-refused");

    refuses = false;
    const done = await Promise.all([1, 2, 3].map(() => deletions.deleteDue(signal)));
    expect([done.reduce((sum, one) => sum + one, 0), await notes()]).toEqual([2, 0]);
    const left = await db.select({ email: tables.users.email }).from(tables.users);
    expect(left).toEqual([{ email: `deleted-${bob.user.id}@deleted.invalid` }]);
    expect(await db.$count(tables.sessions)).toBe(0);
    expect(await db.select().from(tables.resourceComments)).toMatchObject([{ author_id: ada.user.id }]);
    const { auditLog } = tables;
    const { text } = await readAudit(store);
    expect([ada, bob].filter(({ user }) => text.includes(user.email))).toEqual([]);
    expect(text.match(/Carol|carol@example\.com/g)).toEqual(["carol@example.com", "Carol"]);
    const deleted = await db.select().from(auditLog).where(eq(auditLog.action, "user.deleted"));
    expect(deleted.map(({ after }) => after?.["row"])).toEqual(["deleted", "kept"]);
  },
);

testOnDialect(
  "sqlite",
  "what belongs to an account goes where its row has to stay: all that refers to one",
  async ({ driver }) => {
    const { db, tables } = await openStore(driver);
    const owned = await db.execute<{ name: string; column: string }>(
      sql`select m.name as name, f."from" as column from sqlite_master m, pragma_foreign_key_list(m.name) f where m.type = 'table' and f."table" = 'users'`,
    );
    const named = listOwned(tables).map(({ table, name: column }) => ({ name: getTableName(table), column }));
    expect(owned.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
      named.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    );
  },
);

testOnDialect(
  "sqlite",
  "an account whose deletion is killed is there with all that is its own, and goes the next time",
  async ({ driver, url }) => {
    const store = await openStore(driver);
    const { db, tables } = store;
    const ada = await addPrincipal(store, "ada@example.com");
    await db.execute(sql`create table notes (owner bigint not null)`);
    await db.execute(sql`insert into notes (owner) values (${ada.user.id})`);
    await db.update(tables.users).set({ deletion_at: new Date(1000) });
    const script = new URL("killed.ts", import.meta.url).pathname;
    const killed = Bun.spawn([process.execPath, script, url], { stdout: "ignore", stderr: "inherit" });
    await killed.exited;
    expect(killed.signalCode).toBe("SIGKILL");
    expect([await db.$count(tables.users), (await db.execute(sql`select owner from notes`)).length]).toEqual([
      1, 1,
    ]);
    const { deletions } = createDeletions(store, new Clock(), createHookBus({ onError() {} }));
    expect([await deletions.deleteDue(signal), await db.$count(tables.users)]).toEqual([1, 0]);
  },
);
