import { expect } from "bun:test";
import { apiKeyRoutes } from "../../../src/accounts/api-keys/routes.ts";
import { declarePermissions } from "../../../src/accounts/rights/permission-catalog.ts";
import { ApiKeys } from "../../../src/accounts/api-keys/api-keys.ts";
import { testOnDialect, testWithCoreTables } from "../../database-servers.ts";
import {
  addPrincipal,
  Clock,
  confirmOwner,
  openStore,
  readAudit,
  serve,
  silent,
} from "../factor-accounts.ts";

testWithCoreTables("apiKeyRoutes() makes a key, lists and revokes it", async ({ driver }) => {
  const [store, clock] = [await openStore(driver), new Clock()];
  const apiKeys = new ApiKeys({ store, log: silent, now: clock.now });
  const send = serve((context) => apiKeyRoutes({ ...context, apiKeys, store, confirmOwner }));
  const ada = await addPrincipal(store, "ada@example.com", { permissions: ["invoices:*"] });

  await declarePermissions(store, "invoices", { "invoices:read": "See invoices" });
  const input = { name: "CI", permissions: ["invoices:read"], expires_at: "2030-06-01T00:00:00+02:00" };
  const confirmed = { current_password: "right" };
  const made = await send(ada, "POST", "/auth/api_keys", {
    ...input,
    ...confirmed,
    user_id: 99,
    key_hash: "x",
    prefix: "mine",
  });
  expect(made.status).toBe(201);
  expect(made.headers.get("cache-control")).toBe("no-store");
  const { key, ...shown } = made.body;
  expect(shown).toEqual({
    id: expect.any(Number),
    name: "CI",
    prefix: expect.stringMatching(/^xc_[0-9a-z]{10}$/),
    permissions: ["invoices:read"],
    expires_at: "2030-05-31T22:00:00.000Z",
    last_used_at: null,
    created_at: new Date(clock.ms).toISOString(),
  });
  expect(await apiKeys.verify(key)).toMatchObject({ userId: ada.user.id, apiKeyId: shown.id });
  await apiKeys.settle();
  const list = await send(ada, "GET", "/auth/api_keys?sort=-created_at");
  expect(list.body).toEqual({
    items: [{ ...shown, last_used_at: new Date(clock.ms).toISOString() }],
    page: 1,
    per_page: 20,
    total: 1,
  });
  const mistyped = await send(ada, "POST", "/auth/api_keys", {
    name: "x",
    permissions: ["invoices:raed"],
    ...confirmed,
  });
  expect(mistyped.status).toBe(201);
  expect(mistyped.body.warnings).toEqual([
    'No plugin declares the permission "invoices:raed": did you mean "invoices:read"?',
  ]);
  await send(ada, "DELETE", `/auth/api_keys/${mistyped.body.id}`);
  const forever = await send(ada, "POST", "/auth/api_keys", {
    name: "x",
    permissions: [],
    expires_at: null,
    ...confirmed,
  });
  expect([forever.status, forever.body.expires_at]).toEqual([201, null]);

  const revoked = await send(ada, "DELETE", `/auth/api_keys/${shown.id}`);
  expect([revoked.status, revoked.text]).toEqual([204, ""]);
  expect(await apiKeys.verify(key)).toBeNull();
  expect((await send(ada, "DELETE", `/auth/api_keys/${shown.id}`)).status).toBe(404);
  expect((await readAudit(store)).actions).toEqual([
    "api_key.created",
    "api_key.created",
    "api_key.revoked",
    "api_key.created",
    "api_key.revoked",
  ]);
});

testOnDialect(
  "sqlite",
  "apiKeyRoutes() refuses strangers, API keys, and what doesn't fit",
  async ({ driver }) => {
    const [store, clock] = [await openStore(driver), new Clock()];
    const apiKeys = new ApiKeys({ store, log: silent, now: clock.now });
    const send = serve((context) => apiKeyRoutes({ ...context, apiKeys, store, confirmOwner }));
    const ada = await addPrincipal(store, "ada@example.com", { permissions: ["invoices:*"] });
    const eve = await addPrincipal(store, "eve@example.com");
    const { id, key } = await apiKeys.create(ada, { name: "key", permissions: ["invoices:*"] });
    const routes = [
      ["GET", "/auth/api_keys", undefined],
      ["POST", "/auth/api_keys", { name: "key", permissions: [], current_password: "right" }],
      ["DELETE", `/auth/api_keys/${id}`, undefined],
    ] as const;
    for (const [method, path, body] of routes) {
      // oxlint-disable-next-line no-await-in-loop -- one request after another
      expect((await send(null, method, path, body)).body.code).toBe("authentication_error");
      // oxlint-disable-next-line no-await-in-loop
      const byKey = await send({ ...ada, sessionId: null, apiKeyId: id }, method, path, body);
      expect(byKey.body.code).toBe("authorization_error");
    }
    const bad = { name: "key", permissions: ["invoices:read"], current_password: "right" };
    const refused = [
      [{}, 422],
      [{ ...bad, name: "a\r\nx-evil: 1" }, 422],
      [{ ...bad, permissions: "invoices:read" }, 422],
      [{ ...bad, permissions: ["in voices"] }, 422],
      [{ ...bad, permissions: Array.from({ length: 101 }, () => "invoices:read") }, 422],
      [{ ...bad, expires_at: "2029-01-01T00:00:00Z" }, 422],
      [{ ...bad, expires_at: "tomorrow" }, 422],
      [{ ...bad, expires_at: 1 }, 422],
      [{ name: "key", permissions: [] }, 403],
      [{ ...bad, current_password: "" }, 422],
      [{ ...bad, current_password: "wrong" }, 401],
      [bad, 403],
    ] as const;
    for (const [body, status] of refused) {
      // oxlint-disable-next-line no-await-in-loop -- one request after another
      const answer = await send(eve, "POST", "/auth/api_keys", body);
      expect([body, answer.status]).toEqual([body, status]);
    }
    expect((await send(eve, "DELETE", `/auth/api_keys/${id}`)).status).toBe(404);
    expect((await send(eve, "GET", "/auth/api_keys")).body.total).toBe(0);
    expect(await apiKeys.verify(key)).not.toBeNull();
    await apiKeys.settle();
  },
);
