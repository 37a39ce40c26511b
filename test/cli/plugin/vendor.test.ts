import { cp, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, setDefaultTimeout, test } from "bun:test";
import { integrityToHex } from "../../../src/plugins/snapshot/integrity.ts";
import { TestRegistry } from "../../plugins/packages/registry.ts";
import { type Files, plugin, TestFolder } from "../../setup.ts";
import { xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(120_000); // several processes each

const RUN = `import { createRouter } from "xcore";
import { left } from "left";
export default createRouter().get("/", () => left);
`;

const TINY: Files = Object.fromEntries(
  Object.entries(plugin("tiny", '.get("/", () => "tiny")')).map(([name, file]) => [`work/${name}`, file]),
);

/** Writes config.json with these remote plugins. */
async function pin(folder: TestFolder, remote: Readonly<Record<string, object>>, more = {}): Promise<void> {
  await folder.write({ "config.json": { plugins: { remote, ...more }, logging: { console: true } } });
}

async function pack(folder: TestFolder, target: string, output: string): Promise<string> {
  const { stdout, stderr } = await xcore(folder, ["plugin", "pack", target, "--output", output, "--json"]);
  if (stdout === "") throw new Error(stderr);
  return (JSON.parse(stdout) as { integrity: string }).integrity;
}

/** A project with two packed plugins in `www`, one of which has an npm dependency. */
class Project implements AsyncDisposable {
  readonly folder: TestFolder;
  /** Integrity of the one with a dependency. */
  readonly crm: string;
  readonly tiny: string;

  private constructor(folder: TestFolder, crm: string, tiny: string) {
    this.folder = folder;
    this.crm = crm;
    this.tiny = tiny;
  }

  static async create(registry: TestRegistry): Promise<Project> {
    const folder = await TestFolder.create({
      ".npmrc": registry.npmrc,
      "work/crm/plugin.json": { name: "crm", version: "1.2.0" },
      "work/crm/run.ts": RUN,
      "work/crm/package.json": { dependencies: { left: "^1.0.0" } },
      "www/.keep": "",
      ...TINY,
    });
    const crm = await pack(folder, "work/crm", "www/crm.tgz");
    return new Project(folder, crm, await pack(folder, "work/tiny", "www/tiny.tgz"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

const left = {
  "left@1.0.0": { "index.js": 'export const left = "left 1.0.0";', "package.json": { type: "module" } },
};

test("xcore plugin vendor copies plugins and packages into the project, which then starts offline", async () => {
  await using registry = await TestRegistry.start(left);
  await using project = await Project.create(registry);
  const { folder, crm, tiny } = project;
  await pin(folder, {
    crm: { url: "./www/crm.tgz", integrity: crm },
    tiny: { urls: ["./www/gone.tgz", "./www/tiny.tgz"], integrity: tiny, active: false },
  });
  const { code, stdout, stderr } = await xcore(folder, ["plugin", "vendor"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toBe(`crm: 4 files, 1 npm dependency (${crm})\ntiny: 2 files (${tiny})\n`);
  const sources = await readdir(join(folder.path, "vendor/plugins/sources"));
  expect(new Set(sources)).toEqual(new Set([crm, tiny].map(integrityToHex)));
  expect(await readdir(join(folder.path, "vendor/plugins/packages"))).toHaveLength(1);

  const asked = registry.requests.length;
  await using elsewhere = await TestFolder.create();
  for (const name of ["config.json", "vendor"]) {
    // oxlint-disable-next-line no-await-in-loop -- two of them
    await cp(join(folder.path, name), join(elsewhere.path, name), { recursive: true });
  }
  await using server = await XcoreServer.start(elsewhere, { args: ["serve", "--port", "0", "--offline"] });
  expect(await (await server.fetch("/crm/")).text()).toBe("left 1.0.0");
  expect(registry.requests.length).toBe(asked);
});

test("xcore plugin vendor takes out what nothing pins any more, and mends what is damaged", async () => {
  await using registry = await TestRegistry.start(left);
  await using project = await Project.create(registry);
  const { folder, crm, tiny } = project;
  await pin(folder, {
    crm: { url: "./www/crm.tgz", integrity: crm },
    tiny: { url: "./www/tiny.tgz", integrity: tiny },
  });
  await xcore(folder, ["plugin", "vendor"]);
  await pin(folder, { tiny: { url: "./www/tiny.tgz", integrity: tiny } });
  const run = join(folder.path, "vendor/plugins/sources", integrityToHex(tiny), "files/run.ts");
  await writeFile(run, "damaged");
  const { code, stdout } = await xcore(folder, ["plugin", "vendor", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    plugins: [{ name: "tiny", integrity: tiny, files: 2, packages: 0 }],
    removed: [`sources/${integrityToHex(crm)}`, expect.stringMatching(/^packages\/[0-9a-f]{64}$/)],
    failed: {},
  });
  expect(await Bun.file(run).text()).toContain("tiny");
  expect(await readdir(join(folder.path, "vendor/plugins/packages"))).toEqual([]);
  await pin(folder, {});
  const emptied = await xcore(folder, ["plugin", "vendor"]);
  expect(emptied.stdout).toBe(`removed vendor/plugins/sources/${integrityToHex(tiny)}\n`);
  expect((await xcore(folder, ["plugin", "vendor"])).stdout).toBe(
    "Nothing to copy: plugins.remote lists no plugin\n",
  );
});

/** A pin of nothing that there is. */
function unlike(integrity: string): string {
  return integrity.replace(/^sha256-(.)/, (_, first) => `sha256-${first === "B" ? "C" : "B"}`);
}

test("xcore plugin vendor copies what it can, says what it can't, and fails", async () => {
  await using registry = await TestRegistry.start(left);
  await using project = await Project.create(registry);
  const { folder, crm, tiny } = project;
  await pin(folder, { crm: { url: "./www/crm.tgz", integrity: crm } });
  await xcore(folder, ["plugin", "vendor"]);
  await folder.remove("data");
  await pin(folder, {
    crm: { url: "./www/crm.tgz", integrity: crm },
    gone: { url: "./www/gone.tgz", integrity: unlike(crm) },
    tiny: { url: "./www/tiny.tgz", integrity: tiny },
    unpinned: { url: "./www/tiny.tgz" },
    wrong: { url: "./www/crm.tgz", integrity: unlike(tiny) },
  });
  const { code, stdout, stderr } = await xcore(folder, ["plugin", "vendor"]);
  expect(code).toBe(1);
  expect(stdout).toBe(`crm: 4 files, 1 npm dependency (${crm})\ntiny: 2 files (${tiny})\n`);
  expect(stderr).toMatch(/^gone: .*gone\.tgz/m);
  expect(stderr).toMatch(/^unpinned: .*xcore plugin update unpinned/m);
  expect(stderr).toMatch(/^wrong: .*expected sha256-.*found sha256-/m);
  expect(stderr).toContain("Cannot copy gone, unpinned, wrong into the project: see above");
  expect(await readdir(join(folder.path, "vendor/plugins/packages"))).toHaveLength(1);
});

test("xcore plugin vendor takes only what a trusted key has signed", async () => {
  await using registry = await TestRegistry.start({});
  await using folder = await TestFolder.create({
    ...TINY,
    "www/.keep": "",
    ".npmrc": registry.npmrc,
  });
  const tiny = await pack(folder, "work/tiny", "www/tiny.tgz");
  const { stdout: key } = await xcore(folder, ["plugin", "key", "k.pem"]);
  const remote = { tiny: { url: "./www/tiny.tgz", integrity: tiny } };
  await pin(folder, remote, { trusted_keys: [key.trim()] });
  const refused = await xcore(folder, ["plugin", "vendor"]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("it isn't signed");
  expect(await readdir(folder.path)).not.toContain("vendor");
  await xcore(folder, ["plugin", "sign", "www/tiny.tgz", "--key", "k.pem"]);
  const taken = await xcore(folder, ["plugin", "vendor"]);
  expect(taken).toMatchObject({ code: 0, stderr: "" });
  expect(taken.stdout).toBe(`tiny: 2 files (${tiny})\n`);
});
