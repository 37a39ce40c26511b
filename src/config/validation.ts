import type { Static, TSchema } from "typebox";
import { Settings } from "typebox/system";
import { Check, Errors } from "typebox/schema";
import { describeExpectation, describeKeys } from "./expectation.ts";
import { type KeyPath, valueAt } from "./json/values.ts";
import { ConfigSchema } from "./schema.ts";
import { schemaAt } from "./schema-node.ts";

/** Values that follow the schema. */
export type ConfigValues = Static<typeof ConfigSchema>;

/** One place where values do not follow the schema. */
export interface Fault {
  readonly kind: "invalid_value" | "unknown_key" | "bad_name" | "missing_key" | "conflict";
  readonly path: KeyPath;
  /** What would be accepted there, in words. */
  readonly expected: string;
}

const MAX_FAULTS = 1000; // more than anyone reads

/** Tells whether values follow the schema. Much faster than looking for faults while the process is young. */
export function isConfigValues(values: unknown): values is ConfigValues {
  return Check(ConfigSchema, values);
}

/** Finds every place where `values` do not follow the schema, up to the first 1000. */
export function findFaults(values: unknown, schema: TSchema = ConfigSchema): Fault[] {
  const faults = new Map<string, Fault>();
  for (const fault of readErrors(values, schema)) faults.set(JSON.stringify(fault.path), fault);
  return [...faults.values()].slice(0, MAX_FAULTS);
}

/** Finds keys whose values are each fine but make no sense together. */
export function findConflicts({ server: { cors } }: ConfigValues): Fault[] {
  if (!cors.allow_credentials || !cors.allow_origins.includes("*")) return [];
  const expected = 'false, or the allowed origins by name: browsers refuse credentials with the origin "*"';
  return [{ kind: "conflict", path: ["server", "cors", "allow_credentials"], expected }];
}

function readErrors(values: unknown, schema: TSchema): Fault[] {
  return collectErrors(values, schema).flatMap(({ keyword, instancePath, schemaPath, params }): Fault[] => {
    // What failed inside a union or a name is told once, by the union or the name itself.
    if (/\/(?:anyOf|propertyNames)(?:\/|$)/.test(schemaPath)) return [];
    const path = toKeyPath(instancePath, values);
    const node = schemaAt(path, schema);
    if (!node) return []; // told as the unknown key that it is
    if (keyword === "additionalProperties") {
      return params.additionalProperties.map((key) => ({
        kind: "unknown_key",
        path: [...path, key],
        expected: describeKeys(node),
      }));
    }
    if (keyword === "propertyNames") {
      return params.propertyNames.map((key) => ({
        kind: "bad_name",
        path: [...path, key],
        expected: describeKeys(node),
      }));
    }
    if (keyword === "required") {
      return params.requiredProperties.flatMap((key): Fault[] => {
        const missing = schemaAt([...path, key], schema);
        // A key with a default is only missing where the section around it is no object, which is told.
        if (!missing || missing.default !== undefined || missing.properties) return [];
        return [{ kind: "missing_key", path: [...path, key], expected: describeExpectation(missing) }];
      });
    }
    return [{ kind: "invalid_value", path, expected: describeExpectation(node) }];
  });
}

// TypeBox stops after 8 errors unless its global settings say otherwise, so they do for this one call. Any
// limit may cut off the error of a union or a name as a whole, which alone is told.
function collectErrors(values: unknown, schema: TSchema) {
  const { maxErrors } = Settings.Get();
  Settings.Set({ maxErrors: Number.MAX_SAFE_INTEGER });
  try {
    return Errors(schema, values)[1];
  } finally {
    Settings.Set({ maxErrors });
  }
}

function toKeyPath(pointer: string, values: unknown): KeyPath {
  const path: (string | number)[] = [];
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(valueAt(values, path)) ? Number(key) : key);
  }
  return path;
}
