import { expect, test } from "bun:test";
import { sha256 } from "../../../src/files/sha256.ts";
import { computeIntegrity, integrityToHex, isIntegrity } from "../../../src/plugins/snapshot/integrity.ts";
import { readPluginFolder } from "../../../src/plugins/snapshot/folder-files.ts";
import { TestFolder } from "../../setup.ts";

const RECIPE =
  "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | openssl dgst -sha256 -binary | base64";

const none: ReadonlyMap<string, string> = new Map();

function toFiles(texts: Readonly<Record<string, string>>): Map<string, Uint8Array> {
  return new Map(Object.entries(texts).map(([name, text]) => [name, new TextEncoder().encode(text)]));
}

test("computeIntegrity() gives what the recipe of its docs prints in the folder", async () => {
  await using folder = await TestFolder.create({
    "plugin.json": { name: "crm", version: "1.0.0" },
    "run.ts": "export default 1;\n",
    'lib/ä b\'s "tax".ts': "",
    "lib/z.ts": "z",
    "lib-a.ts": "sorts between lib/ and libs, by bytes",
    "Z.ts": "sorts before small letters",
    "public/\u{1F600}.svg": "sorts after U+FFEE in UTF-8, before it in UTF-16",
    "public/\uFFEE.svg": "",
  });
  const { files } = await readPluginFolder(folder.path);
  const printed = await Bun.$`sh -c ${RECIPE}`.cwd(folder.path).text();
  const found = computeIntegrity({ entry: "plugin.json", files, redirects: none });
  expect(found).toBe(`sha256-${printed.trim()}`);
  expect(files.size).toBe(8);
});

test("computeIntegrity() is of the list that its docs define", () => {
  const files = toFiles({ "hello.ts": "a", "https://example.com/b.ts": "b" });
  const redirects = new Map([
    ["https://example.com/b", "https://example.com/b.ts"],
    ["../c.ts", "https://example.com/b.ts"],
  ]);
  const list = [
    `${sha256("a")}  hello.ts\n`,
    `${sha256("b")}  https://example.com/b.ts\n`,
    "redirect\t../c.ts\thttps://example.com/b.ts\n",
    "redirect\thttps://example.com/b\thttps://example.com/b.ts\n",
    "entry\thello.ts\n",
  ];
  const expected = new Bun.CryptoHasher("sha256").update(list.join("")).digest("base64");
  expect(computeIntegrity({ entry: "hello.ts", files, redirects })).toBe(`sha256-${expected}`);
});

test("computeIntegrity() is the same whatever the order, and another for any difference", () => {
  const files = toFiles({ "plugin.json": "{}", "run.ts": "1", "lib/tax.ts": "2" });
  const redirects = new Map([["../tax.ts", "lib/tax.ts"]]);
  const base = { entry: "plugin.json", files, redirects };
  const reversed = { ...base, files: new Map([...files].toReversed()) };
  expect(computeIntegrity(reversed)).toBe(computeIntegrity(base));
  const others = [
    { ...base, entry: "run.ts" },
    { ...base, redirects: none },
    { ...base, redirects: new Map([["../tax.ts", "run.ts"]]) },
    { ...base, files: toFiles({ "plugin.json": "{}", "run.ts": "1", "lib/tax.ts": "3" }) },
    { ...base, files: toFiles({ "plugin.json": "{}", "run.ts": "1", "lib/Tax.ts": "2" }) },
    { ...base, files: toFiles({ "plugin.json": "{}", "run.ts": "2", "lib/tax.ts": "1" }) },
    { ...base, files: toFiles({ "plugin.json": "{}", "run.ts": "1" }) },
    { ...base, files: toFiles({ "plugin.json": "{}", "run.ts": "1", "lib/tax.ts": "2", "x.ts": "" }) },
  ];
  const digests = [base, ...others].map(computeIntegrity);
  expect(new Set(digests).size).toBe(digests.length);
});

test.each([
  ["a new line in a redirect", { redirects: new Map([["../a\nentry\thello.ts", "run.ts"]]) }],
  ["a tab in a redirect", { redirects: new Map([["../a\trun.ts\nredirect\t../b", "run.ts"]]) }],
  ["a new line in a file's name", { files: toFiles({ "plugin.json": "", "a\nb": "" }) }],
  ["half a character, which UTF-8 can't say", { files: toFiles({ "a\uD800.ts": "", "a\uD801.ts": "" }) }],
  ["a new line in the entry", { entry: "hello.ts\nentry\tother.ts" }],
])("computeIntegrity() throws RangeError for %s", (_what, odd) => {
  const files = toFiles({ "plugin.json": "", "run.ts": "" });
  const listed = { entry: "plugin.json", files, redirects: none, ...odd };
  expect(() => computeIntegrity(listed)).toThrow(RangeError);
});

test("isIntegrity() knows one way to write a digest", () => {
  const integrity = computeIntegrity({ entry: "plugin.json", files: new Map(), redirects: none });
  expect(isIntegrity(integrity)).toBe(true);
  const odd = integrity.replace(/.=$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}=`);
  expect(integrityToHex(odd)).toBe(integrityToHex(integrity));
  for (const text of [odd, `${integrity} `, integrity.slice(0, -1), integrity.replace("256", "384"), ""]) {
    expect(isIntegrity(text)).toBe(false);
  }
  expect(integrityToHex(integrity)).toBe(sha256(""));
});
