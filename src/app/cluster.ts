import type { Logger } from "pino";
import type { SecretKey } from "../accounts/keys/secret.ts";
import type { Presence } from "../log/presence.ts";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import type { LimitStore } from "../cluster/limit-store.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { HookBus, HookBusOptions, SharedEvent } from "../hooks/bus.ts";
import type { SharedStates, SharedStatesOptions } from "../plugins/shared-states.ts";
import type { AppContext } from "./context.ts";

const HOOKS = "hooks";
/** How long a command tries to tell the instances what it has done, in ms. */
export const COMMAND_WAIT_MS = 5000;

/** Makes what the instances tell each other of changes by; null without Redis, where nothing is loaded. */
export async function createChangeFeed(
  { config }: LoadedConfig,
  log: Logger,
  presence?: Presence,
): Promise<ChangeFeed | null> {
  const { url } = config.redis;
  if (url === null) return null;
  const cluster = await import("../cluster/change-feed.ts");
  return new cluster.ChangeFeed({ url, appName: config.app.name, log, presence });
}

/**
 * Reads what is asked of plugins on all instances; null without Redis, where each has its own files.
 *
 * @throws DatabaseError
 */
export async function openSharedStates(
  feed: ChangeFeed | null,
  options: Omit<SharedStatesOptions, "feed">,
): Promise<SharedStates | null> {
  if (feed === null) return null;
  const plugins = await import("../plugins/shared-states.ts");
  const shared = new plugins.SharedStates({ ...options, feed });
  await shared.load();
  return shared;
}

/** Has the instances count requests and attempts together from now on; null without Redis, where nothing is loaded. */
export async function shareLimits(
  { live, limits, loggers, presence, inspects, isCommand }: AppContext,
  secretKey: SecretKey,
): Promise<LimitStore | null> {
  const { redis, app } = live.loaded.config;
  const { url } = redis;
  if (url === null || inspects || isCommand) return null;
  const [cluster, web] = await Promise.all([
    import("../cluster/limit-store.ts"),
    import("../web/throttling/shared-counts.ts"),
  ]);
  const nameKey = secretKey.deriveKey("names of limits");
  const store = new cluster.LimitStore({ url, appName: app.name, nameKey, presence, log: loggers.app });
  limits.shareBy(new web.SharedCounts({ store }));
  void store.whenConnected(); // before somebody has to wait for it
  return store;
}

/** Makes what encrypts the certificate that instances share. */
export async function openCertificateBox(secretKey: SecretKey) {
  const { SecretBox } = await import("../accounts/keys/secret-box.ts");
  return new SecretBox(secretKey.deriveKey("certificates")).in("certificate");
}

/** What a hook bus tells the other instances by. */
export function toOthersBy(feed: ChangeFeed | null): Pick<HookBusOptions, "toOthers"> {
  if (feed === null) return {};
  return {
    toOthers(event) {
      const type = typeof event.data;
      try {
        // JSON would leave it out, and say nothing.
        if (type === "function" || type === "symbol") throw new TypeError(`JSON has no ${type}`);
        return feed.prepare(HOOKS, event);
      } catch (error) {
        const message = `Cannot emit "${event.name}" on other instances: ${(error as Error).message}`;
        throw error instanceof RangeError ? new RangeError(message) : new TypeError(message);
      }
    },
  };
}

/** Runs the handlers of what other instances emit. */
export function followHooks(feed: ChangeFeed, hooks: HookBus, log: Logger): void {
  let isStart = true;
  feed.follow(HOOKS, {
    onChange(data) {
      const event = toEvent(data);
      if (event !== null) void hooks.emitHere(event);
    },
    onReset() {
      if (!isStart)
        log.warn("events that other instances have emitted may be lost: Redis doesn't have them any more");
      isStart = false;
    },
  });
}

/** What stands in Redis may be anybody's: null for what is no event. */
function toEvent(data: unknown): SharedEvent | null {
  if (typeof data !== "object" || data === null) return null;
  const { name, data: content = null, source, at, depth } = data as Record<string, unknown>;
  const time = new Date(String(at));
  if (typeof name !== "string" || Number.isNaN(time.getTime()) || !isCount(depth)) return null;
  return {
    name,
    data: content,
    source: typeof source === "string" ? source : null,
    at: time,
    depth,
  };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}
