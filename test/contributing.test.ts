import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";

const PROJECT = join(import.meta.dir, "..");
const SRC = join(PROJECT, "src");
const text = await readFile(join(PROJECT, "CONTRIBUTING.md"), "utf8");

test("CONTRIBUTING.md names files and folders that are there", () => {
  const named = [...text.matchAll(/`((?:[a-z-]+\/)+(?:[a-z-]+(?:\.test)?\.ts)?)`/g)].map(
    ([, path = ""]) => path,
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((path) => ![SRC, PROJECT].some((root) => existsSync(join(root, path))))).toEqual([]);
});

test("CONTRIBUTING.md maps every folder of src/ and those directly in it", () => {
  const files = [...new Bun.Glob("**/*.ts").scanSync(SRC)].map((file) => file.replaceAll("\\", "/"));
  const folders = new Set(files.flatMap((file) => file.split("/").slice(0, -1).slice(0, 2)));
  expect(folders.size).toBeGreaterThan(20);
  expect([...folders].filter((name) => !text.includes(`${name}/`))).toEqual([]);
});
