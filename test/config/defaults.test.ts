import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { parse } from "jsonc-parser";
import { valueAt } from "../../src/config/json/values.ts";
import { configKeys } from "../../src/config/schema-node.ts";
import { defaultConfig, load } from "./config-folder.ts";

const project = new URL("../../", import.meta.url);
const text = readFileSync(new URL("config.json", project), "utf8").replaceAll("\r\n", "\n");
const lines = text.trimEnd().split("\n");
const written: unknown = parse(text);
const defaults = configKeys().filter(
  ({ path }) => path[0] !== "$schema" && valueAt(written, path) !== undefined,
);

test("config.json of the repository can be loaded and changes no default", () => {
  const { config, exists } = load(text);
  expect(exists).toBe(true);
  expect(config).toEqual(defaultConfig());
});

test("every key of config.json of the repository has its default, below what the schema says of it", () => {
  const told = defaults.map(({ path, node }) => {
    expect(valueAt(written, path)).toEqual(node.default);
    return `// ${node.description}\n"${path.at(-1)}": ${JSON.stringify(node.default)}`;
  });
  const found = lines.flatMap((line, index) => {
    const key = line.trim().replace(/,$/, "");
    if (!key.startsWith('"') || key.endsWith("{") || key.startsWith('"$schema"')) return [];
    return [`${lines[index - 1]?.trim()}\n${key}`];
  });
  expect(found).toEqual(told);
});

test("what else config.json of the repository says is true", () => {
  const [first = "", , about = "", schema = ""] = lines;
  expect(first).toEndWith("docs/configuration.md");
  expect(existsSync(new URL("docs/configuration.md", project))).toBe(true);
  expect(about).toEndWith("bun src/index.ts config schema > xcore.schema.json");
  expect(existsSync(new URL("src/index.ts", project))).toBe(true);
  expect(schema.trim()).toBe('"$schema": "./xcore.schema.json",');
  expect(lines.filter((line) => line.trim().startsWith("//"))).toHaveLength(2 + defaults.length);
});
