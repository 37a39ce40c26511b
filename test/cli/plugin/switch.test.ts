import { expect, setDefaultTimeout, test } from "bun:test";
import { chmod, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Files, plugin, TestFolder } from "../../setup.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

const MANIFEST = `{
\t// what others call it
\t"name": "shop",
\t"version": "1.0.0" // set by the release
\t/* the end */
}
`;

const RUN = 'import { createRouter } from "xcore";\nexport default createRouter().get("/", () => "open");\n';

test("xcore plugin disable and enable change one key and keep the rest of plugin.json", async () => {
  await using folder = await TestFolder.create({ "plugins/shop/plugin.json": MANIFEST });
  const file = join(folder.path, "plugins/shop/plugin.json");
  await chmod(file, 0o640);

  const disabled = await xcore(folder, ["plugin", "disable", "shop"]);
  expect(disabled.stdout).toBe("shop is disabled now, in plugins/shop/plugin.json\n");
  const expected = MANIFEST.replace(
    '"1.0.0" // set by the release',
    '"1.0.0", // set by the release\n\t"active": false',
  );
  expect(await Bun.file(file).text()).toBe(expected);

  const enabled = await xcore(folder, ["plugin", "enable", "shop"]);
  expect(enabled.stdout).toBe("shop is enabled now, in plugins/shop/plugin.json\n");
  expect(await Bun.file(file).text()).toBe(expected.replace("false", "true"));

  expect((await stat(file)).mode & 0o777).toBe(0o640);
  expect(await readdir(join(folder.path, "plugins/shop"))).toEqual(["plugin.json"]);
});

test("xcore plugin enable leaves plugin.json alone when the plugin is enabled already", async () => {
  await using folder = await TestFolder.create({ "plugins/shop/plugin.json": MANIFEST });
  const { code, stdout } = await xcore(folder, ["plugin", "enable", "shop"]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "shop is enabled already\n" });
  expect(await Bun.file(join(folder.path, "plugins/shop/plugin.json")).text()).toBe(MANIFEST);
});

test("xcore plugin enable says which plugins it needs that are missing or disabled", async () => {
  const files = {
    ...uses("base"),
    ...uses("top", "base", "gone"),
  };
  await using folder = await TestFolder.create(files);
  for (const name of ["top", "base"]) {
    // oxlint-disable-next-line no-await-in-loop -- those that depend on another first
    expect((await xcore(folder, ["plugin", "disable", name])).code).toBe(0);
  }
  const { code, stdout, stderr } = await xcore(folder, ["plugin", "enable", "top"]);
  expect([code, stdout]).toEqual([0, "top is enabled now, in plugins/top/plugin.json\n"]);
  expect(stderr.trimEnd().split("\n")).toEqual([
    'Missing dependency: top needs "base" *, which is disabled: run `xcore plugin enable base`',
    "Missing dependency: top needs \"gone\" *, which isn't there: it won't be loaded before you add that too",
  ]);
  expect((await xcore(folder, ["plugin", "enable", "base"])).stderr).toBe("");
});

test("a running server follows xcore plugin disable and enable", async () => {
  await using folder = await TestFolder.create({
    "plugins/shop/plugin.json": MANIFEST,
    "plugins/shop/run.ts": RUN,
  });
  await using server = await XcoreServer.start(folder);
  expect(await (await server.fetch("/shop")).text()).toBe("open");
  await server.after(() => xcore(folder, ["plugin", "disable", "shop"]), /plugin unloaded/);
  expect((await server.fetch("/shop")).status).toBe(404);
  await server.after(() => xcore(folder, ["plugin", "enable", "shop"]), /plugin loaded/);
  expect(await (await server.fetch("/shop")).text()).toBe("open");
});

function uses(name: string, ...dependencies: string[]): Files {
  return Object.fromEntries(
    Object.entries(plugin(name, '.get("/", () => 1)', { dependencies })).map(([file, content]) => [
      `plugins/${file}`,
      content,
    ]),
  );
}

test("xcore plugin disable refuses while others depend on the plugin, unless it is asked for", async () => {
  await using folder = await TestFolder.create({
    ...uses("base"),
    ...uses("middle", "base"),
    ...uses("top", "middle", "base"),
    ...uses("other"),
  });
  const refused = await xcore(folder, ["plugin", "disable", "base"]);
  expect([refused.code, refused.stdout]).toEqual([1, ""]);
  expect(refused.stderr).toBe(
    'Cannot disable "base": "top", "middle" depend on it; --with-dependents disables them too\n',
  );
  const one = await xcore(folder, ["plugin", "disable", "middle"]);
  expect(one.stderr).toBe(
    'Cannot disable "middle": "top" depends on it; --with-dependents disables them too\n',
  );
  const done = await xcore(folder, ["plugin", "disable", "base", "--with-dependents"]);
  expect(done.stdout.split("\n").map((line) => line.split(" is ")[0])).toEqual(["top", "middle", "base", ""]);
  const { stdout } = await xcore(folder, ["plugin", "list"]);
  expect(stdout.match(/^\w+ .* disabled/gm)).toHaveLength(3);
  expect((await xcore(folder, ["plugin", "disable", "base"])).stdout).toBe("base is disabled already\n");
  expect((await xcore(folder, ["plugin", "enable", "base"])).code).toBe(0);
  expect((await xcore(folder, ["plugin", "disable", "base"])).code).toBe(0);
});

test("xcore plugin disable finds a plugin by its name when its folder has another", async () => {
  await using folder = await TestFolder.create({ "plugins/folder/plugin.json": MANIFEST });
  const { stdout } = await xcore(folder, ["plugin", "disable", "shop"]);
  expect(stdout).toContain("plugins/folder/plugin.json");
});

test("xcore plugin disable exits with 1 when there is no such plugin", async () => {
  await using folder = await TestFolder.create(plugin("shop", ""));
  const { code, stderr } = await xcore(folder, ["plugin", "disable", "shpo"]);
  expect(code).toBe(1);
  expect(stderr).toBe('Cannot find plugin "shpo" in plugins: see `xcore plugin list`\n');
});

test("xcore plugin disable exits with 1 and the place when plugin.json is broken", async () => {
  await using folder = await TestFolder.create({ "plugins/shop/plugin.json": '{\n  "name": shop\n}' });
  const { code, stderr } = await xcore(folder, ["plugin", "disable", "shop"]);
  expect(code).toBe(1);
  expect(stderr).toStartWith("plugins/shop/plugin.json:2: Cannot read plugin.json");
});

test("xcore plugin disable says where to do it when the plugin is a single file", async () => {
  const code = `export const PLUGIN_INFO = { name: "shop", version: "1.0.0" };\n${RUN}`;
  await using folder = await TestFolder.create({ "plugins/shop.ts": code });
  const result = await xcore(folder, ["plugin", "disable", "shop"]);
  expect(result.code).toBe(1);
  expect(result.stderr).toBe(
    'Cannot disable "shop": set `active: false` in PLUGIN_INFO of plugins/shop.ts yourself\n',
  );
  expect((await xcore(folder, ["plugin", "enable", "shop"])).stdout).toBe("shop is enabled already\n");
});
