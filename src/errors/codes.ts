import { AppError, type AppErrorOptions, type InputProblem } from "./errors.ts";

/** What a code of the API means. Codes are never renamed or reused; docs/errors.md lists them all. */
export interface ErrorCode {
  readonly status: number;
  readonly meaning: string;
}

/** Codes that any request can be answered with; a slice adds its own in its folder. */
export const HTTP_ERROR_CODES = {
  parse_error: { status: 400, meaning: "The body is not what its content type says, such as broken JSON" },
  nested_too_deep: {
    status: 400,
    meaning: "JSON whose arrays and objects stand in each other more than 64 deep",
  },
  idempotency_key_invalid: {
    status: 400,
    meaning:
      "The route asks for an idempotency-key header, or the one that came isn't 1 to 255 characters of ASCII",
  },
  idempotency_key_in_use: {
    status: 409,
    meaning: "A request with this idempotency-key is under way; try again, as retry-after says",
  },
  idempotency_answer_lost: {
    status: 409,
    meaning:
      "The request with this idempotency-key was carried out, and its answer can't be given again: it was too large, or the secret key is another one",
  },
  idempotency_key_reused: {
    status: 422,
    meaning: "The idempotency-key came with another request before; take a new key",
  },
  invalid_cookie: { status: 400, meaning: "A signed cookie was changed or signed with another key" },
  not_found: { status: 404, meaning: "Nothing is there, at this path or under this id" },
  method_not_allowed: {
    status: 405,
    meaning: "The path exists, but not for this method; see the allow header",
  },
  conflict: {
    status: 409,
    meaning: "What is there already is in the way, such as a row with the same unique value",
  },
  precondition_failed: {
    status: 412,
    meaning:
      "The row, or what else was read, isn't that of the if-match header any more; `current` has it as it is now",
  },
  payload_too_large: {
    status: 413,
    meaning:
      "The body is larger than server.body_limit, or 64 KB below /auth, a file than storage.max_size, or a form has more than 10,000 fields",
  },
  unsupported_media_type: {
    status: 415,
    meaning:
      "The route can't read a body of this content type, charset or content-encoding, or it came without a content type",
  },
  range_not_satisfiable: { status: 416, meaning: "The range asked for lies outside the file" },
  rate_limited: { status: 429, meaning: "Too many requests; try again, as retry-after says" },
  validation_error: { status: 422, meaning: "The request does not fit the route's schema; see errors" },
  bodies_too_slow: {
    status: 503,
    meaning: "Too many large bodies are on their way at once; try again, as retry-after says",
  },
  internal_error: { status: 500, meaning: "Something unexpected; the log has it under the request id" },
} as const satisfies Record<string, ErrorCode>;

/** Codes that end a command with exit code 1; no answer over HTTP has them. */
export const COMMAND_ERROR_CODES = {
  config_invalid: {
    status: 500,
    meaning: "config.json, `.env` or a variable can't be used; the message lists every problem",
  },
  port_unavailable: { status: 500, meaning: "The server can't listen on its host and port" },
  service_failed: {
    status: 500,
    meaning: "systemd isn't there, or doesn't do what it was asked for; the message has what it says",
  },
  update_failed: {
    status: 500,
    meaning: "The executable can't be replaced by the one that was named; the one before is in place",
  },
  confirmation_required: {
    status: 409,
    meaning: "A command that asks was started without a terminal and without `--yes`",
  },
  password_required: {
    status: 409,
    meaning:
      "A command that asks for a password was started without a terminal and without `--password-stdin`",
  },
  prompt_cancelled: { status: 409, meaning: "A question was answered with Ctrl-C or Ctrl-D" },
  secret_key_refused: { status: 500, meaning: "The secret key is weak, or can't be read or written" },
  migration_failed: {
    status: 500,
    meaning: "Migrations could not be applied; each reason is printed above",
  },
  database_newer: {
    status: 500,
    meaning: "A newer xcore has written the database than the one that was started; nothing was changed",
  },
  hand_over_failed: {
    status: 409,
    meaning: "No new process could take over from the server that runs, which goes on; the message says why",
  },
  copy_unfinished: {
    status: 500,
    meaning: "`xcore db copy` into the database was begun, and isn't finished; nothing was changed",
  },
  restore_unfinished: {
    status: 500,
    meaning: "`xcore db restore` into a MySQL database was cut off; nothing was changed since",
  },
  seed_failed: { status: 500, meaning: "Plugins could not be seeded; each reason is printed above" },
} as const satisfies Record<string, ErrorCode>;

/** Makes an AppError of a known code, whose status stands in the code's table. */
export type Fail<Code extends string> = (code: Code, message: string, options?: AppErrorOptions) => AppError;

const COMMON_CODES = { ...HTTP_ERROR_CODES, ...COMMAND_ERROR_CODES };

/** Creates the `fail` of a slice: it takes the codes of the slice's own table and the shared ones. */
export function createFail<Table extends Readonly<Record<string, ErrorCode>>>(
  table: Table,
): Fail<Extract<keyof Table | keyof typeof COMMON_CODES, string>> {
  const all = { ...COMMON_CODES, ...table };
  return (code, message, options) => new AppError(code, all[code].status, message, options);
}

/**
 * Makes the AppError of a code that all slices share.
 *
 * @example throw fail("conflict", `Cannot add role "${name}": there is one of this name`);
 */
export const fail = createFail({});

/** The error of a request that doesn't fit, with all that is wrong with it. */
export function invalidRequest(
  errors: readonly InputProblem[],
  options: Pick<AppErrorOptions, "cause"> = {},
): AppError {
  return fail("validation_error", "The request is not valid: see errors", { ...options, errors });
}

/** The same error, its problems told of other places in the request. */
export function withPaths(error: AppError, toPath: (path: string) => string): AppError {
  const { code, status, message, headers, members, errors = [] } = error;
  const moved = errors.map((problem) => ({ ...problem, path: toPath(problem.path) }));
  return new AppError(code, status, message, {
    cause: error,
    errors: moved,
    ...(headers && { headers }),
    ...(members && { members }),
  });
}
