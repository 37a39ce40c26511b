import { eq } from "drizzle-orm";
import { expect, test } from "bun:test";
import { type CoreStore, noteAccessChange } from "../../src/accounts/people/store.ts";
import type { Principal } from "../../src/accounts/identity/principal.ts";
import { createSecretKey } from "../../src/accounts/keys/secret.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import type { Transaction } from "../../src/db/contract/database.ts";
import { openDatabase } from "../../src/db/open.ts";
import { ensureBuiltinRoles, grantRole } from "../../src/accounts/rights/builtin-roles.ts";
import { type DialectTest, testOnDialect, testWithCoreTables } from "../database-servers.ts";
import { TestFolder } from "../setup.ts";
import { addPrincipal, addSession, Clock, openStore, silent } from "./factor-accounts.ts";
import { createTokens, Instance, withOther } from "./instances.ts";

const REFUSED = "authentication_error";

/** One instance on the core's tables. */
async function arrange({ driver }: Pick<DialectTest, "driver">, maxEntries?: number) {
  const clock = new Clock();
  const store = await openStore(driver);
  await ensureBuiltinRoles(store);
  const instance = new Instance(store, driver, clock, maxEntries);
  return { clock, store, instance };
}

/** An administrator who has logged in. */
async function addAdmin(store: CoreStore, { tokens }: Instance, email = "ada@example.com") {
  const { user, sessionId } = await addPrincipal(store, email);
  await store.db.transaction((tx) => grantRole(tx, store.tables, user.id, "admin"));
  const token = await tokens.sign(user.id, sessionId);
  return { id: user.id, email, sessionId, token, headers: { authorization: `Bearer ${token}` } };
}

type Change = (tx: Transaction, tables: CoreStore["tables"], userId: number) => Promise<unknown>;

const CHANGES: readonly [what: string, change: Change, found: unknown][] = [
  [
    "a role that is taken away",
    (tx, { userRoles }, id) => tx.delete(userRoles).where(eq(userRoles.user_id, id)),
    { user: { roles: [] }, permissions: { granted: [] } },
  ],
  [
    "a deactivation",
    (tx, { users }, id) => tx.update(users).set({ is_active: false }).where(eq(users.id, id)),
    REFUSED,
  ],
  ["a deletion", (tx, { users }, id) => tx.delete(users).where(eq(users.id, id)), REFUSED],
  [
    "a session that is revoked",
    (tx, { sessions }, id) =>
      tx.update(sessions).set({ revoked_at: new Date() }).where(eq(sessions.user_id, id)),
    REFUSED,
  ],
  [
    "a role that asks for two factors",
    (tx, { roles }) => tx.update(roles).set({ requires_otp: true }),
    { lacksOtp: true },
  ],
  [
    "a second factor that was given",
    (tx, { sessions }, id) => tx.update(sessions).set({ has_otp: true }).where(eq(sessions.user_id, id)),
    { lacksOtp: false },
  ],
  [
    "a permission that is taken from a role",
    (tx, { rolePermissions }) => tx.delete(rolePermissions),
    { user: { roles: ["admin"] }, permissions: { granted: [] } },
  ],
];

testWithCoreTables(
  "a change of access takes effect on the next request, on every instance",
  async (context) => {
    const { clock, store, instance } = await arrange(context);
    await withOther(context, clock, async (other) => {
      for (const [index, [what, change, found]] of CHANGES.entries()) {
        const { id, email, headers } = await addAdmin(store, instance, `user${index}@example.com`);
        for (const one of [instance, other]) {
          expect(await one.ask(headers)).toMatchObject({ user: { id, email, roles: ["admin"] } });
          const { loads } = one;
          await one.ask(headers);
          expect(one.loads).toBe(loads); // remembered
        }
        await store.db.transaction(async (tx) => {
          await change(tx, store.tables, id);
          await noteAccessChange(tx, store.tables, what.includes("role that") ? id : null);
        });
        for (const one of [other, instance]) {
          const asked = await one.ask(headers);
          if (typeof found === "string") expect([what, asked]).toEqual([what, found]);
          else expect([what, asked]).toMatchObject([what, found]);
        }
      }
    });
  },
);

testWithCoreTables(
  "a change that isn't committed isn't seen, and only those it names are forgotten",
  async (context) => {
    const { clock, store, instance } = await arrange(context);
    const ada = await addAdmin(store, instance);
    const bob = await addAdmin(store, instance, "bob@example.com");
    for (const { headers } of [ada, bob]) await instance.ask(headers);
    await withOther(context, clock, async (_, otherStore) => {
      const { tables } = otherStore;
      await otherStore.db.transaction(async (tx) => {
        await tx.update(tables.users).set({ is_active: false }).where(eq(tables.users.id, ada.id));
        await noteAccessChange(tx, tables, ada.id);
        expect(await instance.ask(ada.headers)).toMatchObject({ user: { id: ada.id } });
      });
    });
    const { loads } = instance;
    expect(await instance.ask(bob.headers)).toMatchObject({ user: { id: bob.id } });
    expect(instance.loads).toBe(loads);
    expect(await instance.ask(ada.headers)).toBe(REFUSED);
    expect(instance.loads).toBe(loads + 1);
  },
);

for (const dialect of ["postgres", "mysql"] as const) {
  testOnDialect(dialect, "a change that commits after a later one is seen", async (context) => {
    const { clock, store, instance } = await arrange(context);
    const ada = await addAdmin(store, instance);
    const bob = await addAdmin(store, instance, "bob@example.com");
    await withOther(context, clock, async (other, otherStore) => {
      const { tables } = store;
      await store.db.transaction(async (tx) => {
        await noteAccessChange(tx, tables, ada.id); // the lower id
        await otherStore.db.transaction(async (later) => {
          await later.delete(tables.sessions).where(eq(tables.sessions.id, bob.sessionId));
          await noteAccessChange(later, tables, bob.id);
        });
        expect(await other.ask(bob.headers)).toBe(REFUSED);
        expect(await other.ask(ada.headers)).toMatchObject({ user: { id: ada.id } });
        await tx.delete(tables.sessions).where(eq(tables.sessions.id, ada.sessionId));
      });
      expect(await other.ask(ada.headers)).toBe(REFUSED);
    });
  });
}

testWithCoreTables(
  "what was read before a change and is done after it isn't remembered",
  async ({ driver }) => {
    const { store, instance } = await arrange({ driver });
    const { tables } = store;
    const ada = await addAdmin(store, instance);
    const eve = await addAdmin(store, instance, "eve@example.com");
    instance.afterLoad = async () => {
      instance.afterLoad = () => Promise.resolve();
      await store.db.transaction(async (tx) => {
        await tx.update(tables.users).set({ is_active: false }).where(eq(tables.users.id, ada.id));
        await noteAccessChange(tx, tables, ada.id);
      });
      await instance.ask(eve.headers); // this one has been told of the change
    };
    await instance.ask(ada.headers);
    expect(await instance.ask(ada.headers)).toBe(REFUSED);
  },
);

testWithCoreTables("requests at once are answered, each as of its own time", async ({ driver }) => {
  const { store, instance } = await arrange({ driver });
  const ada = await addAdmin(store, instance);
  for (let round = 0; round < 20; round += 1) {
    const before = Array.from({ length: 20 }, () => instance.ask(ada.headers));
    await store.db.transaction(async (tx) => {
      const revoked_at = round % 2 === 0 ? new Date() : null;
      await tx.update(store.tables.sessions).set({ revoked_at });
      await noteAccessChange(tx, store.tables, ada.id);
    });
    const after = await Promise.all(Array.from({ length: 20 }, () => instance.ask(ada.headers)));
    expect(after.filter((found) => (found === REFUSED) !== (round % 2 === 0))).toEqual([]);
    await Promise.all(before);
  }
});

testOnDialect(
  "sqlite",
  "somebody remembered is known without waiting; what can't be valid, too",
  async ({ driver }) => {
    const { clock, store, instance } = await arrange({ driver });
    const { headers, token } = await addAdmin(store, instance);
    expect(await instance.askFor(headers)).toMatchObject({ isWaitedFor: true });
    expect(await instance.askFor(headers)).toMatchObject({ isWaitedFor: false, found: { user: {} } });
    for (const known of [
      {},
      { authorization: "Basic eDp5" },
      { authorization: "" },
      { authorization: "bearer" },
    ]) {
      expect(await instance.askFor(known as Record<string, string>)).toEqual({
        isWaitedFor: false,
        found: REFUSED,
      });
    }
    const { loads } = instance;
    for (const bad of [
      "x",
      "a.b",
      "a.b.c.d",
      "..",
      "a..c",
      "null",
      "xc_",
      `${token}\u00e9`,
      `${token}!`,
      `a.b.${"c".repeat(5000)}`,
      `xc_${"c".repeat(5000)}`,
      `${token} ${token}`,
    ]) {
      expect(await instance.askFor({ authorization: `Bearer ${bad}` })).toEqual({
        isWaitedFor: false,
        found: REFUSED,
      });
      expect(await instance.askFor({ "x-api-key": bad })).toEqual({ isWaitedFor: false, found: REFUSED });
    }
    // A write of anybody's makes it look again, and find nothing.
    await store.db.update(store.tables.users).set({ full_name: "Ada" });
    expect(await instance.askFor(headers)).toMatchObject({ isWaitedFor: true });
    expect(await instance.askFor(headers)).toMatchObject({ isWaitedFor: false });
    expect(instance.loads).toBe(loads);
    clock.step(120); // an hour
    expect(await instance.ask(headers)).toBe(REFUSED);
  },
);

testOnDialect(
  "sqlite",
  "tokens of others, of nobody, of a session of somebody else's, and tampered ones",
  async ({ driver }) => {
    const { clock, store, instance } = await arrange({ driver });
    const ada = await addAdmin(store, instance);
    const bob = await addAdmin(store, instance, "bob@example.com");
    const foreign = createTokens(createSecretKey("another secret than that of the instances"), clock.now);
    const [head = "", body = "", signature = ""] = ada.token.split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    for (const token of [
      await foreign.sign(ada.id, ada.sessionId),
      await instance.tokens.sign(ada.id, bob.sessionId),
      await instance.tokens.sign(ada.id, crypto.randomUUID()),
      await instance.tokens.sign(999, ada.sessionId),
      `${encode({ alg: "none" })}.${body}.`,
      `${encode({ alg: "none" })}.${body}.${signature}`,
      `${head}.${encode({ ...claims, sub: String(bob.id) })}.${signature}`,
      `${head}.${encode({ ...claims, exp: 9_999_999_999 })}.${signature}`,
      `${head}.${body}.${signature.slice(0, -1)}`,
    ]) {
      expect(await instance.ask({ authorization: `Bearer ${token}` })).toBe(REFUSED);
    }
    for (const scheme of ["bearer", "BEARER", "Bearer "]) {
      expect(await instance.ask({ authorization: `${scheme} ${ada.token}` })).toMatchObject({
        user: { id: ada.id },
      });
    }
  },
);

testOnDialect(
  "sqlite",
  "a session that has run out, and one that ends before its token",
  async ({ driver }) => {
    const { clock, store, instance } = await arrange({ driver });
    const { headers } = await addAdmin(store, instance);
    const expires_at = new Date(clock.ms + 60_000);
    await store.db.update(store.tables.sessions).set({ expires_at });
    expect(await instance.ask(headers)).toMatchObject({ expiresAt: expires_at.getTime() });
    clock.step(2);
    expect(await instance.ask(headers)).toBe(REFUSED);
  },
);

testWithCoreTables("an API key may do what it was given and its user still holds", async ({ driver }) => {
  const { clock, store, instance } = await arrange({ driver });
  const { db, tables } = store;
  const ada = await addAdmin(store, instance);
  const asAda = (await instance.ask(ada.headers)) as Principal;
  const { key, id } = await instance.apiKeys.create(asAda, {
    name: "robot",
    permissions: ["users:*", "notes:read"],
    expires_at: new Date(clock.ms + 3_600_000).toISOString(),
  });
  const granted = async (headers: Record<string, string>) => {
    const found = await instance.ask(headers);
    return typeof found === "string"
      ? found
      : [found.apiKeyId, found.sessionId, ...found.permissions.granted];
  };
  for (const headers of [{ "x-api-key": key }, { authorization: `Bearer ${key}` }]) {
    expect(await granted(headers)).toEqual([id, null, "notes:read", "users:*"]);
  }
  const change = async (work: (tx: Transaction) => Promise<unknown>) =>
    db.transaction(async (tx) => {
      await work(tx);
      await noteAccessChange(tx, tables, null);
    });
  await change((tx) => tx.update(tables.rolePermissions).set({ permission: "users:read" }));
  expect(await granted({ "x-api-key": key })).toEqual([id, null, "users:read"]);
  await change((tx) => tx.update(tables.roles).set({ requires_otp: true }));
  expect(await instance.ask({ "x-api-key": key })).toMatchObject({ lacksOtp: false });
  expect(await instance.ask({ "x-api-key": key.slice(0, -1) })).toBe(REFUSED);
  clock.ms += 3_600_000;
  expect(await instance.ask({ "x-api-key": key })).toBe(REFUSED);
  clock.ms -= 3_600_000;
  await instance.apiKeys.revoke(ada.id, id);
  expect(await instance.ask({ "x-api-key": key })).toBe(REFUSED);
  await instance.apiKeys.settle();
});

testOnDialect("sqlite", "no more are remembered than allowed, and those in use stay", async ({ driver }) => {
  const { store, instance } = await arrange({ driver }, 20);
  const ada = await addAdmin(store, instance);
  for (let n = 0; n < 200; n += 1) {
    const sessionId = await addSession(store, ada.id);
    await instance.ask({ authorization: `Bearer ${await instance.tokens.sign(ada.id, sessionId)}` });
    await instance.ask(ada.headers);
  }
  expect(instance.loads).toBe(201);
});

test("a database that can't answer lets nobody through", async () => {
  await using folder = await TestFolder.create();
  const url = parseDatabaseUrl(`sqlite:${folder.path}/app.db`, folder.path);
  const driver = await openDatabase({ url, poolSize: 1, echo: false, log: silent });
  const { store, instance } = await arrange({ driver });
  const { headers } = await addAdmin(store, instance);
  await instance.ask(headers);
  await driver.close();
  expect(await instance.ask(headers)).toBe("database_unavailable");
});

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
