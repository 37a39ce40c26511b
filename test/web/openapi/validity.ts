import { validate } from "@hyperjump/json-schema/openapi-3-1";

// oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
type Any = any;

/** OpenAPI 3.1 itself, with the JSON Schema 2020-12 inside of it. */
const DIALECT = "https://spec.openapis.org/oas/3.1/schema-base";
const METHODS = ["get", "post", "put", "delete", "patch", "head", "options", "trace"];

/**
 * Lists what is wrong with an OpenAPI 3.1 document: what the schema of OpenAPI says, and the rules that it can't say
 * (references, patterns, ids, parameters of paths, security).
 */
export async function findFaults(document: Any): Promise<string[]> {
  const result = (await validate(DIALECT))(document, "BASIC");
  const broken = result.valid
    ? []
    : (result.errors ?? []).map(
        (error) => `${error.instanceLocation} breaks ${error.absoluteKeywordLocation}`,
      );
  return [...broken, ...findInSchemas(document), ...findInOperations(document)];
}

/** Every object of a document with its place, data left out. */
function* walk(value: Any, path = "#"): Generator<[path: string, value: Any]> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield [path, value];
  for (const [key, item] of Object.entries(value)) {
    const isData = ["default", "example", "examples", "enum", "const"].includes(key);
    if (!isData || /\/(properties|parameters)$/.test(path)) yield* walk(item, `${path}/${key}`);
  }
}

function findInSchemas(document: Any): string[] {
  return [...walk(document)].flatMap(([path, value]) => {
    if (path.endsWith("/properties")) return [];
    const patterns = [value.pattern, ...Object.keys(value.patternProperties ?? {})];
    const wrong = patterns.filter((pattern) => typeof pattern === "string" && !isPattern(pattern));
    const isLost = typeof value.$ref === "string" && resolve(document, value.$ref) === undefined;
    return [
      ...wrong.map((pattern) => `${path} has the pattern ${pattern}`),
      ...(isLost ? [`${path} refers to ${value.$ref}`] : []),
    ];
  });
}

function isPattern(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u") instanceof RegExp;
  } catch {
    return false;
  }
}

function resolve(document: Any, reference: string): unknown {
  const names = reference.replace(/^#\//, "").split("/");
  return names.reduce((value, name) => value?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], document);
}

function findInOperations(document: Any): string[] {
  const faults: string[] = [];
  const seen = { ids: new Set<string>(), paths: new Set<string>() };
  const tags = (document.tags ?? []).map(({ name }: Any) => name);
  const schemes = Object.keys(document.components?.securitySchemes ?? {});
  for (const [path, item] of Object.entries<Any>(document.paths ?? {})) {
    const blank = path.replaceAll(/\{[^}]*\}/g, "{}");
    if (seen.paths.has(blank)) faults.push(`${path} is there twice, but for the names of its parameters`);
    seen.paths.add(blank);
    for (const method of METHODS.filter((one) => item?.[one] !== undefined)) {
      const { operationId, parameters = [], security = [], tags: own = [] } = item[method];
      const at = `${method} ${path}`;
      if (seen.ids.has(operationId)) faults.push(`${at} has the id of another: ${operationId}`);
      seen.ids.add(operationId);
      const named = [...path.matchAll(/\{([^}]*)\}/g)].map(([, name = ""]) => name);
      const given = parameters.filter((one: Any) => one.in === "path").map((one: Any) => one.name);
      if (named.toSorted().join("/") !== given.toSorted().join("/"))
        faults.push(`${at} has parameters ${given}`);
      const keys = parameters.map((one: Any) => `${one.in} ${String(one.name).toLowerCase()}`);
      if (new Set(keys).size !== keys.length) faults.push(`${at} has a parameter twice`);
      for (const name of security.flatMap(Object.keys)) {
        if (!schemes.includes(name)) faults.push(`${at} is locked by ${name}`);
      }
      for (const tag of own) if (!tags.includes(tag)) faults.push(`${at} has the tag ${tag}`);
    }
  }
  return faults;
}
