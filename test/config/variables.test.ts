import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { parseDotEnv } from "../../src/config/variables.ts";
import { ConfigFolder } from "./config-folder.ts";

test.each([
  ["A=1", { A: "1" }],
  ["A = 1  ", { A: "1" }],
  ["export A=1", { A: "1" }],
  ["# comment\n\nA=1 # comment\r\nB=2", { A: "1", B: "2" }],
  ["A='x # y'\nB=\"x # y\" # z\nC=`x`", { A: "x # y", B: "x # y", C: "x" }],
  ['A="one\ntwo"\nB=3', { A: "one\ntwo", B: "3" }],
  ['A="one\r\ntwo"', { A: "one\ntwo" }],
  ["A='one\n# not a comment\nB=2'", { A: "one\n# not a comment\nB=2" }],
  ["A=\"a\\nb\"\nB='a\\nb'", { A: "a\nb", B: "a\\nb" }],
  ["A=$B ${B}", { A: "$B ${B}" }],
  ["A=\nB= # comment", { A: "", B: "" }],
  ["A=b=c", { A: "b=c" }],
  ["A=it's", { A: "it's" }],
  ["\uFEFFA=1", { A: "1" }],
  ["", {}],
])("parseDotEnv() reads %j", (text, values) => {
  const dotEnv = parseDotEnv(text);
  expect(Object.fromEntries(dotEnv.values)).toEqual(values);
  expect(dotEnv.faults).toEqual([]);
});

test.each([
  ["A=1\nnot a definition\nB=2", 2, "NAME=value"],
  ["=1", 1, "NAME=value"],
  ["A", 1, "NAME=value"],
  ["A: 1", 1, "NAME=value"],
  ["1A=1", 1, "NAME=value"],
  ["A-B=1", 1, "NAME=value"],
  ["export A", 1, "NAME=value"],
  ['A=1\n\nB="one\nC=3', 3, 'a closing "'],
  ["A='one' two", 1, "nothing after the closing '"],
  ['A="one\ntwo" three\nB=1', 1, 'nothing after the closing "'],
  ["PASSWORD=a#b", 1, 'quotes around a value with "#"'],
  ["COLOUR=#fff", 1, 'quotes around a value with "#"'],
])("parseDotEnv() reports the line when it cannot be read: %j", (text, line, expected) => {
  expect(parseDotEnv(text).faults).toEqual([{ line, expected }]);
});

test("parseDotEnv() never throws and agrees with itself when the text is random", () => {
  const pieces = ["A", "B", "=", " ", "\n", "'", '"', "`", "#", "\\", "x", "$", "\r\n", "\0", "é"];
  let seed = 7;
  const random = (limit: number) => (seed = (seed * 48_271) % 2_147_483_647) % limit;
  for (let round = 0; round < 3000; round += 1) {
    const text = Array.from({ length: 1 + random(14) }, () => pieces[random(pieces.length)]).join("");
    const { values, faults } = parseDotEnv(text);
    const starts = text.match(/^[ \t]*[ABx]+[ \t]*=/gm) ?? [];
    if (faults.length === 0 && !/['"`]/.test(text))
      expect([text, values.size]).toEqual([text, new Set(starts.map(toName)).size]);
  }
});

function toName(start: string): string {
  return start.replace(/[ \t=]/g, "");
}

test("loadConfig() reports every line of .env that cannot be read and never shows its text", () => {
  using folder = new ConfigFolder({ ".env": "hunter2\nA=1\n'hunter2'\n" });
  const { problems, message } = folder.fail();
  expect(problems.map(({ source }) => source)).toEqual([".env:1", ".env:3"]);
  expect(message).toBe(
    "Cannot use the configuration: 2 problems\n" +
      "  .env, line 1: expected NAME=value\n  .env, line 3: expected NAME=value",
  );
});

test("loadConfig() names the variable and .env when a value of it is wrong", () => {
  using folder = new ConfigFolder({ ".env": "XCORE_SERVER__PORT=x" });
  expect(folder.fail().problems[0]).toMatchObject({ source: ".env", where: "XCORE_SERVER__PORT in .env" });
});

test("loadConfig() ignores a folder named .env and refuses a .env that cannot be read", () => {
  using folder = new ConfigFolder();
  mkdirSync(join(folder.path, ".env"));
  expect(folder.load().exists).toBe(false);
  using other = new ConfigFolder();
  symlinkSync(".env", join(other.path, ".env"));
  expect(other.fail().message).toContain(".env: expected a file that can be read, found ELOOP");
});

test("loadConfig() refuses .env when it is not UTF-8", () => {
  using folder = new ConfigFolder({ ".env": Buffer.from("A=\xE9", "latin1") });
  expect(folder.fail().message).toContain(".env: expected a file in UTF-8");
});
