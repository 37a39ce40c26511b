import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { isIntegrity } from "../../../src/plugins/snapshot/integrity.ts";
import { TestRegistry } from "../../plugins/packages/registry.ts";
import { type Files, plugin, TestFolder } from "../../setup.ts";
import { xcore } from "../xcore-process.ts";

setDefaultTimeout(120_000); // several processes each

interface Packed {
  name: string;
  version: string;
  file: string;
  size: number;
  files: number;
  integrity: string;
  signers: string[];
}

const CRM = plugin("crm", "", { version: "1.2.0" });

function below(folder: string, files: Files): Files {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));
}

function inPlugins(files: Files): Files {
  return below("plugins", files);
}

async function packJson(folder: TestFolder, ...args: string[]): Promise<Packed> {
  const { code, stdout, stderr } = await xcore(folder, ["plugin", "pack", ...args, "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Packed;
}

/** The text of a file in an archive. */
function readPacked(folder: TestFolder, file: string, name: string): Promise<string> {
  return Bun.$`tar -xzOf ${file} ${name}`.cwd(folder.path).text();
}

describe("xcore plugin pack", () => {
  test("packs a plugin by its name into the current folder, and over the one before", async () => {
    await using folder = await TestFolder.create(inPlugins({ ...CRM, "crm/lib/tax.test.ts": "" }));
    const { code, stdout } = await xcore(folder, ["plugin", "pack", "crm"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Packed crm 1\.2\.0 into crm-1\.2\.0\.tgz: 2 files, \d+ bytes\nIntegrity: sha256-\S+\n$/,
    );
    expect(await readdir(folder.path)).toEqual(expect.arrayContaining(["crm-1.2.0.tgz", "plugins"]));
    const first = await readFile(join(folder.path, "crm-1.2.0.tgz"));
    const same = await packJson(folder, "crm");
    expect(stdout).toContain(same.integrity);
    expect(await readFile(join(folder.path, "crm-1.2.0.tgz"))).toEqual(first);
    await folder.write({ "plugins/crm/lib.ts": "" });
    const changed = await packJson(folder, "crm");
    expect(changed).toMatchObject({ name: "crm", version: "1.2.0", files: 3, signers: [] });
    expect(changed.size).toBe(Bun.file(changed.file).size);
    expect(changed.integrity).not.toBe(same.integrity);
    expect((await readdir(folder.path)).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  test("packs a folder by its path, into the file that was asked for", async () => {
    await using folder = await TestFolder.create(below("work", CRM));
    const packed = await packJson(folder, "work/crm", "--output", "work/out.tgz");
    expect(packed.file).toBe(join(folder.path, "work/out.tgz"));
    expect(await readdir(join(folder.path, "work"))).toEqual(expect.arrayContaining(["crm", "out.tgz"]));
  });

  test("counts what is imported from URLs into the integrity, but packs the plugin's own files", async () => {
    let tax = "export const tax = 1;";
    using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(tax) });
    const { host } = server.url;
    const run = `import { tax } from "${server.url.href}tax.ts";\nimport { createRouter } from "xcore";
export default createRouter().get("/", () => tax);\n`;
    await using folder = await TestFolder.create({
      ...inPlugins({ ...CRM, "crm/run.ts": run }),
      "config.json": { plugins: { fetch: { allow_hosts: [host] } } },
    });
    const first = await packJson(folder, "crm");
    expect(first.files).toBe(2);
    tax = "export const tax = 2;";
    const second = await packJson(folder, "crm");
    expect(second.size).toBe(first.size);
    expect(second.integrity).not.toBe(first.integrity);
    tax = "<!doctype html>";
    const failed = await xcore(folder, ["plugin", "pack", "crm", "--output", "never.tgz"]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("tax.ts");
    expect((await readdir(folder.path)).filter((name) => name.includes("never"))).toEqual([]);
  });

  test("makes the lockfile that an author forgot, from the project's registry", async () => {
    await using registry = await TestRegistry.start({ "left@1.0.0": { "index.js": "" } });
    const packageJson = { name: "crm", dependencies: { left: "^1.0.0" }, devDependencies: { gone: "*" } };
    await using folder = await TestFolder.create({
      ...inPlugins({ ...CRM, "crm/package.json": { ...packageJson, devDependencies: {} } }),
      ".npmrc": registry.npmrc,
    });
    const { code, stdout, stderr } = await xcore(folder, ["plugin", "pack", "crm"]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `Made plugins/crm/bun.lock: it says which npm packages exactly the plugin gets\n`,
    });
    expect(stdout).toContain("4 files");
    expect((await readdir(join(folder.path, "plugins/crm"))).toSorted()).toEqual([
      "bun.lock",
      "package.json",
      "plugin.json",
      "run.ts",
    ]);
    expect(await readFile(join(folder.path, "plugins/crm/bun.lock"), "utf8")).toContain("left@1.0.0");
    await registry.publish("left@1.1.0", { "index.js": "" });
    expect((await packJson(folder, "crm")).files).toBe(4);
    expect(await readFile(join(folder.path, "plugins/crm/bun.lock"), "utf8")).toContain("left@1.0.0");
    await folder.remove("plugins/crm/bun.lock");
    await folder.write({ "plugins/crm/package.json": packageJson });
    const failed = await xcore(folder, ["plugin", "pack", "crm"]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^Cannot make bun\.lock for package\.json: .*gone/);
  });

  test("writes a folder for a web server, and again", async () => {
    await using folder = await TestFolder.create(inPlugins({ ...CRM, "crm/public/a.svg": "" }));
    const first = await packJson(folder, "crm", "--folder", "www/crm");
    expect(first).toMatchObject({ file: join(folder.path, "www/crm"), files: 3 });
    const manifest = await Bun.file(join(folder.path, "www/crm/plugin.json")).json();
    expect(manifest.files).toEqual(["public/a.svg", "run.ts"]);
    await folder.remove("plugins/crm/public");
    const second = await packJson(folder, "crm", "--folder", "www/crm");
    expect(await readdir(join(folder.path, "www/crm"))).toHaveLength(2);
    expect((await packJson(folder, "./www/crm")).integrity).toBe(second.integrity);
    expect(isIntegrity(second.integrity)).toBe(true);
  });

  test("carries signatures along, as far as they hold", async () => {
    await using folder = await TestFolder.create(inPlugins(CRM));
    await xcore(folder, ["plugin", "key", "k.pem"]);
    await packJson(folder, "crm", "--folder", "published");
    await xcore(folder, ["plugin", "sign", "./published", "--key", "k.pem"]);
    const packed = await packJson(folder, "./published");
    expect(packed.signers).toHaveLength(1);
    await xcore(folder, ["plugin", "sign", "crm", "--key", "k.pem"]);
    const { code, stderr } = await xcore(folder, ["plugin", "pack", "crm"]);
    expect(code).toBe(0);
    expect(stderr).toBe("Left out plugin.json.sig: it is of other files; sign what was packed\n");
    const listed = await Bun.$`tar -tzf crm-1.2.0.tgz`.cwd(folder.path).text();
    expect(listed).toBe("plugin.json\nrun.ts\n");
    const published = await xcore(folder, ["plugin", "pack", "crm", "--folder", "www"]);
    expect(published.stderr).toContain("Left out plugin.json.sig");
    expect(await readdir(join(folder.path, "www"))).not.toContain("plugin.json.sig");
  });

  const ROUTER = `import { writeFileSync } from "node:fs";
import { t } from "elysia";
import { config, createRouter, hooks, jobs } from "xcore";
import "./lib.ts";
console.log("NOISE");
jobs.define("remind", () => {}, { payload: t.Object({ customer: t.String({ title: "Who" }) }) });
jobs.define("anything", () => {});
jobs.define("coded", () => {}, { payload: t.String({ pattern: "^(a+)+$" }) });
setInterval(() => {}, 1000);
hooks.on("user.*", () => {});
export function setup() { writeFileSync("setup-ran", ""); }
const router = createRouter().get("/", () => 1).delete("/:id", () => 1, { permission: "crm:write" });
export default config.extra === true ? router.get("/extra", () => 1) : router;
`;
  const SURFACE = {
    routes: [
      { method: "GET", path: "/crm/", guards: [] },
      { method: "DELETE", path: "/crm/:id", guards: [{ permission: "crm:write" }] },
      { method: "GET", path: "/crm/static/*", guards: [] },
    ],
    hooks: ["order.paid", "user.*"],
    permissions: ["crm:write"],
    tables: ["crm_notes"],
    jobs: [
      { name: "anything", payload: {} },
      { name: "coded", payload: null },
      {
        name: "remind",
        payload: { type: "object", required: ["customer"], properties: { customer: { type: "string" } } },
      },
    ],
  };
  const SERVING: Files = {
    "crm/plugin.json": '{\n  "name": "crm", // ours\n  "version": "1.2.0",\n  "hooks": ["order.paid"]\n}\n',
    "crm/run.ts": ROUTER,
    "crm/lib.ts": "export {};",
    "crm/schema.ts":
      'import { id, table } from "xcore/schema";\nexport const notes = table("crm_notes", { id: id() });',
    "crm/drizzle/sqlite/0000_create.sql": "create table crm_notes (id integer primary key)",
    "crm/public/a.txt": "a",
  };

  test("writes into the packed plugin.json what the plugin registers, and starts nothing of it", async () => {
    await using folder = await TestFolder.create(inPlugins(SERVING));
    const { code, stdout, stderr } = await xcore(folder, ["plugin", "pack", "crm"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "NOISE\n" });
    expect(stdout).toStartWith("Packed crm 1.2.0");
    const text = await readPacked(folder, "crm-1.2.0.tgz", "plugin.json");
    expect(text).toStartWith(
      '{\n  "name": "crm", // ours\n  "version": "1.2.0",\n  "hooks": ["order.paid"],\n  "surface": {',
    );
    expect(Bun.JSONC.parse(text)).toMatchObject({ surface: SURFACE });
    expect(await readFile(join(folder.path, "plugins/crm/plugin.json"), "utf8")).toBe(
      SERVING["crm/plugin.json"] as string,
    );
    expect((await readdir(folder.path)).toSorted()).toEqual(["crm-1.2.0.tgz", "plugins"]);
    await using elsewhere = await TestFolder.create({ ...below("drafts", SERVING), "config.json": {} });
    await xcore(elsewhere, ["plugin", "pack", "./drafts/crm"]);
    expect(await readFile(join(elsewhere.path, "crm-1.2.0.tgz"))).toEqual(
      await readFile(join(folder.path, "crm-1.2.0.tgz")),
    );
  });

  test("takes the settings of config.json, which may add routes", async () => {
    const settings = { crm: { extra: true } };
    await using folder = await TestFolder.create({
      ...inPlugins(SERVING),
      "config.json": { plugins: { settings } },
    });
    await xcore(folder, ["plugin", "pack", "crm"]);
    const { surface } = Bun.JSONC.parse(
      await readPacked(folder, "crm-1.2.0.tgz", "plugin.json"),
    ) as typeof SERVING & {
      surface: typeof SURFACE;
    };
    expect(surface.routes.map(({ path }) => path)).toContain("/crm/extra");
  });

  test("what is packed is added, served and held to what it declares", async () => {
    await using author = await TestFolder.create(inPlugins(SERVING));
    await xcore(author, ["plugin", "pack", "crm"]);
    await using user = await TestFolder.create({ "config.json": {} });
    const archive = join(author.path, "crm-1.2.0.tgz");
    const added = await xcore(user, ["plugin", "add", archive, "--yes", "--json"]);
    const { inspection } = JSON.parse(added.stdout);
    expect(inspection.surface).toEqual(SURFACE);
    const served = JSON.parse((await xcore(user, ["routes", "--json"])).stdout);
    expect(served).toEqual(SURFACE.routes.map((route) => ({ ...route, plugin: "crm" })));

    await Bun.$`mkdir unpacked && tar -xzf crm-1.2.0.tgz -C unpacked`.cwd(author.path).quiet();
    const manifest = await readFile(join(author.path, "unpacked/plugin.json"), "utf8");
    await author.write({ "unpacked/plugin.json": manifest.replace('"/crm/:id"', '"/crm/:key"') });
    const edited = join(author.path, "unpacked");
    const refused = await xcore(user, [
      "plugin",
      "add",
      edited,
      "--integrity",
      inspection.integrity,
      "--yes",
    ]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(inspection.integrity) });
    await xcore(user, ["plugin", "update", "crm", edited, "--yes"]);
    const listed = await xcore(user, ["plugin", "list"]);
    expect(listed.stdout).toContain(
      "it serves DELETE /crm/:id (permission crm:write), which its surface doesn't declare",
    );
  });

  test("loads what the plugin depends on, which must be there", async () => {
    const notes = plugin("notes", '.get("/", () => 1)', { dependencies: { crm: "^1.0.0" } });
    const run = `import { createRouter } from "xcore";\nimport { name } from "plugin:crm";
export default createRouter().get(\`/\${name}\`, () => 1);`;
    await using folder = await TestFolder.create({
      ...inPlugins(plugin("crm", "", { version: "1.2.0" })),
      "plugins/crm/run.ts": 'export const name = "of-crm";\nexport const setup = () => {};',
      ...below("work", { ...notes, "notes/run.ts": run }),
      ...inPlugins(plugin("broken", "throw")),
    });
    await packJson(folder, "work/notes");
    expect(await readPacked(folder, "notes-1.0.0.tgz", "plugin.json")).toContain('"/notes/of-crm"');
    for (const [version, message] of [
      ["0.9.0", 'Cannot use dependency "crm": ^1.0.0 is needed, 0.9.0 is there'],
      [null, 'Cannot find dependency "crm": put it beside this plugin'],
    ]) {
      if (version === null) await folder.remove("plugins/crm");
      else await folder.write({ "plugins/crm/plugin.json": { name: "crm", version } });
      const { code, stderr } = await xcore(folder, ["plugin", "pack", "work/notes"]);
      expect([version, code]).toEqual([version, 1]);
      expect(stderr).toContain(
        `Cannot pack "work/notes": it can't be loaded: work/notes/plugin.json: ${message}`,
      );
    }
  });

  test("refuses a plugin that can't be loaded, and says why", async () => {
    const cases: [name: string, run: string, reason: string][] = [
      ["thrower", '\nthrow new Error("boom");\nexport {};', "plugins/thrower/run.ts:2: Error: boom"],
      ["unrouted", "export default 1;", "The default export is a number, not a router"],
      ["lost", 'import "./gone.ts";', "gone.ts"],
      ["left", 'import "./left.test.ts";\nexport const setup = () => {};', "left.test.ts"],
      [
        "odd",
        'import { createRouter } from "xcore";\nexport default createRouter().get("/a\\u202Eb", () => 1);',
        '"surface.routes[0]" must be printable',
      ],
    ];
    await using folder = await TestFolder.create({ "plugins/left/left.test.ts": "" });
    for (const [name, run] of cases)
      await folder.write(inPlugins({ ...plugin(name, ""), [`${name}/run.ts`]: run }));
    for (const [name, , reason] of cases) {
      const { code, stdout, stderr } = await xcore(folder, ["plugin", "pack", name]);
      expect([name, code, stdout]).toEqual([name, 1, ""]);
      expect(stderr).toStartWith(`Cannot pack "plugins/${name}": it can't be loaded: `);
      expect(stderr).toContain(reason);
    }
    expect(await readdir(folder.path)).toEqual(["plugins"]);
  });

  test("refuses what changed between being loaded and being packed", async () => {
    let asked = 0;
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(`export const tax = ${(asked += 1)};`),
    });
    const run = `import { tax } from "${server.url.href}tax.ts";\nexport const setup = () => tax;\n`;
    await using folder = await TestFolder.create({
      ...inPlugins({ ...CRM, "crm/run.ts": run }),
      "config.json": { plugins: { fetch: { allow_hosts: [server.url.host] } } },
    });
    for (const args of [[], ["--folder", "www"]]) {
      const { code, stderr } = await xcore(folder, ["plugin", "pack", "crm", ...args]);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringContaining("has changed since it was loaded; pack it again"),
      });
    }
    expect((await readdir(folder.path)).filter((name) => /www|tgz/.test(name))).toEqual([]);
  });

  test.each([
    [["nope"], 1, 'Cannot find plugin "nope" in plugins: see `xcore plugin list`'],
    [["./nope"], 1, 'Cannot find plugin "nope": no file is there'],
    [["hello"], 1, 'Cannot pack "plugins/hello.ts": it is a single file: publish it as it is'],
    [["config.json"], 1, 'Cannot use "config.json" as a plugin'],
    [["./plugins"], 1, 'Cannot find plugin.json in "plugins"'],
    [["broken"], 1, "plugins/broken/plugin.json"],
    [["entryless"], 1, 'Cannot find entry "run.ts"'],
    [["crm", "--folder", "plugins/crm"], 1, "the plugin itself is there"],
    [["crm", "--folder", "plugins/crm/public"], 1, "the plugin itself is there"],
    [["crm", "--folder", "."], 1, "the plugin itself is there"],
    [["crm", "--folder", "docs"], 1, 'it holds "readme.md"'],
    [["crm", "--output", "crm.zip"], 2, "name it .tgz"],
    [["crm", "--output", "crm.tgz", "--folder", "www"], 2, "cannot be used with"],
    [[], 2, "missing required argument"],
  ] as const)("refuses %j with exit code %d", async (args, code, reason) => {
    await using folder = await TestFolder.create({
      ...inPlugins(CRM),
      "plugins/hello.ts": 'export const PLUGIN_INFO = { name: "hello", version: "1.0.0" };',
      "plugins/broken/plugin.json": "{",
      "plugins/entryless/plugin.json": { name: "entryless", version: "1.0.0" },
      "config.json": {},
      "docs/readme.md": "",
    });
    const before = (await readdir(folder.path, { recursive: true })).toSorted();
    const finished = await xcore(folder, ["plugin", "pack", ...args]);
    expect(finished.stderr).toContain(reason);
    expect(finished.code).toBe(code);
    expect((await readdir(folder.path, { recursive: true })).toSorted()).toEqual(before);
  });
});
