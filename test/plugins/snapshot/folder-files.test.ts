import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { PluginError } from "../../../src/plugins/failure/failure.ts";
import { readPluginFolder } from "../../../src/plugins/snapshot/folder-files.ts";
import { TestFolder } from "../../setup.ts";

/** The error of a promise that must fail. */
async function failureOf(promise: Promise<unknown>): Promise<PluginError> {
  const error: unknown = await promise.then(
    () => new Error("it has not failed"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PluginError);
  return error as PluginError;
}

test("readPluginFolder() gives the files of a plugin in the order of their bytes, and its signatures", async () => {
  await using folder = await TestFolder.create({
    "run.ts": "run",
    "plugin.json": "{}",
    "plugin.json.sig": "signatures",
    "lib/deep/er.ts": "",
    "lib.ts": "",
    "public/crm.tgz": "a download",
    "latest.test.data/x": "",
    ".env": "SECRET=1",
    ".git/config": "",
    "lib/.cache": "",
    "lib/tax.test.ts": "",
    "page.test.tsx": "",
    "node_modules/left/index.js": "",
    "lib/node_modules/x.js": "",
    "run.ts~": "",
    "crm-1.0.0.tgz": "what was packed before",
  });
  const { files, signatures } = await readPluginFolder(folder.path);
  expect([...files.keys()]).toEqual([
    "latest.test.data/x",
    "lib.ts",
    "lib/deep/er.ts",
    "plugin.json",
    "public/crm.tgz",
    "run.ts",
  ]);
  expect(Buffer.from(files.get("run.ts") ?? []).toString()).toBe("run");
  expect(Buffer.from(signatures ?? []).toString()).toBe("signatures");
});

test("readPluginFolder() gives null for signatures that aren't there", async () => {
  await using folder = await TestFolder.create({ "plugin.json": "{}" });
  expect(await readPluginFolder(folder.path)).toEqual({ files: expect.any(Map), signatures: null });
});

test.each([
  ["a file", "plugin.json"],
  ["a folder", "lib"],
  ["nothing", "gone"],
])("readPluginFolder() refuses a link to %s, and names it", async (_what, target) => {
  await using folder = await TestFolder.create({ "plugin.json": "{}", "lib/x.ts": "" });
  await symlink(join(folder.path, target), join(folder.path, "lib/linked"));
  const error = await failureOf(readPluginFolder(folder.path));
  expect(error.stage).toBe("fetch");
  expect(error.message).toContain("lib/linked");
  expect(error.message).toContain("it is a link");
});

test("readPluginFolder() leaves alone a link that isn't part of the plugin", async () => {
  await using folder = await TestFolder.create({ "plugin.json": "{}" });
  await symlink("/", join(folder.path, "node_modules"));
  await symlink("/", join(folder.path, ".cache"));
  const { files } = await readPluginFolder(folder.path);
  expect([...files.keys()]).toEqual(["plugin.json"]);
});

test("readPluginFolder() refuses what is no plain file, without waiting for it", async () => {
  await using folder = await TestFolder.create({ "plugin.json": "{}" });
  await Bun.$`mkfifo pipe`.cwd(folder.path);
  expect((await failureOf(readPluginFolder(folder.path))).message).toContain("it is no plain file");
});

test.each([["a\nb.ts"], ["a\\b.ts"], ["c:x.ts"]])("readPluginFolder() refuses the name %j", async (name) => {
  await using folder = await TestFolder.create({ "plugin.json": "{}" });
  await writeFile(join(folder.path, name), "");
  const { message } = await failureOf(readPluginFolder(folder.path));
  expect(message).toContain("its name doesn't work everywhere");
  expect(message).not.toMatch(/\p{Cc}/u);
});

test("readPluginFolder() refuses a name that isn't UTF-8", async () => {
  await using folder = await TestFolder.create({ "plugin.json": "{}" });
  await writeFile(Buffer.concat([Buffer.from(join(folder.path, "a")), Buffer.from([0xff])]), "");
  expect((await failureOf(readPluginFolder(folder.path))).message).toContain("doesn't work everywhere");
});

test("readPluginFolder() counts all files against the limit, and reads none that are over it", async () => {
  await using folder = await TestFolder.create({ "plugin.json": "{}", "a.ts": "12345", "b.ts": "12345" });
  expect((await readPluginFolder(folder.path, { maxBytes: 12 })).files.size).toBe(3);
  expect((await failureOf(readPluginFolder(folder.path, { maxBytes: 11 }))).message).toContain("size_limit");
  await Bun.$`truncate -s 1T huge.bin`.cwd(folder.path).quiet();
  const { message } = await failureOf(readPluginFolder(folder.path, { maxBytes: 2 ** 30 }));
  expect(message).toContain(`larger than ${2 ** 30} bytes`);
});

test("readPluginFolder() refuses thousands of files, and folders without an end", async () => {
  await using many = await TestFolder.create();
  await Promise.all(
    Array.from({ length: 5001 }, (_, index) => writeFile(join(many.path, `${index}.ts`), "")),
  );
  expect((await failureOf(readPluginFolder(many.path))).message).toContain("more than 5000 files");
  await using deep = await TestFolder.create();
  await mkdir(join(deep.path, "a/".repeat(66)), { recursive: true });
  expect((await failureOf(readPluginFolder(deep.path))).message).toContain("more than 64 deep");
}, 120_000); // it writes 5001 files

test("readPluginFolder() says so when there is no folder", async () => {
  await using folder = await TestFolder.create({ "hello.ts": "" });
  const missing = await failureOf(readPluginFolder(join(folder.path, "crm")));
  expect(missing.message).toMatch(/Cannot take plugin files from ".*crm": it is not there/);
  const file = await failureOf(readPluginFolder(join(folder.path, "hello.ts")));
  expect(file.message).toContain("it is no folder");
});
