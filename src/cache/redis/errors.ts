import { AppError } from "../../errors/errors.ts";
import type { ErrorCode } from "../../errors/codes.ts";

export const REDIS_ERROR_CODES = {
  redis_unavailable: {
    status: 503,
    meaning: "Redis, which this needs, can't answer now; try again, as retry-after says",
  },
} as const satisfies Record<string, ErrorCode>;

const RETRY_AFTER = "1"; // seconds

/** Redis is away, or didn't answer in time: a command that was sent may have been carried out. */
export class RedisUnavailableError extends AppError {
  /** What is known of it, for the log. */
  readonly reason: string;

  constructor(reason: string) {
    const { status } = REDIS_ERROR_CODES.redis_unavailable;
    // Clients needn't know where the server keeps what.
    super("redis_unavailable", status, "Redis is not available", { headers: { "retry-after": RETRY_AFTER } });
    this.reason = reason;
  }
}

/** What Redis has answered with instead of a result, in its own words: "OOM command not allowed …", "NOSCRIPT …". */
export class RedisReplyError extends Error {
  override readonly name = "RedisReplyError";

  /** The first word of it, in capitals. */
  get code(): string {
    return /^[A-Z]+/.exec(this.message)?.[0] ?? "ERR";
  }
}
