import { expect, test } from "bun:test";
import { PluginError } from "../../../src/plugins/failure/failure.ts";
import { type PackageNeeds, readPackageNeeds } from "../../../src/plugins/packages/needs.ts";

const DIGEST = `sha512-${"A".repeat(86)}==`;

function read(files: Readonly<Record<string, unknown>>): Promise<PackageNeeds | null> {
  return readPackageNeeds((name) => {
    const content = files[name];
    if (content === undefined) return Promise.resolve(null);
    return Promise.resolve(Buffer.from(typeof content === "string" ? content : JSON.stringify(content)));
  });
}

async function failureOf(files: Readonly<Record<string, unknown>>): Promise<PluginError> {
  const error: unknown = await read(files).catch((thrown: unknown) => thrown);
  if (!(error instanceof PluginError)) throw new Error("it didn't fail");
  expect(error.stage).toBe("install");
  return error;
}

function lockOf(packages: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ lockfileVersion: 1, workspaces: { "": {} }, packages });
}

test("readPackageNeeds() is null when there is nothing to install", async () => {
  expect(await read({})).toBeNull();
  expect(await read({ "package.json": {} })).toBeNull();
  expect(await read({ "package.json": { dependencies: {}, devDependencies: { left: "1.0.0" } } })).toBeNull();
  const host = { elysia: "*", "drizzle-orm": "*", "@elysiajs/html": "*", typebox: "*", xcore: "*" };
  expect(await read({ "package.json": { dependencies: host, peerDependencies: host } })).toBeNull();
  const optional = { peerDependencies: { left: "*" }, peerDependenciesMeta: { left: { optional: true } } };
  expect(await read({ "package.json": optional })).toBeNull();
});

test("readPackageNeeds() installs all kinds of dependencies but those for development", async () => {
  const needs = await read({
    "package.json": `{
      "name": "invoices", // comments are fine
      "scripts": { "postinstall": "evil" },
      "dependencies": { "left": "^1.0.0", "elysia": "1.4.30" },
      "optionalDependencies": { "@acme/tax": "npm:@other/tax@~2.1.0" },
      "peerDependencies": { "react": "latest", "drizzle-orm": "*" },
      "devDependencies": { "dev": "1.0.0" },
    }`,
  });
  expect(needs).toMatchObject({
    isFrozen: false,
    dependencies: { left: "^1.0.0", "@acme/tax": "npm:@other/tax@~2.1.0", react: "latest" },
  });
  expect([...(needs?.files.keys() ?? [])]).toEqual(["package.json"]);
  expect(JSON.parse(Buffer.from(needs?.files.get("package.json") ?? []).toString())).toEqual({
    dependencies: { left: "^1.0.0" },
    optionalDependencies: { "@acme/tax": "npm:@other/tax@~2.1.0" },
    peerDependencies: { react: "latest" },
  });
});

test("readPackageNeeds() keeps with a lockfile all that it was made for", async () => {
  const manifest = {
    dependencies: { left: "^1.0.0", elysia: "1.4.30" },
    devDependencies: { dev: "1.0.0" },
    overrides: { left: "1.0.0" },
  };
  const lock = lockOf({ left: ["left@1.0.0", "", {}, DIGEST] });
  const needs = await read({ "package.json": manifest, "bun.lock": lock, "yarn.lock": "not looked at" });
  expect(needs?.isFrozen).toBe(true);
  expect(needs?.dependencies).toEqual({ left: "^1.0.0" });
  expect([...(needs?.files.keys() ?? [])]).toEqual(["package.json", "bun.lock"]);
  expect(JSON.parse(Buffer.from(needs?.files.get("package.json") ?? []).toString())).toMatchObject(manifest);
});

async function hashOf(files: Readonly<Record<string, unknown>>): Promise<string | undefined> {
  return (await read(files))?.hash;
}

test("the hash of needs follows what is installed, and nothing else", async () => {
  const dependencies = { left: "^1.0.0" };
  const plain = await hashOf({ "package.json": { dependencies } });
  expect(plain).toMatch(/^[0-9a-f]{64}$/);
  expect(await hashOf({ "package.json": { name: "x", version: "2.0.0", dependencies } })).toBe(plain);
  expect(await hashOf({ "package.json": { dependencies, devDependencies: { dev: "1" } } })).toBe(plain);
  expect(await hashOf({ "package.json": { dependencies: { left: "^1.0.1" } } })).not.toBe(plain);
  expect(await hashOf({ "package.json": { dependencies, overrides: { a: "1" } } })).not.toBe(plain);
  const one = lockOf({ left: ["left@1.0.0", "", {}, DIGEST] });
  const locked = await hashOf({ "package.json": { dependencies }, "bun.lock": one });
  expect(locked).not.toBe(plain);
  expect(await hashOf({ "package.json": { dependencies }, "bun.lock": `${one} ` })).not.toBe(locked);
});

test("the hash of needs tells machines apart only where packages are for some of them", async () => {
  const dependencies = { left: "^1.0.0" };
  const hashes = async (lock: string): Promise<(string | undefined)[]> => {
    const files = { "package.json": { dependencies }, "bun.lock": lock };
    const { platform } = process;
    const here = (await read(files))?.hash;
    Object.defineProperty(process, "platform", { value: "sunos" });
    try {
      return [here, (await read(files))?.hash];
    } finally {
      Object.defineProperty(process, "platform", { value: platform });
    }
  };
  const [here, there] = await hashes(lockOf({ left: ["left@1.0.0", "", {}, DIGEST] }));
  expect(there).toBe(here);
  const [linux, sunos] = await hashes(lockOf({ left: ["left@1.0.0", "", { os: "linux" }, DIGEST] }));
  expect(sunos).not.toBe(linux);
});

test.each([
  "file:../left",
  "link:left",
  "workspace:*",
  "catalog:",
  "./left",
  "../left",
  "/left",
  "~/left",
  "left.tgz",
  "C:\\left",
  "user/repository",
  "github:user/repository",
  "git+ssh://git@example.com/left.git",
  "https://example.com/left.tgz",
  "npm:left@file:../left",
  "npm:../left",
])("readPackageNeeds() refuses a dependency from %j", async (spec) => {
  const { message, file } = await failureOf({ "package.json": { dependencies: { left: spec } } });
  expect(message).toBe(
    `Cannot use package.json: "left" comes from ${JSON.stringify(spec)}; ` +
      'name a version of the npm registry, such as "^1.0.0"',
  );
  expect(file).toBe("package.json");
});

test.each<[string, unknown, string]>([
  ["no JSON", "{ nonsense", "Cannot read package.json: expected"],
  ["no object", "[]", "Cannot use package.json: expected an object"],
  ["a list", { dependencies: ["left"] }, 'expected an object of versions in "dependencies"'],
  ["a number", { dependencies: { left: 1 } }, 'expected a version of "left" in "dependencies"'],
  [
    "a path as name",
    { dependencies: { "../left": "1" } },
    '"../left" in "dependencies" is no name of a package',
  ],
  ["a folder as name", { dependencies: { "a/b": "1" } }, '"a/b" in "dependencies" is no name of a package'],
  ["__proto__", '{ "dependencies": { "__proto__": "1" } }', "Cannot read package.json"],
  [
    "patches",
    { dependencies: { left: "1" }, patchedDependencies: {} },
    '"patchedDependencies" is not supported',
  ],
  ["deep nesting", "[".repeat(50_000), "Cannot read package.json: nested too deep"],
])("readPackageNeeds() refuses a package.json with %s", async (_, manifest, message) => {
  expect((await failureOf({ "package.json": manifest })).message).toContain(message);
});

test.each<[string, string, string]>([
  ["no JSON", "{ nonsense", "Cannot read bun.lock: expected"],
  [
    "a folder",
    lockOf({ left: ["left@file:../left", {}] }),
    '"left@file:../left" doesn\'t come from the registry',
  ],
  ["a link", lockOf({ left: ["left@link:left", {}] }), '"left@link:left" doesn\'t come from the registry'],
  ["git", lockOf({ left: ["left@git+https://h/l.git#1", {}, "h-l-1"] }), "doesn't come from the registry"],
  ["an archive", lockOf({ left: ["left@https://h/l.tgz", {}, DIGEST] }), "doesn't come from the registry"],
  ["no digest", lockOf({ left: ["left@1.0.0", "", {}, ""] }), '"left@1.0.0" has no digest'],
  ["half a digest", lockOf({ left: ["left@1.0.0", "", {}] }), '"left@1.0.0" has no digest'],
  ["odd entries", lockOf({ left: null }), "doesn't come from the registry"],
  ["no packages", "[]", "it has no packages"],
])("readPackageNeeds() refuses a bun.lock with %s", async (_, lock, message) => {
  const files = { "package.json": { dependencies: { left: "1.0.0" } }, "bun.lock": lock };
  const failure = await failureOf(files);
  expect(failure.message).toContain(message);
  expect(failure.message).toEndWith('; make it anew with "bun install" or "xcore plugin pack"');
  expect(failure.file).toBe("bun.lock");
});

test("readPackageNeeds() follows a package inside of another without a digest of its own", async () => {
  const lock = lockOf({
    left: ["left@1.0.0", "", { dependencies: { inner: "1" } }, DIGEST],
    "left/inner": ["inner@1.0.0", "", { bundled: true }, ""],
  });
  const needs = await read({ "package.json": { dependencies: { left: "1.0.0" } }, "bun.lock": lock });
  expect(needs?.isFrozen).toBe(true);
});

test("readPackageNeeds() refuses a package without a digest that would be fetched all the same", async () => {
  const inner = ["inner@1.0.0", "", { bundled: true }, ""];
  const left = ["left@1.0.0", "", { dependencies: { inner: "1" } }, DIGEST];
  for (const packages of [
    { inner },
    { left, "@acme/inner": inner },
    { "left/inner": inner, left, inner: ["inner@1.0.0", "", {}, DIGEST] },
  ]) {
    const files = { "package.json": { dependencies: { left: "1.0.0" } }, "bun.lock": lockOf(packages) };
    expect((await failureOf(files)).message).toContain('"inner@1.0.0" has no digest');
  }
});

// Bun compares a package with none of these.
for (const digest of [
  "",
  "sha512-A",
  "sha512-AA==",
  `sha512-${"A".repeat(85)}==`,
  `sha512-${"A".repeat(85)}B==`,
  `sha512-${"A".repeat(87)}=`,
  `sha512-${"A".repeat(86)}`,
  `sha384-${"A".repeat(86)}==`,
  `sha1-${"A".repeat(27)}`,
  `md5-${"A".repeat(22)}==`,
]) {
  test(`readPackageNeeds() refuses the digest "${digest}"`, async () => {
    const lock = lockOf({ left: ["left@1.0.0", "", {}, digest] });
    const files = { "package.json": { dependencies: { left: "1.0.0" } }, "bun.lock": lock };
    expect((await failureOf(files)).message).toContain('"left@1.0.0" has no digest');
  });
}

for (const key of ["overrides", "resolutions"]) {
  test(`readPackageNeeds() refuses ${key} that lead out of the registry`, async () => {
    for (const spec of ["file:../left", "git+https://example.com/left.git", "http://10.0.0.1/left.tgz"]) {
      for (const overrides of [{ left: spec }, { right: { left: { ".": spec } } }]) {
        const files = { "package.json": { dependencies: { left: "1.0.0" }, [key]: overrides } };
        expect((await failureOf(files)).message).toContain(`"left" comes from "${spec}"`);
      }
    }
    const fine = { left: "1.1.0", right: { ".": "2.0.0", left: "$left" }, "right/left": "npm:other@1.0.0" };
    expect(await read({ "package.json": { dependencies: { left: "1.0.0" }, [key]: fine } })).not.toBeNull();
    expect(
      (await failureOf({ "package.json": { dependencies: { left: "1" }, [key]: { left: 1 } } })).message,
    ).toContain(`expected a version of "left" in "${key}"`);
  });
}

test("readPackageNeeds() refuses a binary lockfile with the command that converts it", async () => {
  const files = { "package.json": { dependencies: { left: "1.0.0" } }, "bun.lockb": "\0" };
  expect((await failureOf(files)).message).toBe(
    'Cannot use bun.lockb: only its text form is followed; run "bun install --save-text-lockfile"',
  );
});
