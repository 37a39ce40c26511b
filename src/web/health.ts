import { type AnyElysia, Elysia, t } from "elysia";

/** What one part of the server says of itself: "ok", or why it isn't. */
export type HealthCheck = () => "ok" | "failing" | Promise<"ok" | "failing">;

const PING_TIMEOUT_MS = 2000;
const STUCK_MS = 5000;
const TRUSTED_MS = 5000;
const Health = t.Object({
  status: t.Union([t.Literal("ok"), t.Literal("degraded")]),
  checks: t.Optional(t.Record(t.String(), t.Union([t.Literal("ok"), t.Literal("failing")]))),
  version: t.Optional(t.String()),
  uptime: t.Optional(t.Number({ description: "Seconds since the start" })),
});

export interface HealthOptions {
  readonly version: string;
  /** Those without which nothing works, by name. */
  readonly required: Readonly<Record<string, HealthCheck>>;
  /** Those without which some of it does. */
  readonly others: Readonly<Record<string, HealthCheck>>;
  /** What knows the guard `optionalAuth`. */
  readonly guards: AnyElysia;
  /** Whether whoever makes a request may see more than the status. */
  readonly seesDetails: (request: Request) => boolean;
}

/**
 * Serves `GET /health`: 503 when a required check fails, and `status` "degraded" when any does. What fails, and which
 * version this is, only administrators are told: the reasons are in `GET /system/plugins` and in the logs.
 */
export function healthRoutes({ version, required, others, guards, seesDetails }: HealthOptions): AnyElysia {
  const optionalAuth = { optionalAuth: true } as object;
  return new Elysia({ name: "xcore/health" }).use(guards as unknown as Elysia).get(
    "/health",
    async ({ request, status }) => {
      const [needed, wanted] = await Promise.all([runChecks(required), runChecks(others)]);
      const checks = { ...needed, ...wanted };
      const health = {
        status: isOk(checks) ? ("ok" as const) : ("degraded" as const),
        ...(seesDetails(request) && { checks, version, uptime: Math.floor(process.uptime()) }),
      };
      return isOk(needed) ? health : status(503, health);
    },
    {
      ...optionalAuth,
      detail: {
        summary: "Health of the server",
        description: "Administrators are told what fails, the version, and the seconds since the start.",
        tags: ["system"],
      },
      response: { 200: Health, 503: Health },
    },
  );
}

async function runChecks(
  checks: Readonly<Record<string, HealthCheck>>,
): Promise<Record<string, "ok" | "failing">> {
  const results = Object.entries(checks).map(async ([name, check]) => [name, await check()] as const);
  return Object.fromEntries(await Promise.all(results));
}

function isOk(checks: Readonly<Record<string, "ok" | "failing">>): boolean {
  return Object.values(checks).every((result) => result === "ok");
}

/** Pings one at a time: while a database hangs, whoever asks for its health must not take up its pool's connections. */
export function createPingCheck(ping: () => Promise<unknown>): HealthCheck {
  let pinging: Promise<"ok" | "failing"> | null = null;
  return async () => {
    pinging ??= toResult(ping()).finally(() => (pinging = null));
    return within(PING_TIMEOUT_MS, pinging, "failing");
  };
}

/**
 * Finds out whether writes work by making one, at most each 5 s where it does. One that waits behind others says nothing
 * yet: the last result stands for 5 s, then nobody's writes get their turn.
 */
export function createWriteCheck(probe: () => Promise<unknown>): HealthCheck {
  let last: "ok" | "failing" = "ok";
  let knownAt = Number.NEGATIVE_INFINITY;
  let probing: { readonly since: number; readonly result: Promise<"ok" | "failing"> } | null = null;
  return async () => {
    const now = performance.now();
    if (probing === null && last === "ok" && now - knownAt < TRUSTED_MS) return last;
    probing ??= {
      since: now,
      result: toResult(probe()).then((result) => {
        probing = null;
        knownAt = performance.now();
        return (last = result);
      }),
    };
    const { since, result } = probing;
    const leftMs = since + STUCK_MS - now;
    return within(Math.min(PING_TIMEOUT_MS, leftMs), result, leftMs <= PING_TIMEOUT_MS ? "failing" : last);
  };
}

function toResult(work: Promise<unknown>): Promise<"ok" | "failing"> {
  return work.then(
    () => "ok" as const,
    () => "failing" as const,
  );
}

async function within(
  ms: number,
  result: Promise<"ok" | "failing">,
  otherwise: "ok" | "failing",
): Promise<"ok" | "failing"> {
  const late = Promise.withResolvers<"ok" | "failing">();
  const timer = setTimeout(() => late.resolve(otherwise), Math.max(0, ms));
  try {
    return await Promise.race([result, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
