import { expect, test } from "bun:test";
import { Check } from "typebox/schema";
import { loadConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/problems.ts";
import { ConfigSchema } from "../../src/config/schema.ts";
import { ConfigFolder } from "./config-folder.ts";

const VALID = `{
  // a comment
  "$schema": "x", "app": { "name": "\${NAME}", "debug": true },
  "server": { "host": "::1", "port": "\${PORT}", "public_url": null, "body_limit": "1mb",
    "cors": { "allow_origins": ["https://a.example"], "allow_methods": ["GET"] } },
  "plugins": { "settings": { "blog": { "deep": [{ "a": [1, -2.5e3, "\\u00e9", null] }] } } },
  "logging": { "level": "warn", "max_bytes": 4096, },
}`;
const TOKENS = [
  '"',
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "\\",
  "\0",
  "${",
  "$${",
  "//",
  "/*",
  "1e999",
  "null",
  '"__proto__":',
  "\uFEFF",
  "\uD800",
  "é",
  "-",
  '"port":',
];
const VALUES = [
  "",
  "null",
  "[",
  "{}",
  "-1",
  "1e999",
  "\0",
  '{"__proto__":{"a":1}}',
  '{"cors":[]}',
  "a,b",
  "true",
  "${X}",
];
const NAMES = [
  "APP",
  "APP__NAME",
  "SERVER",
  "SERVER__PORT",
  "SERVER__CORS",
  "SERVER__CORS__ALLOW_ORIGINS",
  "PLUGINS__SETTINGS",
  "PLUGINS__SETTINGS__BLOG",
  "PLUGINS__SETTINGS__BLOG__X",
  "NOPE",
  "__PROTO____A",
  "LOGGING__LEVEL",
];

/** Park and Miller's generator: the same numbers in every run. */
function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
}

function mutate(text: string, random: (limit: number) => number): string {
  let result = text;
  for (let count = random(4); count >= 0; count -= 1) {
    const at = random(result.length + 1);
    const cut = random(3) === 0 ? random(30) : 0;
    result =
      result.slice(0, at) + (random(3) === 0 ? "" : TOKENS[random(TOKENS.length)]) + result.slice(at + cut);
  }
  return result;
}

test("loadConfig() gives a valid configuration or throws a ConfigError when the input is random", () => {
  const random = createRandom(20_260_101);
  using folder = new ConfigFolder();
  const outcomes = { loaded: 0, refused: 0 };
  for (let round = 0; round < 1500; round += 1) {
    folder.write("config.json", round % 5 === 0 ? VALID : mutate(VALID, random));
    folder.write(".env", round % 3 === 0 ? mutate("NAME='a b'\nexport X=\"1\n2\"\n# c\n", random) : "NAME=a");
    const env: Record<string, string> = { PORT: "80" };
    for (let count = random(3); count > 0; count -= 1) {
      env[`XCORE_${NAMES[random(NAMES.length)]}`] = VALUES[random(VALUES.length)] ?? "";
    }
    try {
      const { config } = loadConfig({ cwd: folder.path, env });
      expect(Check(ConfigSchema, config)).toBe(true);
      outcomes.loaded += 1;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      expect(error.problems.length).toBeGreaterThan(0);
      for (const { expected, found, source, where, message } of error.problems) {
        expect([expected, found, source, where, message]).not.toContain("");
      }
      outcomes.refused += 1;
    }
  }
  expect(Object.hasOwn(Object.prototype, "a")).toBe(false);
  expect(outcomes.loaded).toBeGreaterThan(100);
  expect(outcomes.refused).toBeGreaterThan(100);
});
