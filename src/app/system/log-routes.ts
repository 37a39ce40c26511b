import { Elysia, sse, t } from "elysia";
import type { Guards } from "../../accounts/identity/guards.ts";
import { followLog, LEVELS, LOG_FILES, type LogFilter, pathOfLog, readLog } from "../../log/reading.ts";

export interface LogRoutesOptions {
  readonly guards: Guards;
  /** Absolute folder of the logs of this process. */
  readonly folder: string;
  /** Hands over what is still in memory. */
  readonly flush: () => Promise<void>;
}

const QUIET_MS = 15_000; // a proxy may cut what says nothing for long
const SAFE = String.raw`^[^\u0000-\u001f]*$`;

const Line = t.Object({
  level: t.String(),
  time: t.String({ description: "Empty for what no logger has written" }),
  msg: t.String(),
  plugin: t.Nullable(t.String()),
  fields: t.Record(t.String(), t.Unknown(), {
    description: "What it says beside: of a request its path and status, of an error its stack",
  }),
});

// None has a default: that is what isn't asked for.
const oneOf = <Name extends string>(names: readonly Name[]) =>
  t.Unsafe<Name>(t.Union(names.map((name) => t.Literal(name))));
const Filter = t.Object({
  file: t.Optional(oneOf(LOG_FILES)),
  level: t.Optional(oneOf(LEVELS)),
  q: t.Optional(t.String({ maxLength: 255, pattern: SAFE, description: "Text in the line, in any case" })),
  plugin: t.Optional(t.String({ maxLength: 255, pattern: SAFE })),
  from: t.Optional(t.String({ format: "date-time" })),
  to: t.Optional(t.String({ format: "date-time" })),
});

/** Serves the logs of this process, below `/system/logs`. */
export function logRoutes({ guards, folder, flush }: LogRoutesOptions) {
  return new Elysia({ name: "xcore/logs", prefix: "/system/logs", detail: { tags: ["system"] } })
    .use(guards)
    .get(
      "",
      async ({ query: { file = "app", limit = 100, before, ...filter } }) => {
        await flush();
        return readLog(pathOfLog(folder, file), toFilter(filter), { limit, before });
      },
      {
        permission: "logs:read",
        query: t.Object({
          ...Filter.properties,
          limit: t.Optional(t.Integer({ minimum: 1, maximum: 500, description: "Lines; 100 when left out" })),
          before: t.Optional(
            t.Integer({
              minimum: 0,
              maximum: Number.MAX_SAFE_INTEGER,
              description: "The `before` of a page",
            }),
          ),
        }),
        response: {
          200: t.Object({
            items: t.Array(Line),
            before: t.Nullable(
              t.Integer({
                description: "Goes on towards the beginning of the file; null where that was reached",
              }),
            ),
          }),
        },
        detail: { summary: "Lines of app.log, access.log or manager.log, the latest first" },
      },
    )
    .get(
      "/events",
      ({ query: { file = "app", ...filter }, request: { signal } }) =>
        toEvents(pathOfLog(folder, file), toFilter(filter), signal),
      {
        permission: "logs:read",
        query: Filter,
        detail: { summary: "Lines as they are written, as server-sent events `line`" },
      },
    );
}

async function* toEvents(path: string, filter: LogFilter, signal: AbortSignal) {
  let toldAt = performance.now();
  yield sse({ event: "begin", data: {} });
  for await (const line of followLog(path, filter, { signal })) {
    const isQuiet = performance.now() - toldAt > QUIET_MS;
    if (line === null && !isQuiet) continue;
    yield line === null ? sse({ event: "quiet", data: {} }) : sse({ event: "line", data: line });
    toldAt = performance.now();
  }
}

/** Moments as lines have them: in UTC. */
function toFilter({ from, to, ...filter }: LogFilter): LogFilter {
  return { ...filter, from: from && new Date(from).toISOString(), to: to && new Date(to).toISOString() };
}
