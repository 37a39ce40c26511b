import { expect, test } from "bun:test";
import { toConfigKeyTable } from "./key-table.ts";
import { configKeys } from "../../src/config/schema-node.ts";

const page = new URL("../../docs/configuration.md", import.meta.url);

// UPDATE_DOCS=1 bun test test/config/key-table.test.ts writes the table into the page.
test("docs/configuration.md holds the table that toConfigKeyTable() makes from the schema", async () => {
  const text = (await Bun.file(page).text()).replaceAll("\r\n", "\n");
  const written = text.replace(
    /\| key \| value \| default \|(?:.*\n)(?:\|.*\n)+/,
    () => `${toConfigKeyTable()}\n`,
  );
  if (process.env["UPDATE_DOCS"] === "1") await Bun.write(page, written);
  else expect(text).toBe(written);
  expect(written).toContain(`\n${toConfigKeyTable()}\n`);
});

test("toConfigKeyTable() has one row for each key, with its default and description", () => {
  const rows = toConfigKeyTable().split("\n").slice(2);
  expect(rows).toHaveLength(configKeys().length);
  configKeys().forEach(({ path, node }, index) => {
    expect(rows[index]).toStartWith(`| \`${path.join(".")}\` |`);
    expect(rows[index]).toContain(node.description ?? "no description");
    if (node.default !== undefined) expect(rows[index]).toContain(`\`${JSON.stringify(node.default)}\``);
  });
});
