import { Elysia, t } from "elysia";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { Permissions, User } from "../../accounts/identity/principal.ts";
import type { ChangeFeed } from "../../cluster/change-feed.ts";
import type { Driver } from "../../db/contract/driver.ts";
import type { RequestEntry } from "../../log/request-line.ts";
import type { Traffic, TrafficPoint } from "../../metrics/traffic.ts";
import type { Card, Cards } from "../../plugins/given/xcore-module.ts";
import type { PluginManager } from "../../plugins/manager.ts";

export interface StatusRoutesOptions {
  readonly appName: string;
  readonly version: string;
  readonly database: Driver;
  /** How many processes answer together. */
  readonly workers: () => number;
  /** By which instances tell each other of changes; null without Redis. */
  readonly feed: Pick<ChangeFeed, "isWorking"> | null;
  readonly plugins: Pick<PluginManager, "list">;
  readonly traffic: Traffic<RequestEntry>;
  readonly cards: Cards;
  readonly guards: Guards;
  readonly permissionsOf: (user: User) => Permissions | null;
  /** Is told of a card that can't be read. */
  readonly onError: (error: unknown, card: Card) => void;
}

const CARD_MS = 2000;
const EVENT_MS = 2000; // as long as a point of the traffic is
const MAX_ROWS = 10;
const MAX_TEXT = 300; // characters of each text of a card
const EVENT_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no", // nginx would keep events until there are many
};

const Status = t.Object({
  name: t.String(),
  version: t.String(),
  started_at: t.String({ format: "date-time" }),
  uptime_ms: t.Integer(),
  database: t.UnionEnum(["sqlite", "postgres", "mysql"]),
  redis: t.Nullable(t.UnionEnum(["ok", "failing"]), { description: "null: there is one instance alone" }),
  workers: t.Integer(),
  memory: t.Integer({ description: "Bytes that this process takes" }),
  plugins: t.Object({ serving: t.Integer(), failed: t.Integer(), disabled: t.Integer() }),
});

const Point = t.Object({
  at: t.Number({ description: "When its two seconds begin, in milliseconds since the epoch" }),
  requests: t.Integer(),
  failures: t.Integer({ description: "Answered with 500 or more" }),
  refusals: t.Integer({ description: "Answered with 400 to 499" }),
  p50_ms: t.Nullable(t.Number()),
  p99_ms: t.Nullable(t.Number()),
});

const Failure = t.Object({
  at: t.Number(),
  request_id: t.String(),
  method: t.String(),
  path: t.String(),
  status: t.Integer(),
  duration_ms: t.Number(),
  plugin: t.Nullable(t.String()),
});

const Figure = t.Union([t.String(), t.Number()]);
const ShownCard = t.Object({
  plugin: t.String(),
  name: t.String(),
  title: t.String(),
  path: t.Nullable(t.String()),
  value: t.Optional(Figure),
  note: t.Optional(t.String()),
  rows: t.Optional(t.Array(t.Object({ label: t.String(), value: Figure }))),
  failed: t.Boolean(),
});

/** Serves what runs, the requests of the last minutes as they come, and what plugins show on the dashboard. */
export function statusRoutes(options: StatusRoutesOptions) {
  const { traffic, guards } = options;
  return new Elysia({ name: "xcore/status", prefix: "/system", detail: { tags: ["system"] } })
    .use(guards)
    .get("/status", () => describe(options), {
      permission: "system:read",
      response: Status,
      detail: { summary: "What runs, and for how long" },
    })
    .get("/traffic", () => ({ points: traffic.points(Date.now()), failures: [...traffic.failures()] }), {
      permission: "system:read",
      response: t.Object({ points: t.Array(Point), failures: t.Array(Failure) }),
      detail: { summary: "The requests of the last five minutes of this process, and the last that failed" },
    })
    .get("/traffic/events", () => new Response(follow(traffic), { headers: EVENT_HEADERS }), {
      permission: "system:read",
      detail: {
        summary: "The same as it happens: each two seconds one more point, as server-sent events",
        responses: {
          200: { description: "Events", content: { "text/event-stream": { schema: { type: "string" } } } },
        },
      },
    })
    .get("/cards", async ({ user }) => ({ items: await readCards(options, user) }), {
      auth: true,
      response: t.Object({ items: t.Array(ShownCard) }),
      detail: { summary: "What plugins show on the dashboard, of what who asks may see" },
    });
}

function describe({ version, workers, feed, database, plugins, appName }: StatusRoutesOptions) {
  const states = plugins.list().map(({ state }) => state);
  const count = (state: string): number => states.filter((one) => one === state).length;
  const uptimeMs = Math.floor(process.uptime() * 1000);
  return {
    name: appName,
    version,
    started_at: new Date(Date.now() - uptimeMs).toISOString(),
    uptime_ms: uptimeMs,
    database: database.dialect,
    redis: feed === null ? null : feed.isWorking ? ("ok" as const) : ("failing" as const),
    workers: workers(),
    memory: process.memoryUsage.rss(),
    plugins: { serving: count("serving"), failed: count("failed"), disabled: count("disabled") },
  };
}

/** Sends the last whole point every two seconds, as long as somebody listens. */
function follow(traffic: Traffic): ReadableStream<string> {
  let timer: ReturnType<typeof setInterval> | undefined;
  const lastOf = (now: number): TrafficPoint | undefined => traffic.points(now, 2)[0];
  return new ReadableStream<string>({
    start(controller) {
      const send = (): void => controller.enqueue(`data: ${JSON.stringify(lastOf(Date.now()))}\n\n`);
      controller.enqueue(`retry: ${EVENT_MS}\n`);
      send();
      timer = setInterval(send, EVENT_MS);
    },
    cancel: () => clearInterval(timer),
  });
}

async function readCards({ cards, permissionsOf, onError }: StatusRoutesOptions, user: User) {
  const permissions = permissionsOf(user);
  const can = (permission: string): boolean => permissions?.has(permission) === true;
  const shown = cards.list().filter(({ permission }) => permission === undefined || can(permission));
  return Promise.all(
    shown.map(async (card) => {
      const { plugin, name, title, path = null } = card;
      const known = { plugin, name, title, path };
      try {
        return { ...known, ...(await readCard(card, { user, can })), failed: false };
      } catch (error) {
        onError(error, card);
        return { ...known, failed: true };
      }
    }),
  );
}

/** @throws Error when it takes too long, or shows what is no figure */
async function readCard({ read }: Card, viewer: Parameters<Card["read"]>[0]) {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("The card took longer than 2 s")), CARD_MS);
  try {
    const { value, note, rows = [] } = await Promise.race([(async () => read(viewer))(), late.promise]);
    return {
      ...(value !== undefined && { value: toFigure(value) }),
      ...(note !== undefined && { note: toWords(note) }),
      rows: rows
        .slice(0, MAX_ROWS)
        .map(({ label, value: figure }) => ({ label: toWords(label), value: toFigure(figure) })),
    };
  } finally {
    clearTimeout(timer);
  }
}

function toFigure(value: unknown): string | number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "string") return toWords(value);
  throw new TypeError(`A card shows texts and numbers, not ${typeof value}`);
}

function toWords(value: unknown): string {
  if (typeof value === "string") return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}...` : value;
  throw new TypeError(`A card has texts beside its figures, not ${typeof value}`);
}
