import { expect } from "bun:test";
import { parseJsonDocument } from "../../../src/config/json/document.ts";
import { setJsonPath } from "../../../src/config/json/edit.ts";
import { isJsonObject, type JsonObject, mergeValues, valueAt } from "../../../src/config/json/values.ts";
import { anyText, fc, testProperty } from "../../properties.ts";

// "__proto__" is refused as a key: that has a test of its own.
const key = fc
  .oneof(fc.constantFrom("a", "b", "server", "port", "", "a.b", "constructor"), anyText(20))
  .filter((text) => text !== "__proto__");
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom(null, true, false, 0, 1.5, -2e9, ""),
    anyText(30),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4 }),
  ),
}));
const object = fc.dictionary(key, value, { maxKeys: 5 }) as fc.Arbitrary<JsonObject>;
const path = fc.array(key, { minLength: 1, maxLength: 4 });
/** How somebody may lay a file out. */
const layout = fc.record({
  indent: fc.constantFrom(0, 2, 4, "\t"),
  eol: fc.constantFrom("\n", "\r\n"),
  mark: fc.constantFrom("", "\uFEFF"),
  comment: fc.constantFrom("", '// above { " ,\n', "/* two\nlines */ "),
});
type Layout = typeof layout extends fc.Arbitrary<infer Made> ? Made : never;

function print(values: unknown, { indent, eol, mark, comment }: Layout): string {
  return mark + (comment + JSON.stringify(values, null, indent)).replaceAll("\n", eol);
}

function read(text: string): unknown {
  const { value: found, faults } = parseJsonDocument(text.replace(/^\uFEFF/, "")); // as files are read
  expect(faults).toEqual([]);
  return found;
}

testProperty("parseJsonDocument() reads what was printed", [value, layout], (given, how) => {
  expect(read(print(given, how))).toEqual(JSON.parse(JSON.stringify(given)) as never);
});

testProperty(
  "parseJsonDocument() never throws, and says where what it can't read is",
  [anyText()],
  (text) => {
    for (const { message, position } of parseJsonDocument(text).faults) {
      expect(message).not.toBe("");
      expect(position.line).toBeGreaterThan(0);
      expect(position.column).toBeGreaterThan(0);
    }
  },
);

testProperty(
  "setJsonPath() sets what it is told to, keeps all else, and takes it back",
  [object, path, value, layout],
  (given, where, wanted, how) => {
    const before = print(given, how);
    let after: string;
    try {
      after = setJsonPath(before, where, wanted);
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
      expect(where.slice(0, -1).some((_, depth) => isInTheWay(given, where.slice(0, depth + 1)))).toBe(true);
      return;
    }
    expect(valueAt(read(after), where)).toEqual(wanted);
    expect(after.includes("// above")).toBe(before.includes("// above"));
    expect(read(setJsonPath(after, where, wanted))).toEqual(read(after));
    if (valueAt(given, where) === undefined) return;
    expect(read(setJsonPath(after, where, valueAt(given, where)))).toEqual(given);
  },
);

testProperty("setJsonPath() removes a key, and nothing else", [object, path, layout], (given, where, how) => {
  const after = read(setJsonPath(print(given, how), where, undefined));
  expect(after).toEqual(without(given, where));
});

testProperty(
  "mergeValues() has what is above, and what only one of both has",
  [object, object],
  (base, over) => {
    const merged = mergeValues(base, over);
    expect(mergeValues(merged, over)).toEqual(merged);
    expect(mergeValues({}, over)).toEqual(over);
    expect(new Set(Object.keys(merged))).toEqual(new Set([...Object.keys(base), ...Object.keys(over)]));
  },
);

function isInTheWay(values: unknown, where: readonly string[]): boolean {
  const found = valueAt(values, where);
  return found !== undefined && !isJsonObject(found);
}

function without(values: JsonObject, [first = "", ...rest]: readonly string[]): JsonObject {
  const inner = Object.hasOwn(values, first) ? values[first] : undefined;
  if (rest.length > 0 && isJsonObject(inner)) return { ...values, [first]: without(inner, rest) };
  return Object.fromEntries(Object.entries(values).filter(([name]) => rest.length > 0 || name !== first));
}
