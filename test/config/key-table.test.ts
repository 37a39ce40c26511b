import { expect, test } from "bun:test";
import { toConfigKeyTable } from "../../build-docs.ts";
import { configKeys } from "../../src/config/schema-node.ts";

test("toConfigKeyTable() has one row for each key, with its default and description", () => {
  const rows = toConfigKeyTable().split("\n").slice(2);
  expect(rows).toHaveLength(configKeys().length);
  configKeys().forEach(({ path, node }, index) => {
    expect(rows[index]).toStartWith(`| \`${path.join(".")}\` |`);
    expect(rows[index]).toContain(node.description ?? "no description");
    if (node.default !== undefined) expect(rows[index]).toContain(`\`${JSON.stringify(node.default)}\``);
  });
});
