import { TransformDecodeError, Value } from "@sinclair/typebox/value";
import { ValidationError } from "elysia";
import { findProblems } from "../../errors/input-problems.ts";
import type { InputProblem } from "../../errors/errors.ts";
import type { JobDefinition } from "./options.ts";
import { fail } from "./error-codes.ts";

const MAX_BYTES = 1024 * 1024;
const MAX_DEPTH = 64;

/** What a payload comes to: what the handler gets, or what is wrong with it. */
type Read = { readonly payload: unknown } | { readonly problems: readonly InputProblem[] };

/**
 * Writes a payload as JSON. Undefined stands for none.
 *
 * @throws TypeError for what isn't JSON, naming the place
 * @throws AppError job_payload_too_large
 */
export function writePayload(name: string, payload: unknown): string {
  assertJson(name, payload ?? null, "payload", []);
  const text = JSON.stringify(payload ?? null);
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_BYTES) return text;
  const size = `${(bytes / MAX_BYTES).toFixed(1)} MB`;
  const message = `Cannot enqueue "${name}": its payload has ${size}, and 1 MB is the most; keep what it works on in a file or a table`;
  throw fail("job_payload_too_large", message);
}

/** Reads a payload as its definition wants it, with the defaults of the schema. */
export function readPayload({ schema }: Pick<JobDefinition, "schema">, text: string): Read {
  const value = JSON.parse(text) as unknown;
  if (schema === null) return { payload: value };
  const filled = Value.Default(schema, value);
  if (!Value.Check(schema, filled)) {
    const problems = findProblems(schema, filled);
    return {
      problems:
        problems.length > 0 ? problems : [{ path: "", code: "invalid", message: "Not what the schema says" }],
    };
  }
  try {
    return { payload: Value.Decode(schema, filled) };
  } catch (error) {
    if (!(error instanceof TransformDecodeError)) throw error;
    return { problems: [{ path: error.path, code: "invalid", message: toReason(error) }] };
  }
}

/** That of a type of Elysia is JSON for whoever has sent a request. */
function toReason({ error, message }: TransformDecodeError): string {
  return error instanceof ValidationError ? "Can't be read as what the schema says" : message;
}

/** @throws AppError validation_error when a payload isn't what its definition wants */
export function assertPayload(definition: JobDefinition, text: string): unknown {
  const read = readPayload(definition, text);
  if ("payload" in read) return read.payload;
  const errors = read.problems.map((problem) => ({ ...problem, path: `/payload${problem.path}` }));
  throw fail("validation_error", `Cannot enqueue "${definition.name}": ${describeProblems(read.problems)}`, {
    errors,
  });
}

/** What is wrong with a payload, in one line. */
export function describeProblems(problems: readonly InputProblem[]): string {
  return problems.map(({ path, message }) => `payload${path}: ${message}`).join("; ");
}

/** JSON.stringify leaves out or changes what it can't write: a handler would get something else than was meant. */
function assertJson(name: string, value: unknown, path: string, parents: readonly unknown[]): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number" && Number.isFinite(value)) return;
  if (typeof value !== "object")
    throw notJson(name, path, typeof value === "number" ? String(value) : `of type ${typeof value}`);
  if (parents.includes(value)) throw notJson(name, path, "a reference to what it is in");
  if (parents.length >= MAX_DEPTH) throw notJson(name, path, `more than ${MAX_DEPTH} deep`);
  const within = [...parents, value];
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1)
      assertJson(name, value[index], `${path}[${index}]`, within);
    return;
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return; // such as a Date
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw notJson(name, path, `a ${value.constructor.name}`);
  }
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) assertJson(name, member, `${path}.${key}`, within);
  }
}

function notJson(name: string, path: string, what: string): TypeError {
  return new TypeError(`Cannot enqueue "${name}": ${path} is no JSON, it is ${what}`);
}
