import type { Logger } from "pino";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import type { LoadedConfig } from "../config/load.ts";

/** Makes what the instances tell each other of changes by; null without Redis, where nothing is loaded. */
export async function createChangeFeed({ config }: LoadedConfig, log: Logger): Promise<ChangeFeed | null> {
  const { url } = config.redis;
  if (url === null) return null;
  const cluster = await import("../cluster/change-feed.ts");
  return new cluster.ChangeFeed({ url, appName: config.app.name, log });
}
