import { eq } from "drizzle-orm";
import { expect } from "bun:test";
import { ApiKeys } from "../../../src/accounts/api-keys/api-keys.ts";
import { generateOtpCode } from "../../../src/accounts/two-factor/codes.ts";
import type { Principal } from "../../../src/accounts/identity/principal.ts";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import {
  addPrincipal,
  Clock,
  codesOf,
  createDevices,
  openStore,
  ORIGIN,
  readAccessChanges,
  readAudit,
  silent,
} from "../factor-accounts.ts";

async function codeOf(promise: Promise<unknown>): Promise<string | null | undefined> {
  return (await codesOf([promise]))[0];
}

testWithCoreTables("ApiKeys makes, verifies, lists and revokes keys", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const apiKeys = new ApiKeys({ store, log: silent, now: clock.now });
  const ada = await addPrincipal(store, "ada@example.com", { permissions: ["invoices:*", "users:read"] });
  const made = await apiKeys.create(
    ada,
    {
      name: " CI ",
      permissions: ["users:read", "invoices:*", "users:read"],
      expires_at: "2030-02-01T00:00:00Z",
    },
    { origin: ORIGIN },
  );
  expect(made.key).toMatch(/^xc_[0-9a-z]{10}_[0-9a-z]{40}$/);
  expect(made).toMatchObject({ name: "CI", permissions: ["invoices:*", "users:read"], last_used_at: null });
  expect(made.key).toStartWith(`${made.prefix}_`);
  const expiresAt = Date.parse("2030-02-01T00:00:00Z");
  const permissions = ["invoices:*", "users:read"];
  const verified = { userId: ada.user.id, apiKeyId: made.id, permissions, expiresAt };
  expect(await apiKeys.verify(made.key)).toEqual(verified);
  const forever = await apiKeys.create(ada, { name: "for ever", permissions: [] });
  expect((await apiKeys.verify(forever.key))?.expiresAt).toBe(Infinity);

  await apiKeys.settle();
  const { key: _, ...shown } = made;
  const list = await apiKeys.list(ada.user.id, { per_page: 1 });
  expect(list).toEqual({
    items: [{ ...shown, last_used_at: new Date(clock.ms) }],
    page: 1,
    per_page: 1,
    total: 2,
    next: expect.any(String),
  });

  clock.ms = expiresAt - 1;
  expect(await apiKeys.verify(made.key)).not.toBeNull();
  clock.ms = expiresAt;
  expect(await apiKeys.verify(made.key)).toBeNull();

  await apiKeys.revoke(ada.user.id, forever.id, { origin: ORIGIN });
  expect(await apiKeys.verify(forever.key)).toBeNull();
  expect(await codeOf(apiKeys.revoke(ada.user.id, forever.id))).toBe("not_found");
  expect((await apiKeys.list(ada.user.id, {})).total).toBe(1);
  expect(await readAccessChanges(store)).toEqual([ada.user.id]);
  const { entries, text } = await readAudit(store);
  expect(entries).toMatchObject([
    {
      action: "api_key.created",
      actor: "ada@example.com",
      target_id: String(made.id),
      ip_address: ORIGIN.ipAddress,
      after: { name: "CI", prefix: made.prefix, permissions, expires_at: "2030-02-01T00:00:00.000Z" },
    },
    { action: "api_key.created" },
    { action: "api_key.revoked", target_id: String(forever.id), before: { name: "for ever" } },
  ]);
  const rows = JSON.stringify(await store.db.select().from(store.tables.apiKeys));
  for (const { key } of [made, forever]) {
    const secret = key.slice(key.lastIndexOf("_") + 1);
    expect(text + rows).not.toContain(secret);
  }
});

testWithCoreTables("ApiKeys.verify() refuses whatever isn't a key of somebody active", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const apiKeys = new ApiKeys({ store, log: silent, now: clock.now });
  const ada = await addPrincipal(store, "ada@example.com");
  const [one, two] = [
    await apiKeys.create(ada, { name: "one", permissions: [] }),
    await apiKeys.create(ada, { name: "two", permissions: [] }),
  ];
  const secret = one.key.slice(one.prefix.length);
  const last = one.key.at(-1) === "0" ? "1" : "0";
  const wrong = [
    "",
    "xc_",
    "xc__",
    one.prefix,
    `${one.prefix}_`,
    secret,
    one.key.slice(0, -1),
    `${one.key}0`,
    one.key.slice(0, -1) + last,
    two.prefix + secret,
    one.key.toUpperCase(),
    ` ${one.key}`,
    `${one.key}\n`,
    "xc_%%%%%%%%%%_".padEnd(54, "%"),
    `${one.prefix}_${"'".repeat(40)}`,
    "x".repeat(1_000_000),
  ];
  for (const key of wrong) {
    // oxlint-disable-next-line no-await-in-loop -- a loop of cases
    expect(await apiKeys.verify(key)).toBeNull();
  }
  const { users } = store.tables;
  await store.db.update(users).set({ is_active: false }).where(eq(users.id, ada.user.id));
  expect(await apiKeys.verify(one.key)).toBeNull();
  await store.db.update(users).set({ is_active: true }).where(eq(users.id, ada.user.id));
  expect(await apiKeys.verify(one.key)).not.toBeNull();
  await apiKeys.settle();
  await store.db.delete(users).where(eq(users.id, ada.user.id));
  expect(await apiKeys.verify(one.key)).toBeNull();
});

testWithCoreTables(
  "ApiKeys notes the use of a key once a minute, on however many instances",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const instances = [0, 1].map(() => new ApiKeys({ store, log: silent, now: clock.now }));
    const [first, second] = instances;
    if (first === undefined || second === undefined) throw new Error("no instances");
    const ada = await addPrincipal(store, "ada@example.com");
    const { id, key } = await first.create(ada, { name: "key", permissions: [] });
    const startMs = clock.ms;
    const usedAt = async () => {
      await Promise.all(instances.map((instance) => instance.settle()));
      const [row] = await store.db.select().from(store.tables.apiKeys);
      return (row?.last_used_at?.getTime() ?? Number.NaN) - startMs;
    };
    await first.verify(key);
    expect(await usedAt()).toBe(0);
    clock.ms += 59_999;
    await first.verify(key);
    await second.verify(key);
    expect(await usedAt()).toBe(0);
    clock.ms += 1;
    first.noteUse(id);
    expect(await usedAt()).toBe(60_000);
  },
);

testWithCoreTables("ApiKeys keeps 50 keys of a user, however many are made at once", async ({ driver }) => {
  const store = await openStore(driver);
  const apiKeys = new ApiKeys({ store, log: silent });
  const ada = await addPrincipal(store, "ada@example.com");
  const create = (name: string) => codeOf(apiKeys.create(ada, { name, permissions: [] }));
  const codes = await Promise.all(Array.from({ length: 55 }, (_, index) => create(`key ${index}`)));
  expect(codes.filter((code) => code === "conflict")).toHaveLength(5);
  const { items } = await apiKeys.list(ada.user.id, { per_page: 100 });
  expect(items).toHaveLength(50);
  await apiKeys.revoke(ada.user.id, items[0]?.id ?? 0);
  expect(await create("one more")).toBeNull();
  expect(await create("one too many")).toBe("conflict");
});

testWithCoreTables("ApiKeys.create() looks at what its owner holds by then", async ({ driver }) => {
  const store = await openStore(driver);
  const apiKeys = new ApiKeys({ store, log: silent });
  // As a request knows them that came before their roles were changed.
  const owner = await addPrincipal(store, "ada@example.com", { permissions: ["invoices:read"] });
  const { roles, rolePermissions } = store.tables;
  await store.db.delete(rolePermissions);
  const asked = { name: "k", permissions: ["invoices:read"] };
  expect(await codeOf(apiKeys.create(owner, asked))).toBe("authorization_error");
  await store.db.update(roles).set({ requires_otp: true });
  expect(await codeOf(apiKeys.create(owner, { ...asked, permissions: [] }))).toBe("otp_required");
  expect(await store.db.$count(store.tables.apiKeys)).toBe(0);
});

testOnDialect("sqlite", "ApiKeys.create() grants nothing that its owner doesn't hold", async ({ driver }) => {
  const store = await openStore(driver);
  const apiKeys = new ApiKeys({ store, log: silent });
  const cases: [held: string[], asked: string, code: string | null][] = [
    [[], "users:read", "authorization_error"],
    [["users:read"], "users:read", null],
    [["users:read"], "users:write", "authorization_error"],
    [["users:read", "users:write"], "users:*", "authorization_error"],
    [["users:*"], "users:delete", null],
    [["users:*"], "users:*", null],
    [["users:*"], "user:*", "authorization_error"],
    [["users:*", "roles:*"], "*", "authorization_error"],
    [["*"], "*", null],
    [["*"], "anything:at_all", null],
    [["*"], "*:*", "validation_error"],
    [["*"], "users:*read", "validation_error"],
    [["*"], "users", "validation_error"],
    [["*"], "USERS:read", "validation_error"],
    [["*"], "users:read\r\n", "validation_error"],
    [["*"], "__proto__", "validation_error"],
    [["*"], "", "validation_error"],
  ];
  for (const [held, asked, code] of cases) {
    // oxlint-disable-next-line no-await-in-loop -- a loop of cases
    const principal = await addPrincipal(store, `u${Bun.randomUUIDv7()}@example.com`, {
      permissions: [...held],
    });
    // oxlint-disable-next-line no-await-in-loop
    const result = await codeOf(apiKeys.create(principal, { name: "key", permissions: [asked] }));
    expect([held, asked, result]).toEqual([held, asked, code]);
  }
});

testOnDialect(
  "sqlite",
  "ApiKeys.create() is for a session with all the factors that are asked for",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const apiKeys = new ApiKeys({ store, log: silent, now: clock.now });
    const devices = createDevices(store, clock);
    const ada = await addPrincipal(store, "ada@example.com");
    const create = (who: Principal, input = {}) =>
      codeOf(apiKeys.create(who, { name: "key", permissions: [], ...input }));
    expect(await create({ ...ada, sessionId: null, apiKeyId: 1 })).toBe("authorization_error");
    expect(await create({ ...ada, lacksOtp: true })).toBe("otp_required");
    const { id, secret } = await devices.create(ada.user.id, "phone");
    await devices.confirm(ada.user.id, id, generateOtpCode(secret, clock.ms));
    expect(await create(ada)).toBe("otp_required");
    const { sessions } = store.tables;
    await store.db.update(sessions).set({ has_otp: true }).where(eq(sessions.id, ada.sessionId));
    expect(await create(ada)).toBeNull();

    const times = [
      "2030-01-01T00:00:15Z",
      "2029-12-31T00:00:00Z",
      "never",
      "",
      "+010000-01-01T00:00:00Z",
      "2030-13-01T00:00:00Z",
    ];
    for (const expires_at of times) {
      // oxlint-disable-next-line no-await-in-loop -- a loop of cases
      expect([expires_at, await create(ada, { expires_at })]).toEqual([expires_at, "validation_error"]);
    }
    for (const name of ["", "a\r\nx-evil: 1", "\uD800", "\0", "x".repeat(101)]) {
      // oxlint-disable-next-line no-await-in-loop -- a loop of cases
      expect([name, await create(ada, { name })]).toEqual([name, "validation_error"]);
    }
  },
);
