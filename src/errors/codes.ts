/** What a code of the API means. Codes are never renamed or reused; docs/errors.md lists them all. */
export interface ErrorCode {
  readonly status: number;
  readonly meaning: string;
}

/** Codes that any request can be answered with; a slice adds its own in its folder. */
export const HTTP_ERROR_CODES = {
  parse_error: { status: 400, meaning: "The body is not what its content type says, such as broken JSON" },
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
  payload_too_large: { status: 413, meaning: "The body is larger than server.body_limit" },
  range_not_satisfiable: { status: 416, meaning: "The range asked for lies outside the file" },
  validation_error: { status: 422, meaning: "The request does not fit the route's schema; see errors" },
  internal_error: { status: 500, meaning: "Something unexpected; the log has it under the request id" },
} as const satisfies Record<string, ErrorCode>;
