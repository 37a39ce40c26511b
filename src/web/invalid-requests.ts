import { TransformDecodeCheckError, TransformDecodeError } from "@sinclair/typebox/value";
import { type AnyElysia, ValidationError } from "elysia";
import { type AppError, type InputProblem, toPointer } from "../errors/errors.ts";
import { fail, invalidRequest } from "../errors/codes.ts";
import { findPartProblems, toInputProblems } from "../errors/input-problems.ts";
import { isTypeBoxSchema, type JsonSchema } from "../errors/plain-schema.ts";
import { createQueryReader } from "./input/queries.ts";
import { createPartReader } from "./input/text-values.ts";
import { findRoute, modelsOf } from "./routes.ts";

type Part = "params" | "query" | "headers";
type Params = Record<string, string>;
type Schemas = Partial<Record<Part | "body", unknown>>;

/** A request's part that doesn't fit, or a value in its text form that TypeBox can't decode. */
type InvalidInput = ValidationError | TransformDecodeCheckError;

/** Returns what is at the bottom of an error about a request that doesn't fit; null for any other error. */
export function findInvalidInput(error: unknown): InvalidInput | null {
  if (error instanceof ValidationError) return error.type === "response" ? null : error;
  if (error instanceof TransformDecodeCheckError) return error;
  return error instanceof TransformDecodeError ? findInvalidInput(error.error) : null;
}

/**
 * Lists everything that is wrong with a request. Elysia stops at the first part that doesn't fit, and forgets
 * where a coerced value came from; here all parts but the body, which has been read, are looked at again.
 *
 * @returns null when nothing is: it is the response that doesn't fit
 */
export function toValidationProblem(error: InvalidInput, app: AnyElysia, request: Request): AppError | null {
  const found = findRoute(app, request);
  const hooks = (found?.route.hooks ?? {}) as Schemas;
  const problems = (["headers", "params", "query"] as const).flatMap((part) =>
    schemasOf(hooks, part, app).flatMap((schema) =>
      findPartProblems(part, schema, readPart(part, schema, request, found?.params ?? {})),
    ),
  );
  if (error instanceof ValidationError && error.type !== "property") {
    const isListed = problems.some(({ path }) => path.startsWith(`/${error.type}`));
    if (!isListed) problems.push(...toPartProblems(error, request));
  } else if (problems.length === 0) {
    problems.push(...findInBodies(schemasOf(hooks, "body", app), error));
  }
  if (problems.length === 0) return null;
  const errors = [...new Map(problems.map((problem) => [problem.path, problem])).values()];
  return invalidRequest(errors, { cause: error });
}

/** Says what is wrong with a message of a WebSocket; any other error stays what it is. */
export function toMessageError(error: unknown): unknown {
  const invalid = findInvalidInput(error);
  if (invalid === null) return error;
  const errors = invalid instanceof ValidationError ? toInputProblems(invalid) : [];
  return fail("validation_error", "The message is not valid: see errors", { cause: error, errors });
}

function toPartProblems(error: ValidationError, request: Request): InputProblem[] {
  const unread = error.type === "body" ? toContentTypeProblem(error, request) : null;
  return unread === null ? toInputProblems(error) : [unread];
}

/** A body that should be an object and was read as text: the client sent another content type, or nothing. */
function toContentTypeProblem(error: ValidationError, request: Request): InputProblem | null {
  if (schemaOf(error).type !== "object") return null;
  const given = request.headers.get("content-type");
  if (given !== null && /json|form/.test(given)) return null;
  const length = request.headers.get("content-length");
  const isEmpty = length === null ? !request.headers.has("transfer-encoding") : length === "0";
  if (isEmpty) return { path: "/body", code: "required", message: "Required, but missing" };
  const message = `Sent ${given === null ? "without a content-type" : `as ${given}`}: expected application/json`;
  return { path: "/body", code: "content_type", message };
}

/** Schemas of one part of a route's requests: its own and those of the guards around it. */
function schemasOf(hooks: Schemas, part: Part | "body", app: AnyElysia): JsonSchema[] {
  const { standaloneValidator = [] } = hooks as { standaloneValidator?: readonly Schemas[] };
  return [hooks, ...standaloneValidator]
    .map((schemas) => schemas[part])
    .map((schema) => (typeof schema === "string" ? modelsOf(app)[schema] : schema))
    .filter(isTypeBoxSchema);
}

/** What the route read, as it read it. */
function readPart(part: Part, schema: JsonSchema, request: Request, params: Readonly<Params>): object {
  if (part === "query") {
    const start = request.url.indexOf("?");
    return start === -1 ? {} : createQueryReader(schema)(request.url, start + 1);
  }
  const texts = part === "params" ? { ...params } : Object.fromEntries(request.headers);
  return createPartReader(schema)?.(texts) ?? texts;
}

/** Points to the one place of the body that has the rule which a value in its text form broke. */
function findInBodies(bodies: readonly JsonSchema[], error: InvalidInput): InputProblem[] {
  if (bodies.length === 0) return [];
  const rule = JSON.stringify(error instanceof ValidationError ? schemaOf(error) : error.schema);
  const places = bodies.flatMap((schema) => findPlaces(schema, rule, "/body"));
  const path = places.length === 1 ? (places[0] ?? "/body") : "/body";
  if (error instanceof ValidationError)
    return toInputProblems(error).map((problem) => ({ ...problem, path }));
  return [{ path, code: "invalid", message: error.error.message }];
}

function schemaOf(error: ValidationError): JsonSchema {
  return (error.validator as { schema?: JsonSchema }).schema ?? (error.validator as JsonSchema);
}

function findPlaces(schema: JsonSchema, rule: string, path: string): string[] {
  if ([schema, ...(schema.anyOf ?? [])].some((one) => JSON.stringify(one) === rule)) return [path];
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) =>
    findPlaces(property, rule, path + toPointer([key])),
  );
}
