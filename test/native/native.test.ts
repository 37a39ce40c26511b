import { expect, test } from "bun:test";
import { loadNative } from "../../src/native/native.ts";

test.skipIf(process.platform !== "linux")("loadNative() compiles once, whoever asks", async () => {
  const [first, second] = await Promise.all([loadNative(), loadNative()]);
  expect(second.functions).toBe(first.functions);
  expect(Object.keys(first.functions).toSorted()).toEqual([
    "create_file",
    "limit_entry",
    "limit_next",
    "start_watch",
  ]);
});
