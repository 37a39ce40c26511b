import { expect, test } from "bun:test";
import { ConfigSchema } from "../../src/config/schema.ts";
import { ManifestSchema } from "../../src/plugins/source/manifest.ts";

/** What `findFaults` reads of a schema, and what is only said of a value. */
const KEYWORDS = new Set(
  (
    "type const anyOf items minItems maxItems minimum maximum minLength maxLength pattern format required " +
    "properties patternProperties propertyNames additionalProperties title description default"
  ).split(" "),
);

test.each([
  ["ConfigSchema", ConfigSchema],
  ["ManifestSchema", ManifestSchema],
])("%s says nothing that findFaults() doesn't check", (_, schema) => {
  const unknown = new Set<string>();
  const visit = (node: Readonly<Record<string, unknown>>): void => {
    for (const key of Object.keys(node)) if (!KEYWORDS.has(key)) unknown.add(key);
    const { anyOf = [], items = [], propertyNames = [], properties = {}, patternProperties = {} } = node;
    const inner = [anyOf, items, propertyNames, Object.values(properties as object)];
    for (const child of [...inner, Object.values(patternProperties as object)].flat())
      visit(child as object as never);
  };
  visit(schema);
  expect([...unknown]).toEqual([]);
});
