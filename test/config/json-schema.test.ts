import { expect, test } from "bun:test";
import { Check } from "typebox/schema";
import { toConfigJsonSchema } from "../../src/config/json-schema.ts";
import { ConfigSchema } from "../../src/config/schema.ts";
import { configKeys } from "../../src/config/schema-node.ts";
import { defaultConfig } from "./config-folder.ts";

test("ConfigSchema describes every key, gives it a default and closes every section", () => {
  const keys = configKeys().filter(({ path }) => path[0] !== "$schema");
  for (const { path, node } of keys) {
    expect([path, node.description]).toEqual([path, expect.stringMatching(/^[A-Z].*[^.]$/)]);
    expect([path, node.default]).not.toEqual([path, undefined]);
  }
  expect(keys.length).toBeGreaterThan(15);
  expect(Check(ConfigSchema, defaultConfig())).toBe(true);
});

test("toConfigJsonSchema() gives every key its path, description and default", () => {
  const schema = toConfigJsonSchema();
  expect(schema["$schema"]).toBe("http://json-schema.org/draft-07/schema#");
  const text = JSON.stringify(schema);
  for (const { path, node } of configKeys()) {
    expect(text).toContain(
      JSON.stringify({ title: path.join("."), description: node.description }).slice(1, -1),
    );
    if (node.default !== undefined) expect(text).toContain(`"default":${JSON.stringify(node.default)}`);
  }
});

test.each([
  {},
  { $schema: "./xcore.schema.json", server: { port: 1 } },
  { server: { port: "${PORT}", public_url: "https://${HOST}", cors: { allow_origins: ["${ORIGIN}"] } } },
  { server: { cors: { allow_origins: "${ORIGINS}" } }, logging: { level: "${LEVEL}" } },
  { plugins: { settings: { blog: { anything: [{ at: "all" }] } } } },
])("toConfigJsonSchema() accepts %j", (config) => {
  expect(Check(toConfigJsonSchema(), config)).toBe(true);
});

test.each([
  { prot: 1 },
  { server: { prot: 1 } },
  { server: { port: "80a" } },
  { server: { public_url: "x" } },
  { logging: { level: "warning" } },
  { server: { cors: { allow_origins: ["https://a.example/"] } } },
  { server: { cors: { allow_origins: ["null"] } } },
  { plugins: { settings: { "My-Blog": {} } } },
])("toConfigJsonSchema() refuses %j", (config) => {
  expect(Check(toConfigJsonSchema(), config)).toBe(false);
});
