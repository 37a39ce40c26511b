import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { withWorkFolder } from "../../../src/db/backup/disk.ts";
import { mountSmall } from "../../faults/small-disk.ts";
import { TestFolder } from "../../setup.ts";

const MODULE = join(import.meta.dir, "../../../src/db/backup/disk.ts");

test("withWorkFolder() removes its folder when the work fails", async () => {
  await using folder = await TestFolder.create();
  const work = withWorkFolder(join(folder.path, "work-"), async (path) => {
    await Bun.write(join(path, "dump"), "rows");
    throw new Error("no");
  });
  expect(work).rejects.toThrow("no");
  await work.catch(() => {});
  expect(await readdir(folder.path)).toEqual([]);
});

test("withWorkFolder() says so on a full disk, and leaves nothing behind", async () => {
  await using folder = await TestFolder.create();
  const disk = join(folder.path, "disk");
  using mounted = mountSmall(disk, "1m");
  if (mounted === null) return; // only root may
  await writeFile(join(disk, "other"), Buffer.alloc(2_000_000)).catch(() => {});
  const error: unknown = await withWorkFolder(join(disk, "work-"), () => Promise.resolve()).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ fault: "full", message: expect.stringContaining("no space is left there") });
  expect(await readdir(disk)).toEqual(["other"]);
});

/** A program that works in a folder below its argument until it is ended. */
const WORKER = `import { withWorkFolder } from ${JSON.stringify(MODULE)};
  setInterval(() => {}, 1000);
  await withWorkFolder(process.argv[1] + "/work-", async (path) => {
    await Bun.write(path + "/dump", "rows");
    console.log("working");
    await new Promise(() => {});
  });`;

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("withWorkFolder() removes its folder when %s ends the process", async (signal, code) => {
  await using folder = await TestFolder.create();
  const child = Bun.spawn([process.execPath, "-e", WORKER, folder.path], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toContain("working");
  expect(await readdir(folder.path)).toHaveLength(1);
  child.kill(signal);
  expect(await child.exited).toBe(code);
  expect(await readdir(folder.path)).toEqual([]);
});

test("withWorkFolder() removes what a killed process left, and nothing of one that works", async () => {
  await using folder = await TestFolder.create();
  const start = async () => {
    const child = Bun.spawn([process.execPath, "-e", WORKER, folder.path], {
      stdout: "pipe",
      stderr: "inherit",
    });
    await child.stdout.getReader().read();
    return child;
  };
  const killed = await start();
  const [left] = await readdir(folder.path);
  killed.kill("SIGKILL");
  await killed.exited;
  expect(await readdir(folder.path)).toEqual([left ?? ""]);
  const working = await start();
  const [kept, ...others] = await readdir(folder.path);
  expect(others).toEqual([]);
  expect(kept).not.toBe(left);
  await withWorkFolder(join(folder.path, "work-"), async () => {
    expect(await readdir(folder.path)).toHaveLength(2);
  });
  expect(await readdir(folder.path)).toEqual([kept ?? ""]);
  working.kill("SIGTERM");
  await working.exited;
  expect(await readdir(folder.path)).toEqual([]);
});
