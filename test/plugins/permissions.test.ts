import { expect, setDefaultTimeout, test } from "bun:test";
import { type Files, plugin, TestApp, TestFolder } from "../setup.ts";
import { xcore } from "../cli/xcore-process.ts";

setDefaultTimeout(120_000);

const ROUTES = `.get("/", () => 1, { permission: "hello:red" })
  .get("/right", () => 1, { permission: "hello:read" })
  .get("/core", () => 1, { permission: "users:read" })
  .get("/theirs", () => 1, { permission: "other:read" })
  .guard({ permission: "nobody:knows" }, (app) => app.ws("/ws", {}))`;

const PLUGINS: Files = {
  ...plugin("hello", ROUTES, { permissions: { "hello:read": "Read" } }),
  ...plugin("other", "", { permissions: { "other:read": "Read" } }),
};

const WARNINGS = [
  'GET /hello/ asks for the permission "hello:red", which no plugin declares: did you mean "hello:read"?',
  'WS /hello/ws asks for the permission "nobody:knows", which no plugin declares: add it to "permissions" of plugins/hello/plugin.json',
];

test("a route that asks for a permission which no plugin declares is a warning", async () => {
  await using app = await TestApp.start({ plugins: PLUGINS });
  expect((await app.get("/system/plugins/hello")).body.warnings).toEqual(WARNINGS);
  expect((await app.get("/system/plugins/other")).body.warnings).toEqual([]);
  const lines = (await app.log("manager")).split("\n").filter((line) => line.includes('"level":"warn"'));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject(
    WARNINGS.map((msg) => ({ plugin: "hello", msg })),
  );
  await app.after("plugin.reloaded", () =>
    app.writePlugins(plugin("hello", ROUTES.replace("red", "read"), { permissions: { "hello:read": "" } })),
  );
  expect((await app.get("/system/plugins/hello")).body.warnings).toEqual([WARNINGS[1]]);
});

test("xcore routes warns of permissions that no plugin declares, and shows OPEN in plain sight", async () => {
  const files = {
    ...PLUGINS,
    ...plugin("open", '.get("/", () => 1).get("/asked", () => 1, { optionalAuth: true })'),
  };
  await using folder = await TestFolder.create(
    Object.fromEntries(Object.entries(files).map(([name, content]) => [`plugins/${name}`, content])),
  );
  const { code, stdout, stderr } = await xcore(folder, ["routes"]);
  expect(code).toBe(0);
  expect(stderr.trim().split("\n")).toEqual(WARNINGS);
  expect(stdout).toMatch(/^GET +\/hello\/ +permission hello:red +hello$/m);
  expect(stdout).toMatch(/^GET +\/open\/ +OPEN +open$/m);
  expect(stdout).toMatch(/^GET +\/open\/asked +OPEN \(optional auth\) +open$/m);
});
