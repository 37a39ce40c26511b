import { expect } from "bun:test";
import { eq } from "drizzle-orm";
import { AccountLinks } from "../../../src/accounts/links/links.ts";
import { writeAudit } from "../../../src/accounts/people/audit.ts";
import { openCoreStore } from "../../../src/accounts/people/store.ts";
import { readReport, reportChange } from "../../../src/accounts/recovery/reports.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { codesOf, ORIGIN } from "../factor-accounts.ts";
import { createIdentity } from "../identity.ts";
import { Instance, withOther } from "../instances.ts";

const EMAIL = "ada@example.com";

testWithCoreTables("a locked account lets nobody in on any instance, and is locked once", async (context) => {
  const { driver } = context;
  const identity = await createIdentity(driver);
  const { store, clock, sessions } = identity;
  const { identities, passkeys, users } = store.tables;
  const links = new AccountLinks(store, clock.now);
  const userId = await identity.register(EMAIL);
  await identity.logIn(EMAIL);
  const [session] = await store.db.select().from(store.tables.sessions);
  const sessionId = session?.id ?? "";
  const data = { email: EMAIL, session: sessionId };
  const link = { purpose: "report_change", userId, lifetimeMs: 600_000, data } as const;
  const token = await store.db.transaction((tx) => links.issue(tx, link));
  const made = { user_id: userId, provider: "acme", issuer: "https://acme.example", roles: [] };
  const insert = async (subject: string): Promise<number> => {
    const row = { ...made, subject, subject_hash: subject };
    const [added] = await store.db.insert(identities).values(row).returning({ id: identities.id });
    return added?.id ?? 0;
  };
  const linked = await insert("theirs");
  const kept = await insert("the owner's");
  const target = { type: "identity", id: linked };
  await writeAudit(store.db, store.tables, {
    action: "identity.linked",
    actor: { id: userId, email: EMAIL },
    target,
  });
  const credential = {
    credential_hash: "x",
    credential_id: "x",
    public_key: "x",
    user_handle: "x",
    rp_id: "x",
  };
  await store.db.insert(passkeys).values({ user_id: userId, name: "Theirs", ...credential, transports: [] });

  await withOther(context, clock, async (other) => {
    const here = new Instance(openCoreStore(driver), driver, clock);
    const headers = { authorization: `Bearer ${await here.tokens.sign(userId, sessionId)}` };
    const ask = () => Promise.all([here, other].map((one) => one.ask(headers)));
    expect(await ask()).toMatchObject([{ user: { id: userId } }, { user: { id: userId } }]);
    const options = { store, links, sessions, now: clock.now };
    expect(await readReport(options, token)).toMatchObject({ email: EMAIL });
    const all = await codesOf(Array.from({ length: 3 }, () => reportChange(options, token, ORIGIN)));
    expect(all.filter((code) => code === null)).toHaveLength(1);
    expect(all.filter((code) => code === "link_invalid")).toHaveLength(2);
    expect(await ask()).toEqual(["authentication_error", "authentication_error"]);
    // Even a session that goes on.
    await store.db.update(store.tables.sessions).set({ revoked_at: null });
    clock.step();
    expect(await ask()).toEqual(["authentication_error", "authentication_error"]);
  });
  const [user] = await store.db.select().from(users).where(eq(users.id, userId));
  expect(user?.locked_at).toBeInstanceOf(Date);
  expect(await store.db.select({ id: identities.id }).from(identities)).toEqual([{ id: kept }]);
  expect(await store.db.select().from(passkeys)).toEqual([]);
});
