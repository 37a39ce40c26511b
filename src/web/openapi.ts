import { toOpenAPISchema } from "@elysiajs/openapi/openapi";
import type { AnyElysia } from "elysia";

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

type Json = Record<string, unknown>;

interface Fragment {
  readonly paths: Record<string, Record<string, Json>>;
  readonly schemas: Json;
}

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

const fragments = new WeakMap<AnyElysia, Fragment>();

/** Builds the OpenAPI 3.1 document of all apps; each app is described once, however often this is called. */
export function createOpenApiDocument(apps: Iterable<DocumentedApp>, info: OpenApiInfo): Json {
  const paths: Fragment["paths"] = {};
  const schemas: Json = { Problem: PROBLEM_SCHEMA };
  for (const documented of apps) {
    const fragment = describe(documented);
    Object.assign(paths, fragment.paths);
    Object.assign(schemas, fragment.schemas);
  }
  return {
    openapi: "3.1.2",
    info: { title: info.title, version: info.version },
    ...(info.url === null ? {} : { servers: [{ url: info.url }] }),
    paths,
    components: { schemas },
  };
}

function describe({ name, app }: DocumentedApp): Fragment {
  const known = fragments.get(app);
  if (known !== undefined) return known;
  const described = toOpenAPISchema(app, { methods: ["options", "ws", "head"], staticFile: false });
  const { paths, schemas } = withOwnModelNames(name, {
    paths: described.paths as Fragment["paths"],
    schemas: described.components.schemas as Json,
  });
  for (const operations of Object.values(paths)) {
    for (const operation of Object.values(operations)) {
      operation["responses"] = {
        "200": { description: "Done" },
        ...(operation["responses"] as Json),
        default: DEFAULT_RESPONSE,
      };
    }
  }
  const fragment = { paths, schemas };
  fragments.set(app, fragment);
  return fragment;
}

/** Renames the models of an app, so that two plugins may each have a model "Item". */
function withOwnModelNames(name: string, fragment: Fragment): Fragment {
  const reference = /^#\/components\/schemas\//;
  const paths = JSON.parse(
    JSON.stringify(fragment.paths, (key, value: unknown) =>
      key === "$ref" && typeof value === "string" ? value.replace(reference, `$&${name}.`) : value,
    ),
  ) as Fragment["paths"];
  const schemas = Object.fromEntries(
    Object.entries(fragment.schemas).map(([model, schema]) => [`${name}.${model}`, schema]),
  );
  return { paths, schemas };
}
