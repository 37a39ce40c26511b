import { isJsonObject, type KeyPath } from "../../config/json/values.ts";
import { closestWord } from "../../errors/suggestion.ts";
import type { JsonSchema } from "../../errors/plain-schema.ts";

/** A key that a schema doesn't know. */
export interface UnknownKey {
  readonly path: KeyPath;
  /** The key beside it that was probably meant. */
  readonly meant: string | undefined;
}

/**
 * Finds the keys of a value that its schema doesn't name. JSON Schema lets any key through that it doesn't know, and a
 * mistyped key would do nothing: here only `additionalProperties` does.
 */
export function findUnknownKeys(schema: JsonSchema, value: unknown, path: KeyPath = []): UnknownKey[] {
  const { anyOf, allOf } = schema as JsonSchema & { readonly allOf?: readonly JsonSchema[] };
  if (anyOf !== undefined) {
    const found = anyOf.map((branch) => findUnknownKeys(branch, value, path));
    return found.toSorted((a, b) => a.length - b.length)[0] ?? [];
  }
  if (allOf !== undefined) {
    // A key that one of them knows is known.
    const found = allOf.map((part) => findUnknownKeys(part, value, path));
    return (found[0] ?? []).filter(({ path: one }) =>
      found.every((others) => others.some((other) => Bun.deepEquals(other.path, one))),
    );
  }
  if (Array.isArray(value)) {
    const { items } = schema as { readonly items?: JsonSchema | readonly JsonSchema[] };
    return value.flatMap((item, index) => {
      const child = Array.isArray(items) ? (items as JsonSchema[])[index] : (items as JsonSchema | undefined);
      return child === undefined ? [] : findUnknownKeys(child, item, [...path, index]);
    });
  }
  if (schema["type"] !== "object" || !isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const child = childOf(schema, key);
    if (child !== null) return findUnknownKeys(child, member, [...path, key]);
    return [{ path: [...path, key], meant: closestWord(key, Object.keys(schema.properties ?? {})) }];
  });
}

/** Returns null for a key that isn't known. */
function childOf(schema: JsonSchema, key: string): JsonSchema | null {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key))
    return schema.properties[key] ?? null;
  const patterns = (schema["patternProperties"] ?? {}) as Readonly<Record<string, JsonSchema>>;
  const [, matching] = Object.entries(patterns).find(([pattern]) => new RegExp(pattern).test(key)) ?? [];
  if (matching !== undefined) return matching;
  const rest: unknown = schema["additionalProperties"];
  if (typeof rest === "object" && rest !== null) return rest as JsonSchema;
  return rest === true ? ({} as JsonSchema) : null;
}
