import { expect, test } from "bun:test";
import { parseJsonDocument } from "../../../src/config/json/document.ts";
import { setJsonPath } from "../../../src/config/json/edit.ts";

test.each([
  ['{"name":"a"}', '{"name":"a","x":true}'],
  ['{ "name":"a" }\n', '{ "name":"a", "x": true }\n'],
  ["{}", '{\n  "x": true\n}'],
  ["{ // nothing yet\n}\n", '{ // nothing yet\n  "x": true\n}\n'],
  ["{\n  /* nothing yet */ }", '{\n  /* nothing yet */\n  "x": true\n}'],
  ['{ "x": false, "y": 1 }', '{ "x": true, "y": 1 }'],
  ['{\n  "x": false // off\n}\n', '{\n  "x": true // off\n}\n'],
  ['{\n    "y": [\n        1\n    ]\n}', '{\n    "y": [\n        1\n    ],\n    "x": true\n}'],
  ['{\n  "y": 1, // one\n}', '{\n  "y": 1, // one\n  "x": true,\n}'],
  ['{\n  "y": 1 /* one */, // and only\n}', '{\n  "y": 1 /* one */, // and only\n  "x": true,\n}'],
  ['{\n  "y": 1 /* one\n  */\n}', '{\n  "y": 1, "x": true /* one\n  */\n}'],
  ['{"y": 1 /* one */ } /* that was it */', '{"y": 1,"x":true /* one */ } /* that was it */'],
  ['\uFEFF{\r\n\t"y": 1 // one\r\n}\r\n', '\uFEFF{\r\n\t"y": 1, // one\r\n\t"x": true\r\n}\r\n'],
  ['{\n  "y": 1 }', '{\n  "y": 1, "x": true }'],
  ['{ "y": 1, }', '{ "y": 1, "x": true }'],
])("setJsonPath() keeps the style when it sets a key of %j", (text, expected) => {
  const changed = setJsonPath(text, ["x"], true);
  expect(changed).toBe(expected);
  expect(parseJsonDocument(changed.replace("\uFEFF", "")).value).toMatchObject({ x: true });
});

test.each([
  [
    '{\n  "a": 1 // d\n}\n',
    '{\n  "a": 1, // d\n  "p": {\n    "r": {\n      "x": {\n        "k": 1\n      }\n    }\n  }\n}\n',
  ],
  [
    '{\n\t"p": {\n\t\t"r": {}\n\t}\n}',
    '{\n\t"p": {\n\t\t"r": {\n\t\t\t"x": {\n\t\t\t\t"k": 1\n\t\t\t}\n\t\t}\n\t}\n}',
  ],
  [
    '{\r\n  "p": {\r\n    "w": true // d\r\n  }\r\n}\r\n',
    '{\r\n  "p": {\r\n    "w": true, // d\r\n    "r": {\r\n      "x": {\r\n        "k": 1\r\n      }\r\n    }\r\n  }\r\n}\r\n',
  ],
  ['{"p":{"r":{}}}', '{"p":{"r":{"x":{"k":1}}}}'],
  ['{"p":{"r":{"a":1}},"z":0}', '{"p":{"r":{"a":1,"x":{"k":1}}},"z":0}'],
  ['{\n  "p": { "r": { "a": 1 } } // all\n}', '{\n  "p": { "r": { "a": 1, "x": { "k": 1 } } } // all\n}'],
  ['{\n  "p": { "r": { "x": 5 } }\n}', '{\n  "p": { "r": { "x": {\n    "k": 1\n  } } }\n}'],
])("setJsonPath() makes the objects around a key of %j", (text, expected) => {
  expect(setJsonPath(text, ["p", "r", "x"], { k: 1 })).toBe(expected);
  expect(parseJsonDocument(expected).value).toMatchObject({ p: { r: { x: { k: 1 } } } });
});

test.each([
  ['{\n  "a": 1, // first\n  "x": 2 // second\n}\n', '{\n  "a": 1 // first\n}\n'],
  ['{\n  "x": 2, // first\n  "a": 1 // second\n}\n', '{\n  "a": 1 // second\n}\n'],
  ['{\n  "a": 1,\n  "x": {\n    "b": 1\n  },\n}\n', '{\n  "a": 1,\n}\n'],
  ['{\r\n\t"a": 1,\r\n\t// about x\r\n\t"x": 1\r\n}', '{\r\n\t"a": 1\r\n\t// about x\r\n}'],
  ['{"a":1,"x":2}', '{"a":1}'],
  ['{ "a": 1, "x": 2 }', '{ "a": 1 }'],
  ['{ "x": 2, "a": 1 }', '{ "a": 1 }'],
  ['{"x":2}', "{}"],
  ['{\n  "x": 2\n}\n', "{}\n"],
  ['{\n  "x": 2 // alone\n}\n', "{\n}\n"],
  ['{\n  // first\n  "x": 2,\n}\n', "{\n  // first\n}\n"],
  ['{\n  "a": 1\n}\n', '{\n  "a": 1\n}\n'],
])("setJsonPath() removes a key of %j, and no comment about another", (text, expected) => {
  expect(setJsonPath(text, ["x"], undefined)).toBe(expected);
  expect(parseJsonDocument(expected).faults).toEqual([]);
});

test("setJsonPath() throws when something on the path is no object", () => {
  expect(() => setJsonPath('{ "a": 5 }', ["a", "b"], 1)).toThrow(TypeError);
  expect(() => setJsonPath("[]", ["a"], 1)).toThrow(TypeError);
});

test("setJsonPath() writes what parses to the expected value, whatever the layout", () => {
  const gaps = ["", " ", "\n", "\n  ", " // c\n", " /* c */ ", "\r\n\t"];
  let seed = 7;
  const pick = <T>(list: readonly T[]): T => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return list[seed % list.length] as T;
  };
  for (let round = 0; round < 3000; round += 1) {
    const gap = () => pick(gaps);
    const keys = ["a", "b", "c"].slice(0, pick([0, 1, 2, 3]));
    const parts = keys.map(
      (key) => `${gap()}"${key}"${gap()}:${gap()}${pick(["1", '"t // no"', "{}", "[1]"])}${gap()}`,
    );
    const comma = keys.length > 0 && pick([true, false]) ? `,${gap()}` : gap();
    const text = `${gap()}{${parts.join(",")}${comma}}${gap()}`;
    const before = parseJsonDocument(text).value as Record<string, unknown>;
    const key = pick(["a", "b", "c", "d"]);
    const set = parseJsonDocument(setJsonPath(text, [key], { v: [1] }));
    expect([text, set.faults, set.value]).toEqual([text, [], { ...before, [key]: { v: [1] } }]);
    const { [key]: _gone, ...left } = before;
    const removed = parseJsonDocument(setJsonPath(text, [key], undefined));
    expect([text, removed.faults, removed.value]).toEqual([text, [], left]);
    expect(countComments(setJsonPath(text, ["d"], 1))).toBe(countComments(text));
  }
});

function countComments(json: string): number {
  return json.split(/\/\/ c|\/\* c/).length;
}
