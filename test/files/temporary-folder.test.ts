import { mkdir, readdir, stat, utimes } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "bun:test";
import { makeTemporaryFolder } from "../../src/files/temporary-folder.ts";
import { TestFolder } from "../setup.ts";

test("makeTemporaryFolder() makes a folder for this user alone, and deletes what was left behind an hour ago", async () => {
  await using folder = await TestFolder.create();
  const parent = join(folder.path, "data/tmp");
  await mkdir(join(parent, "old/deep"), { recursive: true });
  await mkdir(join(parent, "young"));
  const before = new Date(Date.now() - 3_700_000);
  await utimes(join(parent, "old"), before, before);
  const made = await makeTemporaryFolder(parent);
  expect((await readdir(parent)).toSorted()).toEqual([basename(made), "young"].toSorted());
  expect((await stat(made)).mode & 0o077).toBe(0);
});

test("makeTemporaryFolder() gives everybody a folder of their own, at once too", async () => {
  await using folder = await TestFolder.create();
  const made = await Promise.all(Array.from({ length: 20 }, () => makeTemporaryFolder(folder.path)));
  expect(new Set(made).size).toBe(20);
  expect(await readdir(folder.path)).toHaveLength(20);
});
