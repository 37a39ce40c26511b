import { quote } from "./json/values.ts";
import type { SchemaNode } from "./schema-node.ts";

/** Says which values a node accepts, in words that follow "expected": `an integer between 0 and 65535`. */
export function describeExpectation(node: SchemaNode): string {
  if (node.title !== undefined) return node.title;
  if (node.anyOf) return describeUnion(node.anyOf);
  if (node.const !== undefined) return quote(node.const);
  switch (node.type) {
    case "boolean":
      return "true or false";
    case "null":
      return "null";
    case "integer":
      return `an integer${describeRange(node)}`;
    case "number":
      return `a number${describeRange(node)}`;
    case "string":
      return node.minLength === undefined ? "a string" : "a string that is not empty";
    case "array":
      return node.items?.type === "string" ? "an array of strings" : "an array";
    case "object":
      return "an object";
    default:
      return "any JSON value";
  }
}

/** Says which keys an object accepts, in words that follow "expected". */
export function describeKeys(node: SchemaNode): string {
  if (node.propertyNames) return describeExpectation(node.propertyNames);
  const names = Object.keys(node.properties ?? {}).filter((name) => !name.startsWith("$"));
  return `one of ${names.map((name) => `"${name}"`).join(", ")}`;
}

function describeUnion(members: readonly SchemaNode[]): string {
  if (members.every((member) => member.const !== undefined)) {
    return `one of ${members.map((member) => quote(member.const)).join(", ")}`;
  }
  return members.map(describeExpectation).join(", or ");
}

function describeRange({ minimum, maximum }: SchemaNode): string {
  const hasMaximum = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (minimum !== undefined && hasMaximum) return ` between ${minimum} and ${maximum}`;
  if (minimum !== undefined) return ` of at least ${minimum}`;
  return hasMaximum ? ` of at most ${maximum}` : "";
}
