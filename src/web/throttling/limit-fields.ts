import type { Limit, Standing } from "./counters.ts";

/** Fields of an answer by name. */
export type Fields = Readonly<Record<string, string>>;

/** Writes what a client is told of its quota (draft-ietf-httpapi-ratelimit-headers-10). */
export function toFields(policy: string, limit: Limit, { remaining, waitMs }: Standing): Fields {
  return {
    ratelimit: `"${policy}";r=${remaining};t=${toSeconds(waitMs)}`,
    "ratelimit-policy": `"${policy}";q=${limit.max};w=${toSeconds(limit.windowMs)}`,
  };
}

/** Whole seconds, none too early. */
export function toSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
