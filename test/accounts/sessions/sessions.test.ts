import { expect, test } from "bun:test";
import { createRefreshTokens } from "../../../src/accounts/sessions/refresh-tokens.ts";
import { Sessions } from "../../../src/accounts/sessions/sessions.ts";
import { createSecretKey } from "../../../src/accounts/keys/secret.ts";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { codesOf, readAccessChanges, readAudit } from "../factor-accounts.ts";
import { createIdentity, type Identity, SECRET_KEY } from "../identity.ts";

const ORIGIN = { ipAddress: "192.0.2.1", userAgent: "tests" };
const DAY = 86_400_000;

/** An account with a session, without a login. */
async function begin({ store, sessions }: Identity, email = "ada@example.com") {
  const { db, tables } = store;
  await db.insert(tables.users).values({ email }).onConflictDoNothing();
  const [user] = (await db.select().from(tables.users)).filter((row) => row.email === email);
  if (user === undefined) throw new Error("no user");
  const id = crypto.randomUUID();
  const pair = await db.transaction((tx) =>
    sessions.create(tx, { id, userId: user.id, hasOtp: false, origin: ORIGIN }),
  );
  return { user, id, pair, owner: { user, sessionId: id, origin: ORIGIN } };
}

const refused = ["authentication_error"];

test("createRefreshTokens().read() knows the tokens that it has made, and no others", () => {
  const tokens = createRefreshTokens(SECRET_KEY);
  const id = crypto.randomUUID();
  const token = tokens.mint(id);
  expect(tokens.mint(id)).not.toBe(token);
  expect(tokens.read(token)).toBe(id);
  expect(createRefreshTokens(createSecretKey("another key")).read(token)).toBeNull();
  const [, random = "", seal = ""] = token.split(".");
  const forged = [
    "",
    ".",
    id,
    `${id}..`,
    `${crypto.randomUUID()}.${random}.${seal}`,
    `${id}.${random.replace(/^./, (first) => (first === "A" ? "B" : "A"))}.${seal}`,
    `${token}x`,
    ` ${token}`,
    token.toUpperCase(),
    "x".repeat(1_000_000),
  ];
  expect(forged.filter((text) => tokens.read(text) !== null)).toEqual([]);
});

testWithCoreTables(
  "Sessions.refresh() exchanges a token once, and the session lasts from then on",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { clock, sessions, store, accessTokens } = identity;
    const { id, pair, user } = await begin(identity);
    clock.ms += 29 * DAY;
    const next = await sessions.refresh(pair.refresh_token, { ipAddress: "192.0.2.9", userAgent: "other" });
    expect(next).toMatchObject({ token_type: "bearer", expires_in: 1800 });
    expect(next.refresh_token).not.toBe(pair.refresh_token);
    expect(await accessTokens.verify(next.access_token)).toMatchObject({ userId: user.id, sessionId: id });
    const [row] = await store.db.select().from(store.tables.sessions);
    expect(row).toMatchObject({ ip_address: "192.0.2.9", user_agent: "other", revoked_at: null });
    expect(row?.expires_at.getTime()).toBe(clock.ms + 30 * DAY);
    expect(JSON.stringify(row)).not.toContain(next.refresh_token.split(".")[1] ?? "?");
    clock.ms += 30 * DAY;
    expect(await codesOf([sessions.refresh(next.refresh_token, ORIGIN)])).toEqual(refused);
  },
);

testWithCoreTables(
  "Sessions.refresh() lets one of those that come at once win, and keeps the session",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { clock, sessions } = identity;
    const { pair } = await begin(identity);
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => sessions.refresh(pair.refresh_token, ORIGIN)),
    );
    const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(won).toHaveLength(1);
    clock.ms += 5000;
    expect(await codesOf([sessions.refresh(pair.refresh_token, ORIGIN)])).toEqual(refused);
    expect(await sessions.refresh(won[0]?.refresh_token ?? "", ORIGIN)).toMatchObject({
      token_type: "bearer",
    });
  },
);

testWithCoreTables(
  "Sessions.refresh() ends the session when an old token is replayed",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { clock, sessions, store } = identity;
    const { id, pair, user } = await begin(identity);
    const other = await begin(identity);
    const second = await sessions.refresh(pair.refresh_token, ORIGIN);
    const third = await sessions.refresh(second.refresh_token, ORIGIN);
    // Two exchanges ago: no tab is that late.
    expect(await codesOf([sessions.refresh(pair.refresh_token, ORIGIN)])).toEqual(refused);
    clock.ms += 1;
    expect(await codesOf([sessions.refresh(third.refresh_token, ORIGIN)])).toEqual(refused);
    const audit = await readAudit(store);
    expect(audit.entries).toMatchObject([
      {
        action: "session.reuse",
        result: "refused",
        target_id: id,
        actor_id: null,
        after: { user_id: user.id },
      },
    ]);
    expect(audit.text).not.toContain(pair.refresh_token);
    expect(await readAccessChanges(store)).toEqual([user.id]);
    // A session of its own goes on.
    expect(await sessions.refresh(other.pair.refresh_token, ORIGIN)).toMatchObject({ token_type: "bearer" });
  },
);

testOnDialect(
  "sqlite",
  "Sessions.refresh() ends the session for the last token but one after 5 seconds",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { clock, sessions, store } = identity;
    const { pair } = await begin(identity);
    await sessions.refresh(pair.refresh_token, ORIGIN);
    clock.ms += 5000;
    expect(await codesOf([sessions.refresh(pair.refresh_token, ORIGIN)])).toEqual(refused);
    expect((await readAudit(store)).actions).toEqual([]);
    clock.ms += 1;
    expect(await codesOf([sessions.refresh(pair.refresh_token, ORIGIN)])).toEqual(refused);
    expect((await readAudit(store)).actions).toEqual(["session.reuse"]);
  },
  120_000,
);

testOnDialect(
  "sqlite",
  "Sessions.refresh() does nothing to a session whose id somebody has seen",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { sessions } = identity;
    const { id, pair } = await begin(identity);
    for (const token of [id, `${id}.x.y`, createRefreshTokens(createSecretKey("x")).mint(id)]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect(await codesOf([sessions.refresh(token, ORIGIN)])).toEqual(refused);
    }
    expect(await sessions.refresh(pair.refresh_token, ORIGIN)).toMatchObject({ token_type: "bearer" });
  },
);

testWithCoreTables(
  "Sessions.refresh() is refused when the user is inactive or gone, or the session is revoked",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { sessions, store } = identity;
    const { users } = store.tables;
    const inactive = await begin(identity);
    const revoked = await begin(identity, "bob@example.com");
    await sessions.revoke(revoked.owner, revoked.id);
    await store.db.update(users).set({ is_active: false });
    const gone = await begin(identity, "eve@example.com");
    expect(await codesOf([sessions.refresh(inactive.pair.refresh_token, ORIGIN)])).toEqual(refused);
    await store.db.update(users).set({ is_active: true });
    expect(await codesOf([sessions.refresh(revoked.pair.refresh_token, ORIGIN)])).toEqual(refused);
    await sessions.refresh(inactive.pair.refresh_token, ORIGIN);
    await store.db.delete(users);
    expect(await codesOf([sessions.refresh(gone.pair.refresh_token, ORIGIN)])).toEqual(refused);
  },
);

testWithCoreTables("Sessions list, revoke and revokeOthers() concern the owner's own", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { clock, sessions, store } = identity;
  const mine = await begin(identity);
  clock.ms += 1000;
  const alsoMine = await begin(identity);
  const third = await begin(identity);
  const foreign = await begin(identity, "bob@example.com");
  await sessions.revoke(mine.owner, third.id);
  const list = await sessions.list(mine.owner, {});
  expect(list.total).toBe(2);
  expect(list.items.map(({ id, current }) => [id, current])).toEqual([
    [alsoMine.id, false],
    [mine.id, true],
  ]);
  expect(JSON.stringify(list)).not.toContain("hash");
  const attempts = [foreign.id, third.id, crypto.randomUUID()].map((id) => sessions.revoke(mine.owner, id));
  expect(await codesOf(attempts)).toEqual(["not_found", "not_found", "not_found"]);
  expect(await sessions.revokeOthers(mine.owner)).toBe(1);
  expect(await sessions.revokeOthers(mine.owner)).toBe(0);
  expect((await sessions.list(mine.owner, {})).items.map(({ id }) => id)).toEqual([mine.id]);
  expect((await sessions.list(foreign.owner, {})).total).toBe(1);
  expect((await readAudit(store)).actions).toEqual(["session.revoked", "session.others_revoked"]);
  expect(new Set(await readAccessChanges(store))).toEqual(new Set([mine.user.id]));
});

testWithCoreTables("Sessions.purge() deletes what has expired", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { clock, sessions, store } = identity;
  const { user } = await begin(identity);
  const old = Array.from({ length: 1100 }, () => ({
    id: crypto.randomUUID(),
    user_id: user.id,
    refresh_hash: "0".repeat(64),
    expires_at: new Date(clock.ms),
  }));
  await store.db.insert(store.tables.sessions).values(old);
  expect(await sessions.purge()).toBe(1100);
  expect(await store.db.$count(store.tables.sessions)).toBe(1);
});

testWithCoreTables("Sessions.refresh() doesn't go on for ever", async ({ driver }) => {
  const identity = await createIdentity(driver); // 30 days without use, 90 at most
  const { clock, sessions } = identity;
  const { pair, owner } = await begin(identity);
  let token = pair.refresh_token;
  for (let day = 0; day < 80; day += 20) {
    clock.ms += 20 * DAY;
    // oxlint-disable-next-line no-await-in-loop -- one after another
    token = (await sessions.refresh(token, ORIGIN)).refresh_token;
  }
  clock.ms += 10 * DAY - 60_000;
  // No token outlives its session.
  const last = await sessions.refresh(token, ORIGIN);
  expect(last.expires_in).toBe(60);
  const { items } = await sessions.list(owner, { page: 1, per_page: 20 });
  expect(items[0]?.expires_at).toBe(new Date(clock.ms + 60_000).toISOString());
  clock.ms += 60_000;
  expect(await codesOf([sessions.refresh(last.refresh_token, ORIGIN)])).toEqual(refused);
});

testOnDialect(
  "sqlite",
  "Sessions.refresh() ends a session that a stricter setting would have ended",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { clock, store, accessTokens, refreshTokens } = identity;
    const { pair } = await begin(identity);
    const strict = new Sessions({
      store,
      accessTokens,
      refreshTokens,
      lifetimeMs: 30 * DAY,
      longestMs: 2 * DAY,
      now: clock.now,
    });
    clock.ms += 2 * DAY;
    expect(await codesOf([strict.refresh(pair.refresh_token, ORIGIN)])).toEqual(refused);
  },
);
