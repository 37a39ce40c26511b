import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type Files, TestFolder } from "../../setup.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

const FILES: Files = {
  "plugins/shop/plugin.json": { name: "shop", version: "1.0.0" },
  "plugins/shop/run.ts": `import { t } from "elysia";
import { config, createRouter } from "xcore";
export const settings = t.Object({
  days: t.Integer({ default: 1 }),
  hosts: t.Array(t.String()),
  mail: t.Object({ host: t.String({ default: "localhost" }), password: t.Optional(t.String()) }),
});
export default createRouter().get("/", () => config);
`,
};

test("xcore plugin config sets what the plugin takes, and a running server follows", async () => {
  await using folder = await TestFolder.create({
    ...FILES,
    "config.json": '{\n  // of ours\n  "app": { "name": "ours" }\n}\n',
  });
  const config = (...args: string[]) => xcore(folder, ["plugin", "config", ...args]);
  await using server = await XcoreServer.start(folder);
  await server.after(
    () => config("shop", "hosts", '["a", "b"]'),
    /"msg":"plugin (?:re)?loaded"/, // without any host it had failed
  );
  await server.after(async () => {
    expect(await config("shop", "mail.password", "s3cret")).toEqual({
      code: 0,
      stdout: "shop.mail.password is set now, in config.json\n",
      stderr: "",
    });
  }, /"msg":"plugin reloaded"/);
  await server.after(() => config("shop", "days", "20"), /"msg":"plugin reloaded"/);
  const text = await Bun.file(join(folder.path, "config.json")).text();
  expect(text).toContain("// of ours");
  const settings = { hosts: ["a", "b"], mail: { password: "s3cret" }, days: 20 };
  expect(JSON.parse(text.replace("// of ours", ""))).toMatchObject({
    plugins: { settings: { shop: settings } },
  });
  expect(await (await server.fetch("/shop")).json()).toMatchObject({ days: 20, hosts: ["a", "b"] });
  expect(JSON.parse((await config("shop")).stdout)).toEqual({ ...settings, mail: { password: "***" } });
  expect((await config("shop", "days")).stdout).toBe("20\n");
  await server.after(() => config("shop", "days", "--unset"), /"msg":"plugin reloaded"/);
  expect(await (await server.fetch("/shop")).json()).toMatchObject({ days: 1 });
});

test.each<[args: string[], says: string]>([
  [["days", "soon"], "plugins.settings.shop.days: expected integer"],
  [["dayz", "1"], 'plugins.settings.shop.dayz: unknown key, did you mean "days"?'],
  [["mail", "text"], "plugins.settings.shop.mail"],
  [["mail..host", "a"], "a key has names with dots between"],
  [["__proto__.x", "1"], "a key has names with dots between"],
  [["days", "1", "--unset"], "give a value or --unset"],
  [["--unset"], "name the key"],
  [["days"], "config.json doesn't set it"],
  [["days.x", "1"], "plugins.settings.shop.days"],
  [["mail.host", "${NOBODY_SETS_THIS}"], 'environment variable "NOBODY_SETS_THIS" is not set'],
])("xcore plugin config refuses %j, and changes nothing", async (args, says) => {
  await using folder = await TestFolder.create(FILES);
  const { code, stdout, stderr } = await xcore(folder, ["plugin", "config", "shop", ...args]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(says);
  expect(await Bun.file(join(folder.path, "config.json")).exists()).toBe(false);
});

test("xcore plugin config refuses a plugin that isn't there", async () => {
  await using folder = await TestFolder.create(FILES);
  for (const [name, key] of [
    ["shopp", "days"],
    ["shop", "days"],
    ["shop", "mail.host"],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const unset = await xcore(folder, ["plugin", "config", name, key, "--unset"]);
    expect([unset.code, unset.stdout, unset.stderr]).toEqual([
      1,
      "",
      `Cannot take "${key}" out: nothing sets it for a plugin "${name}"; see \`xcore plugin list\`\n`,
    ]);
  }
  // What is left of one that is gone is taken out.
  await folder.write({ "config.json": JSON.stringify({ plugins: { settings: { gone: { days: 1 } } } }) });
  expect((await xcore(folder, ["plugin", "config", "gone", "days", "--unset"])).code).toBe(0);
  expect(await Bun.file(join(folder.path, "config.json")).text()).not.toContain("days");
  const { code, stderr } = await xcore(folder, ["plugin", "config", "shopp", "days", "1"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining('there is no plugin "shopp"')]);
});
