import { posix } from "node:path";
import { expect, test } from "bun:test";
import { isFilePath, isName, isUrlName, nameImport } from "../../../src/plugins/snapshot/snapshot.ts";

const HOSTILE = [
  ...Array.from("./\\:%?#@ \t\n\0\u007f\u0085\u2028\u202e\uD800é"),
  "..",
  "http://",
  "https://",
  "file:",
  "data:,",
  "C:",
  "%2e%2e",
  "%00",
  "node:",
  "x".repeat(1100),
  "__proto__",
  "lib",
  "tax.ts",
];

/** Texts made of hostile parts; the same ones in every run. */
function* hostileTexts(count: number): Generator<string> {
  let state = 42;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let index = 0; index < count; index++) {
    yield Array.from({ length: 1 + random(7) }, () => HOSTILE[random(HOSTILE.length)]).join("");
  }
}

test.each(["plugin.json", "lib/tax.ts", ".env", "a b", "ä/é.ts", "ab:c", "...", "x".repeat(1024)])(
  "isFilePath() takes %j",
  (name) => expect(isFilePath(name)).toBe(true),
);

test.each([
  "",
  "/",
  "/etc/passwd",
  "//host/share",
  "..",
  "../a",
  "a/../b",
  "a/..",
  "./a",
  "a/./b",
  "a//b",
  "a/",
  "a\\b",
  "..\\a",
  "C:a",
  "c:/a",
  "a\0",
  "a\nb",
  "a\u0085b",
  "a\uD800",
  "x".repeat(1025),
])("isFilePath() refuses %j", (name) => expect(isFilePath(name)).toBe(false));

test("isFilePath() takes nothing hostile that leads out of a folder or reads as another name", () => {
  let taken = 0;
  for (const text of hostileTexts(50_000)) {
    if (!isFilePath(text)) continue;
    taken++;
    for (const { resolve, sep } of [posix]) {
      expect(resolve("/srv/plugin", text)).toBe(`/srv/plugin${sep}${text}`);
    }
    expect(text).not.toMatch(/[\\\p{Cc}]|^[a-z]:/iu);
    expect(new TextDecoder().decode(new TextEncoder().encode(text))).toBe(text);
  }
  expect(taken).toBeGreaterThan(1000);
});

test.each([
  ["run.ts", "./lib/tax.ts", "lib/tax.ts"],
  ["lib/tax.ts", "../db.ts", "db.ts"],
  ["lib/tax.ts", "./../lib/./vat.ts", "lib/vat.ts"],
  ["run.ts", "../tax.ts", "../tax.ts"],
  ["lib/a.ts", "../../../x.ts", "../../x.ts"],
  ["../x.ts", "./y.ts", "../y.ts"],
  ["../lib/x.ts", "../../y.ts", "../../y.ts"],
  ["run.ts", "https://example.com/a/../b.ts#part", "https://example.com/b.ts"],
  ["run.ts", "https://EXAMPLE.com:443/b.ts?v=1", "https://example.com/b.ts?v=1"],
  ["https://example.com/a/b.ts", "./c.ts", "https://example.com/a/c.ts"],
  ["https://example.com/a/b.ts", "../../../c.ts", "https://example.com/c.ts"],
  ["https://example.com/a/b.ts", "/c.ts", "https://example.com/c.ts"],
  ["https://example.com/a/b.ts", "//other.example/c.ts", "https://other.example/c.ts"],
  ["https://example.com/a/b.ts", "http://localhost/c.ts", "http://localhost/c.ts"],
])("nameImport() in %j of %j is %j", (importer, specifier, name) => {
  expect(nameImport(importer, specifier)).toBe(name);
});

test.each([
  ["run.ts", "xcore"],
  ["run.ts", "node:fs"],
  ["run.ts", "plugin:crm"],
  ["run.ts", "@acme/tax"],
  ["run.ts", "/etc/passwd"],
  ["run.ts", "file:///etc/passwd"],
  ["run.ts", "data:text/javascript,1"],
  ["run.ts", "."],
  ["run.ts", "./"],
  ["run.ts", ""],
  ["run.ts", "../a\nentry\thello.ts"],
  ["run.ts", "./\uD800.ts"],
  ["run.ts", `./${"x".repeat(1100)}`],
  ["run.ts", "https://"],
  ["run.ts", `https://example.com/${"x".repeat(1100)}`],
  ["https://example.com/a.ts", "xcore"],
  ["https://example.com/a.ts", "file:///etc/passwd"],
])("nameImport() in %j of %j is null", (importer, specifier) => {
  expect(nameImport(importer, specifier)).toBeNull();
});

test("nameImport() gives names alone that a list can hold, and that name themselves", () => {
  const importers = ["run.ts", "lib/a.ts", "../a.ts", "https://example.com/lib/a.ts?x=1"];
  let named = 0;
  for (const specifier of hostileTexts(20_000)) {
    for (const importer of importers) {
      const name = nameImport(importer, specifier);
      if (name === null) continue;
      named++;
      expect(isName(name)).toBe(true);
      if (isUrlName(name)) {
        expect(nameImport("run.ts", name)).toBe(name);
        continue;
      }
      expect(name).not.toMatch(/(^|\/)\.(\/|$)|^\/|\/\/|[^./][^/]*\/\.\.(\/|$)/);
    }
  }
  expect(named).toBeGreaterThan(1000);
});
