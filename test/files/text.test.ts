import { expect, test } from "bun:test";
import { join } from "node:path";
import { readTextFile } from "../../src/files/text.ts";
import { TestFolder } from "../setup.ts";

const onUnix = test.skipIf(process.platform === "win32");

onUnix("readTextFile() reads a pipe that somebody writes into, and waits for nobody for ever", async () => {
  await using folder = await TestFolder.create();
  const pipe = join(folder.path, "pipe");
  expect(await Bun.spawn(["mkfifo", pipe]).exited).toBe(0);
  const unreadable = { state: "unreadable", expected: "a file that can be read" } as const;
  expect(readTextFile(pipe, 20)).toEqual({ ...unreadable, found: "a pipe that nobody writes into" });
  const writer = Bun.spawn(["sh", "-c", `echo '{"a"' > "$0"; wait`, pipe]);
  expect(readTextFile(pipe, 10_000)).toEqual({ state: "read", text: '{"a"\n' });
  expect(await writer.exited).toBe(0);
});

onUnix("readTextFile() reads of a device what fits", () => {
  expect(readTextFile("/dev/null")).toEqual({ state: "read", text: "" });
  expect(readTextFile("/dev/zero")).toMatchObject({ state: "unreadable", found: "more" });
});
