import { expect, setDefaultTimeout, test } from "bun:test";
import { readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { EMBEDDED_DECLARATIONS } from "../../src/editor/compiler-options.ts";
import { readArchive } from "../../src/editor/archive.ts";
import { collectDeclarations } from "../../src/editor/declarations.ts";
import { unpackDeclarations } from "../../src/editor/packed-declarations.ts";
import { EXTERNAL_SPECIFIERS } from "../../src/plugins/given/host-modules.ts";
import { SnapshotStore } from "../../src/plugins/snapshot/store.ts";
import { TestFolder } from "../setup.ts";
import { checkTypes, findUnexpected, TYPED_PLUGINS, WRONG_PLUGIN } from "./typed-project.ts";
import { xcore } from "./xcore-process.ts";

setDefaultTimeout(120_000);

const PROJECT = join(import.meta.dir, "../..");

test("xcore types lets TypeScript check plugins with nothing installed", async () => {
  await using folder = await TestFolder.create(TYPED_PLUGINS);
  const { code, stdout, stderr } = await xcore(folder, ["types"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^Made \.xcore\/: .+\nMade tsconfig\.json.+\n$/);
  expect(await checkTypes(folder)).toEqual(new Map());
  expect((await readdir(folder.path)).toSorted()).toEqual([".xcore", "plugins", "tsconfig.json"]);

  await folder.write(WRONG_PLUGIN);
  expect(findUnexpected(await checkTypes(folder))).toEqual([]);
});

test("xcore types writes only what has changed", async () => {
  await using folder = await TestFolder.create(TYPED_PLUGINS);
  const types = async (): Promise<string> => (await xcore(folder, ["types"])).stdout;
  await types();
  const declaration = join(folder.path, ".xcore/types/sdk/xcore.d.ts");
  const { ino } = await stat(declaration);
  expect(await types()).toStartWith(".xcore/ is up to date");

  await rename(join(folder.path, "plugins/ping.ts"), join(folder.path, "plugins/pong.ts"));
  const pong = await Bun.file(join(folder.path, "plugins/pong.ts")).text();
  await folder.write({ "plugins/pong.ts": pong.replace('"ping"', '"pong"') });
  expect(await types()).toStartWith("Updated .xcore/");
  expect(await moduleNames(folder)).toEqual(["crm.d.ts", "erp_core.d.ts", "pong.d.ts"]);
  expect((await stat(declaration)).ino).toBe(ino);

  await folder.remove(".xcore/types/sdk/schema.d.ts");
  expect(await types()).toStartWith("Replaced .xcore/");
  expect(await checkTypes(folder)).toEqual(new Map());

  const record = join(folder.path, ".xcore/executable.json");
  const old = { ...(await Bun.file(record).json()), declarations: "of another version" };
  await folder.write({ ".xcore/executable.json": old, ".xcore/node_modules/gone/index.d.ts": "" });
  expect(await types()).toStartWith("Replaced .xcore/");
  expect(await readdir(join(folder.path, ".xcore/node_modules"))).not.toContain("gone");
  expect((await readdir(folder.path)).toSorted()).toEqual([".xcore", "plugins", "tsconfig.json"]);
});

test("xcore types leaves a tsconfig.json alone, and says what to add", async () => {
  const tsconfig = '{ "compilerOptions": { "strict": false } } // mine';
  await using folder = await TestFolder.create({ "tsconfig.json": tsconfig });
  const hint = 'Add "extends": "./.xcore/tsconfig.json" to tsconfig.json';
  expect((await xcore(folder, ["types"])).stdout).toContain(hint);
  expect(await Bun.file(join(folder.path, "tsconfig.json")).text()).toBe(tsconfig);
  await folder.write({ "tsconfig.json": '{ "extends": [".xcore/tsconfig.json"], } // mine' });
  expect((await xcore(folder, ["types"])).stdout).not.toContain("tsconfig.json");
});

test("xcore types follows the plugins directory, and plugins from elsewhere that are in the cache", async () => {
  const manifest = { name: "taxes", version: "1.0.0" };
  const files = new Map(
    Object.entries({
      "plugin.json": JSON.stringify(manifest),
      "run.ts":
        '#!/usr/bin/env xcore\nimport { createRouter } from "xcore";\n' +
        'import { round } from "https://cdn.invalid/round.ts";\nimport left from "left";\n' +
        "const loose = (n) => left(round(n));\nexport const rate = 20;\nexport default createRouter();\n",
    }).map(([name, text]) => [name, new TextEncoder().encode(text)]),
  );
  await using folder = await TestFolder.create({
    "modules/shop.ts": `import { createRouter } from "xcore";
import { rate } from "plugin:taxes";
export const PLUGIN_INFO = { name: "shop", version: "1.0.0", dependencies: ["taxes"] };
export default createRouter().get("/", (): number => rate);
`,
  });
  const [cache, vendor] = [join(folder.path, "data/plugins"), join(folder.path, "vendor/plugins")];
  const store = new SnapshotStore({ cache, vendor, log: pino({ level: "silent" }) });
  const snapshot = { entry: "plugin.json", files, redirects: new Map(), signatures: null };
  const { integrity } = await store.put(snapshot);
  const url = "https://plugins.invalid/taxes/plugin.json";
  const remote = { taxes: { url, integrity }, absent: { url, integrity: `sha256-${"A".repeat(43)}=` } };
  await folder.write({ "config.json": { plugins: { directory: "modules", remote } } });

  expect((await xcore(folder, ["types"])).code).toBe(0);
  expect(await moduleNames(folder)).toEqual(["shop.d.ts", "taxes", "taxes.d.ts"]);
  expect(await checkTypes(folder)).toEqual(new Map());
  await folder.write({ "modules/shop.ts": 'import { nothing } from "plugin:taxes";\n' });
  expect([...(await checkTypes(folder)).values()]).toEqual([expect.stringContaining("'nothing'")]);
  await folder.write({ "config.json": { plugins: { directory: "modules" } } });
  expect((await xcore(folder, ["types"])).code).toBe(0);
  expect(await moduleNames(folder)).toEqual([]);
});

test("xcore types exits with 1 and one line when it can't write", async () => {
  await using folder = await TestFolder.create({ "plugins/ping.ts": "" });
  const config = { plugins: { directory: "../plugins" } };
  await folder.write({ "project/config.json": config, "project/tsconfig.json/taken": "" });
  const { code, stderr } = await xcore(folder, ["types", "--config", "project/config.json"]);
  expect(code).toBe(1);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});

test("collectDeclarations() gives the same files each time, and none that names this machine", async () => {
  const [once, again] = await Promise.all([unpackDeclarations(await readArchive()), collectDeclarations()]);
  expect([...again]).toEqual([...once]);
  expect([...again.keys()]).toEqual([...again.keys()].toSorted());
  for (const text of again.values()) expect(text.includes(PROJECT)).toBe(false);
});

test("EMBEDDED_DECLARATIONS has every package that plugins get from xcore", () => {
  const own = ["xcore", "xcore/schema", "xcore/testing", "plugin:*"];
  const packages = EXTERNAL_SPECIFIERS.filter((specifier) => !own.includes(specifier));
  expect(Object.keys(EMBEDDED_DECLARATIONS).toSorted()).toEqual(packages.toSorted());
});

/** The files that say what other plugins get from those of the project. */
async function moduleNames(folder: TestFolder): Promise<string[]> {
  return (await readdir(join(folder.path, ".xcore/plugins"))).toSorted();
}
