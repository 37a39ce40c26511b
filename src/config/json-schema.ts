import { rootNode, type SchemaNode } from "./schema-node.ts";

// Reads as text wherever another type is asked for: it becomes one when the variable is put in.
const PLACEHOLDER = { type: "string", pattern: "\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}", title: "${VARIABLE}" };

/**
 * The JSON Schema (draft-07, which every editor knows) of `config.json`, for completion and checks while
 * typing. As in the file itself, every key may be left out and a string may hold `${NAME}` in its place.
 */
export function toConfigJsonSchema(): Record<string, unknown> {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    ...toEditorNode(rootNode, []),
    title: "xcore configuration",
    allowComments: true, // both are extensions that VS Code reads
    allowTrailingCommas: true,
  };
}

function toEditorNode(node: SchemaNode, path: readonly string[]): Record<string, unknown> {
  if (!node.properties) return toLeaf(node, path.join("."));
  const properties = Object.entries(node.properties).map(([key, child]) => [
    key,
    toEditorNode(child, [...path, key]),
  ]);
  return {
    title: path.join("."),
    description: node.description,
    type: "object",
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  };
}

function toLeaf(node: SchemaNode, title: string): Record<string, unknown> {
  const { title: _words, description, default: value, ...type } = toKeywords(node);
  const about = {
    ...(title !== "" && { title }),
    description,
    ...(value !== undefined && { default: value }),
  };
  if (node.type === "object" || (node.type === "string" && node.pattern === undefined)) {
    return { ...about, ...type };
  }
  const { anyOf = [node.items ? { ...type, items: toLeaf(node.items, "") } : type] } = type;
  return { ...about, anyOf: [...(Array.isArray(anyOf) ? anyOf : [anyOf]), PLACEHOLDER] };
}

// What a value is comes first, then what is said of it. The format "url" is called "uri" in JSON Schema.
function toKeywords(node: SchemaNode): Record<string, unknown> {
  const text = JSON.stringify(node, (key, value: unknown) => {
    if (key === "format" && value === "url") return "uri";
    if (typeof value !== "object" || value === null || !("type" in value)) return value;
    const { type, items, patternProperties, properties } = value as SchemaNode;
    return Object.assign({ type, items, patternProperties, properties }, value);
  });
  const keywords: Record<string, unknown> = JSON.parse(text);
  return keywords;
}
