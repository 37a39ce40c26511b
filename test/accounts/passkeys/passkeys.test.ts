import { expect } from "bun:test";
import { eq } from "drizzle-orm";
import { createSecretKey } from "../../../src/accounts/keys/secret.ts";
import { CHALLENGE_MS } from "../../../src/accounts/passkeys/challenges.ts";
import { createPasskeys } from "../../../src/accounts/passkeys/passkeys.ts";
import { NO_NOTICES, type Notice, type Notices } from "../../../src/accounts/notices/notices.ts";
import type { CoreStore } from "../../../src/accounts/people/store.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { failureOf } from "../../db/failures.ts";
import { addPrincipal, Clock, ORIGIN, openStore, readAudit } from "../factor-accounts.ts";
import { SoftPasskey } from "./authenticator.ts";

const PARTY = { id: "erp.example.com", origin: "https://erp.example.com" };
const LOGIN = { use: { purpose: "login", subject: "" }, party: PARTY, userId: null, origin: ORIGIN } as const;

function open(store: CoreStore, clock: Clock, told: Notice[] = []) {
  const secretKey = createSecretKey("a secret key of this test alone");
  const ways = { partyId: () => PARTY.id, isServed: () => false };
  const tell: Notices["tell"] = async (_tx, notice) => void told.push(notice);
  const notices = { ...NO_NOTICES, tell };
  return createPasskeys({ store, secretKey, appName: "Acme", ways, notices, now: clock.now });
}

testWithCoreTables(
  "Passkeys adds, proves and counts, and answers to one challenge once",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const told: Notice[] = [];
    const { own, proofs, challenges } = open(store, clock, told);
    const ada = await addPrincipal(store, "ada@example.com");
    const owner = { user: ada.user, sessionId: ada.sessionId, origin: ORIGIN };
    const passkey = new SoftPasskey(PARTY.origin);
    const add = async (one: SoftPasskey) =>
      own.add(
        owner,
        { name: "Laptop", credential: one.create(await own.toCreationOptions(owner, PARTY)) },
        PARTY,
      );
    const first = await add(passkey);
    expect(first).toMatchObject({ name: "Laptop", created_at: new Date(clock.ms), is_synced: false });
    expect(first.recovery_codes).toHaveLength(10);
    const others = await Promise.all([1, 2, 3].map(() => add(new SoftPasskey(PARTY.origin))));
    expect(others.map(({ recovery_codes }) => recovery_codes)).toEqual([null, null, null]);
    expect((await own.toCreationOptions(owner, PARTY)).excludeCredentials).toHaveLength(4);
    // Of another domain, it is none that a browser could show.
    const elsewhere = { id: "example.org", origin: "https://example.org" };
    expect((await own.toCreationOptions(owner, elsewhere)).excludeCredentials).toEqual([]);

    const answer = passkey.get(await proofs.toRequestOptions(LOGIN));
    const proven = await Promise.allSettled([1, 2, 3].map(() => proofs.prove(answer, LOGIN)));
    expect(proven.filter(({ status }) => status === "fulfilled")).toMatchObject([
      { value: { userId: ada.user.id, passkeyId: first.id } },
    ]);
    const late = passkey.get(await proofs.toRequestOptions(LOGIN));
    clock.ms += CHALLENGE_MS;
    expect(String(await failureOf(proofs.prove(late, LOGIN)))).toContain("more than ten minutes ago");
    passkey.count = 0;
    const copied = passkey.get(await proofs.toRequestOptions(LOGIN));
    expect(String(await failureOf(proofs.prove(copied, LOGIN)))).toContain("there may be a copy of it");
    expect(told.at(-1)).toMatchObject({ kind: "passkey_copied", userId: ada.user.id, name: "Laptop" });
    expect((await readAudit(store)).actions).toEqual([...Array(4).fill("passkey.added"), "passkey.copied"]);

    const { passkeyChallenges, passkeys, sessions } = store.tables;
    await store.db.update(sessions).set({ otp_at: new Date(clock.ms) });
    for (const { id } of others.slice(1)) await own.remove(owner, id); // oxlint-disable-line no-await-in-loop
    // Of a domain that the server had before, the other one lets nobody in.
    const [left] = others;
    await store.db
      .update(passkeys)
      .set({ rp_id: elsewhere.id })
      .where(eq(passkeys.id, left?.id ?? 0));
    expect(String(await failureOf(own.remove(owner, first.id)))).toContain("nothing else lets you in");
    await own.remove(owner, left?.id ?? 0);

    await challenges.purge();
    expect(await store.db.$count(passkeyChallenges)).toBe(1);
  },
);

testWithCoreTables("Passkeys has room for twenty, also for many at once", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const { own } = open(store, clock);
  const ada = await addPrincipal(store, "ada@example.com");
  const owner = { user: ada.user, sessionId: ada.sessionId, origin: ORIGIN };
  const credentials = await Promise.all(
    Array.from({ length: 22 }, async () =>
      new SoftPasskey(PARTY.origin).create(await own.toCreationOptions(owner, PARTY)),
    ),
  );
  const added = await Promise.allSettled(
    credentials.map((credential) => own.add(owner, { name: "Key", credential }, PARTY)),
  );
  expect(added.filter(({ status }) => status === "fulfilled")).toHaveLength(20);
  expect(String(await failureOf(own.toCreationOptions(owner, PARTY)))).toContain("there are 20 already");
});
