import { expect, test } from "bun:test";
import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { inTurn } from "../../../src/cli/self/turn.ts";
import { TestFolder } from "../../setup.ts";

const nothing = (): Promise<void> => Promise.reject(new Error("It isn't its turn"));

test("inTurn() lets one process at a time replace an executable, and sweeps what killed ones have left", async () => {
  await using folder = await TestFolder.create({
    xcore: "",
    ".xcore.updating-999999999": "",
    ".xcore.new-999999999": "half of it",
    ".other.new-999999999": "not ours",
  });
  const executable = join(folder.path, "xcore");
  await inTurn(executable, async () => {
    expect(await readdir(folder.path)).toEqual(
      expect.arrayContaining([".other.new-999999999", `.xcore.updating-${process.pid}`, "xcore"]),
    );
    expect(await readdir(folder.path)).toHaveLength(3);
  });
  const other = Bun.spawn(["cat"], { stdin: "pipe" }); // for as long as it is asked to
  const theirs = `.xcore.updating-${other.pid}`;
  await folder.write({ [theirs]: "", [`.xcore.new-${other.pid}`]: "being written" });
  expect(inTurn(executable, nothing)).rejects.toThrow(
    `process ${other.pid} is at it already; nothing was changed`,
  );
  expect((await readdir(folder.path)).toSorted()).toEqual(
    [".other.new-999999999", `.xcore.new-${other.pid}`, theirs, "xcore"].toSorted(),
  );
  // Its number belongs to a program of another kind by now.
  await utimes(join(folder.path, theirs), 1, 1);
  await inTurn(executable, async () => expect(await readdir(folder.path)).not.toContain(theirs));
  other.kill();
  await other.exited;
  expect(inTurn(join(folder.path, "nowhere/xcore"), nothing)).rejects.toThrow("Cannot update");
});
