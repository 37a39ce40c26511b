import { type AnyElysia, ElysiaCustomStatusResponse, NotFoundError } from "elysia";
import type { Logger } from "pino";
import { DatabaseError, namePlugin } from "../db/contract/database-error.ts";
import { toClientError } from "../db/contract/error-codes.ts";
import { AppError } from "../errors/errors.ts";
import { fail } from "../errors/codes.ts";
import { toAppError, toProblemResponse } from "../errors/problem.ts";
import { isProbe } from "./answers.ts";
import { findInvalidInput, toValidationProblem } from "./invalid-requests.ts";
import { requestIdOf } from "./request-ids.ts";
import { pathOf } from "./request-path.ts";
import { methodsOf } from "./routes.ts";

/** A request that is refused with 401 or 403, or for what it logs in with. */
export interface Refused {
  readonly error: AppError;
  readonly request: Request;
  readonly id: string;
  readonly path: string;
  /** Whose route it is; null for the core's. */
  readonly plugin: string | null;
}

/** Answers a request whose handling threw: problem details for the client, the stack for the log. */
export type ErrorAnswer = (error: unknown, request: Request, plugin: string | null) => Response;

export interface ErrorAnswerOptions {
  readonly log: Logger;
  /** Gets what strangers can have logged as often as they like: who was refused what. */
  readonly accessLog: Logger;
  /** Whether clients may see the message of an unexpected error. */
  readonly isDebug: () => boolean;
  /** What the log says of who makes a request that is refused. @default nothing */
  readonly describeAsker?: (request: Request) => object;
  /** Told of each of these, once the log was. @default nobody is */
  readonly onRefused?: (refused: Refused) => void;
  /** In which language whoever makes a request reads. @default English */
  readonly languageOf?: (request: Request) => string;
  /** Leads a browser on where a page is refused, such as to the login; null for all else. @default nobody is led on */
  readonly redirect?: (error: AppError, request: Request) => Response | null;
}

/**
 * Creates the one place where errors become responses. What is unexpected is logged with its stack, and who was refused
 * what: 401, 403, and logins.
 */
export function createErrorAnswer(options: ErrorAnswerOptions): ErrorAnswer {
  return (error, request, plugin) => {
    if (plugin !== null) namePlugin(error, plugin);
    const known = toAppError(toClientError(error), { isDebug: options.isDebug() });
    const isRefusal = known.status === 401 || known.status === 403;
    const id = requestIdOf(request);
    const path = pathOf(request.url);
    const where = { request_id: id, method: request.method, path, plugin };
    if (known.status >= 500 && isUnexpected(error)) {
      options.log.error({ err: error, ...where }, "request failed");
    } else if (known.cause instanceof DatabaseError) {
      // Most often the client's data; a mistake of the plugin must still be found.
      options.log.warn(where, known.message);
    } else if ((isRefusal && !isProbe(request)) || known.code === "invalid_grant") {
      const { code } = known;
      options.accessLog.info({ ...where, code, ...options.describeAsker?.(request) }, "access refused");
      options.onRefused?.({ error: known, request, id, path, plugin });
    }
    const elsewhere = isRefusal ? (options.redirect?.(known, request) ?? null) : null;
    return (
      elsewhere ?? toProblemResponse(known, { id, path, language: options.languageOf?.(request) ?? "en" })
    );
  };
}

/** Whether the log has more to say than the client is told anyway. */
function isUnexpected(error: unknown): boolean {
  return !(error instanceof AppError) || error.cause !== undefined;
}

/**
 * Creates a handler for Elysia's `onError`: everything becomes a problem, except a status or a Response that a
 * handler threw itself. A path that is served for other methods only is answered with 405 and those methods.
 */
export function toElysiaErrorHandler(app: () => AnyElysia, answerError: ErrorAnswer, plugin: string | null) {
  return ({ error, request }: { error: unknown; request: Request }): Response | undefined => {
    if (error instanceof ElysiaCustomStatusResponse) return undefined;
    if (error instanceof Response) return error;
    return answerError(toKnownError(error, app(), request), request, plugin);
  };
}

function toKnownError(error: unknown, app: AnyElysia, request: Request): unknown {
  if (error instanceof NotFoundError) return toMethodNotAllowed(app, request) ?? error;
  const invalid = findInvalidInput(error);
  return invalid === null ? error : (toValidationProblem(invalid, app, request) ?? error);
}

function toMethodNotAllowed(app: AnyElysia, request: Request): AppError | null {
  const path = pathOf(request.url);
  const served = methodsOf(app, path);
  if (served.length === 0 || served.includes(request.method) || served.includes("ALL")) return null;
  const methods = served.join(", ");
  const message = `Cannot ${request.method} "${path}": only ${methods} is served here`;
  return fail("method_not_allowed", message, { headers: { allow: methods } });
}
