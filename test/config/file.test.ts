import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { ConfigFolder, load, problemsOf } from "./config-folder.ts";

test("loadConfig() accepts comments and trailing commas", () => {
  expect(load('{ // one\n /* two */ "app": { "name": "a", }, }').config.app.name).toBe("a");
});

test("loadConfig() accepts a byte order mark and Windows line ends, and counts lines right", () => {
  expect(load('\uFEFF{ "app": { "name": "a" } }').config.app.name).toBe("a");
  const [problem] = problemsOf('\uFEFF{\r\n  "server": {\r\n    "port": "x"\r\n  }\r\n}');
  expect(problem?.source).toBe("config.json:3:13");
});

test("loadConfig() reports every syntax error with its line and column", () => {
  const problems = problemsOf(
    '{\n  "app": { "name" "a" },\n  "server": { "port": 1 "host": "x" },\n  port: 1\n}',
  );
  expect(problems.map(({ where, message }) => `${where}: ${message}`)).toEqual([
    'line 2, column 19: expected ":", found text',
    'line 3, column 25: expected ",", found text',
    "line 4, column 3: expected a value (text goes between double quotes), found a word",
    'line 4, column 7: expected a key between double quotes, found ":"',
    'line 5, column 1: expected a value, found "}"',
  ]);
  expect(problems[0]).toMatchObject({ path: "", source: "config.json:2:19", expected: '":"' });
});

test("loadConfig() never shows the text at a syntax error, which may be a secret", () => {
  using folder = new ConfigFolder({ "config.json": '{ "password": hunter2, \'hunter2\': "hunter2 }' });
  const { message, problems } = folder.fail();
  expect(message + JSON.stringify(problems)).not.toContain("hunter2");
});

test("loadConfig() says how to write a backslash when a Windows path has single ones", () => {
  const [problem] = problemsOf('{ "logging": { "directory": "C:\\logs" } }');
  expect(problem?.message).toContain("a backslash itself is written \\\\");
});

test.each([
  ["", "nothing"],
  ["  \n", "nothing"],
  ["// only a comment", "nothing"],
  ["[]", "an array"],
  ["null", "null"],
  ['"text"', "a string"],
  ["12", "a number"],
  ["true", "a boolean"],
])("loadConfig() asks for an object when the file holds %p", (content, found) => {
  expect(problemsOf(content)).toEqual([
    {
      path: "",
      source: "config.json",
      where: "config.json",
      expected: "an object",
      found,
      message: `expected an object, found ${found}; the smallest configuration is {}`,
    },
  ]);
});

test("loadConfig() reports a duplicate key with the line of the first", () => {
  const problems = problemsOf('{\n  "app": { "name": "a" },\n  "app": { "name": "b" }\n}');
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatchObject({
    path: "app",
    source: "config.json:3:3",
    message: "duplicate key, first on line 2",
  });
});

test.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"])(
  "loadConfig() refuses %p as an unknown key at every level and pollutes nothing",
  (key) => {
    const inner = `{ "${key}": { "polluted": true } }`;
    const problems = problemsOf(
      `{ "${key}": { "polluted": true }, "server": { "cors": ${inner} }, "app": ${inner} }`,
    );
    expect(problems.map(({ path }) => path)).toEqual([key, `server.cors.${key}`, `app.${key}`]);
    expect(problems.every(({ message }) => message.startsWith("unknown key"))).toBe(true);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  },
);

test("loadConfig() refuses __proto__ and takes constructor as a name when they are in a plugin's settings", () => {
  const problems = problemsOf(
    '{ "plugins": { "settings": { "blog": { "a": [{ "__proto__": { "x": 1 } }] } } } }',
  );
  expect(problems.map(({ path }) => path)).toEqual(["plugins.settings.blog.a[0].__proto__"]);
  const settings = { constructor: { toString: 1 } };
  expect(load(JSON.stringify({ plugins: { settings } })).config.plugins.settings).toEqual(settings);
});

test.each([
  ["arrays", "[", "]"],
  ["objects", '{"a":', "}"],
])("loadConfig() reports nesting that is too deep when there are 100,000 levels of %s", (_, open, close) => {
  const value = `${open.repeat(100_000)}1${close.repeat(100_000)}`;
  const problems = problemsOf(`{ "plugins": { "settings": { "blog": { "deep": ${value} } } } }`);
  expect(problems.map(({ message }) => message)).toEqual([
    "nested too deep, expected at most 100 levels of nesting",
  ]);
  expect(problemsOf(open.repeat(100_000))).toHaveLength(1);
});

test("loadConfig() accepts nesting that a person may write", () => {
  const value = `${"[".repeat(90)}${"]".repeat(90)}`;
  expect(load(`{ "plugins": { "settings": { "blog": { "deep": ${value} } } } }`).exists).toBe(true);
});

test("loadConfig() refuses a directory in the place of the file", () => {
  using folder = new ConfigFolder();
  mkdirSync(join(folder.path, "config.json"));
  expect(folder.fail().message).toBe(
    "Cannot use config.json: 1 problem\n  config.json: expected a file that can be read, found a directory",
  );
  expect(folder.fail({ file: "" }).problems).toHaveLength(1);
});

test("loadConfig() refuses a file that cannot be read", () => {
  using folder = new ConfigFolder();
  symlinkSync("config.json", join(folder.path, "config.json"));
  expect(folder.fail().message).toContain("expected a file that can be read, found ELOOP");
});

test("loadConfig() refuses a file that the user may not read", () => {
  using folder = new ConfigFolder({ "config.json": "{}" });
  chmodSync(join(folder.path, "config.json"), 0);
  chmodSync(folder.path, 0o755);
  const message = asPlainUser(() => folder.fail().message);
  expect(message).toContain("found a file that this user may not read");
});

/** Root may read everything, so it acts as nobody meanwhile. */
function asPlainUser<T>(act: () => T): T {
  if (process.geteuid?.() !== 0) return act();
  process.seteuid?.(65_534);
  try {
    return act();
  } finally {
    process.seteuid?.(0);
  }
}

test.each([
  ["invalid UTF-8", Buffer.from('{ "app": { "name": "\xE9t\xE9" } }', "latin1"), "bytes that are not UTF-8"],
  ["UTF-16", Buffer.from("\uFEFF{}", "utf16le"), "a file in UTF-16"],
])("loadConfig() asks for UTF-8 when the file is %s", (_, bytes, found) => {
  using folder = new ConfigFolder({ "config.json": bytes });
  expect(folder.fail().message).toContain(`expected a file in UTF-8, found ${found}: save it as UTF-8`);
});

test("loadConfig() reports the problems of every source at once", () => {
  using folder = new ConfigFolder({
    "config.json": '{ "server": { "port": "80a" } }',
    ".env": "not a definition\nXCORE_APP__DEBUG=maybe",
  });
  const { problems } = folder.fail({
    env: { XCORE_SERVER__PORT: "99999", XCORE_NOPE: "1" },
    flags: { logging: { backup_count: -1 } },
  });
  expect(problems.map(({ path, source }) => [path, source])).toEqual([
    ["server.port", "config.json:1:23"],
    ["", ".env:1"],
    ["nope", "environment"],
    ["app.debug", ".env"],
    ["server.port", "environment"],
    ["logging.backup_count", "flag"],
  ]);
});

test("loadConfig() reports a section of the wrong type once when a variable sets a key in it", () => {
  const problems = problemsOf({ server: 5 }, { env: { XCORE_SERVER__PORT: "1" } });
  expect(problems.map(({ path, message }) => [path, message])).toEqual([
    ["server", "expected an object, found 5"],
  ]);
});
