import type { Json } from "./fits.ts";
import { toSecuritySchemes } from "./locks.ts";
import { type DescribedRoute, OperationWriter } from "./operations.ts";
import { PathTemplates } from "./path-templates.ts";
import { SchemaConverter } from "./schemas.ts";

/** What the API documentation tells of one app. */
export interface Fragment {
  /** Sets its models and operations apart from those of the other apps. */
  readonly name: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly schemas: Json;
}

export interface OpenApiInfo {
  readonly title: string;
  /** Public address of the server, null to leave it to the reader. */
  readonly url: string | null;
}

const METHODS = ["get", "post", "put", "delete", "patch"];

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

/** Describes the routes of an app, and whatever schemas they have, as OpenAPI 3.1 does. */
export function describeApp(
  name: string,
  { routes, models }: { routes: readonly DescribedRoute[]; models: Readonly<Record<string, unknown>> },
): Fragment {
  const schemas = new SchemaConverter(name, models);
  schemas.addModels();
  const writer = new OperationWriter(schemas);
  const templates = new PathTemplates();
  const paths: Record<string, Record<string, Json>> = {};
  const asGiven: [path: string, method: string][] = [];
  for (const route of routes) {
    const { method } = route;
    const isAny = method === "ALL";
    const methods = isAny ? METHODS : METHODS.filter((one) => one === method.toLowerCase());
    for (const template of methods.length === 0 ? [] : templates.of(route.path)) {
      const operations = (paths[template.path] ??= {});
      for (const one of methods) {
        // What a path and method are given for goes before what only includes them.
        const isGiven = !isAny && !template.isShortened;
        const isTaken = asGiven.some(([path, other]) => path === template.path && other === one);
        if (isTaken || (one in operations && !isGiven)) continue;
        operations[one] = writer.write(route, template, one);
        if (isGiven) asGiven.push([template.path, one]);
      }
    }
  }
  return { name, paths, schemas: schemas.models };
}

/**
 * Builds the OpenAPI 3.1 document of all apps: the plugins, and then the core, whose operations keep their ids whatever
 * plugins there are.
 */
export function joinFragments(core: Fragment, plugins: readonly Fragment[], info: OpenApiInfo): Json {
  const ids = new Set<string>();
  const ofCore = toUniquePaths(core, ids);
  const ofPlugins = plugins.map((plugin) => toUniquePaths(plugin, ids));
  const paths: Record<string, Record<string, Json>> = {};
  for (const [path, operations] of [...ofPlugins, ofCore].flatMap(Object.entries<Record<string, Json>>)) {
    paths[path] = { ...paths[path], ...operations };
  }
  const tags = Object.values(paths)
    .flatMap(Object.values<Json>)
    .flatMap((operation) => (operation["tags"] ?? []) as string[]);
  const described = {
    ...(info.url === null ? {} : { servers: [{ url: info.url }] }),
    tags: [...new Set(tags)].map((name) => ({ name })),
    paths,
    components: {
      schemas: Object.assign(
        { Problem: PROBLEM_SCHEMA },
        core.schemas,
        ...plugins.map(({ schemas }) => schemas),
      ),
      securitySchemes: toSecuritySchemes(info.url),
    },
  };
  return { openapi: "3.1.2", info: { title: info.title, version: toVersion(described) }, ...described };
}

/** The version of the document, as OpenAPI asks for: another one whenever it says something else. It isn't xcore's. */
function toVersion(described: object): string {
  return `1.0.0+${Bun.SHA256.hash(JSON.stringify(described), "hex").slice(0, 12)}`;
}

/** Two plugins may each have an operation "list", and one plugin the paths "/a/b" and "/aB". */
function toUniquePaths({ name, paths }: Fragment, taken: Set<string>): Record<string, Record<string, Json>> {
  const unique = Object.entries(paths).map(([path, operations]) => [
    path,
    Object.fromEntries(
      Object.entries(operations).map(([method, operation]) => {
        const operationId = toUniqueId(String(operation["operationId"]), name, taken);
        return [method, { ...operation, operationId }];
      }),
    ),
  ]);
  return Object.fromEntries(unique) as Record<string, Record<string, Json>>;
}

function toUniqueId(given: string, app: string, taken: Set<string>): string {
  const id = given.replaceAll(/\W/g, "") || "operation";
  let unique = id;
  for (let times = 1; taken.has(unique); times += 1) unique = `${app}_${id}${times === 1 ? "" : `_${times}`}`;
  taken.add(unique);
  return unique;
}
