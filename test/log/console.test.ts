import { expect, test } from "bun:test";
import type { Logger } from "pino";
import { createLogConsole } from "../../src/log/console.ts";

/** What a console has logged, as `[level, text]`. */
function open(): { console: Console; lines: [level: string, text: string][] } {
  const lines: [string, string][] = [];
  const at = (level: string) => (text: string) => void lines.push([level, text]);
  const log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  return { console: createLogConsole(log as unknown as Logger), lines };
}

test("createLogConsole() logs each call as one line, at the level of the method", () => {
  const { console, lines } = open();
  console.log("two\nlines", 1, { a: [1, "x"] });
  console.info("%s is %d", "x", 7);
  console.debug("why");
  console.warn("careful");
  console.error(new RangeError("boom"));
  console.log();
  console.log("100%");
  void console.write("written\n");
  expect(lines.map(([level, text]) => [level, text.split("\n    at ")[0]])).toEqual([
    ["info", "two\nlines 1 { a: [ 1, 'x' ] }"],
    ["info", "x is 7"],
    ["debug", "why"],
    ["warn", "careful"],
    ["error", "RangeError: boom"],
    ["info", ""],
    ["info", "100%"],
    ["info", "written"],
  ]);
});

test("createLogConsole() counts, groups, tells the time, lays out tables and asserts as Node.js does", () => {
  const { console, lines } = open();
  const { group, warn } = console;
  group("outer");
  warn("inside");
  console.groupEnd();
  console.count("x");
  console.count("x");
  console.time("t");
  console.timeEnd("t");
  console.table([{ a: 1 }]);
  console.dir({ a: { b: { c: { d: { e: { f: 1 } } } } } }, { depth: 0 });
  console.assert(true, "not shown");
  console.assert(false, "not %d", 2);
  console.trace("here");
  expect(lines.slice(0, 4)).toEqual([
    ["info", "outer"],
    ["warn", "  inside"],
    ["info", "x: 1"],
    ["info", "x: 2"],
  ]);
  const [, , , , time, table, dir, assertion, trace] = lines;
  expect(time?.[1]).toMatch(/^t: [\d.]+ ?m?s$/);
  expect(table?.[1]).toContain("│ (index) │ a │");
  expect(dir).toEqual(["info", "{ a: [Object] }"]);
  expect(assertion).toEqual(["error", "Assertion failed: not 2"]);
  expect(trace?.[1]).toMatch(/^Trace: here\n {4}at .*console\.test\.ts/);
  expect(trace?.[1]).not.toContain("src/log/console.ts");
});

test.each([
  [[{ password: "hunter2", user: "ada" }], "{ password: [redacted], user: 'ada' }"],
  [[{ password: `h'u"n,t}er`, user: "ada" }], "{ password: [redacted], user: 'ada' }"],
  [[{ tokens: { a: ["x", "y"] }, next: 1 }], "{ tokens: [redacted], next: 1 }"],
  [[new Map([["api_key", ["x"]]])], "Map(1) { 'api_key' => [redacted] }"],
  [[{ "x-api-key": "x" }], "{ 'x-api-key': [redacted] }"],
  [[{ token: null, secret: undefined, otp: false }], "{ token: null, secret: undefined, otp: false }"],
  [["%j", { token: "x" }], '{"token":[redacted]}'],
  [["%o", { token: "x" }], "{ token: [redacted] }"],
  [["password: ok"], "password: ok"],
])("createLogConsole() shows nothing of secrets: %j", (args, text) => {
  const { console, lines } = open();
  console.log(...args);
  expect(lines).toEqual([["info", text]]);
  console.table([{ password: "hunter2" }]);
  expect(lines.at(-1)?.[1]).not.toContain("hunter2");
});

test("createLogConsole() takes whatever it is given, and cuts it", () => {
  const { console, lines } = open();
  const hostile = {
    [Symbol.for("nodejs.util.inspect.custom")]() {
      throw new Error("no");
    },
  };
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  console.log(hostile, circular, 10n, Symbol("s"));
  expect(lines).toEqual([["info", "[unreadable] <ref *1> { self: [Circular *1] } 10n Symbol(s)"]]);
  console.log({ text: "x".repeat(100_000), list: Array.from({ length: 10_000 }, () => "item") });
  expect(lines.at(-1)?.[1].length).toBeLessThan(20_000);
});
