import { posix } from "node:path";
import { expect } from "bun:test";
import { computeIntegrity, integrityToHex, isIntegrity } from "../../../src/plugins/snapshot/integrity.ts";
import { findNameClash, isFilePath, isName, nameImport } from "../../../src/plugins/snapshot/snapshot.ts";
import { anyText, fc, testProperty } from "../../properties.ts";

const fileName = fc.oneof(
  fc.stringMatching(/^[a-z]{1,3}(\/[a-z]{1,3}){0,2}\.ts$/),
  anyText(30).filter(isName),
);
const content = fc.uint8Array({ maxLength: 50 });
const files = fc.dictionary(fileName, content, { minKeys: 1, maxKeys: 6 }).map((all) => Object.entries(all));
const redirects = fc.dictionary(fileName, fileName, { maxKeys: 3 }).map((all) => Object.entries(all));
const seed = fc.nat();

testProperty(
  "computeIntegrity() doesn't depend on the order of files",
  [files, redirects, seed],
  (all, led, turn) => {
    const integrity = toIntegrity(all, led);
    expect(isIntegrity(integrity)).toBe(true);
    expect(integrityToHex(integrity)).toMatch(/^[0-9a-f]{64}$/);
    const at = turn % all.length;
    expect(toIntegrity([...all.slice(at), ...all.slice(0, at)], led.toReversed())).toBe(integrity);
  },
);

testProperty(
  "computeIntegrity() is another one when anything is",
  [files, redirects, fileName, fc.nat(), content],
  (all, led, other, turn, bytes) => {
    const integrity = toIntegrity(all, led);
    const at = turn % all.length;
    const [name, before] = all[at] as [string, Uint8Array];
    const rest = all.filter((_, index) => index !== at);
    const hasOther = all.some(([one]) => one === other);
    const changes = [
      toIntegrity(rest, led),
      ...(Buffer.compare(before, bytes) === 0 ? [] : [toIntegrity([...rest, [name, bytes]], led)]),
      ...(hasOther
        ? []
        : [toIntegrity([...rest, [other, before]], led), toIntegrity([...all, [other, bytes]], led)]),
      ...(led.some(([one]) => one === other) ? [] : [toIntegrity(all, [...led, [other, name]])]),
      toIntegrity(all, led, "single.ts"),
    ];
    expect(changes).not.toContain(integrity);
    expect(new Set(changes).size).toBe(changes.length);
  },
);

testProperty("isIntegrity() takes no other text for one", [anyText()], (text) => {
  const integrity = toIntegrity([["a", new Uint8Array()]], []);
  expect(isIntegrity(text)).toBe(false);
  expect(isIntegrity(text + integrity)).toBe(text === "");
  expect(isIntegrity(integrity + text)).toBe(text === "");
});

testProperty(
  "nameImport() names what stands in the plugin's folder or says that it leads out",
  [fileName, fc.oneof(anyText(40), fc.stringMatching(/^(\.{1,2}\/){1,4}[a-z./]{0,9}$/))],
  (importer, specifier) => {
    const named = nameImport(importer, specifier);
    if (named === null) return;
    expect(isName(named)).toBe(true);
    // What leads out begins so, and nothing does so later on.
    const [, inside = ""] = /^(?:\.\.\/)*(.*)$/s.exec(named) ?? [];
    if (!/^https?:/.test(named)) expect(inside.split("/").slice(0, -1)).not.toContain("..");
  },
);

testProperty(
  "isFilePath() and findNameClash() let nothing leave a folder or hide another file",
  [fc.uniqueArray(anyText(30), { maxLength: 6 })],
  (names) => {
    const paths = names.filter(isFilePath);
    for (const path of paths) expect(posix.join("/base", path)).toBe(`/base/${path}`);
    if (findNameClash(paths) !== null) return;
    const folded = paths.map((path) => path.normalize("NFC").toLowerCase());
    expect(new Set(folded).size).toBe(paths.length);
  },
);

function toIntegrity(
  all: readonly (readonly [string, Uint8Array])[],
  led: readonly (readonly [string, string])[],
  entry = "plugin.json",
): string {
  return computeIntegrity({ entry, files: new Map(all), redirects: new Map(led) });
}
