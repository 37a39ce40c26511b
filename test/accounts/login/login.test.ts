import { eq } from "drizzle-orm";
import { expect } from "bun:test";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { createIdentity, type Identity, PASSWORD } from "../identity.ts";
import { processorTime } from "../processor-time.ts";

const EMAIL = "ada@example.com";

const namesOf = ({ events }: Identity) => events.map(({ name }) => name);

async function accountOf({ store: { db, tables } }: Identity, email = EMAIL) {
  const [row] = await db.select().from(tables.users).where(eq(tables.users.email, email));
  if (row === undefined) throw new Error("no account");
  return row;
}

testWithCoreTables("Login gives tokens for the right password, and an audit entry", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { store, send, clock } = identity;
  const id = await identity.register(EMAIL);
  const { status, body, headers } = await identity.logIn(" ADA@Example.com ", PASSWORD, {
    headers: { "user-agent": "tests" },
  });
  expect(status).toBe(200);
  expect(body).toEqual({
    access_token: expect.any(String),
    refresh_token: expect.any(String),
    token_type: "bearer",
    expires_in: 1800,
  });
  expect(headers.get("cache-control")).toBe("no-store");
  const [session] = await store.db.select().from(store.tables.sessions);
  expect(session).toMatchObject({
    user_id: id,
    ip_address: "192.0.2.1",
    user_agent: "tests",
    has_otp: false,
  });
  const account = await accountOf(identity);
  expect(account.last_login_at?.getTime()).toBe(clock.ms);
  const me = await send("GET", "/auth/me", undefined, { token: body.access_token });
  expect(me.body).toMatchObject({ id, email: EMAIL, roles: ["user"], permissions: [], has_otp: false });
  const { entries, text } = await identity.audit();
  expect(entries.at(-1)).toMatchObject({
    action: "user.login",
    actor_id: id,
    actor: EMAIL,
    target_id: session?.id,
  });
  for (const secret of [PASSWORD, body.access_token, body.refresh_token, "$2b$"])
    expect(text).not.toContain(secret);
  expect(identity.events.at(-1)).toMatchObject({
    name: "user.login",
    data: { user: { id, email: EMAIL }, session_id: session?.id, has_otp: false },
  });
});

testOnDialect(
  "sqlite",
  "Login answers alike for unknown emails, wrong passwords, and accounts that can't be used",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { store } = identity;
    await identity.register(EMAIL);
    const { users } = store.tables;
    await identity.register("inactive@example.com");
    await store.db.update(users).set({ is_active: false }).where(eq(users.email, "inactive@example.com"));
    await store.db.insert(users).values({ email: "keyless@example.com" });
    const tries: [string, string][] = [
      [EMAIL, "wrong password"],
      ["nobody@example.com", PASSWORD],
      ["inactive@example.com", PASSWORD],
      ["keyless@example.com", PASSWORD],
      ["no email at all", PASSWORD],
      ["' or 1=1 --", PASSWORD],
      [EMAIL, `${PASSWORD}\0`],
      [EMAIL, "\ud800"],
    ];
    for (const [email, password] of tries) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const { status, body, headers } = await identity.logIn(email, password);
      expect({ status, code: body.code, detail: body.detail }).toEqual({
        status: 401,
        code: "invalid_credentials",
        detail: "The email, the password or the code is wrong",
      });
      expect(headers.get("retry-after")).toBeNull();
    }
    const reasons = identity.events.flatMap(({ name, data }) =>
      name === "user.login_failed" ? [(data as { reason: string }).reason] : [],
    );
    expect(reasons).toEqual([
      "wrong_password",
      "unknown_email",
      "inactive",
      "wrong_password",
      "unknown_email",
      "unknown_email",
      "wrong_password",
      "wrong_password",
    ]);
    const { entries, text } = await identity.audit();
    expect(entries.filter(({ action }) => action === "user.login_failed")).toHaveLength(tries.length);
    expect(text).not.toContain("no email at all");
  },
);

testOnDialect(
  "sqlite",
  "Login takes the same time for an unknown email as for a wrong password",
  async ({ driver }) => {
    const identity = await createIdentity(driver, { bcryptCost: 9 });
    for (const name of ["a", "b", "c"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await identity.register(`${name}@example.com`);
    }
    const cost = (email: string) => processorTime(() => identity.logIn(email, "wrong password"));
    await cost("warm@example.com");
    const known: number[] = [];
    const unknown: number[] = [];
    for (const name of ["a", "b", "c", "a", "b", "c"]) {
      // oxlint-disable-next-line no-await-in-loop
      known.push(await cost(`${name}@example.com`));
      // oxlint-disable-next-line no-await-in-loop
      unknown.push(await cost(`${name}@unknown.example`));
    }
    const ratio = Math.min(...known) / Math.min(...unknown);
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
  },
);

testWithCoreTables(
  "Login locks a name after 5 failures, known or not, for longer and longer",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { clock } = identity;
    await identity.register(EMAIL);
    // The same to the last detail: a lock tells nothing of whether there is an account.
    const seen = { known: [] as unknown[], unknown: [] as unknown[] };
    const attempt = async (password: string) => {
      for (const [kind, email] of [
        ["known", EMAIL],
        ["unknown", "nobody@example.com"],
      ] as const) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        const { status, body, headers } = await identity.logIn(email, password);
        seen[kind].push([status, body.code, body.detail, headers.get("retry-after")]);
      }
    };
    const waits: (string | null)[] = [];
    for (let round = 0; round < 5; round++) {
      // oxlint-disable-next-line no-await-in-loop
      await attempt("wrong password");
    }
    for (const seconds of [60, 120, 240, 480, 900, 900, 900, 900]) {
      // oxlint-disable-next-line no-await-in-loop
      await attempt("wrong password");
      waits.push((seen.known.at(-1) as string[])[3] ?? null);
      clock.ms += seconds * 1000 - 1;
      // oxlint-disable-next-line no-await-in-loop
      await attempt("wrong password");
      expect(seen.known.at(-1)).toMatchObject([429, "account_locked", expect.anything(), "1"]);
      clock.ms += 1;
      // oxlint-disable-next-line no-await-in-loop
      await attempt("wrong password"); // the one that locks again
      expect((seen.known.at(-1) as unknown[]).slice(0, 2)).toEqual([401, "invalid_credentials"]);
    }
    expect(seen.unknown).toEqual(seen.known);
    expect(waits).toEqual(["60", "120", "240", "480", "900", "900", "900", "900"]);
    // Locked: not even the right one.
    expect((await identity.logIn(EMAIL)).body.code).toBe("account_locked");
    clock.ms += 900_000;
    expect((await identity.logIn(EMAIL)).status).toBe(200);
    // The count of this address ends with that; the other name's goes on.
    const { db, tables } = identity.store;
    const failures = await db.select().from(tables.loginFailures);
    expect(failures.filter(({ address }) => address !== "")).toHaveLength(1);
  },
);

testWithCoreTables("Login counts guesses that are sent all at once", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.register(EMAIL);
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, index) => identity.logIn(EMAIL, `wrong ${index}`)),
  );
  const statuses = results.map(({ status }) => status).toSorted((a, b) => a - b);
  expect(statuses).toEqual([
    ...Array.from({ length: 5 }, () => 401),
    ...Array.from({ length: 15 }, () => 429),
  ]);
  const { db, tables } = identity.store;
  const failures = await db.select().from(tables.loginFailures);
  expect(failures.map(({ failed }) => failed)).toEqual([5, 5]); // from here, and from everywhere
});

testOnDialect(
  "sqlite",
  "Login stands 10,000 attempts: few are looked at, and little is kept",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    await identity.register(EMAIL);
    let looked = 0;
    for (let round = 0; round < 100; round++) {
      // oxlint-disable-next-line no-await-in-loop -- a hundred at once
      const results = await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          identity.logIn(`u${index}@example.com`, "guess it", { address: "203.0.113.7" }),
        ),
      );
      looked += results.filter(({ status }) => status === 401).length;
      expect(results.every(({ status, headers }) => status === 401 || headers.has("retry-after"))).toBe(true);
    }
    expect(looked).toBe(30);
    const { entries } = await identity.audit();
    expect(entries.length).toBeLessThan(40);
    // Others are not concerned.
    expect((await identity.logIn(EMAIL, PASSWORD, { address: "203.0.113.8" })).status).toBe(200);
  },
  120_000,
);

testOnDialect("sqlite", "Login lets many people behind one address in", async ({ driver }) => {
  const identity = await createIdentity(driver);
  await identity.register(EMAIL);
  for (let round = 0; round < 40; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect((await identity.logIn(EMAIL)).status).toBe(200);
  }
});

testWithCoreTables("Login hashes the password anew when the setting has changed", async ({ driver }) => {
  const identity = await createIdentity(driver);
  const { store } = identity;
  await identity.register(EMAIL);
  const old = await Bun.password.hash(PASSWORD, { algorithm: "argon2id", memoryCost: 8, timeCost: 1 });
  await store.db.update(store.tables.users).set({ password_hash: old });
  expect((await identity.logIn(EMAIL, "wrong password")).status).toBe(401);
  expect((await accountOf(identity)).password_hash).toBe(old);
  expect((await identity.logIn(EMAIL)).status).toBe(200);
  expect((await accountOf(identity)).password_hash).toStartWith("$2b$04$");
  expect((await identity.logIn(EMAIL)).status).toBe(200);
});

testOnDialect(
  "sqlite",
  "Login keeps the hash of a password that is too short to be set today",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    await identity.register(EMAIL);
    const old = await Bun.password.hash("short", { algorithm: "bcrypt", cost: 5 });
    await identity.store.db.update(identity.store.tables.users).set({ password_hash: old });
    expect((await identity.logIn(EMAIL, "short")).status).toBe(200);
  },
);

testOnDialect(
  "sqlite",
  "Login is cancelled by a handler that runs before, with its reason",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { hooks, store } = identity;
    const id = await identity.register(EMAIL);
    const undo = hooks.on(
      "user.login",
      ({ data, cancel }) => data.user.id === id && cancel("Closed until Monday"),
      {
        order: "before",
      },
    );
    expect(await identity.logIn(EMAIL)).toMatchObject({
      status: 403,
      body: { code: "authorization_error", detail: "Closed until Monday" },
    });
    expect((await identity.logIn(EMAIL, "wrong password")).status).toBe(401);
    expect(await store.db.$count(store.tables.sessions)).toBe(0);
    expect((await identity.audit()).entries.at(-2)).toMatchObject({
      action: "user.login",
      result: "refused",
    });
    undo();
    expect((await identity.logIn(EMAIL)).status).toBe(200);
    expect(namesOf(identity)).not.toContain("error");
  },
);

testOnDialect(
  "sqlite",
  "Login is refused when the password was changed while it was checked",
  async ({ driver }) => {
    const identity = await createIdentity(driver);
    const { hooks, store, passwords } = identity;
    await identity.register(EMAIL);
    const password_hash = await passwords.hash("a new password");
    hooks.on("user.login", () => store.db.update(store.tables.users).set({ password_hash }), { once: true });
    expect((await identity.logIn(EMAIL)).status).toBe(401);
    expect(await store.db.$count(store.tables.sessions)).toBe(0);
  },
);
