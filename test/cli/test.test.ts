import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, setDefaultTimeout, test } from "bun:test";
import { readPluginFolder } from "../../src/plugins/snapshot/folder-files.ts";
import { computeIntegrity } from "../../src/plugins/snapshot/integrity.ts";
import { TestRegistry } from "../plugins/packages/registry.ts";
import { type Files, plugin, TestFolder } from "../setup.ts";
import { xcore, XcoreServer } from "./xcore-process.ts";

setDefaultTimeout(120_000);

const inPlugins = (files: Files): Files =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`plugins/${name}`, content]));

/** A test file whose test, named "works", runs these lines with a host of the plugin. */
const testOf = (name: string, lines: string): string => `
import { expect, test } from "bun:test";
import { createTestHost } from "xcore/testing";
test("works", async () => {
  await using host = await createTestHost({ plugins: ["./plugins/${name}"] });
  ${lines}
});
test("fails", () => expect(1).toBe(2));
`;

test("xcore test runs the tests of a project, hands on what it is asked, and ends as they do", async () => {
  await using folder = await TestFolder.create({
    ...inPlugins(plugin("crm", '.get("/", "crm")')),
    "plugins/crm/crm.test.ts": testOf("crm", 'expect(await (await host.fetch("/crm")).text()).toBe("crm");'),
    "plugins/crm/other.test.ts": 'throw new Error("not asked for");',
  });
  const passing = await xcore(folder, [
    "test",
    "-t",
    "works",
    "--timeout",
    "30000",
    "plugins/crm/crm.test.ts",
  ]);
  expect(passing).toMatchObject({ code: 0, stderr: expect.stringContaining("1 pass") });
  const failing = await xcore(folder, ["test", "plugins/crm/crm.test.ts", "--timeout=30000"]);
  expect(failing).toMatchObject({ code: 1, stderr: expect.stringContaining("1 fail") });
  expect((await xcore(folder, ["test", "--help"])).stdout).toContain("Usage: xcore test");
});

test("a host sees nothing of the project's configuration and environment, and shows paths as they are", async () => {
  const files = {
    "mine/crm/plugin.json": { name: "crm", version: "1.0.0" },
    "mine/crm/run.ts": "throw new Error('no luck');\n",
    "mine/crm/crm.test.ts": testOf("crm", "").replace("./plugins/crm", "./mine/crm"),
  };
  await using folder = await TestFolder.create({
    ...files,
    "config.json": '{ "plugins": { "directory": "mine" } }',
  });
  await xcore(folder, ["types"]);
  await folder.write({
    ".env": "DATABASE_URL=sqlite:data/real.db\nXCORE_SERVER__PORT=nonsense\nJWT_SECRET_KEY=weak\n",
  });
  const { code, stderr } = await xcore(folder, ["test", "-t", "works", "--timeout", "30000"]);
  expect(code).toBe(1);
  expect(stderr).toContain('Cannot load plugin "crm" (import): mine/crm/run.ts:1: Error: no luck');
  expect(await readdir(folder.path)).not.toContain("data");
});

for (const [what, loop] of [
  ["a host that waits", ""],
  ["a host whose plugin is in an endless loop", "for (;;);"],
] as const) {
  test(`${what} ends when its test is killed`, async () => {
    const router = `.get("/", () => { process.stdout.write("asked\\n"); ${loop}
      return new Promise(() => {}); })`;
    await using tmp = await TestFolder.create();
    await using folder = await TestFolder.create({
      ...inPlugins(plugin("crm", router)),
      "plugins/crm/crm.test.ts": testOf("crm", 'await host.fetch("/crm");'),
    });
    await xcore(folder, ["types"]);
    const { PATH = "" } = process.env;
    const child = Bun.spawn([process.execPath, "test", "--timeout", "60000"], {
      cwd: folder.path,
      env: { PATH, TMPDIR: tmp.path },
      stdio: ["ignore", "pipe", "ignore"],
    });
    // The host has the same pipe: it ends with the last process that could write to it.
    let output = "";
    for await (const chunk of child.stdout) {
      output += new TextDecoder().decode(chunk);
      if (output.includes("asked")) child.kill("SIGKILL");
    }
    expect(await child.exited).not.toBe(0);
    if (loop === "") expect(await readdir(tmp.path)).toEqual([]);
  });
}

test("a host takes npm packages and plugins from elsewhere as the project does, and from its cache", async () => {
  await using registry = await TestRegistry.start({
    "left@1.0.0": { "index.js": 'export const left = "left";' },
  });
  const crm =
    'import { left } from "left"; import { core } from "plugin:erp_core"; import { createRouter } from "xcore";';
  await using folder = await TestFolder.create({
    "elsewhere/plugin.json": { name: "erp_core", version: "1.0.0" },
    "elsewhere/run.ts":
      'import { createRouter } from "xcore"; export const core = "core"; export default createRouter();',
    ".npmrc": registry.npmrc,
    ...inPlugins(plugin("crm", "", { dependencies: ["erp_core"] })),
    "plugins/crm/package.json": { dependencies: { left: "1.0.0" } },
    "plugins/crm/run.ts": `${crm}\nexport default createRouter().get("/", () => left + core);`,
    "plugins/crm/crm.test.ts": testOf(
      "crm",
      'expect(await (await host.fetch("/crm")).text()).toBe("leftcore");',
    ),
  });
  const { files } = await readPluginFolder(join(folder.path, "elsewhere"));
  const integrity = computeIntegrity({ entry: "plugin.json", files, redirects: new Map() });
  await folder.write({
    "config.json": { plugins: { remote: { erp_core: { url: "./elsewhere", integrity } } } },
  });
  const run = () => xcore(folder, ["test", "-t", "works", "--timeout", "30000"]);
  expect(await run()).toMatchObject({ code: 0, stderr: expect.stringContaining("1 pass") });
  expect(registry.requests).not.toEqual([]);
  await folder.remove("elsewhere");
  registry.requests.length = 0;
  expect(await run()).toMatchObject({ code: 0, stderr: expect.stringContaining("1 pass") });
  expect(registry.requests).toEqual([]);
});

test("xcore test --watch runs a test again when the plugin changes, until a signal ends it", async () => {
  await using folder = await TestFolder.create({
    ...inPlugins(plugin("crm", '.get("/", "one")')),
    "plugins/crm/crm.test.ts": testOf("crm", 'console.log("got", await (await host.fetch("/crm")).text());'),
  });
  const args = ["test", "--watch", "-t", "works", "--timeout", "30000"];
  await using running = XcoreServer.spawn(folder, { args });
  await running.waitFor(/got one/);
  await running.after(() => folder.write(inPlugins(plugin("crm", '.get("/", "two")'))), /got two/);
  running.kill("SIGTERM");
  expect(await running.exited).not.toBe(0);
});

test("xcore test-host says what it is for", async () => {
  await using folder = await TestFolder.create();
  const { code, stderr } = await xcore(folder, ["test-host"]);
  expect(code).toBe(1);
  expect(stderr).toBe('Cannot host a test: nobody asks; call createTestHost of "xcore/testing" in a test\n');
  expect((await xcore(folder, ["--help"])).stdout).not.toContain("test-host");
});
