import { expect } from "bun:test";
import { PluginError } from "../../../src/plugins/failure/failure.ts";
import { isReserved, parseManifest } from "../../../src/plugins/source/manifest.ts";
import { readPluginInfo } from "../../../src/plugins/source/plugin-info.ts";
import { anyText, fc, testProperty } from "../../properties.ts";

const name = fc
  .stringMatching(/^[a-z][a-z0-9_]{0,20}$/)
  .filter((text) => text !== "xcore" && !isReserved(`/${text}`));
const version = fc
  .tuple(fc.nat(99), fc.nat(99), fc.nat(99), fc.constantFrom("", "-rc.1", "+build.5"))
  .map(([major, minor, patch, rest]) => `${major}.${minor}.${patch}${rest}`);
const permission = fc.tuple(name, name).map(([resource, action]) => `${resource}:${action}`);
const manifest = fc.record(
  {
    name,
    version,
    active: fc.boolean(),
    description: anyText(),
    tags: fc.array(anyText(20), { maxLength: 3 }),
    dependencies: fc.dictionary(name, fc.constantFrom("^1.0.0", "*", ">=2 <3", "1.x"), { maxKeys: 3 }),
    permissions: fc.dictionary(permission, anyText(20), { maxKeys: 3 }),
    config: fc.dictionary(name, fc.jsonValue(), { maxKeys: 3 }),
  },
  { requiredKeys: ["name", "version"] },
);
/** What isn't right for any key of a manifest. */
const oddity = fc.oneof(
  fc.constantFrom<unknown>(null, -1, 1e9, "", [], [[]], {}, { a: { b: 1 } }, "../x", "^1.0.0", "a:b"),
  anyText(),
  fc.jsonValue(),
);

testProperty(
  "parseManifest() keeps what a manifest says, however it is written",
  [manifest, fc.constantFrom(0, 2, "\t")],
  (given, indent) => {
    const parsed = parseManifest(`// a comment\n${JSON.stringify(given, null, indent)}`, "plugin.json");
    expect(parsed).toMatchObject(JSON.parse(JSON.stringify(given)));
    expect(parsed.api_prefix).toBe(`/${given.name}`);
  },
);

testProperty(
  "parseManifest() takes any text for a manifest, or says what is wrong with it",
  [anyText(2000)],
  (text) => {
    expectPluginError(() => parseManifest(text, "plugin.json"));
  },
);

testProperty(
  "parseManifest() says what is wrong with a manifest of which something is odd",
  [
    manifest,
    fc.constantFrom(
      "name",
      "version",
      "api_prefix",
      "dependencies",
      "permissions",
      "menu",
      "surface",
      "hooks",
      "entry",
      "tags",
      "other",
    ),
    oddity,
  ],
  (given, key, value) => {
    expectPluginError(() => parseManifest(JSON.stringify({ ...given, [key]: value }), "plugin.json"));
  },
);

testProperty(
  "readPluginInfo() reads what stands in a module, and runs none of it",
  [manifest, anyText()],
  (given, more) => {
    const code = `export const PLUGIN_INFO = ${JSON.stringify(given)};\nthrow new Error(${JSON.stringify(more)});`;
    expect(readPluginInfo(code, "x.ts")).toEqual(JSON.parse(JSON.stringify(given)));
  },
);

testProperty("readPluginInfo() takes any code, or says what is wrong with it", [anyText()], (text) => {
  expectPluginError(() => readPluginInfo(`export const PLUGIN_INFO = ${text}`, "x.ts"));
});

function expectPluginError(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(PluginError);
    expect((error as PluginError).message).not.toBe("");
  }
}
