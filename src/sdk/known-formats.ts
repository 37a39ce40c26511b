import { FormatRegistry, Kind } from "@sinclair/typebox";
import type { AnyElysia } from "elysia";
import { closestWord } from "../errors/suggestion.ts";
import { isTypeBoxSchema, type JsonSchema, partsOf } from "../errors/plain-schema.ts";

const PARTS = ["body", "query", "params", "headers", "cookie"] as const;

/**
 * Refuses a router with a schema of a format that nobody has registered: it would refuse every text that is sent.
 *
 * @throws TypeError that names the route, the format, and the one that was probably meant
 */
export function assertKnownFormats(router: AnyElysia): void {
  const known = new WeakSet<JsonSchema>();
  for (const { method, path, hooks } of router.routes) {
    for (const part of PARTS) {
      const schema: unknown = (hooks as Readonly<Record<string, unknown>> | undefined)?.[part];
      const format = isTypeBoxSchema(schema) ? readUnknown(schema, known) : null;
      if (format === null) continue;
      const meant = closestWord(format, [...FormatRegistry.Entries().keys()]);
      const advice =
        meant === undefined
          ? "register it with FormatRegistry.Set() above the routes"
          : `did you mean "${meant}"?`;
      throw new TypeError(
        `Cannot check the ${part} of ${method} "${path}": there is no format "${format}"; ${advice}`,
      );
    }
  }
}

/** Null also for a schema that can't be read: its route is told of it with its first request. */
function readUnknown(schema: JsonSchema, known: WeakSet<JsonSchema>): string | null {
  try {
    return findUnknown(schema, known);
  } catch {
    return null;
  }
}

/** Finds a format that isn't registered; null where all of a schema's are. */
function findUnknown(schema: JsonSchema, known: WeakSet<JsonSchema>): string | null {
  if (known.has(schema)) return null;
  known.add(schema);
  const format: unknown = schema["format"];
  if (schema[Kind] === "String" && typeof format === "string" && !FormatRegistry.Has(format)) return format;
  for (const part of partsOf(schema)) {
    const found = findUnknown(part, known);
    if (found !== null) return found;
  }
  return null;
}
