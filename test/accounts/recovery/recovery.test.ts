import { expect } from "bun:test";
import { and, eq, isNull } from "drizzle-orm";
import type { AccountMail } from "../../../src/accounts/people/send-mail.ts";
import { AccountLinks } from "../../../src/accounts/links/links.ts";
import { Recovery } from "../../../src/accounts/recovery/recovery.ts";
import { ADMIN_ROLE, grantRole } from "../../../src/accounts/rights/builtin-roles.ts";
import type { Driver } from "../../../src/db/contract/driver.ts";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import { addDevice, codesOf, ORIGIN } from "../factor-accounts.ts";
import { createIdentity, PASSWORD } from "../identity.ts";

const EMAIL = "ada@example.com";
const NEW_PASSWORD = "another good one";
const MINUTE_MS = 60_000;

/** Everything about accounts, with what was mailed. */
async function start(driver: Driver) {
  const identity = await createIdentity(driver);
  const { store, clock, sessions, passwords } = identity;
  const { now } = clock;
  const mails: AccountMail[] = [];
  const recovery = new Recovery({
    store,
    links: new AccountLinks(store, now),
    passwords,
    sessions,
    notices: { tell: async () => {} },
    sendMail: async (mail) => mails.push(mail),
    now,
  });
  /** Asks, and returns what was mailed for it. */
  const ask = async (email = EMAIL): Promise<AccountMail[]> => {
    const before = mails.length;
    await recovery.send(email, ORIGIN);
    return mails.slice(before);
  };
  const askToken = async (email = EMAIL): Promise<string> => {
    const [mail] = await ask(email);
    return String(mail?.data?.["token"]);
  };
  const reset = (token: string, options: object = {}): Promise<void> =>
    recovery.reset({ token, new_password: NEW_PASSWORD, ...options }, ORIGIN);
  const logInAs = (password: string) => identity.send("POST", "/auth/login", { email: EMAIL, password });
  const register = (email: string) => identity.register(email);
  return { ...identity, register, recovery, ask, askToken, reset, logInAs };
}

testWithCoreTables("Recovery gives an account another password by a link, once", async ({ driver }) => {
  const { store, clock, devices, audit, recovery, send, ...here } = await start(driver);
  const { users, apiKeys } = store.tables;
  const id = await here.register(EMAIL);
  const { body: session } = await here.logIn(EMAIL);
  const key = { user_id: id, name: "CI", prefix: "0123456789", key_hash: "x", permissions: [] };
  await store.db.insert(apiKeys).values(key);
  const device = await addDevice(devices, clock, id);
  await store.db
    .update(users)
    .set({ locked_at: new Date(clock.ms) })
    .where(eq(users.id, id));

  const token = await here.askToken();
  expect(await recovery.read(token)).toEqual({ email: EMAIL, isAdministrator: false, hasApiKeys: true });
  // What is opened changes nothing; a password that isn't taken leaves the link as it was.
  await recovery.read(token);
  expect(await codesOf([here.reset(token, { new_password: "short" })])).toEqual(["validation_error"]);

  const all = await codesOf(Array.from({ length: 4 }, () => here.reset(token, { revoke_api_keys: true })));
  expect(all.filter((code) => code === null)).toHaveLength(1);
  expect(all.filter((code) => code === "link_invalid")).toHaveLength(3);
  expect(await codesOf([here.reset(token), recovery.read(token)])).toEqual(["link_invalid", "link_invalid"]);

  expect((await send("GET", "/auth/me", undefined, { token: session.access_token })).status).toBe(401);
  const [user] = await store.db.select().from(users).where(eq(users.id, id));
  expect(user).toMatchObject({ locked_at: null, email_verified_at: expect.any(Date) });
  expect(await store.db.select().from(apiKeys)).toMatchObject([{ revoked_at: expect.any(Date) }]);
  expect((await here.logInAs(PASSWORD)).status).toBe(401);
  // The second factor stays.
  const first = await here.logInAs(NEW_PASSWORD);
  expect(first.body).toMatchObject({ otp_required: true });
  clock.step();
  const { otp_token } = first.body;
  expect((await send("POST", "/auth/login/otp", { otp_token, code: device.code() })).status).toBe(200);
  const { actions, text } = await audit();
  expect(actions).toContain("user.recovery_requested");
  expect(actions.filter((action) => action === "user.password_reset")).toHaveLength(1);
  expect(text).not.toContain(token);
});

testOnDialect(
  "sqlite",
  "a link is void once its account has another password or email, and when it is old",
  async ({ driver }) => {
    const { store, clock, register, askToken, reset, send, logIn, ask } = await start(driver);
    const { users } = store.tables;
    const id = await register(EMAIL);
    const change = (values: object) => store.db.update(users).set(values).where(eq(users.id, id));

    const old = await askToken();
    clock.ms += 30 * MINUTE_MS;
    expect(await codesOf([reset(old)])).toEqual(["link_invalid"]);

    const before = await askToken();
    const { body } = await logIn(EMAIL);
    const changed = { current_password: PASSWORD, new_password: "a changed password" };
    expect((await send("PUT", "/auth/password", changed, { token: body.access_token })).status).toBe(204);
    expect(await codesOf([reset(before)])).toEqual(["link_invalid"]);

    clock.ms += MINUTE_MS;
    const toOld = await askToken();
    await change({ email: "ada@new.example" });
    expect(await codesOf([reset(toOld)])).toEqual(["link_invalid"]);
    await change({ email: EMAIL });

    // Whoever is kept out by an administrator isn't let in by mail.
    clock.ms += 30 * MINUTE_MS;
    const active = await askToken();
    await change({ is_active: false });
    expect(await codesOf([reset(active)])).toEqual(["link_invalid"]);
    clock.ms += 30 * MINUTE_MS;
    expect(await ask()).toEqual([]);

    // An account without a password gets one.
    await change({ is_active: true, password_hash: null });
    const first = await askToken();
    await reset(first);
    expect((await logIn(EMAIL, NEW_PASSWORD)).status).toBe(200);
  },
);

testWithCoreTables(
  "whoever has registered with another's email is out once that has set a password",
  async ({ driver }) => {
    const { store, register, askToken, reset } = await start(driver);
    const { apiKeys, identities, passkeys, roles, userRoles, users } = store.tables;
    const addWays = async (user_id: number, mark: string) => {
      const key = { user_id, name: "CI", prefix: mark, key_hash: mark, permissions: [] };
      await store.db.insert(apiKeys).values(key);
      const credential = { credential_hash: mark, credential_id: mark, public_key: "x", user_handle: "x" };
      await store.db
        .insert(passkeys)
        .values({ user_id, name: "Key", ...credential, rp_id: "x", transports: [] });
      const provider = { provider: "acme", issuer: "https://acme.example", subject: mark, email: null };
      await store.db
        .insert(identities)
        .values({ user_id, ...provider, subject_hash: mark, roles: [ADMIN_ROLE] });
    };
    const waysOf = async (user: number) => ({
      keys: await store.db.$count(apiKeys, and(eq(apiKeys.user_id, user), isNull(apiKeys.revoked_at))),
      passkeys: await store.db.$count(passkeys, eq(passkeys.user_id, user)),
      identities: await store.db.$count(identities, eq(identities.user_id, user)),
    });
    const all = { keys: 1, passkeys: 1, identities: 1 };
    const known = await register("first@example.com");
    await store.db.transaction((tx) => grantRole(tx, store.tables, known, ADMIN_ROLE));
    const id = await register(EMAIL);
    await addWays(id, "1");
    await store.db.transaction((tx) => grantRole(tx, store.tables, id, ADMIN_ROLE));
    await reset(await askToken());
    expect(await waysOf(id)).toEqual({ keys: 0, passkeys: 0, identities: 0 });
    const isAdmin = and(eq(userRoles.user_id, id), eq(roles.name, ADMIN_ROLE));
    const held = store.db
      .select({ id: roles.id })
      .from(roles)
      .innerJoin(userRoles, eq(userRoles.role_id, roles.id));
    expect(await held.where(isAdmin)).toEqual([]);

    // Their mail is shown to reach them now; and an email that an administrator has set was nobody's to register.
    await addWays(id, "2");
    await reset(await askToken());
    expect(await waysOf(id)).toEqual(all);
    const moved = { email: "ada@new.example", email_verified_at: null };
    await store.db.update(users).set(moved).where(eq(users.id, id));
    await reset(await askToken(moved.email));
    expect(await waysOf(id)).toEqual(all);
  },
);

testOnDialect(
  "sqlite",
  "an administrator's password is a long one, also who became it meanwhile",
  async ({ driver }) => {
    const { store, register, askToken, reset, recovery } = await start(driver);
    const id = await register(EMAIL);
    const token = await askToken();
    await store.db.transaction((tx) => grantRole(tx, store.tables, id, ADMIN_ROLE));
    expect((await recovery.read(token)).isAdministrator).toBe(true);
    expect(await codesOf([reset(token, { new_password: "tooshort99" })])).toEqual(["validation_error"]);
    await reset(token);
  },
);

testOnDialect(
  "sqlite",
  "a flood for one address neither fills its mailbox nor keeps its owner out",
  async ({ driver }) => {
    const { clock, register, ask, reset } = await start(driver);
    await register(EMAIL);
    const tokens: [string, number][] = [];
    for (let minute = 0; minute < 120; minute += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const [mail] = await ask();
      if (mail !== undefined) tokens.push([String(mail.data?.["token"]), clock.ms]);
      const [, sentAt = 0] = tokens.at(-1) ?? [];
      // Whenever the owner looks, a link in the mailbox is good for long enough.
      expect(clock.ms - sentAt).toBeLessThanOrEqual(10 * MINUTE_MS);
      clock.ms += MINUTE_MS;
    }
    expect(tokens.length).toBeLessThan(20);
    expect(await ask("nobody@example.com")).toEqual([]);
    const [last = ""] = tokens.at(-1) ?? [];
    const [oneBefore = ""] = tokens.at(-2) ?? [];
    await reset(last);
    expect(await codesOf([reset(oneBefore)])).toEqual(["link_invalid"]);
  },
);

testOnDialect("sqlite", "a reset forgives wrong passwords, and no wrong codes", async ({ driver }) => {
  const { store, clock, register, devices, logInAs, askToken, reset, send } = await start(driver);
  const id = await register(EMAIL);
  const device = await addDevice(devices, clock, id);
  const { otp_token } = (await logInAs(PASSWORD)).body;
  const guess = () =>
    send("POST", "/auth/login/otp", { otp_token, code: "000000" }, { address: "192.0.2.9" });
  for (let count = 0; count < 5; count += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await logInAs("a wrong password");
    // oxlint-disable-next-line no-await-in-loop
    await guess();
  }
  expect((await logInAs(PASSWORD)).status).toBe(429);
  await reset(await askToken());
  expect((await logInAs(NEW_PASSWORD)).body).toMatchObject({ otp_required: true });
  const { loginFailures } = store.tables;
  const locked = and(eq(loginFailures.address, "192.0.2.9"));
  expect(await store.db.select().from(loginFailures).where(locked)).toHaveLength(1);
  expect(device.recoveryCodes).toHaveLength(10);
});
