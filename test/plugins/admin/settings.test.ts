import { expect, setDefaultTimeout, test } from "bun:test";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { TestApp, type TestAppOptions } from "../../setup.ts";

setDefaultTimeout(120_000);

const SCHEMA = `t.Object({
  currency: t.String({ default: "EUR", pattern: "^[A-Z]{3}$" }),
  max_items: t.Integer({ default: 10, minimum: 1 }),
  api_key: t.Optional(t.String({ minLength: 8 })),
  mail: t.Object({ host: t.String({ default: "localhost" }), ports: t.Array(t.Integer(), { default: [25] }) }),
  rates: t.Record(t.String(), t.Number(), { default: {} }),
})`;

const SHOP = {
  "shop/plugin.json": { name: "shop", version: "1.0.0", config: { max_items: 20 } },
  "shop/run.ts": `import { t } from "elysia";\nimport { config, createRouter } from "xcore";
export const settings = ${SCHEMA};
export const setup = () => { if (config.currency === "XXX") throw new Error("no such currency"); };
export default createRouter().get("/", () => ({ ...config }));\n`,
};

const CONFIG = `{
  // what this shop is
  "plugins": {
    "settings": {
      "shop": {
        "api_key": "hunter2hunter2", // ask Ada
        "mail": { "host": "\${MAIL_HOST}" }
      }
    }
  }
}
`;
const ENV = { MAIL_HOST: "mx.example.com", MAIL_PASSWORD: "correct horse" };
const PATH = "/system/plugins/shop/settings";

function start(options: TestAppOptions = {}): Promise<TestApp> {
  return TestApp.start({ plugins: SHOP, files: { "config.json": CONFIG }, env: ENV, ...options });
}

async function put(app: TestApp, settings: object, headers: Record<string, string> = {}) {
  const admin = await app.admin();
  const response = await app.fetch(PATH, {
    method: "PUT",
    headers: { ...admin.headers, "content-type": "application/json", ...headers },
    body: JSON.stringify({ settings }),
  });
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
  const body: any = await response.json();
  return { status: response.status, body, etag: response.headers.get("etag") };
}

const configOf = (app: TestApp): Promise<string> => readFile(join(app.folder.path, "config.json"), "utf8");
const shown = async (app: TestApp) => (await app.get(PATH)).body;

test("the settings of a plugin are told with where each is set, and secrets aren't", async () => {
  await using app = await start({ env: { ...ENV, XCORE_PLUGINS__SETTINGS__SHOP__CURRENCY: "USD" } });
  const { status, body } = await app.get(PATH);
  expect(status).toBe(200);
  expect(body).toMatchObject({ name: "shop", state: "serving", serving: true, failure: null });
  expect(body.settings).toEqual({
    currency: "USD",
    max_items: 20,
    api_key: "***",
    mail: { host: "mx.example.com", ports: [25] },
    rates: {},
  });
  expect(body.schema.properties.max_items).toMatchObject({ type: "integer", default: 10, minimum: 1 });
  expect(body.items).toEqual([
    {
      key: "currency",
      path: ["currency"],
      value: "USD",
      default: "EUR",
      source: "environment",
      where: "XCORE_PLUGINS__SETTINGS__SHOP__CURRENCY",
      is_locked: true,
      is_secret: false,
    },
    expect.objectContaining({ key: "max_items", value: 20, default: 20, source: "manifest", where: "" }),
    expect.objectContaining({ key: "api_key", value: "***", source: "config.json:6:20", is_secret: true }),
    expect.objectContaining({ key: "mail.host", path: ["mail", "host"], where: "line 7", is_locked: false }),
    expect.objectContaining({ key: "mail.ports", value: [25], source: "default" }),
    expect.objectContaining({ key: "rates", value: {} }),
  ]);
  expect(JSON.stringify(body)).not.toContain("hunter2");
});

test("what is changed is written, what isn't stays as it was written, and the plugin follows", async () => {
  await using app = await start();
  const { settings } = await shown(app);
  const { status, body } = await put(app, {
    ...settings,
    currency: "USD",
    max_items: 7,
    rates: { eur: 1.5 },
  });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    state: "serving",
    failure: null,
    settings: { currency: "USD", api_key: "***" },
  });
  expect(await configOf(app)).toBe(
    CONFIG.replace(
      '"${MAIL_HOST}" }',
      '"${MAIL_HOST}" },\n        "currency": "USD",\n        "max_items": 7,\n        "rates": {\n          "eur": 1.5\n        }',
    ),
  );
  const served = { currency: "USD", max_items: 7, api_key: "hunter2hunter2", rates: { eur: 1.5 } };
  expect((await app.get("/shop")).body).toMatchObject(served);

  // What isn't sent goes back to what counts without it.
  const { max_items: _, ...others } = body.settings;
  expect((await put(app, others)).body.settings.max_items).toBe(20);
  expect(await configOf(app)).not.toContain("max_items");
});

test("a secret is kept until it is typed anew, and neither the answer nor the audit log has it", async () => {
  await using app = await start();
  const { settings } = await shown(app);
  const { body } = await put(app, { ...settings, api_key: "new secret key" });
  expect(body.settings.api_key).toBe("***");
  expect((await app.get("/shop")).body.api_key).toBe("new secret key");
  const audit = await app.getAsAdmin("/admin/audit?action=plugin.configured");
  expect(audit.body.items).toMatchObject([
    { actor: "admin@example.com", target_id: "shop", before: { api_key: "***" }, after: { api_key: "***" } },
  ]);
  expect(JSON.stringify(audit.body) + (await app.log("app"))).not.toContain("secret key");
  expect((await put(app, { ...settings, api_key: "***more" })).body.errors).toMatchObject([
    { path: "/body/settings/api_key", code: "hidden" },
  ]);
  // A variable with the name of a secret is one wherever it is put.
  const hidden = await put(app, { ...settings, mail: { host: "${MAIL_PASSWORD}", ports: [25] } });
  expect(hidden.body.settings.mail.host).toBe("***");
  expect((await app.get("/shop")).body.mail.host).toBe("correct horse");
});

// oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
test.each<[string, (settings: any) => object, string, string]>([
  ["another type", (now) => ({ ...now, max_items: "many" }), "/max_items", 'Expected integer, found "many"'],
  ["a broken rule", (now) => ({ ...now, currency: "euro" }), "/currency", "Expected string to match"],
  ["an unknown key", (now) => ({ ...now, curency: "USD" }), "/curency", 'did you mean "currency"?'],
  ["one inside", (now) => ({ ...now, mail: { ...now.mail, ports: ["x"] } }), "/mail/ports/0", 'found "x"'],
  ["a section that is none", (now) => ({ ...now, mail: 3 }), "/mail", "Expected object, found 3"],
  ["a short secret", (now) => ({ ...now, api_key: "short" }), "/api_key", '8, found "[redacted]"'],
  ["a variable that isn't there", (now) => ({ ...now, currency: "${NOPE}" }), "/currency", "NOPE"],
  ["a prototype", (now) => ({ ...now, rates: JSON.parse('{"__proto__":{"a":1}}') }), "/rates", "name"],
  ["a key with a slash", (now) => ({ ...now, "a/b~c": 1 }), "/a~1b~0c", "Unknown key"],
])(
  "settings with %s are refused at their field, and nothing is written",
  async (_, change, path, message) => {
    await using app = await start();
    const { settings } = await shown(app);
    const { status, body } = await put(app, change(settings));
    expect({ status, code: body.code }).toEqual({ status: 422, code: "validation_error" });
    expect(body.errors[0].path).toStartWith(`/body/settings${path}`);
    expect(body.errors[0].message).toContain(message);
    expect(await configOf(app)).toBe(CONFIG);
  },
);

test("what a variable or the command line sets isn't changed, and it is said where it is", async () => {
  await using app = await start({
    env: { ...ENV, XCORE_PLUGINS__SETTINGS__SHOP__CURRENCY: "USD" },
    config: { plugins: { settings: { shop: { max_items: 3 } } } },
  });
  const { settings } = await shown(app);
  const { status, body } = await put(app, { ...settings, currency: "CHF", max_items: 4 });
  expect(status).toBe(422);
  expect(body.errors).toEqual([
    {
      path: "/body/settings/currency",
      code: "locked",
      message:
        "Set by XCORE_PLUGINS__SETTINGS__SHOP__CURRENCY, which counts over config.json: change it there",
    },
    {
      path: "/body/settings/max_items",
      code: "locked",
      message: "Set by command line, which counts over config.json: change it there",
    },
  ]);
  // As they are, they may be sent with what is changed, and left out.
  expect((await put(app, { ...settings, rates: { a: 1 } })).status).toBe(200);
  expect((await put(app, { mail: settings.mail, api_key: "***" })).status).toBe(200);
  expect(await configOf(app)).toBe(CONFIG);
});

test("of two who change settings at once, the second is told", async () => {
  await using app = await start();
  const admin = await app.admin();
  const seen = await app.fetch(PATH, { headers: admin.headers });
  const version = seen.headers.get("etag") ?? "";
  const { settings } = await seen.json();
  const first = await put(app, { ...settings, currency: "USD" }, { "if-match": version });
  expect(first.status).toBe(200);
  const second = await put(app, { ...settings, currency: "CHF" }, { "if-match": version });
  expect(second).toMatchObject({ status: 412, etag: first.etag });
  expect(second.body).toMatchObject({
    code: "precondition_failed",
    current: { currency: "USD", api_key: "***" },
  });
  // Of an editor as well, which the server doesn't follow yet.
  await app.folder.write({ "config.json": CONFIG.replace("hunter2", "hunter3") });
  const third = await put(app, { ...settings, currency: "CHF" }, { "if-match": first.etag ?? "" });
  expect(third.status).toBe(412);
  expect((await app.get("/shop")).body.currency).toBe("USD");
  const all = await Promise.all(["SEK", "NOK"].map((currency) => put(app, { ...settings, currency })));
  expect(all.map(({ status }) => status).filter((status) => status !== 200 && status !== 409)).toEqual([]);
  const { currency } = (await app.get("/shop")).body;
  expect(await configOf(app)).toContain(`"currency": "${currency}"`);
});

test("settings that the plugin can't be set up with are told, and what served goes on", async () => {
  await using app = await start();
  const { settings } = await shown(app);
  const { status, body } = await put(app, { ...settings, currency: "XXX" });
  expect(status).toBe(200);
  expect(body).toMatchObject({ state: "failed", serving: true, settings: { currency: "XXX" } });
  expect(body.failure).toMatchObject({
    stage: "setup",
    message: expect.stringContaining("no such currency"),
  });
  expect((await app.get("/shop")).body.currency).toBe("EUR");
  expect((await put(app, { ...settings, currency: "USD" })).body).toMatchObject({ state: "serving" });
  expect((await app.get("/shop")).body.currency).toBe("USD");
});

test("a plugin that has never served for its settings is repaired by them", async () => {
  await using app = await start({
    files: { "config.json": { plugins: { settings: { shop: { max_items: 0 } } } } },
  });
  const before = await shown(app);
  expect(before).toMatchObject({ state: "failed", serving: false, failure: { stage: "settings" } });
  expect(before.schema.type).toBe("object");
  const { body } = await put(app, { ...before.settings, max_items: 1 });
  expect(body).toMatchObject({ state: "serving", failure: null, settings: { max_items: 1 } });
});

test("a plugin without a schema takes any settings", async () => {
  const plugins = {
    "shop/plugin.json": { name: "shop", version: "1.0.0", config: { a: 1 } },
    "shop/run.ts":
      'import { config, createRouter } from "xcore";\nexport default createRouter().get("/", () => ({ ...config }));',
  };
  await using app = await TestApp.start({ plugins });
  expect(await shown(app)).toMatchObject({
    schema: null,
    settings: { a: 1 },
    items: [{ key: "a", source: "manifest" }],
  });
  expect((await put(app, { a: 1, b: { c: [1] } })).status).toBe(200);
  expect((await app.get("/shop")).body).toEqual({ a: 1, b: { c: [1] } });
  expect(JSON.parse(await configOf(app))).toEqual({ plugins: { settings: { shop: { b: { c: [1] } } } } });
});

test("a config.json that can't be used, or written, is said, and nothing changes", async () => {
  await using app = await start();
  const { settings } = await shown(app);
  await app.folder.write({ "config.json": "{ broken" });
  expect((await put(app, { ...settings, currency: "USD" })).body).toMatchObject({
    status: 409,
    code: "conflict",
  });
  expect(await configOf(app)).toBe("{ broken");
  await app.folder.write({ "config.json": { servr: {} } });
  const wrong = await put(app, { ...settings, currency: "USD" });
  expect(wrong.body).toMatchObject({ status: 409, detail: expect.stringContaining("servr") });
  await app.folder.write({ "config.json": CONFIG });
  if (process.getuid?.() !== 0) {
    await chmod(app.folder.path, 0o555);
    expect((await put(app, { ...settings, currency: "USD" })).body.code).toBe("plugin_not_kept");
    await chmod(app.folder.path, 0o755);
  }
  expect((await put(app, { ...settings, rates: { long: 1, ["x".repeat(1_100_000)]: 1 } })).status).toBe(422);
  expect(await configOf(app)).toBe(CONFIG);
  expect((await app.get("/shop")).body.currency).toBe("EUR");
});

test("only who may do everything changes settings, in a session and shortly after signing in", async () => {
  await using app = await start();
  const reader = await app.createUser("reader@example.com");
  const asked = (headers: Record<string, string>, method = "PUT") =>
    app.fetch(PATH, {
      method,
      headers: { ...headers, "content-type": "application/json" },
      ...(method === "PUT" && { body: '{"settings":{}}' }),
    });
  expect((await asked(reader.headers)).status).toBe(403);
  expect((await asked(reader.headers, "GET")).status).toBe(403);
  expect((await asked({})).status).toBe(401);
  expect(await app.get("/system/plugins/constructor/settings")).toMatchObject({ status: 404 });
  const admin = await app.admin();
  const { store } = app.app;
  await store.db
    .update(store.tables.sessions)
    .set({ identified_at: new Date(Date.now() - 11 * 60_000) })
    .where(eq(store.tables.sessions.user_id, admin.id));
  expect((await asked(admin.headers, "GET")).status).toBe(200);
  expect((await put(app, {})).body).toMatchObject({ status: 403, code: "identification_expired" });
  expect(await configOf(app)).toBe(CONFIG);
});
