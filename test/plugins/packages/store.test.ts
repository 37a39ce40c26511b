import { expect, test } from "bun:test";
import { rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PluginError } from "../../../src/plugins/failure/failure.ts";
import { TestFolder } from "../../setup.ts";
import { PackagesProject } from "./packages-project.ts";
import { type PackageFiles, TestRegistry } from "./registry.ts";

const PACKAGES: Readonly<Record<string, PackageFiles>> = {
  "left@1.0.0": { "index.js": "exports.version = '1.0.0';" },
  "left@1.1.0": { "index.js": "exports.version = '1.1.0';" },
  "@acme/tax@2.1.0": {
    "lib/index.js": "exports.left = require('left');",
    "package.json": { main: "lib/index.js", dependencies: { left: "^1.0.0" }, bin: { tax: "lib/index.js" } },
  },
  "dev@1.0.0": { "index.js": "" },
};

const MANIFEST = { dependencies: { "@acme/tax": "2.1.0" }, devDependencies: { dev: "1.0.0" } };

async function failureOf(promise: Promise<unknown>): Promise<PluginError> {
  const error: unknown = await promise.catch((thrown: unknown) => thrown);
  if (error instanceof PluginError) return error;
  throw new Error("it didn't fail as a plugin does", { cause: error });
}

test("ensure() installs the packages that a plugin needs and what these need", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  expect(await project.store.find(needs)).toBeNull();
  const states: string[] = [];
  const folder = await project.store.ensure(needs, {
    plugin: "invoices",
    onInstall: () => states.push("installing"),
  });
  expect(states).toEqual(["installing"]);
  expect(await project.list()).toEqual(
    [
      "packages",
      "tmp",
      ...[
        "",
        "/files.json",
        "/node_modules",
        "/node_modules/.bin",
        "/node_modules/@acme",
        "/node_modules/@acme/tax",
        "/node_modules/@acme/tax/lib",
        "/node_modules/@acme/tax/lib/index.js",
        "/node_modules/@acme/tax/package.json",
        "/node_modules/left",
        "/node_modules/left/index.js",
        "/node_modules/left/package.json",
        "/package.json",
      ].map((name) => `packages/${needs.hash}${name}`),
    ].toSorted(),
  );
  expect(folder).toBe(join(project.cache, "packages", needs.hash));
  expect(await Bun.file(join(folder, "node_modules/left/index.js")).text()).toContain("1.1.0");
  expect(await project.store.find(needs)).toBe(folder);
  expect(project.logged.filter(({ level }) => level === 30)).toEqual([
    { level: 30, plugin: "invoices", packages: 1, frozen: false, msg: "installing npm dependencies" },
    { level: 30, plugin: "invoices", packages: 1, ms: expect.any(Number), msg: "installed npm dependencies" },
  ]);
  expect(project.logged).toContainEqual({ level: 20, plugin: "invoices", msg: "+ @acme/tax@2.1.0" });
});

test("ensure() takes what is installed without asking anybody", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  const folder = await project.store.ensure(needs, { plugin: "invoices" });
  const { length } = registry.requests;
  project.isOffline = true;
  const states: string[] = [];
  const onInstall = (): unknown => states.push("installing");
  expect(await project.openStore().ensure(needs, { plugin: "other", onInstall })).toBe(folder);
  expect(states).toEqual([]);
  expect(registry.requests).toHaveLength(length);
});

test("ensure() installs the versions of the lockfile", async () => {
  const { "left@1.1.0": newer = {}, ...published } = PACKAGES;
  await using registry = await TestRegistry.start(published);
  await using project = await PackagesProject.create(registry);
  const manifest = { dependencies: { left: "^1.0.0" }, devDependencies: { dev: "1.0.0" } };
  const lock = await project.lock(manifest);
  await registry.publish("left@1.1.0", newer);
  const locked = await project.needs({ "package.json": manifest, "bun.lock": lock });
  const folder = await project.store.ensure(locked, { plugin: "invoices" });
  expect(await Bun.file(join(folder, "node_modules/left/index.js")).text()).toContain("1.0.0");
  expect(await Bun.file(join(folder, "node_modules/dev/package.json")).exists()).toBe(false);
  const open = await project.store.ensure(await project.needs({ "package.json": manifest }), { plugin: "x" });
  expect(await Bun.file(join(open, "node_modules/left/index.js")).text()).toContain("1.1.0");
});

test("ensure() compares what the registry gives with the lockfile, whatever Bun keeps for the user", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const manifest = { dependencies: { left: "1.0.0" } };
  const lock = await project.lock(manifest);
  await registry.publish("left@1.0.0", { "index.js": "evil();" });
  const needs = await project.needs({ "package.json": manifest, "bun.lock": lock });
  expect((await failureOf(project.store.ensure(needs, { plugin: "invoices" }))).message).toBe(
    'Cannot install the npm dependencies of "invoices": Integrity check failed for tarball: left, ' +
      "IntegrityCheckFailed extracting tarball from left; " +
      "the registry gives something else than the lockfile says; ask the author",
  );
  expect(await project.list()).toEqual(["tmp"]);
});

test("ensure() fails when the lockfile doesn't go with package.json", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const lock = await project.lock({ dependencies: { left: "1.0.0" } });
  const needs = await project.needs({
    "package.json": { dependencies: { left: "1.1.0" } },
    "bun.lock": lock,
  });
  const { stage, message } = await failureOf(project.store.ensure(needs, { plugin: "invoices" }));
  expect(stage).toBe("install");
  expect(message).toStartWith('Cannot install the npm dependencies of "invoices": lockfile had changes, but');
  expect(message).toEndWith('; run "bun install" in the plugin\'s folder, which mends bun.lock');
  expect(await project.list()).toEqual(["tmp"]);
});

function digestOf(lock: string, name: string): string {
  return new RegExp(`"${name}@.*?(sha512-[^"]+)`).exec(lock)?.[1] ?? "";
}

function toNpmLock(integrity: string): string {
  return JSON.stringify({
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": { dependencies: { left: "^1.0.0" } },
      "node_modules/left": { version: "1.0.0", integrity },
    },
  });
}

const FOREIGN_LOCKS: [string, (registry: TestRegistry, digest: string) => string][] = [
  ["package-lock.json", (_, digest) => toNpmLock(digest)],
  ["npm-shrinkwrap.json", (_, digest) => toNpmLock(digest)],
  [
    "yarn.lock",
    ({ url }, digest) =>
      "# yarn lockfile v1\n\n\nleft@^1.0.0:\n" +
      `  version "1.0.0"\n  resolved "${url}left/-/left-1.0.0.tgz"\n  integrity ${digest}\n`,
  ],
  [
    "pnpm-lock.yaml",
    (_, digest) =>
      "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n\nimporters:\n  .:\n    dependencies:\n" +
      "      left:\n        specifier: ^1.0.0\n        version: 1.0.0\n\npackages:\n  left@1.0.0:\n" +
      `    resolution: {integrity: ${digest}}\n\nsnapshots:\n  left@1.0.0: {}\n`,
  ],
];

test.each(FOREIGN_LOCKS)("ensure() follows a %s", async (name, toLock) => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const manifest = { dependencies: { left: "^1.0.0" } };
  const digest = digestOf(await project.lock({ dependencies: { left: "1.0.0" } }), "left");
  const needs = await project.needs({ "package.json": manifest, [name]: toLock(registry, digest) });
  const folder = await project.store.ensure(needs, { plugin: "invoices" });
  expect(await Bun.file(join(folder, "node_modules/left/index.js")).text()).toContain("1.0.0");

  await registry.publish("left@1.0.0", { "index.js": "evil();" });
  await rm(folder, { recursive: true });
  const changed = await failureOf(project.store.ensure(needs, { plugin: "invoices" }));
  expect(changed.message).toContain("Integrity check failed for tarball: left");
});

test.each(FOREIGN_LOCKS)("ensure() refuses a %s that is none or has no digests", async (name, toLock) => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const manifest = { dependencies: { left: "^1.0.0" } };
  const broken = await project.needs({ "package.json": manifest, [name]: "\0{ nonsense: [" });
  const failure = await failureOf(project.store.ensure(broken, { plugin: "invoices" }));
  expect(failure.message).toContain(name);
  expect(failure.stage).toBe("install");
  const open = await project.needs({ "package.json": manifest, [name]: toLock(registry, "") });
  expect((await failureOf(project.store.ensure(open, { plugin: "invoices" }))).stage).toBe("install");
  expect(await project.list()).toEqual(["tmp"]);
});

const MENDERS: Record<string, string> = { "yarn.lock": "yarn install", "pnpm-lock.yaml": "pnpm install" };

test.each(FOREIGN_LOCKS)("ensure() blames a stale %s by its name", async (name, toLock) => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const digest = digestOf(await project.lock({ dependencies: { left: "1.0.0" } }), "left");
  for (const dependencies of [{ left: "^1.0.0", dev: "*" }, { left: "^9.0.0" }]) {
    const needs = await project.needs({ "package.json": { dependencies }, [name]: toLock(registry, digest) });
    const { message, file } = await failureOf(project.store.ensure(needs, { plugin: "invoices" }));
    expect(file).toBe(name);
    expect(message).toEndWith(
      `; run "${MENDERS[name] ?? "npm install"}" in the plugin's folder, which mends ${name}`,
    );
    expect(message).not.toContain("bun.lock");
  }
});

test("ensure() refuses a lockfile of others without digests, for which Bun would ask the registry", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const left = { version: "1.0.0", resolved: "https://registry.example.com/left/-/left-1.0.0.tgz" };
  const packages = { "": { dependencies: { left: "1.0.0" } }, "node_modules/left": left };
  const needs = await project.needs({
    "package.json": { dependencies: { left: "1.0.0" } },
    "package-lock.json": { lockfileVersion: 3, packages },
  });
  const { stage, message } = await failureOf(project.store.ensure(needs, { plugin: "invoices" }));
  expect(stage).toBe("install");
  expect(message).toBe(
    'Cannot use package-lock.json: it has no digest of "left@1.0.0"; make a bun.lock with "bun install"',
  );
  expect(registry.downloads).toBe(0);
});

test("ensure() asks no host that only a lockfile names", async () => {
  await using other = await TestRegistry.start(PACKAGES);
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const lock = await project.lock({ dependencies: { left: "1.0.0" } });
  const digest = digestOf(lock, "left");
  const elsewhere = { resolved: `${other.url}left/-/left-1.0.0.tgz`, integrity: digest, version: "1.0.0" };
  const packages = { "": { dependencies: { left: "1.0.0" } }, "node_modules/left": elsewhere };
  const locks = {
    "bun.lock": lock.replaceAll(registry.url, `${other.url}latest/meta-data/`),
    "package-lock.json": JSON.stringify({ lockfileVersion: 3, packages }),
    "yarn.lock": `# yarn lockfile v1\n\n\nleft@1.0.0:\n  version "1.0.0"\n  resolved "${elsewhere.resolved}"\n  integrity ${digest}\n`,
  };
  for (const [name, text] of Object.entries(locks)) {
    const needs = await project.needs({ "package.json": { dependencies: { left: "1.0.0" } }, [name]: text });
    const folder = await project.store.ensure(needs, { plugin: "invoices" });
    expect(await Bun.file(join(folder, "node_modules/left/index.js")).text()).toContain("1.0.0");
  }
  expect(other.requests).toEqual([]);
});

test("ensure() takes a package from where its lockfile says, on the host of a registry that is set up", async () => {
  await using registry = await TestRegistry.start({
    "left@1.0.0": {},
    "moved@1.0.0": PACKAGES["left@1.0.0"] ?? {},
  });
  await using project = await PackagesProject.create(registry, {
    ".npmrc": "registry=${PACKAGES_TEST_REGISTRY}\n",
  });
  process.env["PACKAGES_TEST_REGISTRY"] = registry.url;
  try {
    const { href } = new URL("moved/-/moved-1.0.0.tgz", registry.url);
    const digest = `sha512-${new Bun.CryptoHasher("sha512").update(await (await fetch(href)).bytes()).digest("base64")}`;
    const workspaces = { "": { dependencies: { left: "1.0.0" } } };
    const lock = { lockfileVersion: 1, workspaces, packages: { left: ["left@1.0.0", href, {}, digest] } };
    const needs = await project.needs({
      "package.json": { dependencies: { left: "1.0.0" } },
      "bun.lock": lock,
    });
    const folder = await project.store.ensure(needs, { plugin: "invoices" });
    expect(await Bun.file(join(folder, "node_modules/left/index.js")).text()).toContain("1.0.0");
  } finally {
    delete process.env["PACKAGES_TEST_REGISTRY"];
  }
});

test("ensure() runs no script of a package, trusted or not", async () => {
  await using outside = await TestFolder.create();
  const touch = { preinstall: `touch ${outside.path}/1`, postinstall: `touch ${outside.path}/2` };
  await using registry = await TestRegistry.start({
    // Bun runs those of this name where it may.
    "esbuild@1.0.0": { "index.js": "", "package.json": { scripts: { ...touch, install: touch.preinstall } } },
  });
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({
    "package.json": {
      dependencies: { esbuild: "1.0.0" },
      trustedDependencies: ["esbuild"],
      scripts: { ...touch, prepare: touch.preinstall },
    },
  });
  const folder = await project.store.ensure(needs, { plugin: "invoices" });
  expect(await Bun.file(join(folder, "node_modules/esbuild/package.json")).json()).toMatchObject({
    scripts: touch,
  });
  expect(await project.list(outside.path)).toEqual([]);
});

test("ensure() says what the registry answers, and tries again only when asked to", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": { dependencies: { nope: "1.0.0" } } });
  expect((await failureOf(project.store.ensure(needs, { plugin: "invoices" }))).message).toBe(
    `Cannot install the npm dependencies of "invoices": GET ${registry.url}nope - 404, ` +
      "nope@1.0.0 failed to resolve; see that the registry can be reached and has them, then reload the plugin",
  );
  expect(await project.list()).toEqual(["tmp"]);
  expect(registry.requests).toHaveLength(1);
  await registry.publish("nope@1.0.0", { "index.js": "" });
  expect(await project.store.ensure(needs, { plugin: "invoices" })).toEndWith(needs.hash);
});

test("ensure() uses the registry and the token of the project's .npmrc, and leaves them nowhere", async () => {
  await using registry = await TestRegistry.start(PACKAGES, { token: "s3cret" });
  const host = new URL(registry.url).host;
  await using project = await PackagesProject.create(registry, {
    ".npmrc": `${registry.npmrc}//${host}/:_authToken=\${PACKAGES_TEST_TOKEN}\n`,
  });
  const needs = await project.needs({ "package.json": MANIFEST });
  expect((await failureOf(project.store.ensure(needs, { plugin: "invoices" }))).message).toEndWith(
    "the registry wants credentials: put them in the .npmrc beside config.json",
  );
  process.env["PACKAGES_TEST_TOKEN"] = "s3cret";
  try {
    await project.store.ensure(needs, { plugin: "invoices" });
  } finally {
    delete process.env["PACKAGES_TEST_TOKEN"];
  }
  expect((await project.list()).filter((name) => /npmrc|bunfig/.test(name))).toEqual([]);
  expect(JSON.stringify(project.logged)).not.toContain("s3cret");
});

test("ensure() uses the project's bunfig.toml, but for where and how packages are put", async () => {
  await using registry = await TestRegistry.start(PACKAGES, { token: "s3cret" });
  await using project = await PackagesProject.create(registry, {
    ".npmrc": "",
    "bunfig.toml":
      `[install]\nlinker = "isolated"\nregistry = { url = "${registry.url}", token = "s3cret" }\n` +
      '[install.cache]\ndir = "bun-cache"\n',
  });
  const needs = await project.needs({ "package.json": MANIFEST });
  const folder = await project.store.ensure(needs, { plugin: "invoices" });
  expect((await stat(join(folder, "node_modules/left"))).isDirectory()).toBe(true);
  expect((await project.list()).filter((name) => name.includes("bun-cache"))).toEqual([]);
});

test("ensure() doesn't take for done what Bun was told to leave out", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry, {
    "bunfig.toml": "[install]\ndryRun = true\n",
  });
  const needs = await project.needs({ "package.json": MANIFEST });
  expect((await failureOf(project.store.ensure(needs, { plugin: "invoices" }))).message).toBe(
    'Cannot install the npm dependencies of "invoices": Bun left out "@acme/tax"; see [install] in bunfig.toml',
  );
  expect(await project.list()).toEqual(["tmp"]);
});

test("ensure() fails at once when xcore is offline", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  project.isOffline = true;
  const needs = await project.needs({ "package.json": MANIFEST });
  expect((await failureOf(project.store.ensure(needs, { plugin: "invoices" }))).message).toContain("offline");
  expect(registry.requests).toEqual([]);
  expect(await project.list()).toEqual([]);
});

test("ensure() leaves nothing behind when it is aborted in the middle", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  const release = registry.hold();
  const aborting = new AbortController();
  const installing = project.store.ensure(needs, { plugin: "invoices", signal: aborting.signal });
  await registry.asked;
  expect((await project.list()).length).toBeGreaterThan(3);
  aborting.abort(new Error("the plugin was removed"));
  expect(installing).rejects.toThrow("the plugin was removed");
  await installing.catch(() => null);
  expect(await project.list()).toEqual(["tmp"]);
  release();
  expect(await project.store.ensure(needs, { plugin: "invoices" })).toEndWith(needs.hash);
});

test("ensure() makes one installation for all who want the same, and ends it when nobody does", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  const release = registry.hold();
  const aborting = new AbortController();
  const states: string[] = [];
  const first = project.store.ensure(needs, {
    plugin: "invoices",
    signal: aborting.signal,
    onInstall: () => states.push("invoices"),
  });
  const second = project.store.ensure(needs, { plugin: "crm", onInstall: () => states.push("crm") });
  await registry.asked;
  aborting.abort(new Error("the plugin was removed"));
  expect(first).rejects.toThrow("the plugin was removed");
  await first.catch(() => null);
  release();
  expect(await second).toEndWith(needs.hash);
  expect(states.toSorted()).toEqual(["crm", "invoices"]);
  expect(registry.downloads).toBe(2);
});

test("ensure() of several processes at once gives all of them the same folder", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  const stores = [project.store, project.openStore(), project.openStore()];
  const folders = await Promise.all(stores.map((store) => store.ensure(needs, { plugin: "invoices" })));
  expect(new Set(folders).size).toBe(1);
  expect(registry.downloads).toBe(6);
  expect(await project.list(join(project.cache, "tmp"))).toEqual([]);
  expect(await project.list(join(project.cache, "packages"))).toContain(needs.hash);
  await project.store.assertIntact(folders[0] ?? "");
});

test("ensure() replaces a folder that isn't whole", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  await project.folder.write({ [`data/plugins/packages/${needs.hash}/node_modules/left/index.js`]: "half" });
  const folder = await project.store.ensure(needs, { plugin: "invoices" });
  expect(await Bun.file(join(folder, "node_modules/left/index.js")).text()).toContain("1.1.0");
});

test("ensure() says when the cache can't be written", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry, { data: "a file" });
  const needs = await project.needs({ "package.json": MANIFEST });
  const { stage, message } = await failureOf(project.store.ensure(needs, { plugin: "invoices" }));
  expect(stage).toBe("install");
  expect(message).toStartWith(`Cannot keep npm dependencies in "${project.cache}": ENOTDIR`);
  expect(message).toEndWith("; let the user that xcore runs as write there");
});

test("assertIntact() throws a folder away in which a bundled file isn't as it was", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  const ensure = (): Promise<string> => project.store.ensure(needs, { plugin: "invoices" });
  const folder = await ensure();
  const file = join(folder, "node_modules/left/index.js");
  const installed = await Bun.file(file).text();
  const bundled = new Map([
    [join(project.folder.path, "plugins/invoices/run.ts"), "// not of the folder"],
    [file, installed],
  ]);
  await project.store.assertIntact(folder, bundled);
  await project.store.assertIntact(folder);

  const failure = await failureOf(project.store.assertIntact(folder, bundled.set(file, "evil();")));
  expect(failure.message).toBe(
    `Cannot use "data/plugins/packages/${needs.hash}/node_modules/left/index.js": it isn't as it was installed; ` +
      "reload the plugin, which installs it again",
  );
  expect(await project.store.find(needs)).toBeNull();
  expect(await project.list(join(project.cache, "tmp"))).toEqual([]);
  expect(await ensure()).toBe(folder);
  await project.store.assertIntact(folder);
});

test.each<[string, (modules: string) => Promise<void>]>([
  ["changed", (modules) => writeFile(join(modules, "left/index.js"), "evil();")],
  ["gone", (modules) => rm(join(modules, "left/index.js"))],
  ["added", (modules) => writeFile(join(modules, "left/index.ts"), "evil();")],
  ["all gone", (modules) => rm(modules, { recursive: true })],
  ["not listed", (modules) => writeFile(join(modules, "../files.json"), '{ "files": null }')],
])("assertIntact() notices a file that is %s", async (_, damage) => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  const folder = await project.store.ensure(needs, { plugin: "invoices" });
  await damage(join(folder, "node_modules"));
  expect((await failureOf(project.store.assertIntact(folder))).message).toContain(
    "it isn't as it was installed",
  );
});

test("assertIntact() notices a bundled file of no package, and a package.json that leads elsewhere", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  const folder = await project.store.ensure(needs, { plugin: "invoices" });
  const added = join(folder, "node_modules/left/added.js");
  const other = await failureOf(project.store.assertIntact(folder, new Map([[added, "evil();"]])));
  expect(other.message).toContain("left/added.js");

  await project.store.ensure(needs, { plugin: "invoices" });
  const file = join(folder, "node_modules/@acme/tax/lib/index.js");
  const bundled = new Map([[file, await Bun.file(file).bytes()]]);
  await project.store.assertIntact(folder, bundled);
  await writeFile(join(folder, "node_modules/@acme/tax/package.json"), "{}");
  const led = await failureOf(project.store.assertIntact(folder, bundled));
  expect(led.message).toContain("@acme/tax/package.json");
});

test("assertIntact() takes the text of a file for its bytes, whatever these begin with", async () => {
  await using registry = await TestRegistry.start({
    "left@1.0.0": { "index.js": "\uFEFFexports.name = 'Größe';\r\n" },
  });
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": { dependencies: { left: "1.0.0" } } });
  const folder = await project.store.ensure(needs, { plugin: "invoices" });
  const file = join(folder, "node_modules/left/index.js");
  await project.store.assertIntact(folder, new Map([[file, "exports.name = 'Größe';\r\n"]]));
  expect(
    project.store.assertIntact(folder, new Map([[file, "exports.name = 'Grösse';\r\n"]])),
  ).rejects.toThrow();
});

test("copyToVendor() puts packages into the project, from where they are taken first", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  const installed = await project.store.ensure(needs, { plugin: "invoices" });
  const vendored = await project.store.copyToVendor(needs);
  expect(vendored).toBe(join(project.vendor, "packages", needs.hash));
  expect(await project.list(vendored)).toEqual(await project.list(installed));
  expect(await project.store.copyToVendor(needs)).toBe(vendored);
  await rm(project.cache, { recursive: true });
  project.isOffline = true;
  const store = project.openStore();
  expect(await store.ensure(needs, { plugin: "invoices" })).toBe(vendored);
  await store.assertIntact(vendored);
});

test("copyToVendor() copies what git takes along, whatever the project's .gitignore says", async () => {
  await using registry = await TestRegistry.start({ "left@1.0.0": { "dist/index.js": "", "x.log": "" } });
  await using project = await PackagesProject.create(registry, {
    ".gitignore": "node_modules/\ndist\n*.log\n/data/\n",
  });
  const needs = await project.needs({ "package.json": { dependencies: { left: "1.0.0" } } });
  await project.store.ensure(needs, { plugin: "invoices" });
  await project.store.copyToVendor(needs);
  const git = (...args: string[]): string =>
    Bun.spawnSync(["git", ...args], { cwd: project.folder.path, stderr: "inherit" }).stdout.toString();
  git("init", "--quiet");
  git("add", "--all");
  const modules = `vendor/plugins/packages/${needs.hash}/node_modules/left`;
  expect(git("ls-files").split("\n")).toContainAllValues([
    "",
    ".gitignore",
    ".npmrc",
    "vendor/plugins/.gitignore",
    `vendor/plugins/packages/${needs.hash}/files.json`,
    `vendor/plugins/packages/${needs.hash}/package.json`,
    `${modules}/dist/index.js`,
    `${modules}/package.json`,
    `${modules}/x.log`,
  ]);
});

test("a vendored folder that is damaged is passed over, and made anew by copyToVendor()", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const needs = await project.needs({ "package.json": MANIFEST });
  const installed = await project.store.ensure(needs, { plugin: "invoices" });
  const vendored = await project.store.copyToVendor(needs);
  const file = join(vendored, "node_modules/left/index.js");
  await writeFile(file, "evil();");
  expect((await failureOf(project.store.assertIntact(vendored))).message).toEndWith(
    'it isn\'t as it was installed; run "xcore plugin vendor" again',
  );
  expect(await Bun.file(file).text()).toBe("evil();");
  expect(await project.store.find(needs)).toBe(installed);
  expect(await project.store.copyToVendor(needs)).toBe(vendored);
  await project.store.assertIntact(vendored);
  expect(await project.store.find(needs)).toBe(vendored);
});

test("pruneVendor() removes what nothing needs any more", async () => {
  await using registry = await TestRegistry.start(PACKAGES);
  await using project = await PackagesProject.create(registry);
  const old = await project.needs({ "package.json": { dependencies: { left: "1.0.0" } } });
  const needs = await project.needs({ "package.json": { dependencies: { left: "1.1.0" } } });
  for (const each of [old, needs]) {
    await project.store.ensure(each, { plugin: "invoices" });
    await project.store.copyToVendor(each);
  }
  expect(await project.store.pruneVendor([needs])).toEqual([old.hash]);
  expect(await project.list(join(project.vendor, "packages"))).not.toContain(old.hash);
  expect(await project.store.find(needs)).toStartWith(project.vendor);
});
