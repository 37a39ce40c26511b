import { expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PluginHost } from "../../plugins/remote/plugin-host.ts";
import { TestFolder } from "../../setup.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000);

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

/** A plugin whose jobs are what `define` says. */
function withJobs(version: string, define: string) {
  return {
    "crm/plugin.json": { name: "crm", version },
    "crm/run.ts": `import { t } from "elysia";
import { createRouter, jobs } from "xcore";
jobs.define("fine", () => {}, { payload: t.Integer() });
${define}
export default createRouter().get("/", () => "${version}");
console.assert(t);
`,
  };
}

/** Packs a version; returns its path. */
async function pack(version: string, define: string, author: TestFolder): Promise<string> {
  await author.write(inFolder("plugins", withJobs(version, define)));
  const { code, stderr } = await xcore(author, ["plugin", "pack", "crm"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return join(author.path, `crm-${version}.tgz`);
}

function inFolder(folder: string, files: object) {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));
}

const OLD = `jobs.define("remind", () => {}, { payload: t.Object({ customer: t.Integer() }) });
jobs.define("gone", () => {});
jobs.define("coded", () => {});`;
const NEW = `jobs.define("remind", () => {}, { payload: t.Object({ customer: t.Integer({ minimum: 10 }) }) });
jobs.define("coded", () => {}, { payload: t.String({ pattern: "^[a-z]+$" }) });`;
const LATER = ["--delay", "3600"];

test("xcore plugin update says before it pins which waiting jobs won't fit, and these are then set aside", async () => {
  await using author = await TestFolder.create({});
  await using folder = await TestFolder.create({ "config.json": {} });
  const old = await pack("1.0.0", OLD, author);
  await xcore(folder, ["plugin", "add", old, "--yes"]);
  const enqueue = async (name: string, payload: unknown) => {
    const args = ["jobs", "run", `crm:${name}`, "--payload", JSON.stringify(payload), ...LATER];
    const { stdout, stderr } = await xcore(folder, args);
    const [, id] = /enqueued as (\S+)/.exec(stdout) ?? [];
    if (id === undefined) throw new Error(stderr);
    return id;
  };
  const small = [await enqueue("remind", { customer: 1 }), await enqueue("remind", { customer: 2 })];
  const large = await enqueue("remind", { customer: 12 });
  await enqueue("fine", 1);
  const [coded, gone] = [await enqueue("coded", 7), await enqueue("gone", null)];

  const next = await pack("1.1.0", NEW, author);
  const dry = await xcore(folder, ["plugin", "update", "crm", next, "--dry-run"]);
  const waiting = `  waiting jobs: 6
    ? 1 of crm:coded: known once it runs, since the new version says nothing that they can be checked by
    ! 1 of crm:gone: the new version doesn't define it at its top level; unless its setup() does, they wait for a version that does
    ! 2 of 3 crm:remind don't fit, and will be set aside as incompatible
      ${small[0]}  payload/customer: Expected integer to be greater or equal to 10
      ${small[1]}  payload/customer: Expected integer to be greater or equal to 10
`;
  expect({ code: dry.code, stderr: dry.stderr }).toEqual({ code: 0, stderr: "" });
  expect(dry.stdout).toStartWith("crm\n  version 1.0.0 → 1.1.0\n");
  expect(dry.stdout).toContain("  - job gone: any payload\n");
  expect(dry.stdout).toEndWith(waiting);
  expect((await xcore(folder, ["plugin", "add", next, "--dry-run"])).stdout).toContain(waiting);

  const { stdout } = await xcore(folder, ["plugin", "update", "crm", next, "--yes", "--json"]);
  expect(JSON.parse(stdout)).toMatchObject([
    {
      pinned: true,
      waiting_jobs: {
        checked: 6,
        complete: true,
        jobs: [
          { name: "crm:coded", waiting: 1, unfit: 0, unchecked: 1, declared: true },
          { name: "crm:fine", waiting: 1, unfit: 0, unchecked: 0, declared: true },
          { name: "crm:gone", waiting: 1, declared: false },
          { name: "crm:remind", waiting: 3, unfit: 2, unchecked: 0, declared: true },
        ],
      },
    },
  ]);
  // Back again, as long as they wait: all of them fit.
  const back = await xcore(folder, ["plugin", "update", "crm", old, "--dry-run"]);
  expect(back.stdout).toEndWith("  waiting jobs: 6, which fit\n");

  for (const id of [...small, large, coded, gone]) {
    // oxlint-disable-next-line no-await-in-loop -- one database
    await xcore(folder, ["jobs", "retry", id]);
  }
  await using server = await XcoreServer.start(folder);
  await server.waitFor(/(?:a job is set aside[\s\S]*){3}/);
  const list = await xcore(folder, ["jobs", "list", "--json"]);
  const states = new Map(
    (JSON.parse(list.stdout) as { id: string; state: string }[]).map(({ id, state }) => [id, state]),
  );
  const told = [...small, coded, gone].map((id) => states.get(id));
  expect(told).toEqual(["incompatible", "incompatible", "incompatible", "waiting"]);
  expect(states.get(large)).not.toBe("incompatible");
});

test("xcore plugin update says when it can't tell how waiting jobs fit", async () => {
  await using host = new PluginHost();
  await using folder = await TestFolder.create({ "config.json": {} });
  await using author = await TestFolder.create({});
  const old = await pack("1.0.0", OLD, author);
  await xcore(folder, ["plugin", "add", old, "--yes"]);
  await xcore(folder, ["jobs", "run", "crm:fine", "--payload", "1", ...LATER]);
  const run = 'import { createRouter } from "xcore";\nexport default createRouter();\n';
  const silent = host.publish("/silent", { "plugin.json": { name: "crm", version: "1.1.0" }, "run.ts": run });
  const told = await xcore(folder, ["plugin", "update", "crm", silent.url, "--dry-run"]);
  expect(told.stdout).toEndWith(`  waiting jobs: 1
    ? 1 of crm:fine: known once it runs, since the new version doesn't say what their payloads must be
`);
  // A stranger's schema that is meant to hold the command up, or to draw on the terminal.
  const jobs = [{ name: "fine", payload: { type: "string", pattern: "^(a+)+$" } }];
  const surface = { routes: [], hooks: [], permissions: [], tables: [], jobs };
  const hostile = host.publish("/hostile", {
    "plugin.json": { name: "crm", version: "1.1.0", surface },
    "run.ts": run,
  });
  const checked = await xcore(folder, ["plugin", "update", "crm", hostile.url, "--dry-run"]);
  expect(checked.stdout).toContain("? 1 of crm:fine: known once it runs");
  const drawing = [{ name: "fine", payload: { const: "\u001b[2K\nall fit" } }];
  const drawn = host.publish("/drawn", {
    "plugin.json": { name: "crm", version: "1.1.0", surface: { ...surface, jobs: drawing } },
    "run.ts": run,
  });
  const { stdout } = await xcore(folder, ["plugin", "update", "crm", drawn.url, "--dry-run"]);
  expect(stdout).toContain("! 1 of 1 crm:fine doesn't fit, and will be set aside as incompatible\n");
  expect(stdout).not.toContain("\u001b");

  await Bun.write(join(folder.path, "data/app.db"), "no database");
  const away = await xcore(folder, ["plugin", "update", "crm", hostile.url, "--yes"]);
  expect(away.code).toBe(0);
  expect(away.stderr).toContain("Cannot tell how the waiting jobs of crm fit the new version: ");
  expect(away.stdout).toContain("Pinned crm 1.1.0");
});
