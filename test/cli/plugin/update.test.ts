import { expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PluginHost } from "../../plugins/remote/plugin-host.ts";
import { TestFolder } from "../../setup.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(60_000);

function toFiles(name: string, version: string, path = "/") {
  const routes = [{ method: "GET", path: `/${name}${path}`, guards: [] }];
  return {
    "plugin.json": { name, version, surface: { routes, hooks: [], permissions: [], tables: [] } },
    "run.ts": `import { createRouter } from "xcore";\nexport default createRouter().get("${path}", () => "${version}");\n`,
  };
}

async function readRemote(folder: TestFolder) {
  const text = await readFile(join(folder.path, "config.json"), "utf8");
  return JSON.parse(text).plugins.remote as Record<string, { url: string; integrity: string }>;
}

test("xcore plugin update shows what differs, and pins it when that is wanted", async () => {
  await using host = new PluginHost();
  const crm = host.publish("/crm", toFiles("crm", "1.0.0"));
  const erp = host.publish("/erp", toFiles("erp", "1.0.0"));
  const remote = { crm, erp: { ...erp, active: true } };
  await using folder = await TestFolder.create({ "config.json": { plugins: { remote } } });
  const nothing = await xcore(folder, ["plugin", "update"]);
  expect(nothing).toEqual({ code: 0, stdout: "crm is up to date\nerp is up to date\n", stderr: "" });

  // The pinned version must be had to compare with: the first start keeps it.
  expect((await xcore(folder, ["plugin", "list"])).stdout).toContain("serving");
  const next = host.publish("/crm", toFiles("crm", "1.1.0", "/new"));
  const changes = `crm
  version 1.0.0 → 1.1.0
  size 232 bytes → 238 bytes
  integrity ${crm.integrity} → ${next.integrity}
  - route GET /crm/: OPEN
  + route GET /crm/new: OPEN
`;
  const dry = await xcore(folder, ["plugin", "update", "--dry-run"]);
  expect(dry).toEqual({ code: 0, stdout: `${changes}erp is up to date\n`, stderr: "" });
  const asked = await xcore(folder, ["plugin", "update", "crm"]);
  expect(asked).toMatchObject({ code: 1, stdout: changes, stderr: expect.stringContaining("add --yes") });
  expect(await readRemote(folder)).toEqual(remote);

  const json = await xcore(folder, ["plugin", "update", "crm", "--yes", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject([
    {
      name: "crm",
      pinned: true,
      changes: [{ what: "version", before: "1.0.0", after: "1.1.0" }, {}, {}, {}, {}],
    },
  ]);
  expect(await readRemote(folder)).toEqual({ ...remote, crm: next });
});

test("xcore plugin update NAME URL moves a plugin to another place", async () => {
  await using host = new PluginHost();
  const crm = host.publish("/crm-1.0.0", toFiles("crm", "1.0.0"));
  const next = host.publish("/crm-1.1.0", toFiles("crm", "1.1.0"));
  const other = host.publish("/erp", toFiles("erp", "1.0.0"));
  await using folder = await TestFolder.create({ "config.json": { plugins: { remote: { crm } } } });
  const wrong = await xcore(folder, ["plugin", "update", "crm", other.url, "--yes"]);
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('it is the plugin "erp"') });
  expect(await xcore(folder, ["plugin", "update", "crm", next.url, "--yes"])).toMatchObject({ code: 0 });
  expect(await readRemote(folder)).toEqual({ crm: next });
});

test("xcore plugin update goes on past a plugin that can't be had, and exits with 1", async () => {
  await using host = new PluginHost();
  const crm = host.publish("/crm", toFiles("crm", "1.0.0"));
  const gone = { ...crm, url: host.url("/gone/plugin.json") };
  await using folder = await TestFolder.create({ "config.json": { plugins: { remote: { a: gone, crm } } } });
  const next = host.publish("/crm", toFiles("crm", "1.1.0"));
  const { code, stderr, stdout } = await xcore(folder, ["plugin", "update", "--yes"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^a: Cannot fetch .*404[\s\S]*Cannot update a: see above\n$/);
  expect(stdout).toContain("Pinned crm 1.1.0");
  expect(await readRemote(folder)).toEqual({ a: gone, crm: next });
  expect(await xcore(folder, ["plugin", "update", "nobody"])).toEqual({
    code: 1,
    stdout: "",
    stderr: 'Cannot find plugin "nobody" in plugins.remote of config.json: see `xcore plugin list`\n',
  });
});

test("an entry without a pin gets one, and a running server swaps to a new version", async () => {
  await using host = new PluginHost();
  const crm = host.publish("/crm", toFiles("crm", "1.0.0"));
  await using folder = await TestFolder.create({
    "config.json": { plugins: { remote: { crm: { url: crm.url } } } },
  });
  await using server = await XcoreServer.start(folder);
  expect(server.output).toContain("it isn't pinned; run `xcore plugin update crm`");
  const update = () => xcore(folder, ["plugin", "update", "crm", "--yes"]);
  let shown = "";
  await server.after(async () => ({ stdout: shown } = await update()), /plugin loaded/);
  expect(shown).toContain("(There is no pinned version to compare with)\nPinned crm 1.0.0");
  expect(await (await server.fetch("/crm")).text()).toBe("1.0.0");
  host.publish("/crm", toFiles("crm", "1.1.0"));
  await server.after(() => xcore(folder, ["plugin", "update", "--yes"]), /plugin reloaded/);
  expect(await (await server.fetch("/crm")).text()).toBe("1.1.0");
});
