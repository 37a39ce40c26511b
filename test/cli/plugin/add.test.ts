import { expect, setDefaultTimeout, test } from "bun:test";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "jsonc-parser";
import { PluginHost } from "../../plugins/remote/plugin-host.ts";
import { type Files, plugin, TestFolder } from "../../setup.ts";
import { XCORE } from "../xcore-command.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

const WRONG = `sha256-${"A".repeat(43)}=`;
const CONFIG = '{\n  "app": { "name": "Shop" } // ours\n}\n';
const RUN = `import { createRouter } from "xcore";
console.log("this code ran");
export default createRouter().get("/", () => "open");
`;

function crm(more: Record<string, string | object> = {}) {
  const permissions = { "crm:read": "See customers\u001b[31m" };
  return {
    "plugin.json": { name: "crm", version: "1.0.0", description: "Customers", author: "Ada", permissions },
    "run.ts": RUN,
    ...more,
  };
}

function sizeOf(content: string | object): number {
  return typeof content === "string" ? content.length : JSON.stringify(content).length;
}

function readConfig(folder: TestFolder): Promise<string> {
  return readFile(join(folder.path, "config.json"), "utf8");
}

test("xcore plugin add shows what a plugin is, and pins it only when that is wanted", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  await using folder = await TestFolder.create({ "config.json": CONFIG });

  const asked = await xcore(folder, ["plugin", "add", pinned.url]);
  const size = Object.values(crm()).map(sizeOf);
  const shown = `crm 1.0.0: Customers
  author        Ada
  from          ${pinned.url}
  integrity     ${pinned.integrity}
  signed by     nobody
  code          1 module in 2 files, ${size.reduce((a, b) => a + b)} bytes
  hosts         ${new URL(pinned.url).host}
  permissions   crm:read  See customers\uFFFD[31m
  plugins       none
  npm packages  none
  migrations    none
  surface       declares none: its routes are known once it runs
`;
  expect(asked).toEqual({
    code: 1,
    stdout: shown,
    stderr: 'Cannot ask "Add crm 1.0.0?" without a terminal: add --yes\n',
  });
  const dry = await xcore(folder, ["plugin", "add", pinned.url, "--dry-run"]);
  expect(dry).toEqual({ code: 0, stdout: `${shown}\nNothing was changed\n`, stderr: "" });
  expect(await readConfig(folder)).toBe(CONFIG);
  expect(await readdir(folder.path)).toEqual(["config.json"]);

  const added = await xcore(folder, ["plugin", "add", pinned.url, "--yes"]);
  const done = "\nPinned crm 1.0.0 in config.json: a running server loads it now\n";
  expect(added).toEqual({ code: 0, stdout: shown + done, stderr: "" });
  expect(await readConfig(folder)).toBe(`{
  "app": { "name": "Shop" }, // ours
  "plugins": {
    "remote": {
      "crm": {
        "url": "${pinned.url}",
        "integrity": "${pinned.integrity}"
      }
    }
  }
}
`);
  const again = await xcore(folder, ["plugin", "add", pinned.url]);
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("crm is pinned to this already") });
});

test("xcore plugin add --json prints what it found out, and xcore plugin list --json where it is from", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  await using folder = await TestFolder.create();
  const mirror = `${host.origin}/mirror/plugin.json`;
  const options = ["--integrity", pinned.integrity, "--yes", "--json"];
  const added = await xcore(folder, ["plugin", "add", mirror, "--mirror", pinned.url, ...options]);
  expect(JSON.parse(added.stdout)).toMatchObject({
    name: "crm",
    urls: [mirror, pinned.url],
    pinned: true,
    inspection: { version: "1.0.0", integrity: pinned.integrity, surface: null },
    changes: null,
  });
  await host.stop();
  const listed = await xcore(folder, ["plugin", "list", "--json"]);
  expect(JSON.parse(listed.stdout)).toMatchObject([
    {
      name: "crm",
      state: "serving",
      source: mirror,
      remote: { urls: [mirror, pinned.url], integrity: pinned.integrity },
    },
  ]);
});

test("xcore plugin add shows what a plugin declares that it serves, open routes first", async () => {
  await using host = new PluginHost();
  const manifest = crm()["plugin.json"];
  const pinned = host.publish("/crm", {
    ...crm(),
    "plugin.json": {
      ...manifest,
      surface: {
        routes: [
          { method: "ALL", path: "/crm/admin/*", guards: [{ role: "admin" }] },
          { method: "DELETE", path: "/crm/:id", guards: [{ permission: "crm:read" }, { auth: true }] },
          { method: "GET", path: "/crm/", guards: [] },
          { method: "WS", path: "/crm/live", guards: [{ optional_auth: true }] },
        ],
        hooks: ["user.*"],
        permissions: ["crm:read"],
        tables: ["crm_notes"],
      },
    },
  });
  await using folder = await TestFolder.create({ "config.json": CONFIG });
  const { stdout } = await xcore(folder, ["plugin", "add", pinned.url, "--dry-run"]);
  expect(stdout).toContain(`
  routes        OPEN                        GET /crm/
                OPEN (optional auth)        WS /crm/live
                role admin                  ALL /crm/admin/*
                permission crm:read + auth  DELETE /crm/:id
                (OPEN: no guard of xcore asks who it is)
  listens to    user.*
  tables        crm_notes
`);
});

test("xcore plugin add takes paths from where it runs, and writes them from config.json on", async () => {
  await using folder = await TestFolder.create({
    "project/config.json": {},
    "shared/crm/plugin.json": { name: "crm", version: "1.0.0" },
    "shared/crm/run.ts": RUN,
  });
  const args = ["--config", "project/config.json", "plugin", "add", "shared/crm", "--yes", "--offline"];
  expect(await xcore(folder, args)).toMatchObject({ code: 0 });
  const config = JSON.parse(await readFile(join(folder.path, "project/config.json"), "utf8"));
  expect(config.plugins.remote.crm.url).toBe("../shared/crm");
});

test("xcore plugin add exits with 1 and the reason, and writes nothing", async () => {
  await using host = new PluginHost({ "/page/plugin.json": "<!doctype html><html></html>" });
  const pinned = host.publish("/crm", crm());
  const notes = host.publish("/notes", crm({ "plugin.json": { name: "notes", version: "1.0.0" } }));
  await using folder = await TestFolder.create({
    "config.json": CONFIG,
    ...Object.fromEntries(
      Object.entries(plugin("notes", "")).map(([name, text]) => [`plugins/${name}`, text]),
    ),
  });
  const refused: [args: string[], message: string][] = [
    [[pinned.url, "--integrity", WRONG], `expected ${WRONG}, found ${pinned.integrity}`],
    [[pinned.url, "--integrity", "abc"], 'Cannot use "abc" as an integrity'],
    [[host.url("/page/plugin.json")], "HTML"],
    [[host.url("/none/plugin.json")], "404"],
    [[notes.url], 'Cannot add "notes": plugins/notes has this name; remove it first'],
    [[pinned.url, "--offline"], "offline"],
    [["./nowhere"], "nowhere"],
  ];
  const results = await Promise.all(
    refused.map(([args]) => xcore(folder, ["plugin", "add", ...args, "--yes"])),
  );
  for (const [index, [args, message]] of refused.entries()) {
    expect([args, results[index]]).toEqual([
      args,
      { code: 1, stdout: "", stderr: expect.stringContaining(message) },
    ]);
  }
  expect(await readConfig(folder)).toBe(CONFIG);
  expect((await readdir(folder.path)).toSorted()).toEqual(["config.json", "plugins"]);
});

test("a running server follows xcore plugin add, disable, enable and remove", async () => {
  await using host = new PluginHost();
  const { url } = host.publish("/crm", crm());
  await using folder = await TestFolder.create({ "config.json": CONFIG });
  await using server = await XcoreServer.start(folder);
  expect((await server.fetch("/crm")).status).toBe(404);
  await server.after(() => xcore(folder, ["plugin", "add", url, "--yes"]), /plugin loaded/);
  expect(await (await server.fetch("/crm")).text()).toBe("open");
  const disabled = await server.after(() => xcore(folder, ["plugin", "disable", "crm"]), /plugin unloaded/);
  expect(disabled).not.toBeNull();
  expect((await server.fetch("/crm")).status).toBe(404);
  expect((await xcore(folder, ["plugin", "disable", "crm"])).stdout).toBe("crm is disabled already\n");
  await server.after(() => xcore(folder, ["plugin", "enable", "crm"]), /plugin loaded/);
  expect(await (await server.fetch("/crm")).text()).toBe("open");
  await host.stop();
  await server.after(() => xcore(folder, ["plugin", "remove", "crm", "--yes"]), /plugin unloaded/);
  expect((await server.fetch("/crm")).status).toBe(404);
  expect(await readConfig(folder)).toContain('"remote": {}');
});

test("xcore plugin add says on a terminal that it waits for a slow host, and asks", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  const isTold = Promise.withResolvers<void>();
  const manifest = JSON.stringify(crm()["plugin.json"]);
  host.answers.set("/crm/plugin.json", () => isTold.promise.then(() => new Response(manifest)));
  await using folder = await TestFolder.create({ "config.json": CONFIG });
  const add = async (answer: string): Promise<string> => {
    let screen = "";
    let isAsked = false;
    const { PATH = "", HOME = "" } = process.env;
    const terminal = new Bun.Terminal({
      data(one, bytes) {
        screen += new TextDecoder().decode(bytes);
        if (screen.includes(`Fetching ${pinned.url} …`)) isTold.resolve();
        if (isAsked || !screen.includes("Add crm 1.0.0? [y/N] ")) return;
        isAsked = true;
        one.write(answer);
      },
    });
    const child = Bun.spawn([...XCORE, "plugin", "add", pinned.url], {
      cwd: folder.path,
      env: { PATH, HOME, TERM: "xterm" },
      terminal,
    });
    expect(await child.exited).toBe(0);
    terminal.close();
    return screen;
  };
  expect(await add("n\r")).toMatch(/^Fetching \S+ …\r\ncrm 1\.0\.0: Customers/);
  expect(await readConfig(folder)).toBe(CONFIG);
  expect(await add("y\r")).toStartWith("crm 1.0.0: Customers");
  expect(await readConfig(folder)).toContain(pinned.integrity);
});

test("xcore plugin remove takes an entry whose host is gone out of config.json, and refuses what is needed", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  await host.stop();
  const shop = plugin("shop", "", { dependencies: ["crm"] });
  await using folder = await TestFolder.create({
    "config.json": { plugins: { remote: { crm: pinned } } },
    ...Object.fromEntries(Object.entries(shop).map(([name, text]) => [`plugins/${name}`, text])),
  });
  const needed = await xcore(folder, ["plugin", "remove", "crm", "--yes"]);
  expect(needed).toMatchObject({ code: 1, stderr: expect.stringContaining('"shop" depends on it') });
  await folder.remove("plugins/shop");
  const before = await readConfig(folder);
  const purged = await xcore(folder, ["plugin", "remove", "crm", "--purge", "--yes"]);
  expect(purged).toMatchObject({ code: 0, stdout: "Removed plugins.remote.crm of config.json\n" });
  await folder.write({ "config.json": before });
  const removed = await xcore(folder, ["plugin", "remove", "crm", "--yes"]);
  expect(removed).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("Removed plugins.remote.crm of config.json; tables of its own stay"),
  });
  expect(JSON.parse(await readConfig(folder))).toEqual({ plugins: { remote: {} } });
});

test("xcore plugin add tells which mirrors give something else, or nothing", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  const other = host.publish("/other", crm({ "run.ts": `${RUN}// another` }));
  const gone = host.url("/gone/plugin.json");
  await using folder = await TestFolder.create({ "config.json": CONFIG });
  const mirrors = ["--mirror", other.url, "--mirror", gone];
  const { code, stderr } = await xcore(folder, ["plugin", "add", pinned.url, ...mirrors, "--yes"]);
  expect(code).toBe(0);
  expect(stderr).toContain(
    `Mirror ${other.url}: expected ${pinned.integrity}, found ${other.integrity}\nMirror ${gone}: `,
  );
  expect(stderr).not.toContain(`Mirror ${pinned.url}`);
});

test("xcore plugin add takes several plugins, and pins all of them or none", async () => {
  await using host = new PluginHost();
  const base = host.publish("/base", { "plugin.json": { name: "base", version: "1.0.0" }, "run.ts": RUN });
  const manifest = { name: "crm", version: "1.0.0", dependencies: { base: "^1.0.0" } };
  const pinned = host.publish("/crm", crm({ "plugin.json": manifest }));
  await using folder = await TestFolder.create({ "config.json": CONFIG });
  const add = (...words: string[]) => xcore(folder, ["plugin", "add", ...words]);

  const gone = await add(pinned.url, host.url("/gone/plugin.json"), "--yes");
  expect(gone.code).toBe(1);
  expect(gone.stderr).toContain("/gone/plugin.json");
  const mirror = await add(
    pinned.url,
    host.publish("/mirror", crm({ "plugin.json": manifest })).url,
    "--yes",
  );
  expect(mirror.code).toBe(1);
  expect(mirror.stderr).toContain(
    `/mirror/plugin.json": "${pinned.url}" gives "crm" too; name a mirror of it with --mirror "`,
  );
  for (const option of [
    ["--mirror", base.url],
    ["--integrity", pinned.integrity],
  ]) {
    const refused = await add(pinned.url, base.url, ...option, "--yes");
    expect(refused.stderr).toBe(`Cannot use ${option[0]} for several plugins: add one at a time\n`);
  }
  const asked = await add(pinned.url, base.url);
  expect(asked.stderr).toBe('Cannot ask "Add crm 1.0.0 and base 1.0.0?" without a terminal: add --yes\n');
  expect(await readConfig(folder)).toBe(CONFIG);

  const added = await add(pinned.url, base.url, "--yes");
  expect(added.stdout).toEndWith(
    "\nPinned crm 1.0.0 and base 1.0.0 in config.json: a running server loads them now\n",
  );
  expect(added.stderr).toBe("");
  const { plugins } = parse(await readConfig(folder)) as { plugins: { remote: object } };
  expect(plugins.remote).toEqual({ base, crm: pinned });
  const again = await add(pinned.url, base.url, "--yes", "--json");
  expect(JSON.parse(again.stdout)).toMatchObject([
    { name: "crm", pinned: false },
    { name: "base", pinned: false },
  ]);
});

function local(name: string, more: object = {}): Files {
  return Object.fromEntries(
    Object.entries(plugin(name, "", more)).map(([file, content]) => [`plugins/${file}`, content]),
  );
}

test("xcore plugin add says which dependencies are missing before it asks", async () => {
  await using host = new PluginHost();
  const dependencies = { gone: "^1.0.0", old: "^2.0.0", off: "*", there: "1.x" };
  const manifest = { name: "crm", version: "1.0.0", dependencies };
  const pinned = host.publish("/crm", crm({ "plugin.json": manifest }));
  await using folder = await TestFolder.create({
    ...local("old"),
    ...local("off", { active: false }),
    ...local("there"),
  });
  const { stderr } = await xcore(folder, ["plugin", "add", pinned.url]);
  expect(stderr.split("\n")).toEqual([
    `Missing dependency: crm needs "gone" ^1.0.0, which isn't there: it won't be loaded before you add that too`,
    'Missing dependency: crm needs "old" ^2.0.0, and 1.0.0 is there',
    'Missing dependency: crm needs "off" *, which is disabled: run `xcore plugin enable off`',
    'Cannot ask "Add crm 1.0.0?" without a terminal: add --yes',
    "",
  ]);
});

test("xcore plugin list --offline asks no host", async () => {
  await using host = new PluginHost();
  const pinned = host.publish("/crm", crm());
  await using folder = await TestFolder.create({ "config.json": { plugins: { remote: { crm: pinned } } } });
  const { code, stdout } = await xcore(folder, ["plugin", "list", "--offline"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^crm +- +failed/m);
  expect(stdout).toContain("offline");
  expect(host.requests).toEqual([]);
});
