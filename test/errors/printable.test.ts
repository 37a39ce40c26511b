import { expect, test } from "bun:test";
import { toPrintable } from "../../src/errors/printable.ts";
import { PluginError } from "../../src/plugins/failure/failure.ts";

test("toPrintable() shows what a terminal would obey, and leaves all else", () => {
  expect(toPrintable("a\n\tb ü 😀")).toBe("a\n\tb ü 😀");
  expect(toPrintable("\0\r\u001b[2J\u007f\u009b31m")).toBe(String.raw`\u0000\u000d\u001b[2J\u007f\u009b31m`);
  expect(toPrintable("\u202e\u2066\u200b\u2028\u{e0041}")).toBe(
    String.raw`\u202e\u2066\u200b\u2028\u{e0041}`,
  );
});

test("the message of a PluginError is printable and of a bounded length, whatever it quotes", () => {
  const { message } = new PluginError("manifest", `Cannot find "\u009b2J${"x".repeat(100_000)}"`);
  expect(message).toStartWith(String.raw`Cannot find "\u009b2Jxxx`);
  expect(message.length).toBeLessThan(9000);
});
