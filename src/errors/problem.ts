import { inspect } from "node:util";
import { InvalidCookieSignature, InvalidFileType, NotFoundError, ParseError } from "elysia";
import { AppError, type InputProblem } from "./errors.ts";
import { fail, invalidRequest } from "./codes.ts";
import { toFileProblem } from "./input-problems.ts";
import { toTitle } from "./titles.ts";

export { TITLE_LANGUAGES } from "./titles.ts";

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

/** Which request met an error. */
export interface FailedRequest {
  readonly id: string;
  readonly path: string;
  /** That its title should be in. @default "en" */
  readonly language?: string;
}

/** Builds the `application/problem+json` response of an error; its title is in the language of the request (RFC 9457, 3.1.3). */
export function toProblemResponse(error: AppError, request: FailedRequest): Response {
  const title = toTitle(error.status, request.language ?? "en");
  const problem: Problem = {
    ...error.members,
    type: "about:blank",
    title: title.text,
    status: error.status,
    detail: error.message,
    instance: request.path,
    code: error.code,
    request_id: request.id,
    ...(error.errors === undefined ? {} : { errors: error.errors }),
  };
  const headers = new Headers(error.headers);
  headers.set("content-type", error.contentType);
  headers.append("vary", "accept-language");
  if (title.language !== "en") headers.set("content-language", title.language);
  return new Response(JSON.stringify(problem), { status: error.status, headers });
}

function describe(error: unknown): string {
  // String() of an object can throw.
  return error instanceof Error ? `${error.name}: ${error.message}` : `Thrown: ${inspect(error)}`;
}
