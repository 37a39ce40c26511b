import { inspect } from "node:util";
import { InvalidCookieSignature, InvalidFileType, NotFoundError, ParseError } from "elysia";
import { AppError, type InputProblem } from "./errors.ts";
import { fail, invalidRequest } from "./codes.ts";
import { toFileProblem } from "./input-problems.ts";

/** The body of every error over HTTP: problem details of RFC 9457, with a stable `code`. */
export interface Problem {
  type: "about:blank";
  title: string;
  status: number;
  detail: string;
  /** Path of the request. */
  instance: string;
  code: string;
  request_id: string;
  errors?: readonly InputProblem[];
}

/**
 * Turns anything thrown into the AppError that the client may see; the unexpected becomes `internal_error`.
 *
 * @param options.isDebug whether the client may see the message of the unexpected
 */
export function toAppError(error: unknown, options: { isDebug: boolean }): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof NotFoundError) {
    return fail("not_found", "Nothing is served at this path", { cause: error });
  }
  if (error instanceof ParseError) {
    if (error.cause instanceof AppError) return error.cause;
    return fail("parse_error", "Cannot read the body: it is not what its content-type says", {
      cause: error,
    });
  }
  if (error instanceof InvalidFileType) {
    return invalidRequest([toFileProblem(error)], { cause: error });
  }
  if (error instanceof InvalidCookieSignature) {
    return fail("invalid_cookie", `Cannot use cookie "${error.key}": its signature is wrong`, {
      cause: error,
    });
  }
  const detail = options.isDebug
    ? describe(error)
    : "Something went wrong: quote the request id to the administrator";
  return fail("internal_error", detail, { cause: error });
}

/** Builds the `application/problem+json` response of an error, for the request that met it. */
export function toProblemResponse(error: AppError, request: { id: string; path: string }): Response {
  const problem: Problem = {
    ...error.members,
    type: "about:blank",
    title: titleOf(error.status),
    status: error.status,
    detail: error.message,
    instance: request.path,
    code: error.code,
    request_id: request.id,
    ...(error.errors === undefined ? {} : { errors: error.errors }),
  };
  const headers = new Headers(error.headers);
  headers.set("content-type", error.contentType);
  return new Response(JSON.stringify(problem), { status: error.status, headers });
}

/** Asks for the module when there is a first problem: it is much of a start, and not used otherwise. */
function titleOf(status: number): string {
  return process.getBuiltinModule("node:http").STATUS_CODES[status] ?? "Error";
}

function describe(error: unknown): string {
  // String() of an object can throw.
  return error instanceof Error ? `${error.name}: ${error.message}` : `Thrown: ${inspect(error)}`;
}
