import { isTypeBoxSchema, type JsonSchema, partsOf } from "../../errors/plain-schema.ts";

type Schemas = Readonly<Record<string, JsonSchema>>;

/**
 * Returns a copy of a schema that Elysia may change. In one that contains itself, what is quickly checked comes first: of
 * two branches which differ by `type: t.Literal(…)`, both would be followed to the bottom at each level, which takes
 * twice as long with every level.
 */
export function toCheckedSchema<Schema extends object>(schema: Schema): Schema {
  return isTypeBoxSchema(schema) && isRecursive(schema) ? (inOrder(schema) as Schema) : { ...schema };
}

function isRecursive(schema: JsonSchema): boolean {
  return schema["$ref"] !== undefined || partsOf(schema).some(isRecursive);
}

function inOrder(schema: JsonSchema): JsonSchema {
  const copy: Record<string | symbol, unknown> = { ...schema };
  for (const key of ["items", "anyOf", "allOf", "additionalProperties"]) {
    const part = copy[key];
    if (isTypeBoxSchema(part)) copy[key] = inOrder(part);
    else if (Array.isArray(part)) copy[key] = (part as JsonSchema[]).map(inOrder);
  }
  for (const key of ["patternProperties", "$defs", "properties"]) {
    const parts = copy[key] as Schemas | undefined;
    if (parts !== undefined) copy[key] = entriesInOrder(parts);
  }
  return copy as unknown as JsonSchema;
}

function entriesInOrder(parts: Schemas): Schemas {
  const entries = Object.entries(parts).map(([name, part]) => [name, inOrder(part)] as const);
  return Object.fromEntries(
    entries.toSorted(([, a], [, b]) => Number(isRecursive(a)) - Number(isRecursive(b))),
  );
}
