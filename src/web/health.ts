import { Elysia, t } from "elysia";

/** What one part of the server says of itself: "ok", or why it isn't. */
export type HealthCheck = () => "ok" | "failing" | Promise<"ok" | "failing">;

const PING_TIMEOUT_MS = 2000;
const CheckResult = t.Union([t.Literal("ok"), t.Literal("failing")]);

/**
 * Serves `GET /health`: 200 while the server answers, `status` "degraded" when a check fails. Names no
 * details: those are in `GET /system/plugins` and in the logs.
 */
export function healthRoutes(options: { version: string; checks: Readonly<Record<string, HealthCheck>> }) {
  return new Elysia({ name: "xcore/health" }).get(
    "/health",
    async () => {
      const results = Object.entries(options.checks).map(
        async ([name, check]) => [name, await check()] as const,
      );
      const checks = Object.fromEntries(await Promise.all(results));
      const isOk = Object.values(checks).every((result) => result === "ok");
      return {
        status: isOk ? ("ok" as const) : ("degraded" as const),
        checks,
        version: options.version,
        uptime: Math.floor(process.uptime()),
      };
    },
    {
      detail: { summary: "Health of the server", tags: ["system"] },
      response: t.Object({
        status: t.Union([t.Literal("ok"), t.Literal("degraded")]),
        checks: t.Record(t.String(), CheckResult),
        version: t.String(),
        uptime: t.Number({ description: "Seconds since the start" }),
      }),
    },
  );
}

/** Pings one at a time: while a database hangs, whoever asks for its health must not take up its pool's connections. */
export function createPingCheck(ping: () => Promise<unknown>): HealthCheck {
  let pinging: Promise<"ok" | "failing"> | null = null;
  return async () => {
    pinging ??= ping()
      .then(
        () => "ok" as const,
        () => "failing" as const,
      )
      .finally(() => (pinging = null));
    const late = Promise.withResolvers<"failing">();
    const timer = setTimeout(() => late.resolve("failing"), PING_TIMEOUT_MS);
    const result = await Promise.race([pinging, late.promise]);
    clearTimeout(timer);
    return result;
  };
}
