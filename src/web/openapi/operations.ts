import { OptionalKind } from "@sinclair/typebox";
import { toRequestContent, toResponseContent, typesOf } from "./contents.ts";
import { data, isObject, type Json } from "./fits.ts";
import { type Lock, toLockedText, toSecurity } from "./locks.ts";
import { createOperationFit, type OperationFields } from "./operation-fields.ts";
import type { PathTemplate } from "./path-templates.ts";
import { mayBeAbsent, type SchemaConverter } from "./schemas.ts";

type Part = "params" | "query" | "headers" | "cookie" | "body" | "response";

/** A route, as far as the API documentation tells of it. */
export interface DescribedRoute {
  /** "GET"; "ALL" for every method. */
  readonly method: string;
  readonly path: string;
  /** A function, or what the route always answers. */
  readonly handler: unknown;
  /** What its author says of it, as an operation of OpenAPI. */
  readonly detail: unknown;
  /** Schemas of each part of its requests and of its answers: its own, and those of the guards around it. */
  readonly schemas: Readonly<Record<Part, readonly unknown[]>>;
  /** Names of what reads its bodies, none for what is always understood. */
  readonly parsers: readonly string[];
  readonly locks: readonly Lock[];
  /** Whether its requests may have a key, by which they can be sent again. */
  readonly key: "none" | "optional" | "required";
  /** How many requests it allows each client of itself; null for what the server allows. */
  readonly limit: { readonly max: number; readonly windowMs: number } | null;
}

interface Parameter extends Json {
  readonly name: string;
  readonly in: string;
}

const PLACES = [
  ["params", "path"],
  ["query", "query"],
  ["headers", "header"],
  ["cookie", "cookie"],
] as const;
const STATUS = /^[1-5]\d\d$/;

const KEY_PARAMETER: Parameter = {
  name: "Idempotency-Key",
  in: "header",
  description:
    "Makes a retry safe: a request that is sent again with its key within 24 hours gets its first answer, and does nothing. Take a new UUID for each request",
  schema: { type: "string", minLength: 1, maxLength: 255 },
};

const PROBLEM_RESPONSE: Json = {
  description: "Problem details (RFC 9457)",
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
};

/** Describes the routes of one app as operations. */
export class OperationWriter {
  readonly #schemas: SchemaConverter;
  readonly #fit: (detail: unknown) => OperationFields;
  readonly #resolve = (schema: unknown): Json => this.#schemas.resolve(schema);

  constructor(schemas: SchemaConverter) {
    this.#schemas = schemas;
    this.#fit = createOperationFit((schema) => schemas.convert(schema, "output"));
  }

  /** Describes a route at one of its paths; never throws, whatever the route says of itself. */
  write(route: DescribedRoute, template: PathTemplate, method: string): Json {
    const operationId = toOperationId(method, template.path);
    try {
      return this.#write(route, template, operationId);
    } catch {
      return { operationId, ...this.#toParameters(null, template), responses: { default: PROBLEM_RESPONSE } };
    }
  }

  #write(route: DescribedRoute, template: PathTemplate, operationId: string): Json {
    const { parameters: _, requestBody: __, responses: ___, ...said } = this.#fit(route.detail);
    const { security: declared, ...detail } = said;
    return {
      operationId,
      ...detail,
      ...toLockedText(route.locks, detail["description"]),
      ...toSecurity(route.locks, declared),
      ...this.#toParameters(route, template),
      ...this.#toRequestBody(route),
      responses: { ...this.#toResponses(route), default: PROBLEM_RESPONSE },
    };
  }

  /** Those that the schemas and `detail` name, with exactly those of the path among them. */
  #toParameters(route: DescribedRoute | null, { path, names }: PathTemplate): Json {
    const { parameters: declared = [] } = this.#fit(route?.detail);
    const all = new Map<string, Parameter>();
    const add = (one: Parameter): void => {
      const name = one.in === "path" ? (names.get(one.name) ?? one.name) : one.name;
      const key = `${one.in} ${one.in === "header" ? name.toLowerCase() : name}`;
      all.set(key, { ...all.get(key), ...one, name });
    };
    for (const [part, place] of PLACES) {
      for (const schema of route?.schemas[part] ?? []) {
        for (const one of this.#toPlaced(this.#schemas.convert(schema, "input"), place)) add(one);
      }
    }
    const { key = "none" } = route ?? {};
    if (key !== "none") add({ ...KEY_PARAMETER, required: key === "required" });
    for (const one of declared) add(one as Parameter);
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = ""]) => name);
    for (const name of inPath) {
      if (!all.has(`path ${name}`)) {
        all.set(`path ${name}`, { name, in: "path", required: true, schema: { type: "string" } });
      }
    }
    const parameters = [...all.values()].filter((one) => one.in !== "path" || inPath.includes(one.name));
    return parameters.length === 0 ? {} : { parameters };
  }

  /** The parameters of one place, of which a schema of an object tells. */
  #toPlaced(schema: Json, place: string): Parameter[] {
    const properties = this.#propertiesOf(schema);
    const { additionalProperties: others, patternProperties } = this.#resolve(schema);
    if (properties.size === 0 && place === "query" && (isObject(others) || patternProperties !== undefined)) {
      // Any names: each property of one parameter is a parameter of its own.
      return [{ name: "parameters", in: place, required: false, style: "form", explode: true, schema }];
    }
    return [...properties].map(([name, { schema: one, isRequired }]) => {
      const { description, deprecated } = isObject(one) ? one : {};
      // Elysia reads JSON where it expects an object.
      const isJson = typesOf(one, this.#resolve).has("object");
      return {
        name,
        in: place,
        required: place === "path" || isRequired,
        ...(typeof description === "string" ? { description } : {}),
        ...(deprecated === true ? { deprecated } : {}),
        ...(isJson ? { content: { "application/json": { schema: one } } } : { schema: one }),
      };
    });
  }

  /** What an object may have, those of its branches included. */
  #propertiesOf(
    schema: unknown,
    seen = new Set<Json>(),
  ): Map<string, { readonly schema: unknown; readonly isRequired: boolean }> {
    const known = this.#resolve(schema);
    const found = new Map<string, { readonly schema: unknown; readonly isRequired: boolean }>();
    if (seen.has(known)) return found;
    seen.add(known);
    const { allOf, anyOf, oneOf, properties, required } = known;
    for (const [branches, isAll] of [
      [allOf, true],
      [anyOf, false],
      [oneOf, false],
    ] as const) {
      for (const branch of Array.isArray(branches) ? branches : []) {
        for (const [name, one] of this.#propertiesOf(branch, seen)) {
          found.set(name, { ...one, isRequired: isAll && one.isRequired });
        }
      }
    }
    const needed = Array.isArray(required) ? required : [];
    for (const [name, one] of Object.entries(isObject(properties) ? properties : {})) {
      found.set(name, { schema: one, isRequired: needed.includes(name) });
    }
    return found;
  }

  #toRequestBody({ method, schemas, parsers, detail }: DescribedRoute): Json {
    const { requestBody: declared } = this.#fit(detail);
    if (method === "GET" || method === "HEAD") return {};
    const converted = schemas.body.map((schema) => this.#schemas.convert(schema, "input"));
    const [only] = converted;
    if (only === undefined) return declared === undefined ? {} : { requestBody: declared };
    const schema = converted.length === 1 ? only : { allOf: converted };
    const { description } = this.#resolve(schema);
    const content = toRequestContent(schema, parsers, this.#resolve);
    return {
      requestBody: {
        ...(typeof description === "string" ? { description } : {}),
        required: !schemas.body.every(mayBeLeftOut),
        ...declared,
        content: { ...content, ...(declared?.["content"] as Json | undefined) },
      },
    };
  }

  #toResponses({ schemas, detail, handler, limit }: DescribedRoute): Json {
    const { responses: declared = {} } = this.#fit(detail);
    const responses: Record<string, Json> = limit === null ? {} : { "429": toLimitedResponse(limit) };
    for (const schema of schemas.response) {
      for (const [status, one] of toStatuses(schema)) responses[status] = this.#toResponse(one, status);
    }
    for (const [status, response] of Object.entries(declared)) {
      responses[status] = { description: toMeaning(status), ...responses[status], ...response };
    }
    const isTold = Object.keys(responses).some((status) => /^[23]/.test(status));
    return isTold ? responses : { "200": toUntold(handler, this.#resolve), ...responses };
  }

  #toResponse(schema: unknown, status: string): Json {
    const converted = this.#schemas.convert(schema, "output");
    const { description } = this.#resolve(converted);
    const content = toResponseContent(converted, status, this.#resolve);
    const isSaid = typeof description === "string" && "content" in content;
    return { description: isSaid ? description : toMeaning(status), ...content };
  }
}

/** The answer of a route that limits its clients of itself, to one request too many. */
function toLimitedResponse({ max, windowMs }: NonNullable<DescribedRoute["limit"]>): Json {
  const text = { schema: { type: "string" } };
  const requests = max === 1 ? "1 request" : `${max} requests`;
  return {
    ...PROBLEM_RESPONSE,
    description: `Too many requests: a client may make ${requests} within ${windowMs / 1000} seconds`,
    headers: {
      "Retry-After": { description: "Seconds to wait", schema: { type: "integer" } },
      RateLimit: { description: "What is left, and for how many seconds", ...text },
      "RateLimit-Policy": { description: "Requests, and seconds of the window", ...text },
    },
  };
}

/** Splits what `response` of a route may be: one schema, or one for each status. */
function toStatuses(response: unknown): [status: string, schema: unknown][] {
  if (!isObject(response)) return [["200", response]];
  const keys = Object.keys(response);
  const isByStatus = keys.length > 0 && keys.every((key) => STATUS.test(key));
  return isByStatus ? Object.entries(response) : [["200", response]];
}

/** What is known of an answer that no `response` tells of: what the route always answers, or that it is a stream. */
function toUntold(handler: unknown, resolve: (schema: unknown) => Json): Json {
  const description = "Done";
  if (typeof handler === "function") {
    const isStream = /^(Async)?GeneratorFunction$/.test(handler.constructor.name);
    const schema = { type: "string" };
    const content = { "text/event-stream": { schema }, "text/plain": { schema } };
    return { description, ...(isStream ? { content } : {}) };
  }
  if (handler instanceof Response || handler instanceof Blob) {
    const type = handler instanceof Blob ? handler.type : handler.headers.get("content-type");
    return { description, ...(type === null || type === "" ? {} : { content: { [type]: {} } }) };
  }
  const example = data(handler);
  return example === undefined
    ? { description }
    : { description, ...toResponseContent({ ...toSchemaOf(example), examples: [example] }, "200", resolve) };
}

function toSchemaOf(value: unknown): Json {
  if (value === null) return { type: "null" };
  if (Array.isArray(value)) return { type: "array" };
  if (!isObject(value)) return { type: typeof value };
  const properties = Object.entries(value).map(([name, item]) => [name, toSchemaOf(item)] as const);
  return { type: "object", properties: Object.fromEntries(properties), required: Object.keys(value) };
}

function mayBeLeftOut(schema: unknown): boolean {
  return isObject(schema) && (OptionalKind in schema || mayBeAbsent(schema));
}

function toMeaning(status: string): string {
  const meanings: Record<string, string> = {
    "200": "Done",
    "201": "Created",
    "202": "Accepted",
    "204": "Done",
  };
  return meanings[status] ?? `Answer with status ${status}`;
}

/** "getBlogArticlesById" */
function toOperationId(method: string, path: string): string {
  if (path === "/") return `${method}Index`;
  const words = path.split("/").map((word) => {
    const [fixed = "", ...named] = word.split(/[{}]+/);
    return capitalize(fixed) + named.map((name) => (name === "" ? "" : `By${capitalize(name)}`)).join("");
  });
  return method + words.join("");
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
