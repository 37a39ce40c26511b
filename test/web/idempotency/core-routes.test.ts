import { afterAll, expect } from "bun:test";
import { eq } from "drizzle-orm";
import { generateOtpCode } from "../../../src/accounts/two-factor/codes.ts";
import { type Dialect, DIALECTS } from "../../../src/db/contract/driver.ts";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { PluginHost } from "../../plugins/remote/plugin-host.ts";
import { TestApp } from "../../setup.ts";

const PASSWORD = "correct horse battery";
const host = new PluginHost();
afterAll(() => host.stop());

async function start(dialect: Dialect) {
  const disposals = new AsyncDisposableStack();
  const database = disposals.use(await createTestDatabase(dialect));
  const app = disposals.use(
    await TestApp.start({
      config: {
        database: { url: database.url },
        security: { bcrypt_cost: 4, allow_registration: true },
        plugins: { fetch: { allow_hosts: [new URL(host.url("/")).host] } },
      },
    }),
  );
  const { id, headers } = await app.admin();
  const { db, tables } = app.app.store;
  const password_hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
  await db.update(tables.users).set({ password_hash }).where(eq(tables.users.id, id));
  const post = async (path: string, key: string, body: object) => {
    const response = await app.fetch(path, {
      method: "POST",
      headers: { ...headers, "idempotency-key": key, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const isReplayed = response.headers.has("idempotent-replayed");
    return { status: response.status, isReplayed, body: (await response.json()) as Record<string, unknown> };
  };
  /** Sends a request twice, with a key of its own. @returns what it was answered both times */
  const postTwice = async (path: string, body: object) => {
    const key = crypto.randomUUID();
    const first = await post(path, key, body);
    const again = await post(path, key, body);
    expect([path, first.isReplayed, again.isReplayed]).toEqual([path, false, true]);
    expect({ ...again, isReplayed: false }).toEqual(first);
    return first;
  };
  return { app, db, tables, post, postTwice, [Symbol.asyncDispose]: () => disposals.disposeAsync() };
}

for (const dialect of DIALECTS) {
  testWithServer(
    dialect,
    `what makes something in xcore makes it once with a key, secrets too (${dialect})`,
    120_000,
    async () => {
      await using started = await start(dialect);
      const { db, tables, postTwice } = started;
      const key = { name: "Reports", permissions: [], current_password: PASSWORD };
      const made = await postTwice("/auth/api_keys", key);
      expect(made).toMatchObject({ status: 201, body: { key: expect.any(String) } });
      expect(await db.$count(tables.apiKeys)).toBe(1);

      const phone = { name: "My phone", current_password: PASSWORD };
      const enrolled = await postTwice("/auth/otp/devices", phone);
      const { id, secret } = enrolled.body as { id: number; secret: string };
      const confirmed = await postTwice(`/auth/otp/devices/${id}/confirm`, {
        code: generateOtpCode(secret, Date.now()),
      });
      expect(confirmed).toMatchObject({ status: 200, body: { recovery_codes: { length: 10 } } });
      const codes = confirmed.body["recovery_codes"] as string[];
      const renewed = await postTwice("/auth/otp/recovery_codes", {
        code: generateOtpCode(secret, Date.now() + 30_000),
      });
      expect(renewed.status).toBe(201);
      expect(renewed.body["recovery_codes"]).not.toEqual(codes);

      const registered = await postTwice("/auth/register", { email: "ann@example.com", password: PASSWORD });
      expect(registered.status).toBe(201);

      const kept = await db.select().from(tables.idempotencyKeys);
      expect(kept).toHaveLength(5);
      const secrets = [made.body["key"], secret, codes[0], PASSWORD].map(String);
      for (const shown of secrets) expect(JSON.stringify(kept)).not.toContain(shown);
    },
  );

  testWithServer(
    dialect,
    `a plugin that is added with a key is fetched once (${dialect})`,
    120_000,
    async () => {
      await using started = await start(dialect);
      const name = `r${crypto.randomUUID().replaceAll("-", "")}`;
      const code = `import { createRouter } from "xcore";
export const PLUGIN_INFO = { name: "${name}", version: "1.0.0" };
export default createRouter();`;
      const { url } = host.publish(`/${name}`, { "plugin.ts": code }, "plugin.ts");
      expect(await started.postTwice("/system/plugins", { url })).toMatchObject({
        status: 201,
        body: { name },
      });
      const other = await started.post("/system/plugins", "another", { url });
      expect([other.status, other.isReplayed]).toEqual([200, false]);
      expect(await started.db.$count(started.tables.idempotencyKeys)).toBe(2);
    },
  );

  testWithServer(
    dialect,
    `what refuses an API key with a key is asked again, and stays counted (${dialect})`,
    120_000,
    async () => {
      await using started = await start(dialect);
      const wrong = { name: "Reports", permissions: [], current_password: "wrong horse" };
      for (const _ of [1, 2, 3, 4, 5]) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        const refused = await started.post("/auth/api_keys", "a", wrong);
        expect([refused.status, refused.isReplayed]).toEqual([401, false]);
      }
      expect((await started.post("/auth/api_keys", "a", wrong)).status).toBe(429);
      const { auditLog } = started.tables;
      const refusals = eq(auditLog.action, "api_key.created");
      expect(await started.db.$count(auditLog, refusals)).toBe(5);
    },
  );
}

testWithServer("sqlite", "what is kept of a request doesn't tell what was in it", 120_000, async () => {
  const user = { email: "clerk@example.com", password: PASSWORD };
  const fingerprints = [];
  for (const _ of [1, 2]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await using started = await start("sqlite");
    // oxlint-disable-next-line no-await-in-loop
    expect((await started.post("/admin/users", "u", user)).status).toBe(201);
    // oxlint-disable-next-line no-await-in-loop
    const [row] = await started.db.select().from(started.tables.idempotencyKeys);
    fingerprints.push(row?.fingerprint);
  }
  // Each has a secret key of its own: without it no password can be tried.
  expect(new Set(fingerprints).size).toBe(2);
});

testWithServer(
  "sqlite",
  "every route of xcore that makes something says that it takes a key",
  120_000,
  async () => {
    await using started = await start("sqlite");
    const { body } = await started.app.get("/openapi.json");
    type Operation = { responses: object; parameters?: { name: string }[] };
    const makers = Object.entries(
      body.paths as Record<string, { post?: Operation; patch?: Operation }>,
    ).flatMap(([path, { post, patch }]) =>
      [post, patch].flatMap((operation) =>
        operation !== undefined && "201" in operation.responses ? [{ path, operation }] : [],
      ),
    );
    expect(makers.length).toBeGreaterThan(6);
    for (const { path, operation } of makers) {
      const names = (operation.parameters ?? []).map(({ name }) => name);
      expect([path, names]).toEqual([path, expect.arrayContaining(["Idempotency-Key"])]);
    }
  },
);
