import { toOpenAPISchema } from "@elysiajs/openapi/openapi";
import type { AnyElysia } from "elysia";
import { SchemaRewriter } from "./openapi-schemas.ts";
import { withDeclaredParsers } from "./routes.ts";

/** An app whose routes are documented; `name` sets its models apart from those of the other apps. */
export interface DocumentedApp {
  readonly name: string;
  readonly app: AnyElysia;
}

export interface OpenApiInfo {
  readonly title: string;
  readonly version: string;
  /** Public address of the server, null to leave it to the reader. */
  readonly url: string | null;
}

export type Json = Record<string, unknown>;
type Paths = Record<string, Record<string, Json>>;

interface Fragment {
  readonly paths: Paths;
  readonly schemas: Json;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema?: unknown;
}

const HIDDEN_METHODS = ["options", "ws", "head", "trace"];
const WILDCARD = "path"; // OpenAPI has no "*"

const PROBLEM_SCHEMA: Json = {
  type: "object",
  description: "Problem details (RFC 9457)",
  required: ["type", "title", "status", "detail", "instance", "code", "request_id"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    instance: { type: "string" },
    code: { type: "string" },
    request_id: { type: "string" },
    errors: {
      type: "array",
      items: {
        type: "object",
        required: ["path", "code", "message"],
        properties: { path: { type: "string" }, code: { type: "string" }, message: { type: "string" } },
      },
    },
  },
};

const DEFAULT_RESPONSE: Json = {
  description: "Problem details (RFC 9457)",
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
};

/** How guarded routes are asked; the names are those that guards give in `security`. */
const SECURITY_SCHEMES: Json = {
  bearer: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "Access token of POST /auth/login",
  },
  api_key: { type: "apiKey", in: "header", name: "X-API-Key", description: "API key of POST /auth/api_keys" },
};

const fragments = new WeakMap<AnyElysia, Fragment>();

/** Builds the OpenAPI 3.1 document of all apps; each app is described once, however often this is called. */
export function createOpenApiDocument(apps: Iterable<DocumentedApp>, info: OpenApiInfo): Json {
  const paths: Paths = {};
  const schemas: Json = { Problem: PROBLEM_SCHEMA };
  const ids = new Set<string>();
  for (const documented of apps) {
    const fragment = describe(documented);
    Object.assign(schemas, fragment.schemas);
    for (const [path, operations] of Object.entries(fragment.paths)) {
      paths[path] ??= {};
      for (const [method, operation] of Object.entries(operations)) {
        const operationId = toUniqueId(String(operation["operationId"]), documented.name, ids);
        paths[path][method] = { ...operation, operationId };
      }
    }
  }
  return {
    openapi: "3.1.2",
    info: { title: info.title, version: info.version },
    ...(info.url === null ? {} : { servers: [{ url: info.url }] }),
    paths,
    components: { schemas, securitySchemes: SECURITY_SCHEMES },
  };
}

function describe({ name, app }: DocumentedApp): Fragment {
  const known = fragments.get(app);
  if (known !== undefined) return known;
  const described = toOpenAPISchema(withDeclaredParsers(app), { methods: HIDDEN_METHODS, staticFile: false });
  // TypeBox's symbols don't outlive JSON.
  const { paths: describedPaths, components } = JSON.parse(JSON.stringify(described)) as {
    paths: Paths;
    components: { schemas: Record<string, Json> };
  };
  const rewriter = new SchemaRewriter(name);
  for (const [model, schema] of Object.entries(components.schemas)) rewriter.addModel(model, schema);
  const paths: Paths = {};
  for (const [path, operations] of Object.entries(describedPaths)) {
    const documentedPath = path.replace("*", `{${WILDCARD}}`);
    for (const [method, operation] of Object.entries(operations)) {
      // A route for all methods is described for each of them.
      if (HIDDEN_METHODS.includes(method)) continue;
      paths[documentedPath] ??= {};
      paths[documentedPath][method] = toOperation(operation, { method, path: documentedPath, rewriter });
    }
  }
  const fragment = { paths, schemas: rewriter.models };
  fragments.set(app, fragment);
  return fragment;
}

function toOperation(
  described: Json,
  { method, path, rewriter }: { method: string; path: string; rewriter: SchemaRewriter },
): Json {
  const { parameters: given = [], ...operation } = rewriter.rewrite(described) as Json;
  const parameters = toParameters(given as Parameter[], path);
  return {
    ...operation,
    ...toSecurity(operation["security"]),
    operationId: String(operation["operationId"])
      .replace(/^all(?=[A-Z])/, method)
      .replaceAll(/\W/g, ""),
    ...(parameters.length === 0 ? {} : { parameters }),
    responses: {
      ...toResponses(operation["responses"]),
      default: DEFAULT_RESPONSE,
    },
  };
}

/** Adds the answer of success to an operation that names none, and takes the content from answers without a body. */
function toResponses(responses: unknown): Json {
  const entries = Object.entries((responses ?? {}) as Record<string, Json>).map(([status, response]) => {
    const { content, ...rest } = response;
    return [status, (content as Json | undefined)?.["type"] === "void" ? rest : response] as const;
  });
  const isDescribed = entries.some(([status]) => /^[23]/.test(status));
  return { ...(isDescribed ? {} : { "200": { description: "Done" } }), ...Object.fromEntries(entries) };
}

/**
 * Each way to prove who asks once: every guard of a route has named them. That nothing need be proven, `{}`, counts
 * only when all of them have said so.
 */
function toSecurity(security: unknown): Json {
  if (!Array.isArray(security)) return {};
  const byText = Map.groupBy(security as Json[], (one) => JSON.stringify(one));
  const times = [...byText.values()].map(({ length }) => length);
  if ((byText.get("{}")?.length ?? 0) < Math.max(...times)) byText.delete("{}");
  return { security: [...byText.values()].map(([one]) => one) };
}

/** The parameters of an operation, with exactly those of its path among them. */
function toParameters(parameters: readonly Parameter[], path: string): Parameter[] {
  const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = ""]) => name);
  const kept = parameters.filter((one) => one.in !== "path" || inPath.includes(one.name));
  const missing = inPath.filter((name) => !kept.some((one) => one.in === "path" && one.name === name));
  return [
    ...kept,
    ...missing.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
  ];
}

/** Two plugins may each have an operation "list", and one plugin the paths "/a/b" and "/aB". */
function toUniqueId(id: string, app: string, taken: Set<string>): string {
  let unique = id;
  for (let count = 1; taken.has(unique); count += 1) unique = `${app}_${id}${count === 1 ? "" : `_${count}`}`;
  taken.add(unique);
  return unique;
}
