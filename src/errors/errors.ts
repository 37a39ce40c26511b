/** One thing that is wrong with an input: where, which rule, and what to do. */
export interface InputProblem {
  /** JSON Pointer (RFC 6901) of the value inside the input, "" for the input as a whole. */
  path: string;
  code: string;
  message: string;
}

/** Returns the JSON Pointer (RFC 6901) of a place inside a value: `["a/b", 0]` is "/a~1b/0". */
export function toPointer(path: readonly (string | number)[]): string {
  return path.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

export interface AppErrorOptions {
  cause?: unknown;
  /** Sent to the client as `errors`. */
  errors?: readonly InputProblem[];
  /** Response headers that belong to this error, such as `retry-after`. */
  headers?: Readonly<Record<string, string>>;
  /** Members of the answer beside those of every problem (RFC 9457, 3.2). */
  members?: Readonly<Record<string, unknown>>;
  /** What the answer is sent as. @default "application/problem+json" */
  contentType?: string;
}

/**
 * An error whose code, status and message the client may see. Anything else that is thrown reaches the
 * client as `internal_error` with a request id, and its stack only reaches the log.
 *
 * @example throw new AppError("not_found", 404, `Cannot read article "${id}": not found`);
 */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: string;
  /** HTTP status, 400 to 599. */
  readonly status: number;
  readonly errors: readonly InputProblem[] | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly members: Readonly<Record<string, unknown>> | undefined;
  readonly contentType: string;

  /** @throws RangeError when `status` is not an HTTP error status */
  constructor(code: string, status: number, message: string, options: AppErrorOptions = {}) {
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`Cannot create AppError "${code}": status ${status} is not between 400 and 599`);
    }
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = status;
    this.errors = options.errors;
    this.headers = options.headers;
    this.members = options.members;
    this.contentType = options.contentType ?? "application/problem+json";
  }
}
