import { afterEach, beforeEach, expect, setDefaultTimeout, setSystemTime, test } from "bun:test";
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import pino from "pino";
import { BundleCache, type BundleCacheOptions } from "../../../src/plugins/build/bundle-cache.ts";
import { type Bundle, bundleFiles } from "../../../src/plugins/build/bundle.ts";
import { sealBundle } from "../../../src/plugins/build/sealed-bundle.ts";
import type { PluginFiles } from "../../../src/plugins/source/files.ts";
import { listLocalPlugins } from "../../../src/plugins/source/local.ts";
import { type Files, TestFolder } from "../../setup.ts";
import { filesOf, keep } from "./pinned-plugin.ts";

setDefaultTimeout(120_000);

const KEY = crypto.getRandomValues(new Uint8Array(32));
const CRM: Files = {
  "plugins/crm/plugin.json": { name: "crm", version: "1.0.0" },
  "plugins/crm/run.ts": 'import { tax } from "./tax";\nexport default { tax };\n',
  "plugins/crm/tax.ts": "export const tax = 19;\n",
  "plugins/crm/README.md": "The CRM.\n",
};

// Of data that a plugin imports it is only known by the clock that it is what was bundled.
beforeEach(() => void setSystemTime(Date.now() + 10_000));
afterEach(() => void setSystemTime());

/** A project, with a cache as each process that starts there opens it. */
class CacheProject implements AsyncDisposable {
  readonly folder: TestFolder;
  readonly lines: { msg: string }[] = [];
  /** How many bundles weren't in the cache. */
  made = 0;

  private constructor(folder: TestFolder) {
    this.folder = folder;
  }

  static async create(files: Files): Promise<CacheProject> {
    return new CacheProject(await TestFolder.create(files));
  }

  get directory(): string {
    return join(this.folder.path, "data/bundles");
  }

  open(options: Partial<BundleCacheOptions> = {}): BundleCache {
    const log = pino(
      { level: "info" },
      { write: (line) => this.lines.push(JSON.parse(line) as { msg: string }) },
    );
    return new BundleCache({
      directory: this.directory,
      key: KEY,
      executable: "a".repeat(64),
      log,
      ...options,
    });
  }

  async files(name = "crm"): Promise<PluginFiles> {
    const plugins = await listLocalPlugins(join(this.folder.path, "plugins"), (file) => file);
    const found = plugins.find(({ source }) => source.basename === name);
    if (found === undefined) throw new Error(`Cannot find "${name}"`);
    return found;
  }

  /** Bundles a plugin as a process that has just started does, which waits until all is kept. */
  async bundle(
    options: Partial<BundleCacheOptions> & { name?: string; packages?: string | null } = {},
  ): Promise<Bundle> {
    const { name, packages = null, ...cacheOptions } = options;
    const cache = this.open(cacheOptions);
    const bundle = await this.bundleIn(cache, name, packages);
    await cache.settled();
    return bundle;
  }

  async bundleIn(cache: BundleCache, name = "crm", packages: string | null = null): Promise<Bundle> {
    return this.bundleFiles(cache, await this.files(name), packages);
  }

  async bundleFiles(cache: BundleCache, files: PluginFiles, packages: string | null = null): Promise<Bundle> {
    const entries = [await files.findEntry("run.ts")];
    return cache.getOrMake({ files, entries, packages }, () => {
      this.made += 1;
      return bundleFiles(files, { entries, packages });
    });
  }

  /** Whether a plugin had to be bundled. */
  async isMade(options: Parameters<CacheProject["bundle"]>[0] = {}): Promise<boolean> {
    const before = this.made;
    await this.bundle(options);
    return this.made > before;
  }

  /** The files of the cache. */
  async entries(): Promise<string[]> {
    const names = await readdir(`${this.directory}/`, { recursive: true, withFileTypes: true }).catch(
      () => [],
    );
    return names
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .toSorted();
  }

  async entry(): Promise<string> {
    const [entry = "", ...others] = await this.entries();
    expect(others).toEqual([]);
    return entry;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.folder[Symbol.asyncDispose]();
  }
}

test("getOrMake() gives what was made when nothing has changed, byte for byte", async () => {
  await using project = await CacheProject.create(CRM);
  const { inputs, ...fresh } = await project.bundle();
  const { inputs: keptInputs, ...kept } = await project.bundle();
  expect(project.made).toBe(1);
  expect(kept).toEqual(fresh);
  expect(toTexts(keptInputs)).toEqual(toTexts(inputs));
  expect(project.lines).toEqual([]);
});

function toTexts(inputs: Bundle["inputs"]): string[][] {
  return [...inputs].map(([file, content]) => [file, Buffer.from(content).toString()]);
}

test("entries can be read and written by their owner alone", async () => {
  await using project = await CacheProject.create(CRM);
  await project.bundle();
  expect((await stat(await project.entry())).mode & 0o777).toBe(0o600);
  expect((await stat(project.directory)).mode & 0o777).toBe(0o700);
});

test("what isn't bundled may change: the entry stays", async () => {
  await using project = await CacheProject.create(CRM);
  await project.bundle();
  await project.folder.write({ "plugins/crm/README.md": "Another text.\n" });
  expect(await project.isMade()).toBe(false);
});

const DATA: Files = {
  ...CRM,
  "plugins/crm/run.ts": `import texts from "./texts.json";
import style from "./style.css";
import terms from "./terms.txt";
import mail from "./mail.eml" with { type: "text" };
import { tax } from "#tax";
import { rate } from "@crm/rate";
import { left } from "./link/left.ts";
export default { texts, style, terms, mail, tax, rate, left };
`,
  "plugins/crm/package.json": { imports: { "#tax": "./tax.ts" } },
  "plugins/crm/texts.json": { hello: "Hello" },
  "plugins/crm/style.css": "p { color: red }\n",
  "plugins/crm/terms.txt": "Terms\n",
  "plugins/crm/mail.eml": "Mail\n",
  "plugins/crm/rates/rate.ts": "export const rate = 1;\n",
  "plugins/crm/inner/left.ts": "export const left = 1;\n",
  "plugins/crm/other/left.ts": "export const left = 2;\n",
  "tsconfig.json": { extends: "./.xcore/tsconfig.json" },
  ".xcore/tsconfig.json": { compilerOptions: { paths: { "@crm/*": ["../plugins/crm/rates/*"] } } },
};

async function createDataProject(): Promise<CacheProject> {
  const project = await CacheProject.create(DATA);
  await symlink("inner", join(project.folder.path, "plugins/crm/link"));
  return project;
}

const CHANGES: Readonly<Record<string, (folder: TestFolder) => Promise<unknown>>> = {
  "its entry": (folder) => folder.write({ "plugins/crm/run.ts": "export default 1;\n" }),
  "a file that it imports": (folder) => folder.write({ "plugins/crm/tax.ts": "export const tax = 20;\n" }),
  "a file behind a link": (folder) =>
    folder.write({ "plugins/crm/inner/left.ts": "export const left = 3;\n" }),
  JSON: (folder) => folder.write({ "plugins/crm/texts.json": { hello: "Bye" } }),
  CSS: (folder) => folder.write({ "plugins/crm/style.css": "p { color: blue }\n" }),
  text: (folder) => folder.write({ "plugins/crm/terms.txt": "Other terms\n" }),
  "what is imported as text": (folder) => folder.write({ "plugins/crm/mail.eml": "Other mail\n" }),
  "a file that is found before another": (folder) => folder.write({ "plugins/crm/tax.tsx": "" }),
  "a file that is gone": (folder) => folder.remove("plugins/crm/README.md"),
  "its package.json": (folder) =>
    folder.write({ "plugins/crm/package.json": { imports: { "#tax": "./tax.ts" }, sideEffects: false } }),
  "a tsconfig.json of its own": (folder) => folder.write({ "plugins/crm/rates/tsconfig.json": {} }),
  "the project's tsconfig.json": (folder) =>
    folder.write({
      "tsconfig.json": { extends: "./.xcore/tsconfig.json", compilerOptions: { jsx: "react" } },
    }),
  "what the project's tsconfig.json extends": (folder) =>
    folder.write({
      ".xcore/tsconfig.json": { compilerOptions: { paths: { "@crm/*": ["../plugins/crm/rates/*", "./*"] } } },
    }),
  "a package.json above it": (folder) => folder.write({ "package.json": { type: "module" } }),
  "where a link leads": async ({ path }) => {
    await rm(join(path, "plugins/crm/link"));
    await symlink("other", join(path, "plugins/crm/link"));
  },
};

for (const [what, change] of Object.entries(CHANGES)) {
  test(`a plugin is bundled anew after a change of ${what}`, async () => {
    await using project = await createDataProject();
    await project.bundle();
    expect(await project.isMade()).toBe(false);
    await change(project.folder);
    expect(await project.isMade()).toBe(true);
  });
}

test("a plugin is bundled anew with other entries, packages, paths to search, executable, secret, or at another place", async () => {
  await using project = await CacheProject.create(CRM);
  await project.folder.write({ "data/packages/node_modules/left/index.js": "exports.left = 1;" });
  await project.bundle();
  expect(await project.isMade({ packages: join(project.folder.path, "data/packages") })).toBe(true);
  expect(await project.isMade({ key: new Uint8Array(32) })).toBe(true);
  const { NODE_PATH: searched = "" } = process.env;
  try {
    process.env["NODE_PATH"] = project.folder.path;
    expect(await project.isMade()).toBe(true);
  } finally {
    process.env["NODE_PATH"] = searched;
  }
  expect(await project.isMade()).toBe(searched !== "");
  await rename(join(project.folder.path, "plugins/crm"), join(project.folder.path, "plugins/moved"));
  expect(await project.isMade({ name: "moved" })).toBe(true);
  expect(await project.isMade({ name: "moved", executable: "b".repeat(64) })).toBe(true);
});

test("a plugin is bundled anew after a change of a package that it imports", async () => {
  await using project = await CacheProject.create({
    ...CRM,
    "plugins/crm/run.ts": 'import { left } from "left";\nexport default left;\n',
    "data/packages/node_modules/left/index.js": "exports.left = 1;",
  });
  const packages = join(project.folder.path, "data/packages");
  await project.bundle({ packages });
  expect(await project.isMade({ packages })).toBe(false);
  await project.folder.write({ "data/packages/node_modules/left/index.js": "exports.left = 2;" });
  expect((await project.bundle({ packages })).code).toContain("left = 2");
  // Another version, where what was bundled is as it was but may no longer be what is imported.
  await project.folder.write({ "data/packages/files.json": { format: 1, files: {} } });
  expect(await project.isMade({ packages })).toBe(true);
  expect(await project.isMade({ packages })).toBe(false);
});

test("a single file is kept, and bundled anew when it has changed", async () => {
  await using project = await CacheProject.create({ "plugins/ping.ts": "export default 1;\n" });
  await project.bundle({ name: "ping.ts" });
  await project.folder.write({ "plugins/pong.ts": "export default 2;\n" }); // another plugin
  expect(await project.isMade({ name: "ping.ts" })).toBe(false);
  await project.folder.write({ "plugins/ping.ts": "export default 3;\n" });
  expect((await project.bundle({ name: "ping.ts" })).code).toContain("default = 3");
});

const PINNED = {
  "run.ts": 'import { tax } from "./tax";\nimport texts from "./texts.json";\nexport default [tax, texts];\n',
  "tax.ts": "export const tax = 19;\n",
  "texts.json": "{}",
  "package.json": "{}",
};

async function bundlePinned(project: CacheProject, files: PluginFiles): Promise<Bundle> {
  const cache = project.open();
  const bundle = await project.bundleFiles(cache, files);
  await cache.settled();
  return bundle;
}

test("a pinned plugin is kept for the bytes that were checked, whatever the disk says", async () => {
  await using project = await CacheProject.create({});
  const opened = await keep(project.folder, PINNED);
  const fresh = await bundlePinned(project, filesOf(opened));
  await writeFile(join(opened.root, "tax.ts"), "export const tax = 666;\n");
  await writeFile(join(opened.root, "tax.tsx"), "export const tax = 666;\n");
  expect((await bundlePinned(project, filesOf(opened))).code).toBe(fresh.code);
  expect(project.made).toBe(1);
  await rm(join(opened.root, "tax.tsx"));
  const files = new Map(opened.snapshot.files).set("tax.ts", Buffer.from("export const tax = 20;\n"));
  const other = { ...opened, snapshot: { ...opened.snapshot, files } };
  expect((await bundlePinned(project, filesOf(other))).code).toContain("tax = 20");
});

test("a pinned plugin that is a single file, with modules from elsewhere, is kept", async () => {
  await using project = await CacheProject.create({});
  const url = "https://example.com/tax.ts";
  const opened = await keep(
    project.folder,
    { "crm.ts": `export * from "${url}";\n`, [url]: PINNED["tax.ts"] },
    "crm.ts",
  );
  const files = filesOf(opened);
  const { code } = await bundlePinned(project, files);
  expect(code).toContain("tax = 19");
  expect((await bundlePinned(project, files)).code).toBe(code);
  expect(project.made).toBe(1);
});

for (const [name, text] of [
  ["tsconfig.json", '{ "compilerOptions": { "paths": { "./tax": ["./evil.ts"] } } }'],
  ["package.json", '{ "sideEffects": false }'],
] as const) {
  test(`a pinned plugin isn't kept while a ${name} stands there that the pin doesn't cover`, async () => {
    await using project = await CacheProject.create({});
    const opened = await keep(project.folder, PINNED);
    await writeFile(join(opened.root, name), text);
    await bundlePinned(project, filesOf(opened));
    expect(await project.entries()).toEqual([]);
  });
}

test("an import that is gone fails, whatever is kept", async () => {
  await using project = await CacheProject.create(CRM);
  await project.bundle();
  await project.folder.remove("plugins/crm/tax.ts");
  expect(project.bundle()).rejects.toThrow('Cannot find "./tax"');
});

const UNTOLD: Readonly<Record<string, (folder: string) => Promise<unknown>>> = {
  "node_modules of its own": async (folder) => {
    await mkdir(join(folder, "node_modules/left"), { recursive: true });
    await writeFile(join(folder, "node_modules/left/index.js"), "");
  },
  "a link that leads out of its folder": (folder) => symlink("../..", join(folder, "out")),
  "a tsconfig.json that extends a package's": (folder) =>
    writeFile(join(folder, "tsconfig.json"), '{ "extends": "@tsconfig/bun/tsconfig.json" }'),
  "a tsconfig.json that can't be read as JSON": (folder) =>
    writeFile(join(folder, "tsconfig.json"), '{ "extends": "./other.json", }}'),
  "a tsconfig.json that extends itself": (folder) =>
    writeFile(join(folder, "tsconfig.json"), '{ "extends": "./tsconfig.json" }'),
  "thousands of files": (folder) =>
    Promise.all(Array.from({ length: 5001 }, (_, index) => writeFile(join(folder, `${index}.txt`), ""))),
};

for (const [what, make] of Object.entries(UNTOLD)) {
  test(`a plugin with ${what} isn't kept`, async () => {
    await using project = await CacheProject.create(CRM);
    await make(join(project.folder.path, "plugins/crm"));
    await project.bundle().catch(() => {}); // Bun has its own opinion of some of them.
    expect(await project.entries()).toEqual([]);
  });
}

test("a link to static files elsewhere is no obstacle", async () => {
  await using project = await CacheProject.create({ ...CRM, "plugins/crm/public/a.txt": "" });
  await symlink("/var", join(project.folder.path, "plugins/crm/public/uploads"));
  await project.bundle();
  expect(await project.isMade()).toBe(false);
});

test("what changes while it is bundled isn't kept", async () => {
  await using project = await createDataProject();
  const late: Files[] = [
    { "plugins/crm/tax.ts": "export const tax = 20;\n" },
    { "plugins/crm/rates/package.json": {} },
    { "tsconfig.json": { extends: "./.xcore/tsconfig.json", compilerOptions: { jsx: "react" } } },
  ];
  for (const change of late) {
    const cache = project.open();
    const files = await project.files();
    const entries = [await files.findEntry("run.ts")];
    await cache.getOrMake({ files, entries, packages: null }, async () => {
      const bundle = await bundleFiles(files, { entries, packages: null });
      await project.folder.write(change);
      return bundle;
    });
    await cache.settled();
    expect(await project.entries()).toEqual([]);
  }
});

test("data that may have changed while it was bundled isn't kept", async () => {
  await using project = await createDataProject();
  setSystemTime();
  await project.bundle();
  expect(await project.entries()).toEqual([]);
});

test("a process keeps nothing of a plugin whose files have come or gone since it first bundled it", async () => {
  await using project = await CacheProject.create(CRM);
  const cache = project.open();
  await project.bundleIn(cache);
  await project.folder.write({ "plugins/crm/tax.tsx": "export const tax = 21;\n" });
  await project.bundleIn(cache); // Bun may still find tax.ts.
  await cache.settled();
  expect(await project.isMade()).toBe(true); // in another process
  expect(await project.isMade()).toBe(false);
});

test("a thousand reloads leave one entry", async () => {
  await using project = await CacheProject.create(CRM);
  const cache = project.open();
  for (let tax = 1; tax <= 1000; tax += 1) {
    await project.folder.write({ "plugins/crm/tax.ts": `export const tax = ${tax};\n` });
    expect((await project.bundleIn(cache)).code).toContain(`tax = ${tax};`);
  }
  await cache.settled();
  expect((await project.entries()).length).toBe(1);
  expect(await project.isMade()).toBe(false);
});

test("entries that were used longest ago go when there are too many", async () => {
  const names = Array.from({ length: 10 }, (_, index) => `p${index}`);
  const source = `export default ${JSON.stringify("x".repeat(1000))};\n`;
  const plugins = names.flatMap((name) => [
    [`plugins/${name}/plugin.json`, { name, version: "1.0.0" }],
    [`plugins/${name}/run.ts`, source],
  ]);
  await using project = await CacheProject.create(Object.fromEntries(plugins));
  await project.bundle({ name: "p0" });
  const { size } = await stat(await project.entry());
  const maxBytes = size * 9;
  for (const name of names.slice(1, 8)) await project.bundle({ name, maxBytes });
  const old = new Date(Date.now() - 7 * 86_400_000);
  for (const entry of await project.entries()) await utimes(entry, old, old);
  expect(await project.isMade({ name: "p0", maxBytes })).toBe(false); // it is used
  for (const name of names.slice(8)) await project.bundle({ name, maxBytes });
  expect((await project.entries()).length).toBe(9);
  expect(await project.isMade({ name: "p0", maxBytes })).toBe(false);
});

test("a bundle that is a large part of all isn't kept", async () => {
  await using project = await CacheProject.create(CRM);
  await project.bundle({ maxBytes: 10_000 });
  expect(await project.entries()).toEqual([]);
});

test("entries of other versions of the executable go with the first that is written, half-written ones after an hour", async () => {
  await using project = await CacheProject.create(CRM);
  await project.bundle();
  const old = await project.entry();
  await project.bundle({ executable: "b".repeat(64) });
  const fresh = await project.entry();
  expect(fresh).not.toBe(old);
  await writeFile(`${fresh}.1-abcd.tmp`, "");
  await utimes(`${fresh}.1-abcd.tmp`, 0, 0);
  await project.folder.write({ "plugins/crm/tax.ts": "export const tax = 20;\n" });
  await project.bundle({ executable: "b".repeat(64) });
  expect(await project.entry()).toBe(fresh);
});

const DAMAGES: Readonly<Record<string, (bytes: Buffer, file: string) => Uint8Array>> = {
  "is empty": () => new Uint8Array(),
  "is cut off": (bytes) => bytes.subarray(0, bytes.length - 1),
  "has something behind it": (bytes) => Buffer.concat([bytes, Buffer.from(" ")]),
  "has another seal": (bytes) => flip(bytes, 0),
  "has other lengths": (bytes) => flip(bytes, 32),
  "names other files": (bytes) => flip(bytes, 60),
  "holds other code": (bytes) =>
    Buffer.from(bytes.toString("latin1").replace("tax = 19", "tax = 66"), "latin1"),
  "was sealed by somebody else": (_bytes, file) => seal(file, new Uint8Array(32)),
  "is another plugin's": (_bytes, file) => seal(`${file}0`, KEY),
};

function flip(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
  return changed;
}

function seal(file: string, key: Uint8Array): Uint8Array {
  const evil = { layout: "", inputs: {}, hash: "", code: "evil()", map: "{}" };
  return sealBundle(evil, file.split("/").at(-1) ?? "", key);
}

for (const [what, damage] of Object.entries(DAMAGES)) {
  test(`an entry that ${what} is thrown away, and written anew`, async () => {
    await using project = await CacheProject.create(CRM);
    const fresh = await project.bundle();
    const entry = await project.entry();
    const bytes = await readFile(entry);
    await writeFile(entry, damage(bytes, entry));
    expect((await project.bundle()).code).toBe(fresh.code);
    expect(project.made).toBe(2);
    expect(project.lines.map(({ msg }) => msg)).toEqual([
      "kept bundle is damaged: the plugin is bundled again",
    ]);
    expect(await readFile(entry)).toEqual(bytes);
    expect(await project.isMade()).toBe(false);
  });
}

test("a folder in the place of an entry doesn't keep a plugin from being bundled", async () => {
  await using project = await CacheProject.create(CRM);
  await project.bundle();
  const entry = await project.entry();
  await rm(entry);
  await mkdir(join(entry, "inside"), { recursive: true });
  expect((await project.bundle()).code).toContain("tax = 19");
  expect(project.lines.length).toBe(1);
});

const FOREIGN: Readonly<Record<string, (directory: string) => Promise<unknown>>> = {
  "others can write to": (directory) => chmod(directory, 0o777),
  "a group can write to": (directory) => chmod(directory, 0o770),
  "is a link": async (directory) => {
    await rename(directory, `${directory}-elsewhere`);
    await symlink(`${directory}-elsewhere`, directory);
  },
  // Only root can give a folder away.
  ...(process.geteuid?.() === 0 && {
    "belongs to somebody else": (directory: string) => chown(directory, 1, 1),
  }),
};

for (const [what, change] of Object.entries(FOREIGN)) {
  test(`a folder that ${what} is left alone, with one line in the log`, async () => {
    await using project = await CacheProject.create(CRM);
    await project.bundle();
    const [inner = ""] = await readdir(project.directory);
    for (const folder of [join(project.directory, inner), project.directory]) {
      project.lines.length = 0;
      await change(folder);
      const before = await project.entries();
      const cache = project.open();
      const made = project.made;
      await project.bundleIn(cache);
      await project.bundleIn(cache);
      await cache.settled();
      expect(project.made).toBe(made + 2);
      expect(await project.entries()).toEqual(before);
      expect(project.lines.map(({ msg }) => msg)).toEqual([
        expect.stringContaining("kept bundles are left alone, since others can write to their folder"),
      ]);
    }
  });
}

test("where nothing can be written, plugins are bundled, with one line in the log", async () => {
  await using project = await CacheProject.create({ ...CRM, "data/file": "" });
  const cache = project.open({ directory: join(project.folder.path, "data/file/bundles") });
  for (let round = 0; round < 3; round += 1)
    expect((await project.bundleIn(cache)).code).toContain("tax = 19");
  await cache.settled();
  expect(project.lines.map(({ msg }) => msg)).toEqual(["bundles can't be kept: starts take longer"]);
});

test("processes that share a folder get the right bundles, whatever the others write and remove", async () => {
  const names = Array.from({ length: 12 }, (_, index) => `p${index}`);
  const plugins = names.flatMap((name, index) => [
    [`plugins/${name}/plugin.json`, { name, version: "1.0.0" }],
    [`plugins/${name}/run.ts`, `export default ${index};\n`],
  ]);
  await using project = await CacheProject.create(Object.fromEntries(plugins));
  const run = async (executable: string): Promise<void> => {
    for (let round = 0; round < 5; round += 1) {
      const cache = project.open({ executable, maxBytes: 50_000 });
      const bundles = await Promise.all(names.map((name) => project.bundleIn(cache, name)));
      for (const [index, { code }] of bundles.entries()) expect(code).toContain(`default = ${index};`);
      await cache.settled();
    }
  };
  await Promise.all(["a", "a", "b", "b"].map((digit) => run(digit.repeat(64))));
  expect(project.lines).toEqual([]);
});
