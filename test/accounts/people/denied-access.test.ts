import { desc } from "drizzle-orm";
import { afterEach, expect, jest, test } from "bun:test";
import pino from "pino";
import { DeniedAccess, type Denial } from "../../../src/accounts/people/denied-access.ts";
import { openCoreStore } from "../../../src/accounts/people/store.ts";
import { testWithCoreTables } from "../../database-servers.ts";
import { type Files, TestApp } from "../../setup.ts";

const SHOP: Files = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/run.ts": `import { AppError, createRouter } from "xcore";
export default createRouter()
  .get("/orders/:id", () => 1, { permission: "orders:read" })
  .get("/stock", () => 1, { permission: "stock:read" })
  .get("/closed", () => { throw new AppError("closed", 403, "Closed"); }, { auth: true });
`,
};
const silent = pino({ level: "silent" });

afterEach(() => jest.useRealTimers());

function toDenial(more: Partial<Denial> = {}): Denial {
  return {
    code: "authorization_error",
    reason: 'This needs the permission "orders:read"',
    request: { id: "a-1", method: "GET", path: "/shop/orders/7" },
    plugin: "shop",
    actor: { id: 7, email: "ada@example.com" },
    origin: { ipAddress: "203.0.113.9", userAgent: "curl" },
    ...more,
  };
}

test("what guards refuse is in the audit log: the first of each kind at once, and how many there were at the end", async () => {
  await using app = await TestApp.start({ plugins: SHOP });
  const user = await app.createUser("ada@example.com", ["user"]);
  const ask = async (path: string, headers: Record<string, string>, times = 1): Promise<void> => {
    for (let index = 0; index < times; index += 1) {
      // oxlint-disable-next-line no-await-in-loop -- the first is the one that is written
      await (await app.fetch(path, { headers: { "user-agent": "curl", ...headers } })).text();
    }
  };
  await ask("/shop/orders/1?token=s3cret", user.headers);
  await ask("/shop/orders/2", user.headers, 40);
  await ask("/shop/stock", user.headers);
  await ask("/shop/stock", {}, 3);
  await ask("/ui/users", { accept: "text/html" }); // is led to the login
  await ask("/shop/closed", user.headers); // says its plugin, and no guard
  await ask("/nowhere", user.headers);
  await ask("/ui", { ...user.headers, accept: "text/html" }); // leaves out what isn't theirs
  await app.fetch("/auth/login", { method: "POST", body: new URLSearchParams({ username: "a" }) });

  const { auditLog } = app.app.store.tables;
  const read = () => app.app.store.db.select().from(auditLog).orderBy(auditLog.id);
  const denied = async () => (await read()).filter(({ action }) => action === "access.denied");
  await app.app.accounts.denials.close();
  const [order, stock, nobody, orders, strangers, ...rest] = await denied();
  const mine = { actor_id: user.id, actor: "ada@example.com", result: "refused", ip_address: "127.0.0.1" };
  const { id, ...request } = {
    id: order?.target_id ?? "",
    method: "GET",
    path: "/shop/orders/1",
    plugin: "shop",
  };
  const reason = 'This needs the permission "orders:read"';
  expect(order).toMatchObject({ ...mine, user_agent: "curl", target_type: "request" });
  expect(order?.after).toEqual({ code: "authorization_error", reason, ...request });
  expect(await app.log("access")).toContain(`"request_id":"${id}"`);
  expect(stock).toMatchObject({ ...mine, after: { path: "/shop/stock" } });
  expect(nobody).toMatchObject({
    actor_id: null,
    ip_address: "127.0.0.1",
    after: { code: "authentication_error" },
  });
  expect(orders).toMatchObject({ ...mine, target_type: "", after: { reason, repeated: 40 } });
  expect(strangers).toMatchObject({ actor_id: null, after: { code: "authentication_error", repeated: 3 } });
  expect(rest).toEqual([]);
  expect(JSON.stringify(await read())).not.toContain("s3cret");

  const { body } = await app.getAsAdmin("/admin/audit?action=access.denied&result=refused");
  expect(body.total).toBe(5);
});

testWithCoreTables(
  "nobody fills the audit log with what they are denied, whatever they send",
  async ({ driver }) => {
    const store = openCoreStore(driver);
    const { db, tables } = store;
    const { auditLog } = tables;
    const denied = new DeniedAccess({ store, log: silent });
    // One user, with a reason each time; and any number of strangers.
    const forged = '\0\u001b[31m"}\n\ud800 ' + "x".repeat(5000);
    for (let index = 0; index < 500; index += 1) {
      const request = { id: `r-${index}`, method: "GET", path: `/shop/${index}/${forged}` };
      denied.note(toDenial({ reason: `No ${index} ${forged}`, request }));
      const origin = { ipAddress: `198.51.${index >> 8}.${index & 255}`, userAgent: "" };
      denied.note(toDenial({ actor: null, code: "authentication_error", origin }));
    }
    // What strangers do hides nobody else's.
    denied.note(
      toDenial({ actor: { id: 8, email: "eve@example.com", viewer: { id: 1, email: "boss@example.com" } } }),
    );
    await denied.close();
    const rows = await db.select().from(auditLog).orderBy(desc(auditLog.id));
    expect(rows.filter(({ actor_id }) => actor_id === 7)).toHaveLength(20 + 1 + 1);
    expect(rows.filter(({ actor_id }) => actor_id === null)).toHaveLength(100 + 1 + 1);
    expect(rows.filter(({ actor_id }) => actor_id === 8)).toMatchObject([
      { viewer_id: 1, after: { path: "/shop/orders/7" } },
    ]);
    const told = rows
      .map(({ actor_id, after }) => ({ actor_id, ...after }))
      .filter((one) => "repeated" in one);
    expect(told).toMatchObject([
      { actor_id: null, code: "authentication_error", others: true, repeated: 399 },
      { actor_id: 7, code: "authorization_error", repeated: 479 },
    ]);
    // oxlint-disable-next-line no-control-regex -- finding control characters is what it is for
    expect(JSON.stringify(rows.map(({ after }) => after))).not.toMatch(/[\u0000-\u001f]|\\u0000|\\u001b/);
  },
);

test("DeniedAccess tells what it has left out ten minutes after the first, and begins anew", async () => {
  await using app = await TestApp.start();
  const { store } = app.app;
  const { auditLog } = store.tables;
  const denied = new DeniedAccess({ store, log: silent });
  const written = async () => {
    await denied.close();
    return (await store.db.select().from(auditLog).orderBy(auditLog.id)).map(
      ({ after }) => after?.["repeated"],
    );
  };
  jest.useFakeTimers();
  for (let index = 0; index < 3; index += 1) denied.note(toDenial());
  jest.advanceTimersByTime(600_000);
  denied.note(toDenial());
  jest.useRealTimers();
  expect(await written()).toEqual([undefined, 2, undefined]);
});
