import { coerceText } from "./coercion.ts";
import type { KeyPath } from "./json/values.ts";
import { childNode, isAnything, rootNode, type SchemaNode } from "./schema-node.ts";
import { isSecretName } from "../log/secret-names.ts";
import type { Variables } from "./variables.ts";

/** A placeholder that cannot be replaced. */
export interface PlaceholderFault {
  readonly path: KeyPath;
  readonly expected: string;
  readonly found: string;
  readonly message: string;
}

/** Values with their placeholders replaced. */
export interface FilledValues {
  readonly value: unknown;
  readonly faults: readonly PlaceholderFault[];
  /** Where a variable with the name of a secret was put in. */
  readonly secretPaths: readonly KeyPath[];
}

const PLACEHOLDER = /\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{/g;

/**
 * Replaces `${NAME}` in every string by the variable of that name; `$${` stands for a literal `${`. A string
 * that is nothing but one placeholder takes the type of its key, so `"${PORT}"` can be a number.
 */
export function fillPlaceholders(values: unknown, variables: Variables): FilledValues {
  const faults: PlaceholderFault[] = [];
  const secretPaths: KeyPath[] = [];

  function fill(value: unknown, path: KeyPath, node: SchemaNode | undefined): unknown {
    if (typeof value === "string") return fillText(value, path, node);
    if (Array.isArray(value)) {
      return value.map((item, index) => fill(item, [...path, index], node && childNode(node, index)));
    }
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [
        key,
        fill(member, [...path, key], node && childNode(node, key)),
      ]),
    );
  }

  function fillText(text: string, path: KeyPath, node: SchemaNode | undefined): unknown {
    if (!text.includes("${")) return text;
    const filled = text.replaceAll(PLACEHOLDER, (match: string, escape?: string, name?: string) => {
      if (escape !== undefined) return escape;
      if (name === undefined) {
        const expected = "${NAME}, or $${ for a literal ${";
        faults.push({ path, expected, found: match, message: `expected ${expected}` });
        return match;
      }
      if (isSecretName(name)) secretPaths.push(path);
      const variable = variables.get(name);
      if (variable) return variable.value;
      const message = `environment variable "${name}" is not set`;
      faults.push({ path, expected: `environment variable "${name}"`, found: "nothing", message });
      return match;
    });
    const isWhole = /^\$\{\w+\}$/.test(text);
    return isWhole && node && !isAnything(node) ? coerceText(filled, node) : filled;
  }

  return { value: fill(values, [], rootNode), faults, secretPaths };
}
