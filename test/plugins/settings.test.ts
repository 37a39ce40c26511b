import { expect, setDefaultTimeout, test } from "bun:test";
import { type Files, TestApp, TestFolder } from "../setup.ts";
import { xcore } from "../cli/xcore-process.ts";

setDefaultTimeout(120_000);

const SCHEMA = `t.Object({
  currency: t.String({ default: "EUR", pattern: "^[A-Z]{3}$" }),
  max_items: t.Integer({ default: 10, minimum: 1 }),
  api_key: t.Optional(t.String({ minLength: 8 })),
  kind: t.Optional(t.Union([t.Literal("a"), t.Literal("b")])),
  mail: t.Object({ host: t.String({ default: "localhost" }), ports: t.Array(t.Integer(), { default: [25] }) }),
  rates: t.Record(t.String(), t.Number(), { default: {} }),
  since: t.Optional(t.Date()),
})`;

/** A plugin that answers its config. */
function shop(settings: string, manifest: object = {}): Files {
  return {
    "shop/plugin.json": { name: "shop", version: "1.0.0", ...manifest },
    "shop/run.ts": `import { t } from "elysia";\nimport { config, createRouter } from "xcore";\n${settings}
export default createRouter().get("/", () => ({ ...config }));\nconsole.assert(t);\n`,
  };
}

const DEFAULTS = {
  currency: "EUR",
  max_items: 10,
  mail: { host: "localhost", ports: [25] },
  rates: {},
};

const settingsOf = (values: unknown) => ({ plugins: { settings: { shop: values } } }) as never;

test.each([
  ["the entry", shop(`export const settings = ${SCHEMA};`)],
  [
    "settings.ts",
    {
      ...shop("const here = config.currency; console.assert(here);"),
      "shop/settings.ts": `import { t } from "elysia";\nexport const settings = ${SCHEMA};\n`,
    },
  ],
  [
    "a file that the entry passes on",
    {
      ...shop('export { settings } from "./lib.ts";'),
      "shop/lib.ts": `import { t } from "elysia";\nexport const settings = ${SCHEMA};\n`,
    },
  ],
])("defaults come from the schema of settings, exported by %s", async (_, plugins) => {
  await using app = await TestApp.start({ plugins });
  expect((await app.get("/system/plugins/shop")).body.failure).toBeNull();
  expect((await app.get("/shop")).body).toEqual(DEFAULTS);
});

test("config.json goes over the manifest, and the manifest over the schema", async () => {
  await using app = await TestApp.start({
    plugins: shop(`export const settings = ${SCHEMA};`, { config: { currency: "USD", max_items: 5 } }),
    config: settingsOf({ max_items: 7, mail: { host: "mx" }, since: "2026-01-31T08:30:00Z" }),
  });
  expect((await app.get("/shop")).body).toEqual({
    ...DEFAULTS,
    currency: "USD",
    max_items: 7,
    mail: { host: "mx", ports: [25] },
    since: "2026-01-31T08:30:00.000Z",
  });
});

test.each<[string, object, object, string[]]>([
  [
    "a mistyped key",
    { curency: "USD" },
    {},
    ['plugins.settings.shop.curency: unknown key, did you mean "currency"?'],
  ],
  [
    "an unknown key",
    { nonsense: 1 },
    {},
    ["plugins.settings.shop.nonsense: unknown key, the plugin knows no such setting"],
  ],
  [
    "a mistyped key inside",
    { mail: { hots: "x" } },
    {},
    ['plugins.settings.shop.mail.hots: unknown key, did you mean "host"?'],
  ],
  [
    "another type",
    { max_items: "seven" },
    {},
    ['plugins.settings.shop.max_items: expected integer, found "seven"'],
  ],
  [
    "a broken rule",
    { max_items: 0 },
    {},
    ["plugins.settings.shop.max_items: expected integer to be greater or equal to 1, found 0"],
  ],
  [
    "a broken pattern",
    { currency: "euro" },
    {},
    ["plugins.settings.shop.currency: expected string to match '^[A-Z]{3}$', found \"euro\""],
  ],
  ["another choice", { kind: "c" }, {}, ['plugins.settings.shop.kind: expected one of "a", "b", found "c"']],
  [
    "an item of another type",
    { mail: { ports: [25, "x"] } },
    {},
    ['plugins.settings.shop.mail.ports[1]: expected integer, found "x"'],
  ],
  [
    "a value in a map",
    { rates: { "a b": "x" } },
    {},
    ['plugins.settings.shop.rates["a b"]: expected number, found "x"'],
  ],
  [
    "a secret",
    { api_key: "hunter2" },
    {},
    ['plugins.settings.shop.api_key: expected string length greater or equal to 8, found "[redacted]"'],
  ],
  ["a section that is none", { mail: 1 }, {}, ["plugins.settings.shop.mail: expected object, found 1"]],
  [
    "the manifest",
    {},
    { max: 1, max_items: "x" },
    [
      'config.max of the manifest of "shop": unknown key, did you mean "max_items"?',
      'config.max_items of the manifest of "shop": expected integer, found "x"',
    ],
  ],
])("settings with %s fail the load, each with its path", async (_, values, config, problems) => {
  await using app = await TestApp.start({
    plugins: shop(`export const settings = ${SCHEMA};`, { config }),
    config: settingsOf(values),
  });
  const { failure } = (await app.get("/system/plugins/shop")).body;
  const count = problems.length === 1 ? "" : ` (${problems.length} problems)`;
  expect(failure).toMatchObject({
    stage: "settings",
    message: `Cannot use the settings of "shop"${count}: ${problems.join("; ")}`,
  });
});

test("settings that are wrong leave the last good generation", async () => {
  await using app = await TestApp.start({
    plugins: shop(`export const settings = ${SCHEMA};`),
    files: { "config.json": settingsOf({ max_items: 3 }) },
  });
  await app.folder.write({ "config.json": settingsOf({ max_items: -3 }) });
  await app.reloadConfig();
  expect((await app.get("/shop")).body).toMatchObject({ max_items: 3 });
  const { body } = await app.get("/system/plugins/shop");
  expect(body).toMatchObject({ state: "failed", serving: true, failure: { stage: "settings" } });
  await app.folder.write({ "config.json": settingsOf({ max_items: 4 }) });
  await app.reloadConfig();
  expect((await app.get("/shop")).body).toMatchObject({ max_items: 4 });
});

test("a setting that is missing is told", async () => {
  const settings = "export const settings = t.Object({ mail: t.Object({ host: t.String() }) });";
  await using app = await TestApp.start({ plugins: shop(settings) });
  const { failure } = (await app.get("/system/plugins/shop")).body;
  expect(failure.message).toBe('Cannot use the settings of "shop": plugins.settings.shop.mail.host: missing');
});

test("a plugin without settings takes any, as it always did", async () => {
  const plugins = { ...shop("const early = config.anything; console.assert(early !== undefined);") };
  await using app = await TestApp.start({ plugins, config: settingsOf({ anything: { at: ["all"] } }) });
  expect((await app.get("/shop")).body).toEqual({ anything: { at: ["all"] } });
});

test("additionalProperties lets any key through", async () => {
  const settings =
    "export const settings = t.Object({ a: t.Optional(t.String()) }, { additionalProperties: true });";
  await using app = await TestApp.start({ plugins: shop(settings), config: settingsOf({ b: 1 }) });
  expect((await app.get("/shop")).body).toEqual({ b: 1 });
});

test.each([
  [
    "read before its settings are there",
    {
      ...shop(
        `import { early } from "./lib.ts";\nconsole.assert(early);\nexport const settings = ${SCHEMA};`,
      ),
      "shop/lib.ts": 'import { config } from "xcore";\n\nexport const early = config.currency;\n',
    },
    'TypeError: Cannot read config before "settings" is there: move settings into settings.ts',
    "plugins/shop/lib.ts",
  ],
  [
    "with settings that are no schema",
    shop('export const settings = { currency: "EUR" };'),
    'TypeError: Cannot use the exported "settings": it is no t.Object({ … }), the schema of the plugin\'s settings',
    null,
  ],
  [
    "that is written to",
    shop(`export const settings = ${SCHEMA};\n(config as any).currency = "USD";`),
    "TypeError: Cannot set config.currency: settings are read-only",
    "plugins/shop/run.ts",
  ],
])("a config %s fails the load", async (_, plugins, message, file) => {
  await using app = await TestApp.start({ plugins });
  const { failure } = (await app.get("/system/plugins/shop")).body;
  expect(failure.stage).toBe("import");
  expect(failure.message).toMatch(message);
  expect(failure.file).toBe(file);
});

test("config is frozen, and shows itself as an object", async () => {
  const code = `export const settings = ${SCHEMA};
const { currency, ...rest } = config;
const shown = { currency, rest, isFrozen: Object.isFrozen(config), inner: Object.isFrozen(config.mail), has: "rates" in config, json: JSON.stringify(config) };
export const setup = () => { if (!shown.isFrozen || !shown.inner || !shown.has) throw new Error(JSON.stringify(shown)); };`;
  await using app = await TestApp.start({ plugins: shop(code) });
  expect((await app.get("/system/plugins/shop")).body.failure).toBeNull();
});

test("settings of a plugin that isn't there are a warning", async () => {
  await using app = await TestApp.start({
    plugins: shop(""),
    config: { plugins: { settings: { shpo: {}, shop: {}, zzz: {} } } },
  });
  const log = await app.log("manager");
  expect(log).toContain('plugins.settings.shpo: there is no plugin \\"shpo\\", did you mean \\"shop\\"?');
  expect(log).toContain('plugins.settings.zzz: there is no plugin \\"zzz\\""');
  expect(log).not.toContain("plugins.settings.shop:");
});

test("xcore config check tells all that is wrong with the settings of plugins", async () => {
  const plugins = Object.entries(shop(`export const settings = ${SCHEMA};\nconsole.log("NOISE");`));
  const files = Object.fromEntries(plugins.map(([name, content]) => [`plugins/${name}`, content]));
  const settings = { shop: { curency: "USD", max_items: "x" }, shpo: {}, broken: {} };
  await using folder = await TestFolder.create({
    ...files,
    "plugins/broken/plugin.json": { name: "broken", version: "1.0.0" },
    "plugins/broken/run.ts": "throw new Error('boom');",
    "config.json": { plugins: { settings } },
  });
  const wrong = await xcore(folder, ["config", "check"]);
  expect(wrong.code).toBe(1);
  expect(wrong.stdout).toBe("");
  expect(wrong.stderr).toContain('plugins.settings.shpo: there is no plugin "shpo", did you mean "shop"?\n');
  expect(wrong.stderr).toContain("plugins.settings.broken: not checked, as the plugin can't be loaded: ");
  expect(wrong.stderr).toEndWith(
    "Cannot use the settings of plugins: 2 problems\n" +
      '  plugins.settings.shop.curency: unknown key, did you mean "currency"?\n' +
      '  plugins.settings.shop.max_items: expected integer, found "x"\n',
  );
  await folder.write({ "config.json": { plugins: { settings: { shop: { max_items: 3 } } } } });
  const right = await xcore(folder, ["config", "check", "--offline"]);
  expect(right.code).toBe(0);
  expect(right.stdout).toMatch(/^.*config\.json can be used\n$/);
});
