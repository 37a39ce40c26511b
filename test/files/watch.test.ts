import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { watchTree } from "../../src/files/watch.ts";
import { type Files, plugin, TestApp, TestFolder } from "../setup.ts";

/** Watches a directory of `folder`; `next` resolves with what is reported after the change. */
function watchIn(folder: TestFolder, name: string) {
  const errors: Error[] = [];
  let report: ((paths: string[] | null) => void) | null = null;
  const undo = watchTree(join(folder.path, name), {
    onChange: (paths) => report?.(paths && [...paths].map((path) => path.slice(folder.path.length + 1))),
    onError: (error) => errors.push(error),
  });
  const next = async (change: () => Promise<unknown>): Promise<string[] | null> => {
    const { promise, resolve } = Promise.withResolvers<string[] | null>();
    report = resolve;
    await change();
    return promise;
  };
  return { next, errors, [Symbol.dispose]: undo };
}

test("watchTree() sees a directory come whose parents are missing too", async () => {
  await using folder = await TestFolder.create();
  using watched = watchIn(folder, "a/b/plugins");
  expect(await watched.next(() => mkdir(join(folder.path, "a/b/plugins"), { recursive: true }))).toBeNull();
  expect(await watched.next(() => folder.write({ "a/b/plugins/x/run.ts": "1" }))).toEqual(["a/b/plugins/x"]);
  expect(watched.errors).toEqual([]);
});

test("watchTree() takes a directory that becomes a file, and one again", async () => {
  await using folder = await TestFolder.create({ "plugins/x/run.ts": "1" });
  using watched = watchIn(folder, "plugins");
  const toFile = async (): Promise<void> => {
    await rm(join(folder.path, "plugins"), { recursive: true });
    await Bun.write(join(folder.path, "plugins"), "a file");
  };
  expect(await watched.next(toFile)).toBeNull();
  expect(await watched.next(() => Bun.write(join(folder.path, "plugins"), "changed"))).toBeNull();
  const toDirectory = async (): Promise<void> => {
    await rm(join(folder.path, "plugins"));
    await mkdir(join(folder.path, "plugins"));
  };
  expect(await watched.next(toDirectory)).toBeNull();
  expect(await watched.next(() => folder.write({ "plugins/y/run.ts": "1" }))).toEqual(["plugins/y"]);
});

test("watchTree() follows links to folders and files, and where they lead now", async () => {
  await using folder = await TestFolder.create({ "one/run.ts": "1", "two/run.ts": "1", "single.ts": "1" });
  await mkdir(join(folder.path, "plugins"));
  const link = join(folder.path, "plugins/blog");
  await symlink(join(folder.path, "one"), link);
  using watched = watchIn(folder, "plugins");
  expect(await watched.next(() => folder.write({ "one/lib/deep/x.ts": "1" }))).toEqual(["plugins/blog"]);
  const retarget = async (): Promise<void> => {
    await rm(link);
    await symlink(join(folder.path, "two"), link);
  };
  expect(await watched.next(retarget)).toEqual(["plugins/blog"]);
  expect(await watched.next(() => folder.write({ "two/run.ts": "2" }))).toEqual(["plugins/blog"]);
  const toFile = () => symlink(join(folder.path, "single.ts"), join(folder.path, "plugins/single.ts"));
  expect(await watched.next(toFile)).toEqual(["plugins/single.ts"]);
  expect(await watched.next(() => folder.write({ "single.ts": "2" }))).toEqual(["plugins/single.ts"]);
});

function answering(value: number): Files {
  return plugin("linked", `.get("/", () => ${value})`);
}

test("a plugin that is a link reloads when its target changes", async () => {
  await using outside = await TestFolder.create(answering(1));
  await using app = await TestApp.start();
  await app.after("plugin.loaded", () =>
    symlink(join(outside.path, "linked"), join(app.folder.path, "plugins/linked")),
  );
  await app.after("plugin.reloaded", () => outside.write(answering(2)));
  expect((await app.get("/linked")).body).toBe(2);
});

test("what editors and package managers leave beside the code reloads nothing", async () => {
  await using app = await TestApp.start({ plugins: plugin("calm", '.get("/", () => 1)') });
  await app.writePlugins({
    "4913": "",
    ".run.ts.swp": "",
    "run.ts~": "",
    "calm/4913": "",
    "calm/.run.ts.swp": "",
    "calm/run.ts~": "",
  });
  for (let n = 0; n < 500; n += 1)
    await app.writePlugins({ [`calm/node_modules/p${n % 20}/f${n}.js`]: "module.exports = 1;" });
  await app.app.plugins.refresh(null);
  expect(app.events.map(({ name, data }) => `${name} ${data.name}`)).toEqual(["plugin.loaded calm"]);
  expect((await app.get("/system/plugins")).body.total).toBe(1);
});
